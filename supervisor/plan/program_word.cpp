// SPDX-License-Identifier: Apache-2.0
#include "plan/program_word.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "base/working_directory.hpp"
#include "block/child.hpp"

namespace ckpt::plan {

std::string program_word(const std::string& name) {
  if (const auto found = supervisor::find_program(name); found.error_exit_code == 0)
    return absolute_path(found.path);
  std::error_code unknown;
  const std::string beside = std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path() / name;
  if (supervisor::find_program(beside).error_exit_code == 0) return beside;
  fail(CKPT_ERR_CONFIG, "{} is not in PATH, and not beside ckptplan ({}): install it, or load its module", name,
       beside);
}

}  // namespace ckpt::plan
