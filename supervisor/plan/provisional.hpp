// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "rundir/layout.hpp"

namespace ckpt::plan {

// What is put on disk before the scheduler has its word: removed again at the end unless it is kept. Of folders only
// those that this call found missing, and only while nothing else is in them.
class Provisional {
 public:
  explicit Provisional(const rundir::Layout& layout);
  ~Provisional();
  Provisional(const Provisional&) = delete;

  // A file or a whole tree that this call made; answers it.
  const std::string& add(std::string path);
  void keep() { kept_ = true; }

 private:
  std::vector<std::string> missing_folders_;  // outermost first
  std::vector<std::string> made_;
  bool kept_ = false;
};

}  // namespace ckpt::plan
