// SPDX-License-Identifier: Apache-2.0
// ckpt export: finds the snapshot, and lets the Python package write the file: it has the libraries of these formats.
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "tools/find_run.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr const char* exporting_program = R"(
import sys
try:
    from libckpt import _export
except ImportError as error:
    sys.exit(print(f"ckpt: error: {sys.executable} cannot import the Python package libckpt, which ckpt export needs "
                   f"({error}): pip install libckpt", file=sys.stderr) or 125)
sys.exit(_export.main())
)";

// Of the virtualenv that this program is installed in, else the first in PATH.
std::string python() {
  std::error_code ignored;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "python3";
  return ::access(beside.c_str(), X_OK) == 0 ? beside.string() : "python3";
}

}  // namespace

void export_snapshot(const std::string& what, const ExportOptions& options, Format format) {
  const std::string file = find_snapshot(io::file_system(), what);
  std::vector<std::string> words = {python(), "-c", exporting_program, file, options.format, options.path};
  for (const std::string& name : options.only) words.insert(words.end(), {"--only", name});
  if (options.force) words.push_back("--force");
  if (format == Format::json) words.push_back("--json");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  fail_io(errno, "cannot start {}, which ckpt export needs", words[0]);
}

}  // namespace ckpt::tools
