// SPDX-License-Identifier: Apache-2.0
#include "io/publish.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <random>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ckpt::io {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

bool is_same_file(const FileInfo& a, const FileInfo& b) { return a.device == b.device && a.inode == b.inode; }

// Whether `path` names that very file: what a reply that was lost on its way would have told.
bool is_named(FileSystem& fs, const std::string& path, const FileInfo& file) {
  FileInfo there;
  return fs.info(path, there) == 0 && is_same_file(there, file);
}

// Writes a new file whole and makes its content durable. Returns 0 or an errno value; the file may be there half.
int write_new_file(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions) {
  std::unique_ptr<File> file;
  if (int error = fs.open(path, OpenMode::create_new, permissions, file)) return error;
  if (int error = file->write_at(0, bytes_of(content))) return error;
  if (int error = file->sync()) return error;
  return file->close();
}

// A complete, synced file under a temporary name, which is gone again when this leaves its scope.
class TemporaryFile {
 public:
  TemporaryFile(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions)
      : fs_(fs), name_(temporary_name(path)) {
    if (int error = write(content, permissions)) {
      remove();
      fail_io(error, "cannot write {}", path);
    }
  }
  ~TemporaryFile() {
    if (!moved_) remove();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& name() const { return name_; }
  const FileInfo& info() const { return info_; }
  void set_moved() { moved_ = true; }   // the temporary name is no more

 private:
  int write(std::string_view content, std::uint32_t permissions) {
    if (int error = write_new_file(fs_, name_, content, permissions)) return error;
    return fs_.info(name_, info_);
  }
  // Should this fail as well: the newest block clears up such names.
  void remove() noexcept { static_cast<void>(fs_.remove(name_)); }

  FileSystem& fs_;
  std::string name_;
  FileInfo info_;
  bool moved_ = false;
};

bool create_exclusively(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions) {
  std::unique_ptr<File> file;
  int error = fs.open(path, OpenMode::create_new, permissions, file);
  if (error == EEXIST) return false;
  if (error) fail_io(error, "cannot create {}", path);   // whose it is, should it be there, nobody can tell
  error = file->write_at(0, bytes_of(content));
  if (!error) error = file->sync();
  if (!error) error = file->close();
  if (!error) return true;
  static_cast<void>(fs.remove(path));
  fail_io(error, "cannot write {}", path);
}

bool create_by_link(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions) {
  const TemporaryFile temporary(fs, path, content, permissions);
  const int error = fs.link(temporary.name(), path);
  if (!error || is_named(fs, path, temporary.info())) return true;
  if (error == EEXIST) return false;
  if (refuses_links(error)) return create_exclusively(fs, path, content, permissions);
  fail_io(error, "cannot create {}", path);
}

// So that the temporary name of a file with the longest possible name (255 bytes) is possible as well.
constexpr std::size_t longest_shown_bytes = 150, longest_host_bytes = 64;

std::string host_name() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return host;
}

// Containers may share host name and pid: each process starts counting somewhere else.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> number{std::random_device{}()};
  return number++;
}

}  // namespace

std::string temporary_name(const std::string& path) {
  static const std::string host = host_name().substr(0, longest_host_bytes);
  const std::string shown = base_name(path).substr(0, longest_shown_bytes);
  const std::string name = fmt::format(".{}.tmp-{}-{}-{}", shown, host, ::getpid(), next_number());
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

bool is_temporary_name(std::string_view file_name) noexcept {
  return file_name.starts_with('.') && file_name.find(".tmp-", 1) != std::string_view::npos;
}

void publish_new(FileSystem& fs, const std::string& from, const std::string& to) {
  FileInfo ours;
  int error = fs.info(from, ours);
  if (!error) error = fs.rename_new(from, to);
  if (error) {
    const bool happened = ours.inode != 0 && is_named(fs, to, ours);
    static_cast<void>(fs.remove(from));
    if (!happened) fail_io(error, "cannot rename {} to {}", from, to);
  }
  try {
    sync_directory(fs, parent_directory(to));
  } catch (...) {
    // Whole, but maybe gone after a power loss: it must not count as a snapshot that lets older ones be pruned.
    static_cast<void>(fs.remove(to));
    throw;
  }
}

bool create_once(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions) {
  const bool created = create_by_link(fs, path, content, permissions);
  sync_directory(fs, parent_directory(path));   // also what another one created: the caller relies on it now
  return created;
}

void replace_file(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions) {
  TemporaryFile temporary(fs, path, content, permissions);
  if (int error = fs.rename_replacing(temporary.name(), path); error && !is_named(fs, path, temporary.info()))
    fail_io(error, "cannot replace {}", path);
  temporary.set_moved();
  sync_directory(fs, parent_directory(path));
}

std::string read_file(FileSystem& fs, const std::string& path, std::uint64_t limit_bytes) {
  std::unique_ptr<File> file;
  if (int error = fs.open(path, OpenMode::read, 0, file)) fail_io(error, "cannot open {}", path);
  std::uint64_t size_bytes = 0;
  if (int error = file->size(size_bytes)) fail_io(error, "cannot read {}", path);
  if (size_bytes > limit_bytes)
    fail(CKPT_ERR_DAMAGED, "{} has {} bytes, more than the {} it could rightly have", path, size_bytes, limit_bytes);
  std::string content(size_bytes, '\0');
  std::size_t bytes_read = 0;
  if (int error = file->read_at(0, std::as_writable_bytes(std::span(content)), bytes_read))
    fail_io(error, "cannot read {}", path);
  content.resize(bytes_read);
  return content;
}

void sync_directory(FileSystem& fs, const std::string& directory) {
  const int error = fs.sync_directory(directory);
  if (!error) return;
  if (error != EINVAL && error != EOPNOTSUPP && error != ENOSYS && error != EBADF)
    fail_io(error, "cannot sync the directory {}", directory);
  static std::atomic<bool> said{false};
  if (!said.exchange(true))
    log_warning("the file system of {} cannot sync directories ({}); a power loss may take the newest files with it",
                directory, errno_text(error));
}

std::string parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }   // npos + 1 == 0

}  // namespace ckpt::io
