// SPDX-License-Identifier: Apache-2.0
// A Slurm of files for Catch2: see tests/slurm/fake/fake_slurm for what can be steered.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "unit/io/temporary_directory.hpp"

namespace ckpt::testing {

// While it lives, PATH holds only the fake commands, and nothing of a real job is in the environment.
class FakeSlurm {
 public:
  FakeSlurm() : FakeSlurm({"scontrol", "squeue", "sbatch", "scancel", "sacct", "sinfo"}) {}
  explicit FakeSlurm(std::initializer_list<const char*> commands) {
    std::filesystem::create_directory(folder_ / "bin");
    for (const char* command : commands) std::filesystem::create_symlink(CKPT_FAKE_SLURM, folder_ / "bin/" + command);
    change("PATH", folder_ / "bin");
    change("FAKE_SLURM", folder_.path());
    for (char** entry = environ; *entry;) {
      const std::string text = *entry;
      if (!text.starts_with("SLURM_") && !text.starts_with("SBATCH_")) ++entry;
      else change(text.substr(0, text.find('=')), nullptr), entry = environ;
    }
  }
  ~FakeSlurm() {
    for (auto saved = saved_.rbegin(); saved != saved_.rend(); ++saved)
      set(saved->name, saved->set ? saved->value.c_str() : nullptr);
  }
  FakeSlurm(const FakeSlurm&) = delete;

  // write("squeue.out", "4|RUNNING\n")
  void write(const std::string& file, const std::string& text) const { std::ofstream(folder_ / file) << text; }
  // The recorded output of a real command is the answer to `key`: without its first line ("$ command") and its last
  // ("rc=0"), which becomes the exit code. An error goes to stderr.
  void answer_recorded(const std::string& key, const std::string& recorded) const;
  void remove(const std::string& file) const { std::filesystem::remove(folder_ / file); }
  std::string read(const std::string& file) const {
    std::ifstream stream(folder_ / file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::vector<std::string> calls() const {
    std::istringstream lines(read("calls"));
    std::vector<std::string> result;
    for (std::string line; std::getline(lines, line);) result.push_back(line);
    return result;
  }
  bool passed_on(const std::string& command, const std::string& variable) const {
    return ("\n" + read(command + ".env")).find("\n" + variable) != std::string::npos;
  }
  // An environment variable, until the end of this object's life.
  void change(const std::string& name, const std::string& value) { change(name, value.c_str()); }
  void change(const std::string& name, const char* value) {
    const char* before = std::getenv(name.c_str());
    saved_.push_back({name, before ? before : "", before != nullptr});
    set(name, value);
  }

 private:
  struct Saved {
    std::string name, value;
    bool set;
  };
  static void set(const std::string& name, const char* value) {
    if (value) ::setenv(name.c_str(), value, 1);
    else ::unsetenv(name.c_str());
  }

  TemporaryDirectory folder_;
  std::vector<Saved> saved_;
};

inline void FakeSlurm::answer_recorded(const std::string& key, const std::string& recorded) const {
  const std::size_t begin = recorded.find('\n') + 1, end = recorded.rfind("rc=");
  const std::string text = recorded.substr(begin, end - begin), code = recorded.substr(end + 3);
  write(key + (code.starts_with("0") ? ".out" : ".err"), text);
  write(key + ".code", code);
}

}  // namespace ckpt::testing
