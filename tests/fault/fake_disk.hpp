// SPDX-License-Identifier: Apache-2.0
// A disk in memory that counts every call, fails the ones a test names, lets another owner act in between, loses
// power, and tells afterwards what is left. The usual loop, "fail call N for N = 1, 2, … until a clean pass":
//
//   for (std::uint64_t n = 1;; ++n) {
//     auto disk = prepared.clone();
//     disk->fail_call(n, EIO, FakeDisk::Repeat::once);
//     … act, then check what must hold …
//     if (disk->calls() < n) break;      // the fault was never reached: this pass was clean
//   }
//
// Thread-safe. A File must not outlive its disk. Paths are absolute; a relative one starts at the root.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fault/inode_tree.hpp"
#include "io/file_system.hpp"

namespace ckpt::testing {

class FakeDisk final : public io::FileSystem {
 public:
  // One call of FileSystem or File; a close by File's destructor is none.
  struct Call {
    std::uint64_t number;    // from 1
    std::string name;        // "open", "write_at", "rename_new", …
    std::string path;        // as it was passed; of a File: as it was opened
  };
  enum class Repeat { once, for_ever };
  enum class Effect {
    none,                    // the call fails and nothing has happened
    done,                    // it fails although it happened: the reply was lost
    half,                    // write_at, append: the first half was written, then it fails; other calls: as none
  };

  FakeDisk() = default;
  explicit FakeDisk(InodeTree tree) : tree_(std::move(tree)) {}

  // --- faults; several may be set, the first that applies wins. A predicate must not use the disk ---
  void fail_call(std::uint64_t number, int error = EIO, Repeat repeat = Repeat::once, Effect effect = Effect::none);
  void fail_if(std::function<bool(const Call&)> applies, int error, Effect effect = Effect::none);
  // Runs before call `number` executes, on the caller's thread, and may use this disk: while it runs no call is
  // counted, logged or failed.
  void at_call(std::uint64_t number, std::function<void()> hook);
  // The power goes off: from this call on every call is EIO and nothing reaches the disk any more.
  void crash_at(std::uint64_t number);
  void clear_faults();       // all of the above; the count goes on

  // --- afterwards: a new disk, everybody's files closed, no faults, count 0 ---
  std::unique_ptr<FakeDisk> clone() const;                 // the same state, unsynced parts still unsynced
  std::unique_ptr<FakeDisk> after_kill() const { return clone(); }   // the process died, the kernel lives
  std::unique_ptr<FakeDisk> after_power_loss() const;      // only what was synced
  std::unique_ptr<FakeDisk> after_power_loss(std::uint64_t seed) const;   // and a random part of the rest

  // --- what was called ---
  std::uint64_t calls() const;
  std::vector<Call> log() const;
  std::uint64_t bytes_written() const;                     // by all write calls on this disk
  std::uint64_t bytes_written_to(const std::string& path) const;   // follows the file through renames and links

  // --- the disk's nature ---
  void set_free_bytes(std::uint64_t bytes);                // a write beyond it stores what fits, then ENOSPC
  void set_quota_bytes(std::uint64_t bytes_left);          // the same with EDQUOT, not seen by volume()
  void set_links_refused(int error);                       // 0: allowed again
  void set_in_memory(bool in_memory);
  void set_read_only(bool read_only);                      // every change is EROFS
  void set_user(std::uint32_t user, std::uint32_t group);  // whose process calls from now on; 0: root
  void set_owner(const std::string& path, std::uint32_t owner, std::uint32_t group);
  void set_mode(const std::string& path, std::uint32_t mode);
  void set_modified(const std::string& path, double wall_seconds);

  // --- hands on the disk: never counted, never failing; std::runtime_error when the path is not there ---
  void make_directories(const std::string& path);          // durable, 0755
  void put(const std::string& path, std::string_view content);   // durable, 0644; the parents are made as well
  std::string content(const std::string& path) const;
  bool exists(const std::string& path) const;
  std::vector<std::string> files() const;                  // paths of all files, sorted
  void flip_bit(const std::string& path, std::uint64_t bit);
  void cut(const std::string& path, std::uint64_t size_bytes);
  void erase(const std::string& path);
  void sync_everything();

  // --- io::FileSystem ---
  int open(const std::string& path, io::OpenMode mode, std::uint32_t permissions,
           std::unique_ptr<io::File>& file) override;
  int make_directory(const std::string& path, std::uint32_t permissions) override;
  int rename_new(const std::string& from, const std::string& to) override;
  int rename_replacing(const std::string& from, const std::string& to) override;
  int link(const std::string& existing, const std::string& name) override;
  int remove(const std::string& path) override;
  int list(const std::string& directory, std::vector<std::string>& names) override;
  int info(const std::string& path, io::FileInfo& info) override;
  int touch(const std::string& path) override;
  int sync_directory(const std::string& path) override;
  int volume(const std::string& path, io::VolumeInfo& volume) override;

 private:
  friend class FakeFile;
  struct Fault {
    std::function<bool(const Call&)> applies;
    int error;
    Effect effect;
  };
  struct Hook {
    std::uint64_t number;
    std::function<void()> run;
  };
  struct Nature {
    std::optional<std::uint64_t> capacity_bytes, quota_bytes;   // of all files together
    int links_refused = 0;
    bool in_memory = false, read_only = false;
  };
  using Action = std::function<int()>;

  int call(const char* name, const std::string& path, const Action& action, const Action& half = {});
  int change(const char* name, const std::string& path, const Action& action, const Action& half = {});
  std::optional<Call> count(const char* name, const std::string& path);
  const Fault* fault_of(const Call& call) const;
  std::unique_ptr<FakeDisk> with(InodeTree tree) const;
  int open_now(const std::string& path, io::OpenMode mode, std::uint32_t permissions, std::unique_ptr<io::File>& file);
  int store(Inode& inode, std::uint64_t offset, std::string_view bytes);
  Inode& existing(const std::string& path);

  mutable std::mutex mutex_;   // guards everything below
  InodeTree tree_;
  Nature nature_;
  std::vector<Fault> faults_;
  std::vector<Hook> hooks_;
  std::vector<Call> log_;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t crash_number_ = UINT64_MAX;
  unsigned hooks_running_ = 0;
  bool power_is_off_ = false;
};

}  // namespace ckpt::testing
