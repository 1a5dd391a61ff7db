// SPDX-License-Identifier: Apache-2.0
#define CATCH_CONFIG_RUNNER
#define CATCH_CONFIG_NO_POSIX_SIGNALS   // signals belong to what is tested; a crash is told by ctest
#include <catch2/catch.hpp>

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <map>
#include <string>

// HDF5 loses some hundred bytes for each damaged object header it meets (1.10.8). That we leave no identifier of HDF5
// behind has a test of its own.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() { return "leak:libhdf5"; }
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_options();
const char* __lsan_default_options() { return "print_suppressions=0"; }

namespace {

using Descriptors = std::map<std::string, std::string>;   // number -> what it is: files, sockets, memory files

Descriptors open_descriptors() {
  Descriptors found;
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = directory ? ::readdir(directory) : nullptr) {
    char target[4096];
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length > 0 && std::stoi(entry->d_name) != ::dirfd(directory))
      found[entry->d_name] = std::string(target, static_cast<std::size_t>(length));
  }
  if (directory) ::closedir(directory);
  return found;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG | __WALL) != -1 || errno != ECHILD; }

int leftovers = 0;

void complain(const Catch::TestCaseStats& test, const std::string& what) {
  std::cerr << "LEFT BEHIND by \"" << test.testInfo.name << "\": " << what << std::endl;
  ++leftovers;
}

// A test that leaves a file, a socket, shared memory or a process open fails, whatever it says itself.
struct NothingLeftBehind : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo&) override { before_ = open_descriptors(); }
  void testCaseEnded(const Catch::TestCaseStats& test) override {
    for (const auto& [number, target] : open_descriptors())
      if (!before_.contains(number)) complain(test, "descriptor " + number + ", " + target);
    if (has_children()) complain(test, "a child process");
  }
  Descriptors before_;
};
CATCH_REGISTER_LISTENER(NothingLeftBehind)

}  // namespace

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  return failed != 0 ? failed : leftovers != 0;
}
