// SPDX-License-Identifier: Apache-2.0
#include "fault/fake_disk.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "fault/fake_file.hpp"

namespace ckpt::testing {

void FakeDisk::fail_call(std::uint64_t number, int error, Repeat repeat, Effect effect) {
  const bool once = repeat == Repeat::once;
  fail_if([=](const Call& call) { return once ? call.number == number : call.number >= number; }, error, effect);
}

void FakeDisk::fail_if(std::function<bool(const Call&)> applies, int error, Effect effect) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({std::move(applies), error, effect});
}

void FakeDisk::at_call(std::uint64_t number, std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  hooks_.push_back({number, std::move(hook)});
}

void FakeDisk::crash_at(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  crash_number_ = number;
}

void FakeDisk::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
  hooks_.clear();
  crash_number_ = UINT64_MAX;
  power_is_off_ = false;
}

std::unique_ptr<FakeDisk> FakeDisk::with(InodeTree tree) const {
  auto disk = std::make_unique<FakeDisk>(std::move(tree));
  disk->nature_ = nature_;
  return disk;
}

std::unique_ptr<FakeDisk> FakeDisk::clone() const {
  const std::lock_guard lock(mutex_);
  return with(tree_.with_files_closed());
}

std::unique_ptr<FakeDisk> FakeDisk::after_power_loss() const {
  const std::lock_guard lock(mutex_);
  return with(tree_.durable(std::nullopt));
}

std::unique_ptr<FakeDisk> FakeDisk::after_power_loss(std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  return with(tree_.durable(seed));
}

std::uint64_t FakeDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return log_.size();
}

std::vector<FakeDisk::Call> FakeDisk::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::uint64_t FakeDisk::bytes_written() const {
  const std::lock_guard lock(mutex_);
  return bytes_written_;
}

// Counts the call and runs its hook; nullopt inside a hook.
std::optional<FakeDisk::Call> FakeDisk::count(const char* name, const std::string& path) {
  std::unique_lock lock(mutex_);
  if (hooks_running_ > 0) return std::nullopt;
  const Call call{log_.size() + 1, name, path};
  log_.push_back(call);
  std::vector<std::function<void()>> due;
  for (const Hook& hook : hooks_) {
    if (hook.number == call.number) due.push_back(hook.run);
  }
  if (due.empty()) return call;
  ++hooks_running_;
  lock.unlock();
  for (const auto& run : due) run();
  lock.lock();
  --hooks_running_;
  return call;
}

const FakeDisk::Fault* FakeDisk::fault_of(const Call& call) const {
  const auto fault = std::find_if(faults_.begin(), faults_.end(), [&](const Fault& f) { return f.applies(call); });
  return fault == faults_.end() ? nullptr : &*fault;
}

int FakeDisk::call(const char* name, const std::string& path, const Action& action, const Action& half) {
  const std::optional<Call> counted = count(name, path);
  const std::lock_guard lock(mutex_);
  if (counted && counted->number >= crash_number_) power_is_off_ = true;
  if (power_is_off_) return EIO;
  const Fault* fault = counted ? fault_of(*counted) : nullptr;
  if (!fault) return action();
  if (fault->effect == Effect::done) static_cast<void>(action());
  if (fault->effect == Effect::half && half) static_cast<void>(half());
  return fault->error;
}

int FakeDisk::change(const char* name, const std::string& path, const Action& action, const Action& half) {
  return call(name, path, [&] { return nature_.read_only ? EROFS : action(); }, half);
}

int FakeDisk::open(const std::string& path, io::OpenMode mode, std::uint32_t permissions,
                   std::unique_ptr<io::File>& file) {
  std::unique_ptr<io::File> opened;
  const int error = call("open", path, [&] { return open_now(path, mode, permissions, opened); });
  if (!error) file = std::move(opened);
  return error;
}

int FakeDisk::open_now(const std::string& path, io::OpenMode mode, std::uint32_t permissions,
                       std::unique_ptr<io::File>& file) {
  Inode* inode = nullptr;
  int error = tree_.find(path, inode);
  if (!error && mode == io::OpenMode::create_new) return EEXIST;
  if (mode != io::OpenMode::read && nature_.read_only) return EROFS;
  if (error == ENOENT && mode != io::OpenMode::read) {
    error = tree_.create(path, io::FileKind::file, permissions, inode);
  } else if (!error) {
    if (inode->kind == io::FileKind::directory) return EISDIR;
    if (!(mode == io::OpenMode::read ? tree_.may_read(*inode) : tree_.may_write(*inode))) return EACCES;
  }
  if (error) return error;
  tree_.opened(*inode);
  file = std::make_unique<FakeFile>(*this, inode->number, path, mode);
  return 0;
}

