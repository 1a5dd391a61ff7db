// SPDX-License-Identifier: Apache-2.0
// Judging one checkpoint, in a process of its own: it takes as long as reading it, and no library that reads what others wrote
// may take ckptrun down with it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "checkpoints/copy.hpp"
#include "checkpoints/finding.hpp"
#include "checkpoints/version.hpp"

namespace ckpt::checkpoints {

struct Judged {
  Finding finding;
  Version version;          // where it is broken, only which it is
  std::string why_no_copy;  // of one of which a copy was wanted
  std::string older_copy;   // there, of an earlier version
};

void warn_if_no_copy(const Judged& judged);

class Judgement {
 public:
  // Starts at once. `keep`: a copy is made first, and the copy is what is judged; where none can be made, it is judged without.
  // `is_by_trainer` is for examine.
  // CKPT_ERR_MEMORY where no process can be made.
  Judgement(io::FileSystem& fs, const Candidate& candidate, const std::optional<KeepRule>& keep, bool is_by_trainer = false);
  ~Judgement();  // its answer is not wanted any more; it ends by itself
  Judgement(const Judgement&) = delete;

  const Candidate& candidate() const noexcept { return candidate_; }
  int fd() const noexcept { return fd_; }  // readable: look
  // nullopt: it is not there yet. Whoever reaps this process's children reaps that one, too.
  std::optional<Judged> look();
  Judged wait();  // and reaps it

 private:
  Judged answer() const;

  Candidate candidate_;
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string text_;
};

}  // namespace ckpt::checkpoints
