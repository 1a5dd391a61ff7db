// SPDX-License-Identifier: Apache-2.0
// How far a program is, as it prints it for people.
#pragma once

#include <cstddef>
#include <optional>
#include <regex>
#include <span>
#include <string>

#include "block/outcome.hpp"

namespace ckpt::supervisor {

class ProgressText {
 public:
  // keras, lightning, huggingface, tqdm, or a regular expression whose group (?<done>…) is a number, and perhaps
  // (?<total>…). CKPT_ERR_CONFIG for anything else.
  explicit ProgressText(const std::string& wish);

  // What was printed next. The newest progress in it; nullopt: none.
  std::optional<Progress> take(std::span<const std::byte> printed);

 private:
  std::optional<Progress> look(const std::string& line) const;

  std::regex expression_;
  std::size_t done_group_ = 1, total_group_ = 0;  // 0: none
  std::string unit_;
  bool counts_beginnings_ = false;  // "Epoch 3/10" stands where two are done
  std::string line_;
};

}  // namespace ckpt::supervisor
