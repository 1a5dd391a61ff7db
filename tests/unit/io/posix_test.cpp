// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>

#include "bytes.hpp"
#include "fault/fake_disk.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using io::OpenMode;

namespace {

io::FileSystem& posix = io::posix_file_system();

void put(const std::string& path, std::string_view content) {
  const auto file = open_file(posix, path, OpenMode::create_new);
  REQUIRE(file);
  REQUIRE(file->write_at(0, bytes_of(content)) == 0);
  REQUIRE(file->close() == 0);
}

std::size_t open_descriptors() {
  std::vector<std::string> names;
  REQUIRE(posix.list("/proc/self/fd", names) == 0);
  return names.size();
}

}  // namespace

TEST_CASE("what is written at any offset is read back, and reading ends at the end of the file") {
  const TemporaryDirectory directory;
  const auto file = open_file(posix, directory / "a", OpenMode::create_new);
  REQUIRE(file);
  REQUIRE(file->write_at(6, bytes_of("world")) == 0);
  REQUIRE(file->write_at(0, bytes_of("hello ")) == 0);
  CHECK(text_at(*file, 0, 100) == "hello world");
  CHECK(text_at(*file, 6, 2) == "wo");
  CHECK(text_at(*file, 11, 5).empty());
  REQUIRE(file->truncate(5) == 0);
  std::uint64_t size_bytes = 0;
  REQUIRE(file->size(size_bytes) == 0);
  CHECK(size_bytes == 5);
  CHECK(file->sync() == 0);
  CHECK(file->close() == 0);
  CHECK(file->close() == EBADF);
}

TEST_CASE("appends go to the end whoever else appends, and to no other place") {
  const TemporaryDirectory directory;
  const auto one = open_file(posix, directory / "log", OpenMode::append);
  const auto two = open_file(posix, directory / "log", OpenMode::append);
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(one->append(bytes_of("1\n")) == 0);
  REQUIRE(two->append(bytes_of("2\n")) == 0);
  REQUIRE(one->append(bytes_of("3\n")) == 0);
  CHECK(one->write_at(0, bytes_of("x")) == EBADF);
  CHECK(io::read_file(posix, directory / "log") == "1\n2\n3\n");
  const auto written = open_file(posix, directory / "other", OpenMode::create_new);
  CHECK(written->append(bytes_of("x")) == EBADF);
}

TEST_CASE("opening answers with the errno and leaves the result alone") {
  const TemporaryDirectory directory;
  std::unique_ptr<io::File> file;
  CHECK(posix.open(directory / "absent", OpenMode::read, 0, file) == ENOENT);
  put(directory / "a", "1");
  CHECK(posix.open(directory / "a", OpenMode::create_new, 0600, file) == EEXIST);
  CHECK(posix.open(directory / "a/b", OpenMode::create_new, 0600, file) == ENOTDIR);
  CHECK_FALSE(file);
}

TEST_CASE("a file created for one user is that user's alone, and no descriptor reaches a started program") {
  const TemporaryDirectory directory;
  const auto file = open_file(posix, directory / "a", OpenMode::create_new);
  io::FileInfo info;
  REQUIRE(posix.info(directory / "a", info) == 0);
  CHECK(info.mode == 0600);
  CHECK(info.owner == ::geteuid());
  std::vector<std::string> names;
  REQUIRE(posix.list("/proc/self/fd", names) == 0);
  for (const std::string& name : names) {
    char target[4096] = "";
    if (::readlink(("/proc/self/fd/" + name).c_str(), target, sizeof target - 1) < 0) continue;
    if (directory / "a" != target) continue;
    CHECK((::fcntl(std::stoi(name), F_GETFD) & FD_CLOEXEC) != 0);
    return;
  }
  FAIL("the open file was not found among the descriptors");
}

