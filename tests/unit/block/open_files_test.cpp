// SPDX-License-Identifier: Apache-2.0
#include "block/open_files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

using namespace ckpt::supervisor;

namespace {

class MappedFile {
 public:
  MappedFile(int rights, int way) {
    std::string name = std::filesystem::temp_directory_path() / "ckpt open files-XXXXXX";
    const int file = ::mkstemp(name.data());
    REQUIRE(::ftruncate(file, bytes) == 0);
    memory_ = ::mmap(nullptr, bytes, rights, way, file, 0);
    REQUIRE(memory_ != MAP_FAILED);
    path = name;
    is_open_before_close = is_open_for_writing(path, {::getpid()});
    ::close(file);
  }
  ~MappedFile() {
    unmap();
    std::filesystem::remove(path);
  }
  void unmap() { ::munmap(memory_, bytes); }

  std::string path;
  bool is_open_before_close = false;

 private:
  static constexpr std::size_t bytes = 10'000;
  void* memory_ = nullptr;
};

}  // namespace

TEST_CASE("a file that is mapped as memory is open for writing, though its descriptor is closed, until that memory is given back") {
  MappedFile file(PROT_READ | PROT_WRITE, MAP_SHARED);
  CHECK(file.is_open_before_close);
  CHECK(is_open_for_writing(file.path, {::getpid()}));
  CHECK(is_open_for_writing(std::filesystem::path(file.path).parent_path(), {::getpid()}));
  CHECK_FALSE(is_open_for_writing(file.path.substr(0, file.path.size() - 1), {::getpid()}));
  file.unmap();
  CHECK_FALSE(is_open_for_writing(file.path, {::getpid()}));
}

TEST_CASE("a file that is mapped to be read, or as a copy of one's own, is not open for writing") {
  const auto [rights, way] = GENERATE(table<int, int>({{PROT_READ, MAP_SHARED}, {PROT_READ | PROT_WRITE, MAP_PRIVATE}}));
  const MappedFile file(rights, way);
  CHECK_FALSE(is_open_for_writing(file.path, {::getpid()}));
}
