// SPDX-License-Identifier: Apache-2.0
#include "rundir/listing.hpp"

#include <cerrno>

#include "base/error.hpp"
#include "io/publish.hpp"

namespace ckpt::rundir {
namespace {

constexpr int attempts = 3;

// Calls again, a few times, while the answer is one that NFS may take back; the last answer counts.
template <class Call, class TakenBack>
int ask_again(Call call, TakenBack may_be_taken_back) {
  int error = call();
  for (int attempt = 1; attempt < attempts && may_be_taken_back(error); ++attempt) error = call();
  return error;
}

bool is_stale(int os_errno) noexcept { return os_errno == ESTALE; }

std::vector<std::string> list_where(io::FileSystem& fs, const std::string& directory, bool temporary) {
  std::vector<std::string> names;
  const int error = ask_again([&] { return fs.list(directory, names); }, is_gone);
  if (error == ENOENT) return {};
  if (error != 0) fail_io(error, "cannot list '{}'", directory);
  std::erase_if(names, [&](const std::string& name) { return io::is_temporary_name(name) != temporary; });
  return names;
}

}  // namespace

bool is_gone(int os_errno) noexcept { return os_errno == ENOENT || os_errno == ESTALE; }

std::vector<std::string> list_names(io::FileSystem& fs, const std::string& directory) {
  return list_where(fs, directory, false);
}

std::vector<std::string> list_temporaries(io::FileSystem& fs, const std::string& directory) {
  return list_where(fs, directory, true);
}

std::optional<std::string> read_if_there(io::FileSystem& fs, const std::string& path, std::uint64_t limit_bytes) {
  std::string content;
  const auto read = [&] {
    try {
      content = io::read_file(fs, path, limit_bytes);
      return 0;
    } catch (const Error& error) {
      if (!is_gone(error.os_errno())) throw;
      return error.os_errno();
    }
  };
  if (ask_again(read, is_stale) != 0) return std::nullopt;
  return content;
}

std::optional<io::FileInfo> info_if_there(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  const int error = ask_again([&] { return fs.info(path, info); }, is_stale);
  if (is_gone(error)) return std::nullopt;
  if (error != 0) fail_io(error, "cannot look at '{}'", path);
  return info;
}

}  // namespace ckpt::rundir