TEST_CASE("no descriptor is left over, closed or merely dropped") {
  const TemporaryDirectory directory;
  put(directory / "a", "1");
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    const auto dropped = open_file(posix, directory / "a", OpenMode::read);
    REQUIRE(posix.sync_directory(directory.path()) == 0);
    REQUIRE(posix.sync_directory(directory / "absent") == ENOENT);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("renaming to a new name never replaces, renaming over replaces") {
  const TemporaryDirectory directory;
  put(directory / "a", "a");
  put(directory / "b", "b");
  CHECK(posix.rename_new(directory / "a", directory / "b") == EEXIST);
  CHECK(io::read_file(posix, directory / "b") == "b");
  CHECK(posix.rename_new(directory / "a", directory / "c") == 0);
  CHECK(posix.rename_new(directory / "a", directory / "d") == ENOENT);
  CHECK(posix.rename_replacing(directory / "c", directory / "b") == 0);
  CHECK(io::read_file(posix, directory / "b") == "a");
  REQUIRE(posix.make_directory(directory / "old", 0700) == 0);
  REQUIRE(posix.make_directory(directory / "there", 0700) == 0);
  CHECK(posix.rename_new(directory / "old", directory / "there") == EEXIST);
  CHECK(posix.rename_new(directory / "old", directory / "new") == 0);
}

TEST_CASE("info tells kind, size, links, identity and age") {
  const TemporaryDirectory directory;
  put(directory / "a", "12345");
  REQUIRE(posix.link(directory / "a", directory / "b") == 0);
  CHECK(posix.link(directory / "a", directory / "b") == EEXIST);
  io::FileInfo a, b, d;
  REQUIRE(posix.info(directory / "a", a) == 0);
  REQUIRE(posix.info(directory / "b", b) == 0);
  REQUIRE(posix.info(directory.path(), d) == 0);
  CHECK(a.kind == io::FileKind::file);
  CHECK(d.kind == io::FileKind::directory);
  CHECK(a.size_bytes == 5);
  CHECK(a.link_count == 2);
  CHECK((a.inode == b.inode && a.device == b.device));
  CHECK(posix.info(directory / "absent", a) == ENOENT);
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, (directory / "a").c_str(), long_ago, 0) == 0);
  REQUIRE(posix.info(directory / "a", a) == 0);
  CHECK(a.modified == 1000);
  REQUIRE(posix.touch(directory / "a") == 0);
  REQUIRE(posix.info(directory / "a", a) == 0);
  CHECK(a.modified > 1'000'000'000);
}

TEST_CASE("a listing names everything but itself and its parent") {
  const TemporaryDirectory directory;
  put(directory / "a", "");
  put(directory / ".hidden", "");
  REQUIRE(posix.make_directory(directory / "d", 0700) == 0);
  CHECK(posix.make_directory(directory / "d", 0700) == EEXIST);
  std::vector<std::string> names{"from before"};
  REQUIRE(posix.list(directory.path(), names) == 0);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{".hidden", "a", "d"});
  CHECK(posix.list(directory / "absent", names) == ENOENT);
  CHECK(posix.list(directory / "a", names) == ENOTDIR);
  CHECK(names.size() == 3);
  CHECK(posix.remove(directory / "a") == 0);
  CHECK(posix.remove(directory / "a") == ENOENT);
}

TEST_CASE("memory is told from disk") {
  io::VolumeInfo volume;
  const TemporaryDirectory directory;
  REQUIRE(posix.volume(directory.path(), volume) == 0);
  CHECK(volume.total_bytes >= volume.free_bytes);
  CHECK(volume.total_bytes > 0);
  CHECK(posix.volume(directory / "absent", volume) == ENOENT);
  REQUIRE(posix.volume("/proc", volume) == 0);
  CHECK_FALSE(volume.in_memory);
  if (posix.volume("/dev/shm", volume) != 0) {
    WARN("skipped: no tmpfs at /dev/shm");
    return;
  }
  CHECK(volume.in_memory);
}

TEST_CASE("the file system of the process is POSIX until a test sets another") {
  CHECK(&io::file_system() == &posix);
  FakeDisk disk;
  io::set_file_system(&disk);
  CHECK(&io::file_system() == &disk);
  io::set_file_system(nullptr);
  CHECK(&io::file_system() == &posix);
}
