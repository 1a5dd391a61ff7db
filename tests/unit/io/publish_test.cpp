// SPDX-License-Identifier: Apache-2.0
#include "io/publish.hpp"

#include <catch2/catch.hpp>

#include <set>

#include "base/error.hpp"
#include "base/log.hpp"
#include "bytes.hpp"
#include "fault/fake_disk.hpp"
#include "temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::testing;

namespace {

using Files = std::vector<std::string>;

// The error of an action that must fail.
template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return {CKPT_OK, 0, "no error"};
}

bool mentions(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

bool sync_fails(const FakeDisk::Call& call) { return call.name == "sync"; }
bool directory_sync_fails(const FakeDisk::Call& call) { return call.name == "sync_directory"; }

}  // namespace

TEST_CASE("a file that another one created is durable before one relies on it") {
  FakeDisk disk;
  disk.make_directories("/run");
  std::unique_ptr<io::File> theirs;
  REQUIRE(disk.open("/run/claim", io::OpenMode::create_new, 0600, theirs) == 0);
  REQUIRE(theirs->write_at(0, std::as_bytes(std::span("theirs", 6))) == 0);
  REQUIRE(theirs->sync() == 0);   // and dies before it syncs the directory
  REQUIRE_FALSE(disk.after_power_loss()->exists("/run/claim"));
  CHECK_FALSE(io::create_once(disk, "/run/claim", "ours", 0600));
  CHECK(disk.after_power_loss()->content("/run/claim") == "theirs");
}

TEST_CASE("on a real disk files are published, created once and replaced, and nothing else is left") {
  const TemporaryDirectory directory;
  io::FileSystem& fs = io::posix_file_system();
  const std::string temporary = io::temporary_name(directory / "snapshot");
  CHECK(io::create_once(fs, temporary, "content", 0600));
  io::publish_new(fs, temporary, directory / "snapshot");
  CHECK(io::read_file(fs, directory / "snapshot") == "content");
  CHECK(io::create_once(fs, directory / "claim", "mine", 0640));
  CHECK_FALSE(io::create_once(fs, directory / "claim", "theirs", 0640));
  CHECK(io::read_file(fs, directory / "claim") == "mine");
  io::FileInfo info;
  REQUIRE(fs.info(directory / "claim", info) == 0);
  CHECK(info.link_count == 1);
  CHECK(info.mode == 0640);
  io::replace_file(fs, directory / "status", "old", 0600);
  io::replace_file(fs, directory / "status", "new", 0600);
  CHECK(io::read_file(fs, directory / "status") == "new");
  std::vector<std::string> names;
  REQUIRE(fs.list(directory.path(), names) == 0);
  CHECK(std::set<std::string>(names.begin(), names.end()) == std::set<std::string>{"claim", "snapshot", "status"});
}

TEST_CASE("a snapshot is never published onto an existing name") {
  FakeDisk disk;
  disk.put("/run/new", "new");
  disk.put("/run/there", "there");
  const Error error = error_of([&] { io::publish_new(disk, "/run/new", "/run/there"); });
  CHECK(error.os_errno() == EEXIST);
  CHECK(mentions(error, "/run/there"));
  CHECK(disk.content("/run/there") == "there");
  CHECK(disk.files() == Files{"/run/there"});
}

TEST_CASE("a name that was there before is no lost reply, even when it is the same file") {
  FakeDisk disk;
  disk.put("/run/there", "there");
  disk.put("/run/other", "other");
  disk.fail_if([](const FakeDisk::Call& call) { return call.name == "rename_new"; }, ENOENT);
  CHECK(error_of([&] { io::publish_new(disk, "/run/other", "/run/there"); }).os_errno() == ENOENT);
  CHECK(disk.content("/run/there") == "there");
}

TEST_CASE("a failed sync drops the file and is not tried again") {
  FakeDisk disk;
  disk.make_directories("/run");
  disk.fail_if(sync_fails, EIO);
  const Error created = error_of([&] { io::create_once(disk, "/run/claim", "content", 0600); });
  CHECK(created.status() == CKPT_ERR_IO);
  CHECK(mentions(created, "/run/claim"));
  const Error replaced = error_of([&] { io::replace_file(disk, "/run/status", "content", 0600); });
  CHECK(replaced.status() == CKPT_ERR_IO);
  CHECK(disk.files().empty());
  std::size_t syncs = 0;
  for (const auto& call : disk.log()) syncs += call.name == "sync";
  CHECK(syncs == 2);
}

TEST_CASE("a file system that cannot sync directories is tolerated, one that fails to is not") {
  FakeDisk disk;
  disk.put("/run/new", "new");
  set_log_level(LogLevel::error);
  SECTION("cannot") {
    const int refusal = GENERATE(EINVAL, ENOTSUP, ENOSYS, EBADF);
    disk.fail_if(directory_sync_fails, refusal);
    io::publish_new(disk, "/run/new", "/run/published");
    CHECK(io::create_once(disk, "/run/claim", "content", 0600));
    CHECK(disk.files() == Files{"/run/claim", "/run/published"});
  }
  SECTION("fails: what may vanish does not count as published") {
    const int failure = GENERATE(EIO, ENOSPC, EACCES);
    disk.fail_if(directory_sync_fails, failure);
    CHECK(error_of([&] { io::publish_new(disk, "/run/new", "/run/published"); }).os_errno() == failure);
    CHECK(disk.files().empty());
    CHECK(error_of([&] { io::create_once(disk, "/run/claim", "content", 0600); }).os_errno() == failure);
    CHECK(disk.files() == Files{"/run/claim"});   // a claim others may have seen does not vanish again
  }
  set_log_level(LogLevel::info);
}

