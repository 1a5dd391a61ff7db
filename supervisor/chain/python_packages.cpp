// SPDX-License-Identifier: Apache-2.0
#include "chain/python_packages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <set>

#include "base/environment.hpp"

namespace ckpt::supervisor {
namespace {

namespace fs = std::filesystem;
using Packages = std::set<std::string>;

void add_from_folder(const fs::path& folder, Packages& packages) {
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    const fs::path extension = entry->path().extension();
    if (extension == ".dist-info" || extension == ".egg-info") packages.insert(entry->path().stem());
  }
}

void add_from_prefix(const fs::path& prefix, Packages& packages) {
  for (const char* library : {"lib", "lib64"}) {
    std::error_code failed;
    for (fs::directory_iterator entry(prefix / library, failed), end; !failed && entry != end; entry.increment(failed)) {
      if (!entry->path().filename().string().starts_with("python3")) continue;
      for (const char* folder : {"site-packages", "dist-packages"}) add_from_folder(entry->path() / folder, packages);
    }
  }
}

template <class Add>
void for_each_path_in(const char* variable, Add&& add) {
  const std::string paths = environment_variable(variable);
  for (std::size_t at = 0; at < paths.size();) {
    const std::size_t end = std::min(paths.find(':', at), paths.size());
    if (end > at) add(paths.substr(at, end - at));
    at = end + 1;
  }
}

struct VirtualEnvironment {
  bool is_one = false, uses_base = false;
  fs::path base;   // the installation that it was made with
};

// pyvenv.cfg: "home = /opt/python/3.11/bin", "include-system-site-packages = true"
VirtualEnvironment read_virtual_environment(const fs::path& prefix) {
  VirtualEnvironment found;
  std::ifstream file(prefix / "pyvenv.cfg");
  found.is_one = file.is_open();
  for (std::string name, equals, value; file >> name >> equals && std::getline(file >> std::ws, value);) {
    if (name == "home") found.base = fs::path(value).parent_path();
    if (name == "include-system-site-packages") found.uses_base = value.starts_with("true");
  }
  return found;
}

// /usr holds everything: only for Python itself its packages count.
bool is_of_python(const fs::path& program, const fs::path& prefix) {
  return prefix != "/usr" || program.filename().string().starts_with("python");
}

void add_of_installation(const fs::path& prefix, Packages& packages) {
  add_from_prefix(prefix, packages);
  if (prefix == "/usr") add_from_prefix("/usr/local", packages);
  const VirtualEnvironment environment = read_virtual_environment(prefix);
  if (environment.uses_base) add_of_installation(environment.base, packages);
  if (packages.empty() || (environment.is_one && !environment.uses_base)) return;
  if (environment_variable("PYTHONNOUSERSITE").empty())
    add_from_prefix(fs::path(environment_variable("HOME")) / ".local", packages);
}

}  // namespace

std::string python_packages(const fs::path& program) {
  Packages packages;
  const fs::path prefix = program.parent_path().parent_path();
  if (is_of_python(program, prefix)) add_of_installation(prefix, packages);
  for (const char* active : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string other = environment_variable(active); packages.empty() && !other.empty())
      add_of_installation(other, packages);
  for_each_path_in("PYTHONPATH", [&](const fs::path& folder) { add_from_folder(folder, packages); });
  for_each_path_in("EBPYTHONPREFIXES", [&](const fs::path& other) { add_from_prefix(other, packages); });  // of modules
  return fmt::format("{}", fmt::join(packages, " "));
}

}  // namespace ckpt::supervisor
