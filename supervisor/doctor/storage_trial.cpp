// SPDX-License-Identifier: Apache-2.0
#include "doctor/storage_trial.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

#include "base/process_identity.hpp"
#include "io/publish.hpp"

namespace ckpt::supervisor::doctor {
namespace {

constexpr std::size_t page_bytes = 4096;

std::string read_mountinfo() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/mountinfo", "re"), std::fclose);
  std::string text;
  std::array<char, page_bytes> piece;
  while (file) {
    const std::size_t length = std::fread(piece.data(), 1, piece.size(), file.get());
    text.append(piece.data(), length);
    if (length < piece.size()) break;
  }
  return text;
}

// Its file is gone when it is.
class TrialFile {
 public:
  TrialFile(io::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  ~TrialFile() { static_cast<void>(fs_.remove(path_)); }
  TrialFile(const TrialFile&) = delete;
  TrialFile& operator=(const TrialFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  io::FileSystem& fs_;
  std::string path_;
};

// Page-aligned in memory and in the file, as O_DIRECT asks for.
int try_direct(const std::string& path) {
  alignas(page_bytes) static std::array<char, page_bytes> page{};
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
  if (descriptor < 0) return errno;
  const ssize_t written = ::pwrite(descriptor, page.data(), page.size(), 0);
  const int error = written < 0 ? errno : written == static_cast<ssize_t>(page.size()) ? 0 : EIO;
  ::close(descriptor);
  return error;
}

int create_and_sync(io::FileSystem& fs, const std::string& path, StorageTrial& trial) {
  std::unique_ptr<io::File> file;
  if (const int error = fs.open(path, io::OpenMode::create_new, 0600, file)) return error;
  const char byte = 0;
  const int error = file->write_at(0, std::as_bytes(std::span(&byte, 1)));
  trial.sync = file->sync();
  const int close_error = file->close();
  return error != 0 ? error : close_error;
}

std::optional<double> skew_of_server(io::FileSystem& fs, const std::string& path, double before, double after) {
  io::FileInfo info;
  if (fs.info(path, info) != 0) return std::nullopt;
  constexpr double resolution_seconds = 2;   // of the times of some file systems
  if (info.modified + resolution_seconds >= before && info.modified <= after + resolution_seconds) return 0;
  return info.modified - (before + after) / 2;
}

void try_names(io::FileSystem& fs, const std::string& directory, const TrialFile& file, StorageTrial& trial) {
  const TrialFile linked(fs, io::temporary_name(directory + "/doctor")), renamed(fs, io::temporary_name(directory + "/doctor"));
  trial.link = fs.link(file.path(), linked.path());
  trial.rename = fs.rename_new(file.path(), renamed.path());
  trial.sync_directory = fs.sync_directory(directory);
}

void try_writing(io::FileSystem& fs, Clock& clock, StorageTrial& trial) {
  const TrialFile file(fs, io::temporary_name(trial.directory + "/doctor"));
  const TrialFile direct(fs, io::temporary_name(trial.directory + "/doctor"));
  const double before = clock.wall_seconds();
  trial.create = create_and_sync(fs, file.path(), trial);
  if (*trial.create != 0) return;
  trial.clock_skew_seconds = skew_of_server(fs, file.path(), before, clock.wall_seconds());
  trial.direct = try_direct(direct.path());
  try_names(fs, trial.directory, file, trial);
}

}  // namespace

StorageTrial try_storage(io::FileSystem& fs, Clock& clock, const std::string& directory) {
  StorageTrial trial;
  std::error_code error;
  const auto real = std::filesystem::canonical(directory, error);
  trial.directory = error ? directory : real.string();
  trial.mount = mount_of(read_mountinfo(), trial.directory);
  io::VolumeInfo volume;
  if (fs.volume(trial.directory, volume) == 0) trial.volume = volume;
  try_writing(fs, clock, trial);
  const QuotaAnswer quota = ask_quota(clock, trial.mount, identify_self().user);
  trial.quota = quota.quota;
  trial.quota_unknown = quota.why_not;
  return trial;
}

}  // namespace ckpt::supervisor::doctor
