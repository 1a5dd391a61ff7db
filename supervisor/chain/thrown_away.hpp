// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt::supervisor {

// A folder beside a run, so on the storage that the run has, which goes when this does.
class ThrownAway {
 public:
  ThrownAway(const std::string& run_directory, const std::string& what);   // "RUN.rehearsal-4711"; not made yet
  ~ThrownAway();
  ThrownAway(const ThrownAway&) = delete;
  const std::string& path() const { return path_; }
  void keep() { keep_ = true; }

 private:
  std::string path_;
  std::string first_made_;             // the outermost folder that is not there yet: it is removed, too, when it is empty
  bool keep_ = false;
};

}  // namespace ckpt::supervisor
