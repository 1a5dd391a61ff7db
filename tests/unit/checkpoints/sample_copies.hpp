// SPDX-License-Identifier: Apache-2.0
// The samples, copied to where a test may damage them.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace ckpt::checkpoints {

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "ckpt-checkpoints-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;

  std::string path(const std::string& name) const { return path_ + '/' + name; }
  std::string sample(const std::string& name) const {
    std::filesystem::copy(std::string(CKPT_SAMPLES) + '/' + name, path(name), std::filesystem::copy_options::recursive);
    return path(name);
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }

 private:
  std::string path_;
};

inline std::string read_sample(const std::string& name) {
  std::ifstream file(std::string(CKPT_SAMPLES) + '/' + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ckpt::checkpoints
