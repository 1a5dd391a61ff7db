// SPDX-License-Identifier: Apache-2.0
#include "fault/mortal.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <random>

#include "io/file_system.hpp"
#include "io/publish.hpp"

namespace ckpt::testing {
namespace {

using io::File;
using io::FileSystem;

bool is_in(const std::string& path, const char* folder) {
  return io::base_name(io::parent_directory(path)) == folder;
}
bool is_directory_of_snapshots(const std::string& path) { return io::base_name(path) == "snapshots"; }
bool is_snapshot(const std::string& path) { return is_in(path, "snapshots") && io::base_name(path).starts_with("step-"); }
bool is_new_snapshot(const std::string& path) {
  return is_in(path, "snapshots") && io::is_temporary_name(io::base_name(path));
}

class Fate {
 public:
  explicit Fate(MortalWords& words) : words_(words) {}

  // Before every call that has no moment of its own.
  void enter() {
    enter(last_.exchange(Moment::running) == Moment::directory_synced ? Moment::directory_synced : Moment::running);
  }
  void enter(Moment moment) {
    words_.moment = static_cast<std::uint32_t>(moment);
    const auto aim = static_cast<Moment>(words_.aim.load());
    if (aim != moment && aim != Moment::any) return;
    if (words_.calls_left.fetch_sub(1) == 1) die(moment);
  }
  // Of a call that changes something: what it fails with, 0 mostly.
  int fault() {
    const std::uint32_t failing = words_.failing;
    if (failing == 0) return 0;
    thread_local std::minstd_rand random{std::random_device{}()};
    if (random() % 1000 >= failing) return 0;
    ++words_.failed;
    constexpr int errors[] = {EIO, ENOSPC, EDQUOT, ESTALE};
    return errors[random() % std::size(errors)];
  }
  // Of the snapshot being made: what has happened to it last.
  void happened(Moment moment) { last_ = moment; }
  bool last_was(Moment moment) const { return last_ == moment; }

 private:
  [[noreturn]] void die(Moment moment) {
    words_.aim = 0;
    words_.died = static_cast<std::uint32_t>(moment);
    if (words_.with_parent && ::getppid() == parent_) ::kill(parent_, SIGKILL);   // an orphan's is not to blame
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }

  MortalWords& words_;
  const pid_t parent_ = ::getppid();
  std::atomic<Moment> last_{Moment::running};
};

class MortalFile final : public File {
 public:
  MortalFile(std::unique_ptr<File> file, Fate& fate, Moment moment)
      : file_(std::move(file)), fate_(fate), moment_(moment) {}

  int read_at(std::uint64_t offset, std::span<std::byte> to, std::size_t& bytes_read) override {
    return file_->read_at(offset, to, bytes_read);
  }
  int size(std::uint64_t& bytes) override { return file_->size(bytes); }
  int write_at(std::uint64_t offset, std::span<const std::byte> from) override {
    enter();
    const int fault = fate_.fault();
    return fault ? fault : file_->write_at(offset, from);
  }
  int append(std::span<const std::byte> from) override {
    enter();
    const int fault = fate_.fault();
    return fault ? fault : file_->append(from);
  }
  int truncate(std::uint64_t bytes) override {
    enter();
    const int fault = fate_.fault();
    return fault ? fault : file_->truncate(bytes);
  }
  int sync() override {
    enter();
    const int fault = fate_.fault();
    return fault ? fault : file_->sync();
  }
  int close() override {
    enter();
    const int error = file_->close();   // lets go of the descriptor, whatever it answers
    return error ? error : fate_.fault();
  }

 private:
  void enter() {
    if (moment_ == Moment::running) fate_.enter();
    else fate_.enter(moment_);
  }

  std::unique_ptr<File> file_;
  Fate& fate_;
  Moment moment_;
};

class MortalFileSystem final : public FileSystem {
 public:
  explicit MortalFileSystem(MortalWords& words) : fate_(words) {}
  Fate& fate() { return fate_; }