TEST_CASE("a full disk, a used-up quota and missing rights are told apart, name the file and leave nothing") {
  FakeDisk disk;
  disk.make_directories("/run");
  ckpt_status expected = CKPT_OK;
  SECTION("space") {
    disk.set_free_bytes(3);
    expected = CKPT_ERR_NO_SPACE;
  }
  SECTION("quota") {
    disk.set_quota_bytes(3);
    expected = CKPT_ERR_QUOTA;
  }
  SECTION("rights") {
    disk.set_mode("/run", 0500);
    expected = CKPT_ERR_PERMISSION;
  }
  SECTION("read-only") {
    disk.set_read_only(true);
    expected = CKPT_ERR_PERMISSION;
  }
  const Error created = error_of([&] { io::create_once(disk, "/run/claim", "content", 0600); });
  CHECK(created.status() == expected);
  CHECK(mentions(created, "/run/claim"));
  const Error replaced = error_of([&] { io::replace_file(disk, "/run/status", "content", 0600); });
  CHECK(replaced.status() == expected);
  CHECK(mentions(replaced, "/run/status"));
  CHECK(disk.files().empty());
}

TEST_CASE("where links are refused a file is still created once, and not left half") {
  FakeDisk disk;
  disk.make_directories("/run");
  disk.set_links_refused(GENERATE(EPERM, EOPNOTSUPP, EMLINK, ENOSYS, EXDEV));
  CHECK(io::create_once(disk, "/run/claim", "mine", 0600));
  CHECK_FALSE(io::create_once(disk, "/run/claim", "theirs", 0600));
  CHECK(disk.after_power_loss()->content("/run/claim") == "mine");
  disk.fail_if([](const FakeDisk::Call& call) { return call.name == "sync" && call.path == "/run/other"; }, EIO);
  CHECK(error_of([&] { io::create_once(disk, "/run/other", "content", 0600); }).os_errno() == EIO);
  CHECK(disk.files() == Files{"/run/claim"});
}

TEST_CASE("reading a file gives all of it, or says which file and why") {
  FakeDisk disk;
  disk.put("/run/a", "content");
  CHECK(io::read_file(disk, "/run/a") == "content");
  CHECK(io::read_file(disk, "/run/a", 7) == "content");
  const Error too_long = error_of([&] { io::read_file(disk, "/run/a", 6); });
  CHECK(too_long.status() == CKPT_ERR_DAMAGED);
  CHECK(mentions(too_long, "/run/a"));
  const Error absent = error_of([&] { io::read_file(disk, "/run/absent"); });
  CHECK(absent.os_errno() == ENOENT);
  CHECK(mentions(absent, "/run/absent"));
  for (std::uint64_t number = disk.calls() + 1, last = number + 2; number <= last; ++number) {
    disk.clear_faults();
    disk.fail_call(number, EIO, FakeDisk::Repeat::for_ever);
    CHECK(error_of([&] { io::read_file(disk, "/run/a"); }).status() == CKPT_ERR_IO);
    number = disk.calls();
  }
}

TEST_CASE("a file that becomes shorter while it is read gives what was left") {
  FakeDisk disk;
  disk.put("/run/a", "content");
  disk.at_call(3, [&] { disk.cut("/run/a", 4); });
  CHECK(io::read_file(disk, "/run/a") == "cont");
  CHECK(disk.log()[2].name == "read_at");
}

TEST_CASE("replacing and creating call the disk no more often than they must") {
  FakeDisk disk;
  disk.make_directories("/run");
  const auto names = [&] {
    Files called;
    for (const auto& call : disk.log()) called.push_back(call.name);
    return called;
  };
  SECTION("replace") {
    io::replace_file(disk, "/run/status", "content", 0600);
    CHECK(names() == Files{"open", "write_at", "sync", "close", "info", "rename_replacing", "sync_directory"});
  }
  SECTION("create") {
    CHECK(io::create_once(disk, "/run/claim", "content", 0600));
    CHECK(names() == Files{"open", "write_at", "sync", "close", "info", "link", "remove", "sync_directory"});
  }
  SECTION("publish") {
    disk.put("/run/new", "content");
    io::publish_new(disk, "/run/new", "/run/published");
    CHECK(names() == Files{"info", "rename_new", "sync_directory"});
  }
}

TEST_CASE("temporary names lie beside their file, are all different and can be recognised") {
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) names.insert(io::temporary_name("/run/snapshots/step-1.h5"));
  CHECK(names.size() == 100);
  CHECK(io::parent_directory(*names.begin()) == "/run/snapshots");
  CHECK(io::is_temporary_name(io::base_name(*names.begin())));
  CHECK(io::is_temporary_name(io::temporary_name("plain")));
  CHECK(io::temporary_name(std::string(255, 'x')).size() <= 255);
  CHECK(io::is_temporary_name(io::base_name(io::temporary_name("/plain"))));
  for (const char* name : {"", ".", "..", "step-1.h5", ".hidden", "a.tmp-x", ".tmp-x", "step-1.h5.damaged-b0007"})
    CHECK_FALSE(io::is_temporary_name(name));
}

TEST_CASE("paths fall apart into directory and name") {
  CHECK(io::parent_directory("/a/b") == "/a");
  CHECK(io::parent_directory("/a") == "/");
  CHECK(io::parent_directory("a") == ".");
  CHECK(io::parent_directory("a/b/c") == "a/b");
  CHECK(io::base_name("/a/b") == "b");
  CHECK(io::base_name("a") == "a");
}
