// SPDX-License-Identifier: Apache-2.0
// The fake must be as unkind as a real disk, or the tests that stand on it prove nothing.
#include "fault/fake_disk.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <thread>

#include "bytes.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using io::OpenMode;

namespace {

void write_whole(FakeDisk& disk, const std::string& path, std::string_view content, bool sync) {
  const auto file = open_file(disk, path, OpenMode::create_new);
  REQUIRE(file);
  REQUIRE(file->write_at(0, bytes_of(content)) == 0);
  if (sync) REQUIRE(file->sync() == 0);
  REQUIRE(file->close() == 0);
}

}  // namespace

TEST_CASE("a power loss takes a file whose directory was not synced") {
  FakeDisk disk;
  write_whole(disk, "/a", "content", true);
  CHECK(disk.after_kill()->content("/a") == "content");
  CHECK_FALSE(disk.after_power_loss()->exists("/a"));
  REQUIRE(disk.sync_directory("/") == 0);
  CHECK(disk.after_power_loss()->content("/a") == "content");
}

TEST_CASE("a power loss takes the content of a file that was not synced, and leaves its name") {
  FakeDisk disk;
  write_whole(disk, "/a", "content", false);
  REQUIRE(disk.sync_directory("/") == 0);
  CHECK(disk.after_power_loss()->content("/a").empty());
}

TEST_CASE("a power loss undoes an unlink, a rename and a replacement whose directory was not synced") {
  FakeDisk disk;
  disk.put("/removed", "1");
  disk.put("/from", "2");
  disk.put("/replaced", "3");
  disk.put("/replacing", "4");
  REQUIRE(disk.remove("/removed") == 0);
  REQUIRE(disk.rename_new("/from", "/to") == 0);
  REQUIRE(disk.rename_replacing("/replacing", "/replaced") == 0);
  CHECK(disk.files() == std::vector<std::string>{"/replaced", "/to"});
  const auto left = disk.after_power_loss();
  CHECK(left->files() == std::vector<std::string>{"/from", "/removed", "/replaced", "/replacing"});
  CHECK(left->content("/removed") == "1");
  CHECK(left->content("/replaced") == "3");
}

TEST_CASE("a power loss with write-back keeps any part of what was not synced, and all that was") {
  FakeDisk disk;
  disk.put("/synced", "safe");
  write_whole(disk, "/a", std::string(3 * InodeTree::page_bytes, 'x'), false);
  write_whole(disk, "/b", "b", false);
  std::set<std::vector<std::string>> names;
  std::set<std::string> contents;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto left = disk.after_power_loss(seed);
    REQUIRE(left->content("/synced") == "safe");
    names.insert(left->files());
    if (left->exists("/a")) contents.insert(left->content("/a"));
  }
  CHECK(names.size() == 4);      // with and without /a, with and without /b
  CHECK(contents.size() == 9);   // empty, or each of three pages written or a hole
}

TEST_CASE("after a failed sync the next one succeeds and writes nothing, as on Linux") {
  FakeDisk disk;
  disk.make_directories("/d");
  const auto file = open_file(disk, "/d/a", OpenMode::create_new);
  REQUIRE(disk.sync_directory("/d") == 0);
  REQUIRE(file->write_at(0, bytes_of("content")) == 0);
  disk.fail_call(disk.calls() + 1, EIO);
  CHECK(file->sync() == EIO);
  CHECK(file->sync() == 0);
  CHECK(disk.after_power_loss()->content("/d/a").empty());
  CHECK(disk.after_power_loss(7)->content("/d/a").empty());
}

TEST_CASE("a call fails once, for ever, with its effect lost or kept, or half done") {
  FakeDisk disk;
  const auto file = open_file(disk, "/a", OpenMode::create_new);
  SECTION("once") {
    disk.fail_call(2, EDQUOT);
    CHECK(file->write_at(0, bytes_of("1234")) == EDQUOT);
    CHECK(disk.content("/a").empty());
    CHECK(file->write_at(0, bytes_of("1234")) == 0);
  }
  SECTION("for ever") {
    disk.fail_call(2, EIO, FakeDisk::Repeat::for_ever);
    std::uint64_t size_bytes = 0;
    CHECK(file->write_at(0, bytes_of("1234")) == EIO);
    CHECK(file->size(size_bytes) == EIO);
    CHECK(disk.remove("/a") == EIO);
    disk.clear_faults();
    CHECK(disk.remove("/a") == 0);
  }
  SECTION("the reply lost") {
    disk.fail_call(2, EIO, FakeDisk::Repeat::once, FakeDisk::Effect::done);
    CHECK(disk.rename_new("/a", "/b") == EIO);
    CHECK(disk.files() == std::vector<std::string>{"/b"});
  }
  SECTION("half done") {
    disk.fail_call(2, ENOSPC, FakeDisk::Repeat::once, FakeDisk::Effect::half);
    CHECK(file->write_at(0, bytes_of("1234")) == ENOSPC);
    CHECK(disk.content("/a") == "12");
    CHECK(disk.bytes_written_to("/a") == 2);
  }
  SECTION("wherever a predicate says so") {
    disk.fail_if([](const FakeDisk::Call& call) { return call.name == "sync_directory"; }, EINVAL);
    CHECK(disk.sync_directory("/") == EINVAL);
    CHECK(file->sync() == 0);
  }
}