  int open(const std::string& path, io::OpenMode mode, std::uint32_t permissions, std::unique_ptr<File>& file) override {
    const bool creates = mode == io::OpenMode::create_new;
    const bool snapshot = creates && is_new_snapshot(path);
    const bool record = creates && is_in(path, "blocks");
    if (snapshot) fate_.enter(Moment::staged);
    else enter_record_or(record);
    if (const int fault = creates ? fate_.fault() : 0) return fault;
    const int error = disk_.open(path, mode, permissions, file);
    const Moment of_the_file = snapshot ? Moment::draining : record ? Moment::claiming : Moment::running;
    if (error == 0 && mode != io::OpenMode::read) file = std::make_unique<MortalFile>(std::move(file), fate_, of_the_file);
    return error;
  }
  int make_directory(const std::string& path, std::uint32_t permissions) override {
    fate_.enter();
    const int fault = fate_.fault();
    return fault ? fault : disk_.make_directory(path, permissions);
  }
  int rename_new(const std::string& from, const std::string& to) override {
    const bool publishes = is_new_snapshot(from);
    if (publishes) fate_.enter(Moment::synced);
    else fate_.enter();
    if (const int fault = fate_.fault()) return fault;
    const int error = disk_.rename_new(from, to);
    if (publishes && error == 0) fate_.happened(Moment::renamed);
    return error;
  }
  int rename_replacing(const std::string& from, const std::string& to) override {
    fate_.enter();
    const int fault = fate_.fault();
    return fault ? fault : disk_.rename_replacing(from, to);
  }
  int link(const std::string& existing, const std::string& name) override {
    enter_record_or(is_in(name, "blocks"));
    const int fault = fate_.fault();
    return fault ? fault : disk_.link(existing, name);
  }
  int remove(const std::string& path) override {
    if (is_snapshot(path)) {
      fate_.enter(Moment::pruning);
      fate_.happened(Moment::pruning);
    } else {
      enter_record_or(is_in(path, "blocks"));
    }
    const int fault = fate_.fault();
    return fault ? fault : disk_.remove(path);
  }
  int sync_directory(const std::string& path) override {
    if (!is_directory_of_snapshots(path)) {
      enter_record_or(io::base_name(path) == "blocks");
      const int fault = fate_.fault();
      return fault ? fault : disk_.sync_directory(path);
    }
    const bool publishes = fate_.last_was(Moment::renamed);
    if (publishes) fate_.enter(Moment::renamed);
    else if (fate_.last_was(Moment::pruning)) fate_.enter(Moment::pruning);
    else fate_.enter();
    if (const int fault = fate_.fault()) return fault;
    const int error = disk_.sync_directory(path);
    if (publishes && error == 0) fate_.happened(Moment::directory_synced);
    return error;
  }
  int touch(const std::string& path) override {
    fate_.enter();
    const int fault = fate_.fault();
    return fault ? fault : disk_.touch(path);
  }
  int list(const std::string& path, std::vector<std::string>& names) override { return disk_.list(path, names); }
  int info(const std::string& path, io::FileInfo& info) override { return disk_.info(path, info); }
  int volume(const std::string& path, io::VolumeInfo& volume) override { return disk_.volume(path, volume); }

 private:
  void enter_record_or(bool record) {
    if (record) fate_.enter(Moment::claiming);
    else fate_.enter();
  }

  FileSystem& disk_ = io::posix_file_system();
  Fate fate_;
};

MortalFileSystem* mortal = nullptr;   // for the life of the process

__attribute__((constructor)) void become_mortal() {
  const char* path = std::getenv(MORTAL_VARIABLE);
  if (!path) return;
  const int descriptor = ::open(path, O_RDWR | O_CLOEXEC);
  void* words = ::mmap(nullptr, sizeof(MortalWords), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  ::close(descriptor);
  if (words == MAP_FAILED) std::abort();
  mortal = new MortalFileSystem(*static_cast<MortalWords*>(words));
  io::set_file_system(mortal);
}

}  // namespace
}  // namespace ckpt::testing

extern "C" void mortal_filling() {
  using namespace ckpt::testing;
  if (mortal) mortal->fate().enter(Moment::filling);
}