int FakeDisk::make_directory(const std::string& path, std::uint32_t permissions) {
  Inode* inode = nullptr;
  return change("make_directory", path,
                [&] { return tree_.create(path, io::FileKind::directory, permissions, inode); });
}

int FakeDisk::rename_new(const std::string& from, const std::string& to) {
  return change("rename_new", from, [&] { return tree_.rename(from, to, false); });
}

int FakeDisk::rename_replacing(const std::string& from, const std::string& to) {
  return change("rename_replacing", from, [&] { return tree_.rename(from, to, true); });
}

int FakeDisk::link(const std::string& existing, const std::string& name) {
  return change("link", name,
                [&] { return nature_.links_refused ? nature_.links_refused : tree_.link(existing, name); });
}

int FakeDisk::remove(const std::string& path) {
  return change("remove", path, [&] { return tree_.remove(path); });
}

int FakeDisk::list(const std::string& directory, std::vector<std::string>& names) {
  return call("list", directory, [&]() -> int {
    Inode* inode = nullptr;
    if (int error = tree_.find(directory, inode)) return error;
    if (inode->kind != io::FileKind::directory) return ENOTDIR;
    if (!tree_.may_read(*inode)) return EACCES;
    names.clear();
    for (const auto& entry : inode->entries) names.push_back(entry.first);
    std::reverse(names.begin(), names.end());   // nobody may rely on an order
    return 0;
  });
}

int FakeDisk::info(const std::string& path, io::FileInfo& info) {
  return call("info", path, [&]() -> int {
    Inode* inode = nullptr;
    if (int error = tree_.find(path, inode)) return error;
    info = {inode->kind, inode->content.size(), inode->link_count, 1,           inode->number,
            inode->owner, inode->group,         inode->mode,       inode->modified};
    return 0;
  });
}

int FakeDisk::touch(const std::string& path) {
  return change("touch", path, [&]() -> int {
    Inode* inode = nullptr;
    if (int error = tree_.find(path, inode)) return error;
    if (!tree_.may_write(*inode)) return EACCES;
    tree_.touch(*inode);
    return 0;
  });
}

int FakeDisk::sync_directory(const std::string& path) {
  return call("sync_directory", path, [&]() -> int {
    Inode* inode = nullptr;
    if (int error = tree_.find(path, inode)) return error;
    if (inode->kind != io::FileKind::directory) return ENOTDIR;
    tree_.sync_directory(*inode);
    return 0;
  });
}

int FakeDisk::volume(const std::string& path, io::VolumeInfo& volume) {
  return call("volume", path, [&]() -> int {
    Inode* inode = nullptr;
    if (int error = tree_.find(path, inode)) return error;
    constexpr std::uint64_t roomy_bytes = 1ull << 40;
    const std::uint64_t used_bytes = tree_.used_bytes();
    const std::uint64_t total_bytes = nature_.capacity_bytes.value_or(roomy_bytes);
    volume = {total_bytes - std::min(used_bytes, total_bytes), total_bytes, nature_.in_memory, nature_.read_only};
    return 0;
  });
}

int FakeDisk::store(Inode& inode, std::uint64_t offset, std::string_view bytes) {
  const std::uint64_t used_bytes = tree_.used_bytes() - inode.content.size();   // by everything else
  int error = 0;
  const auto limit = [&](std::optional<std::uint64_t> most_bytes, int limit_error) {
    if (!most_bytes || used_bytes + offset + bytes.size() <= *most_bytes) return;
    const std::uint64_t end = std::max<std::uint64_t>(*most_bytes > used_bytes ? *most_bytes - used_bytes : 0,
                                                      inode.content.size());
    if (offset + bytes.size() <= end) return;   // overwrites what is there already
    bytes = bytes.substr(0, end > offset ? end - offset : 0);
    error = limit_error;
  };
  limit(nature_.quota_bytes, EDQUOT);
  limit(nature_.capacity_bytes, ENOSPC);
  if (!bytes.empty()) {
    if (inode.content.size() < offset + bytes.size()) inode.content.resize(offset + bytes.size());
    inode.content.replace(offset, bytes.size(), bytes);
    inode.bytes_written += bytes.size();
    bytes_written_ += bytes.size();
    tree_.touch(inode);
  }
  return error;
}

}  // namespace ckpt::testing