TEST_CASE("from the crash on nothing reaches the disk") {
  FakeDisk disk;
  const auto file = open_file(disk, "/a", OpenMode::create_new);
  REQUIRE(file->write_at(0, bytes_of("before")) == 0);
  disk.crash_at(disk.calls() + 1);
  CHECK(file->write_at(0, bytes_of("after!")) == EIO);
  CHECK(file->sync() == EIO);
  CHECK(disk.remove("/a") == EIO);
  const auto left = disk.after_kill();
  CHECK(left->content("/a") == "before");
  CHECK(left->remove("/a") == 0);   // the new disk has power again
}

TEST_CASE("a hook runs before its call, uses the disk, and is neither counted nor failed") {
  FakeDisk disk;
  disk.fail_call(1, EIO, FakeDisk::Repeat::for_ever);
  int made = -1;
  disk.at_call(2, [&] { made = disk.make_directory("/other", 0755); });
  CHECK(disk.make_directory("/first", 0755) == EIO);
  CHECK(disk.make_directory("/second", 0755) == EIO);
  CHECK(made == 0);
  CHECK(disk.exists("/other"));
  CHECK(disk.calls() == 2);
  CHECK(disk.log().back().name == "make_directory");
  CHECK(disk.log().back().path == "/second");
}

TEST_CASE("a full disk stores what fits, says so, and takes data again when something is removed") {
  FakeDisk disk;
  disk.put("/old", std::string(100, 'o'));
  const auto file = open_file(disk, "/a", OpenMode::create_new);
  io::VolumeInfo volume;
  SECTION("no space") {
    disk.set_free_bytes(10);
    REQUIRE(disk.volume("/", volume) == 0);
    CHECK(volume.free_bytes == 10);
    CHECK(file->write_at(0, bytes_of("0123456789ab")) == ENOSPC);
    CHECK(disk.content("/a") == "0123456789");
    CHECK(file->write_at(0, bytes_of("abcdefghij")) == 0);   // no growth
    REQUIRE(disk.remove("/old") == 0);
    CHECK(file->write_at(0, bytes_of("0123456789ab")) == 0);
  }
  SECTION("quota used up although the volume shows space") {
    disk.set_quota_bytes(3);
    CHECK(file->write_at(0, bytes_of("0123")) == EDQUOT);
    REQUIRE(disk.volume("/", volume) == 0);
    CHECK(volume.free_bytes > 1000);
  }
}

TEST_CASE("hard links share one file, which lives until the last name is gone") {
  FakeDisk disk;
  disk.put("/a", "content");
  REQUIRE(disk.link("/a", "/b") == 0);
  CHECK(disk.link("/a", "/b") == EEXIST);
  io::FileInfo a, b;
  REQUIRE(disk.info("/a", a) == 0);
  REQUIRE(disk.info("/b", b) == 0);
  CHECK(a.inode == b.inode);
  CHECK(a.link_count == 2);
  REQUIRE(disk.remove("/a") == 0);
  CHECK(disk.content("/b") == "content");
  REQUIRE(disk.info("/b", b) == 0);
  CHECK(b.link_count == 1);
  disk.set_links_refused(EPERM);
  CHECK(disk.link("/b", "/c") == EPERM);
}

TEST_CASE("a fake disk refuses what modes, a read-only mount and wrong kinds refuse") {
  FakeDisk disk;
  std::unique_ptr<io::File> file;
  disk.put("/theirs/a", "content");
  disk.set_owner("/theirs", 1001, 1001);
  disk.set_owner("/theirs/a", 1001, 1001);
  disk.set_mode("/theirs/a", 0600);
  CHECK(disk.open("/theirs/a", OpenMode::read, 0, file) == EACCES);
  CHECK(disk.open("/theirs/b", OpenMode::create_new, 0600, file) == EACCES);
  CHECK(disk.remove("/theirs/a") == EACCES);
  CHECK(disk.open("/theirs", OpenMode::read, 0, file) == EISDIR);
  CHECK(disk.open("/nowhere/a", OpenMode::create_new, 0600, file) == ENOENT);
  CHECK(disk.open("/theirs/a/b", OpenMode::create_new, 0600, file) == ENOTDIR);
  disk.set_user(0, 0);
  CHECK(disk.open("/theirs/a", OpenMode::read, 0, file) == 0);
  disk.set_read_only(true);
  CHECK(disk.remove("/theirs/a") == EROFS);
  CHECK(disk.open("/theirs/b", OpenMode::create_new, 0600, file) == EROFS);
}

TEST_CASE("a copy of a fake disk lives its own life and still knows what was not synced") {
  FakeDisk disk;
  write_whole(disk, "/a", "content", false);
  const auto copy = disk.clone();
  CHECK(copy->calls() == 0);
  REQUIRE(copy->remove("/a") == 0);
  CHECK(disk.exists("/a"));
  CHECK_FALSE(disk.clone()->after_power_loss()->exists("/a"));
}

TEST_CASE("every byte written to a fake disk is counted for its file through renames and threads") {
  FakeDisk disk;
  const auto file = open_file(disk, "/a", OpenMode::create_new);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 100; ++i) (void)file->write_at((t * 100 + i) * 10, bytes_of("0123456789"));
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(disk.rename_new("/a", "/b") == 0);
  CHECK(disk.bytes_written_to("/b") == 4000);
  CHECK(disk.bytes_written() == 4000);
  CHECK(disk.content("/b").substr(3990) == "0123456789");
  CHECK(disk.calls() == 402);
}
