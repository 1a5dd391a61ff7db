// SPDX-License-Identifier: Apache-2.0
// The C library's calls as a signal, a full pipe to the disk, an old kernel or another file system would answer them.
// The definitions below come before the C library's in this executable.
#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <cerrno>
#include <cstdarg>

#include "bytes.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace {

struct Answers {
  bool interrupt = false;          // every second read and write is EINTR, the others move at most three bytes
  int rename_without_replacing = 0;
  int link = 0;
  int fsync = 0;
  int close = 0;
} answers;
int moves = 0;
int fsyncs = 0;

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

// True when this call is to be interrupted; otherwise the length is cut.
bool disturbed(std::size_t& length) {
  if (!answers.interrupt) return false;
  if (++moves % 2 == 1) return true;
  length = std::min<std::size_t>(length, 3);
  return false;
}

int refuse(int error) {
  errno = error;
  return -1;
}

}  // namespace

extern "C" {

ssize_t pwrite(int descriptor, const void* from, size_t length, off_t offset) {
  if (disturbed(length)) return refuse(EINTR);
  return next<decltype(&pwrite)>("pwrite")(descriptor, from, length, offset);
}

ssize_t pread(int descriptor, void* to, size_t length, off_t offset) {
  if (disturbed(length)) return refuse(EINTR);
  return next<decltype(&pread)>("pread")(descriptor, to, length, offset);
}

ssize_t write(int descriptor, const void* from, size_t length) {
  if (disturbed(length)) return refuse(EINTR);
  return next<decltype(&write)>("write")(descriptor, from, length);
}

int fsync(int descriptor) {
  ++fsyncs;
  return answers.fsync ? refuse(answers.fsync) : next<decltype(&fsync)>("fsync")(descriptor);
}

int close(int descriptor) {
  const int result = next<decltype(&close)>("close")(descriptor);
  return answers.close ? refuse(answers.close) : result;
}

int link(const char* existing, const char* name) noexcept {
  return answers.link ? refuse(answers.link) : next<decltype(&link)>("link")(existing, name);
}

long syscall(long number, ...) noexcept {
  if (number == SYS_renameat2 && answers.rename_without_replacing) return refuse(answers.rename_without_replacing);
  long values[6];
  va_list list;
  va_start(list, number);
  for (long& value : values) value = va_arg(list, long);
  va_end(list);
  return next<decltype(&syscall)>("syscall")(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

}  // extern "C"

using namespace ckpt;
using namespace ckpt::testing;
using io::OpenMode;

namespace {

io::FileSystem& posix = io::posix_file_system();

struct UsualAnswersAfterwards {
  ~UsualAnswersAfterwards() { answers = {}; }
};

void put(const std::string& path, std::string_view content) {
  const auto file = open_file(posix, path, OpenMode::create_new);
  REQUIRE(file);
  REQUIRE(file->write_at(0, bytes_of(content)) == 0);
}

}  // namespace

TEST_CASE("interrupted and short reads and writes are carried on to the end") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  const auto file = open_file(posix, directory / "a", OpenMode::create_new);
  const auto log = open_file(posix, directory / "log", OpenMode::append);
  answers.interrupt = true;
  const int written = file->write_at(5, bytes_of("0123456789"));
  const int appended = log->append(bytes_of("0123456789"));
  const std::string read = text_at(*file, 7, 100);
  const int calls = moves;
  answers.interrupt = false;
  CHECK(written == 0);
  CHECK(appended == 0);
  CHECK(read == "23456789");
  CHECK(text_at(*file, 5, 100) == "0123456789");
  CHECK(io::read_file(posix, directory / "log") == "0123456789");
  CHECK(calls >= 20);   // the disturbance was there
}

TEST_CASE("where renaming cannot refuse to replace, a link does it") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  put(directory / "a", "a");
  put(directory / "there", "there");
  answers.rename_without_replacing = GENERATE(EINVAL, ENOSYS);
  answers.link = GENERATE(0, EPERM, EOPNOTSUPP, ENOSYS);   // and without links a look before the rename
  CHECK(posix.rename_new(directory / "a", directory / "there") == EEXIST);
  CHECK(io::read_file(posix, directory / "there") == "there");
  CHECK(posix.rename_new(directory / "a", directory / "new") == 0);
  CHECK(io::read_file(posix, directory / "new") == "a");
  std::vector<std::string> names;
  REQUIRE(posix.list(directory.path(), names) == 0);
  CHECK(names.size() == 2);
  CHECK(posix.rename_new(directory / "absent", directory / "b") == ENOENT);
}

TEST_CASE("directories are renamed where renaming cannot refuse to replace") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  REQUIRE(posix.make_directory(directory / "run", 0700) == 0);
  REQUIRE(posix.make_directory(directory / "there", 0700) == 0);
  answers.rename_without_replacing = EINVAL;
  CHECK(posix.rename_new(directory / "run", directory / "there") == EEXIST);
  CHECK(posix.rename_new(directory / "run", directory / "old") == 0);
}

TEST_CASE("another error of renaming is passed on and tries nothing else") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  put(directory / "a", "a");
  answers.rename_without_replacing = EIO;
  CHECK(posix.rename_new(directory / "a", directory / "b") == EIO);
  answers.rename_without_replacing = EINVAL;
  answers.link = EIO;
  CHECK(posix.rename_new(directory / "a", directory / "b") == EIO);
  CHECK(io::read_file(posix, directory / "a") == "a");
}

TEST_CASE("fsync is called once, whatever it answers") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  const auto file = open_file(posix, directory / "a", OpenMode::create_new);
  answers.fsync = GENERATE(EINTR, EIO, EAGAIN);
  const int before = fsyncs;
  CHECK(file->sync() == answers.fsync);
  CHECK(posix.sync_directory(directory.path()) == answers.fsync);
  CHECK(fsyncs == before + 2);
}

TEST_CASE("an error that only close tells is told, an interrupted close is none") {
  const UsualAnswersAfterwards cleanup;
  const TemporaryDirectory directory;
  const auto one = open_file(posix, directory / "a", OpenMode::create_new);
  const auto two = open_file(posix, directory / "b", OpenMode::create_new);
  answers.close = EDQUOT;
  const int told = one->close();
  answers.close = EINTR;
  const int interrupted = two->close();
  answers.close = 0;
  CHECK(told == EDQUOT);
  CHECK(interrupted == 0);
}
