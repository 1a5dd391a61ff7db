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

  // Whether what it tells is being done, and complete when the program's work is: "Epoch 10/10" stands where nine are done.
  bool tells_beginnings() const noexcept { return first_.has_value(); }
  // What was printed next. The newest progress in it; nullopt: none.
  std::optional<Progress> take(std::span<const std::byte> printed);

 private:
  std::optional<Progress> look(const std::string& line) const;

  std::regex expression_;
  std::size_t done_group_ = 1, total_group_ = 0;  // 0: none
  std::string unit_;
  std::optional<int> first_;                      // what is told as it begins is numbered from there
  std::string line_;
};

}  // namespace ckpt::supervisor
