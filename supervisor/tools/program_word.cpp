// SPDX-License-Identifier: Apache-2.0
#include "tools/program_word.hpp"

#include <filesystem>

#include "base/error.hpp"
#include "base/working_directory.hpp"
#include "block/child.hpp"

namespace ckpt::tools {
namespace {

std::string path_beside(const std::string& name) {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path() / name;
}

}  // namespace

std::string program_word(const std::string& name) {
  if (const auto found = supervisor::find_program(name); found.error_exit_code == 0)
    return absolute_path(found.path);
  const std::string beside = path_beside(name);
  if (supervisor::find_program(beside).error_exit_code == 0) return beside;
  fail(CKPT_ERR_CONFIG, "{} is not in PATH, and not beside this program ({}): install it, or load its module", name,
       beside);
}

std::string program_beside(const std::string& name) {
  const std::string beside = path_beside(name);
  return supervisor::find_program(beside).error_exit_code == 0 ? beside : program_word(name);
}

}  // namespace ckpt::tools
