// SPDX-License-Identifier: Apache-2.0
// What may be a run directory, and how one comes to be.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "captured_log.hpp"
#include "fault/for_each_call.hpp"
#include "prepared_run.hpp"
#include "rundir/directory_check.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

constexpr std::uint32_t setgid_bit = 02000;

io::FileInfo info_of(FakeDisk& disk, const std::string& path) {
  io::FileInfo info;
  INFO(path);
  REQUIRE(disk.info(path, info) == 0);
  return info;
}

const Layout run("/scratch/alice/run");

Thrown prepare(FakeDisk& disk, const DirectoryRules& rules = {}) {
  return thrown_by([&] { prepare_run_directory(disk, run, rules); });
}

}  // namespace

TEST_CASE("a run directory is made with its parents, private, and for good") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  const Permissions permissions = prepare_run_directory(disk, run, {});
  CHECK(permissions.directory == 0700);
  CHECK(permissions.file == 0600);
  CHECK(info_of(disk, "/scratch/alice").mode == 0777);   // less the umask, which this disk does not know
  const auto after = disk.after_power_loss();
  for (const auto& part : {run.directory(), run.blocks(), run.snapshots(), run.kept(), run.control()})
    CHECK(info_of(*after, part).mode == 0700);
  CHECK(info_of(disk, run.logs()).kind == io::FileKind::directory);
  CHECK(disk.files().empty());
}

TEST_CASE("checking makes nothing, and tells where the first thing would be made") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  CHECK(check_run_directory(disk, run, {}) == "/scratch");
  io::FileInfo ignored;
  CHECK(disk.info("/scratch/alice", ignored) == ENOENT);
  disk.make_directories(run.directory());
  CHECK(check_run_directory(disk, run, {.allow_other_owner = true}) == run.directory());
  CHECK(disk.info(run.blocks(), ignored) == ENOENT);
  disk.put(run.directory() + "/thesis.tex", "");
  CHECK_THROWS_WITH(check_run_directory(disk, run, {}), Catch::Contains("thesis.tex"));
}

TEST_CASE("a parent directory with setgid makes the run readable by its group") {
  FakeDisk disk;
  disk.make_directories("/scratch/alice");
  disk.set_mode("/scratch/alice", setgid_bit | 0770);
  const Permissions permissions = prepare_run_directory(disk, run, {});
  CHECK(permissions.directory == (setgid_bit | 0750));
  CHECK(permissions.file == 0640);
  CHECK(info_of(disk, run.snapshots()).mode == (setgid_bit | 0750));
  CHECK(permissions_of(disk, run).file == 0640);
}

TEST_CASE("preparing again changes nothing and syncs nothing") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  prepare_run_directory(disk, run, {});
  disk.put(run.run_json(), "{}");
  const auto calls = disk.calls();
  prepare_run_directory(disk, run, {});
  CHECK(disk.files() == std::vector{run.run_json()});
  for (const auto& call : disk.log())
    if (call.number > calls) CHECK(call.name != "sync_directory");
}

TEST_CASE("a part of a run directory that somebody removed is made again") {
  FakeDisk disk;
  disk.make_directories(run.logs());
  prepare_run_directory(disk, run, {});
  CHECK(info_of(*disk.after_power_loss(), run.control()).kind == io::FileKind::directory);
}

TEST_CASE("whatever call fails, preparing says so or is complete, and the next time it is complete") {
  FakeDisk empty;
  empty.make_directories("/scratch");
  const int error = GENERATE(EIO, ENOSPC, EACCES);
  const auto repeat = GENERATE(FakeDisk::Repeat::once, FakeDisk::Repeat::for_ever);
  for_each_call(
      empty, [&](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, error, repeat); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n << ", error " << error);
        const Thrown thrown = prepare(disk);
        disk.clear_faults();
        if (thrown.status != CKPT_OK) {
          CHECK(thrown.says("/scratch"));
          prepare_run_directory(disk, run, {});
        }
        CHECK(info_of(disk, run.snapshots()).kind == io::FileKind::directory);
        for (const auto& file : disk.files()) CHECK(file.find("/.probe.tmp") != std::string::npos);
      });
}

TEST_CASE("a file in the way is named, as the run directory and as a parent of it") {
  FakeDisk disk;
  const auto file = GENERATE(as<std::string>(), "/scratch/alice/run", "/scratch/alice", "/scratch");
  disk.put(file, "a text");
  const Thrown thrown = prepare(disk);
  CHECK(thrown.status == CKPT_ERR_RUN_DIRECTORY);
  CHECK(thrown.says("'" + file + "' is a file"));
  CHECK(thrown.says("--run"));
  CHECK(disk.content(file) == "a text");
}

TEST_CASE("a directory in memory is refused before anything is made in it, unless asked for") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  disk.set_in_memory(true);
  const Thrown thrown = prepare(disk);
  CHECK(thrown.status == CKPT_ERR_RUN_DIRECTORY);
  CHECK(thrown.says("tmpfs"));
  CHECK(thrown.says(run.directory()));
  CHECK_FALSE(disk.exists("/scratch/alice"));
  CHECK(prepare(disk, {.allow_volatile = true}).status == CKPT_OK);
}

TEST_CASE("a read-only file system is named as the reason") {
  FakeDisk disk;
  disk.make_directories(GENERATE(as<std::string>(), "/scratch", "/scratch/alice/run"));
  disk.set_read_only(true);
  const Thrown thrown = prepare(disk);
  CHECK(thrown.status == CKPT_ERR_PERMISSION);
  CHECK(thrown.says("read-only"));
}

TEST_CASE("somebody else's run is refused with the owner's name, unless asked for") {
  FakeDisk disk;
  disk.make_directories(run.directory());
  disk.set_owner(run.directory(), 4242, 4242);
  disk.set_mode(run.directory(), GENERATE(0777u, 0755u));
  const Thrown thrown = prepare(disk);
  CHECK(thrown.status == CKPT_ERR_RUN_DIRECTORY);
  CHECK(thrown.says("belongs to uid 4242"));
  CHECK(thrown.says("--allow-other-owner"));
  CHECK_FALSE(disk.exists(run.blocks()));
  disk.set_mode(run.directory(), 0777);
  CHECK(prepare(disk, {.allow_other_owner = true}).status == CKPT_OK);
}

TEST_CASE("a place where one may not write is told before anything is lost") {
  FakeDisk disk;
  const auto locked = GENERATE(as<std::string>(), "/scratch", "/scratch/alice/run");
  disk.make_directories(locked);
  disk.set_owner(locked, ::geteuid(), ::getegid());   // ours, but for the disk we are another
  disk.set_mode(locked, 0555);
  const Thrown thrown = prepare(disk);
  CHECK(thrown.status == CKPT_ERR_PERMISSION);
  CHECK(thrown.says("Permission denied"));
  CHECK(thrown.says("--run"));
}

TEST_CASE("a new run directory in the home directory is warned about, once") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  ::setenv("HOME", "/scratch/alice", 1);
  {
    const CapturedLog log;
    prepare_run_directory(disk, run, {});
    CHECK(log.lines() == 1);
    CHECK(log.says("home"));
  }
  const CapturedLog log;
  prepare_run_directory(disk, run, {});
  prepare_run_directory(disk, Layout("/scratch/alicia/run"), {});
  CHECK(log.text().empty());
  ::setenv("HOME", home.c_str(), 1);
}

TEST_CASE("a reader is told when there is no run, or when the directory is none") {
  FakeDisk disk;
  disk.make_directories("/scratch");
  const Thrown absent = thrown_by([&] { require_run_directory(disk, run); });
  CHECK(absent.status == CKPT_ERR_NOT_FOUND);
  CHECK(absent.says(run.directory()));
  disk.make_directories(run.directory());
  CHECK(thrown_by([&] { require_run_directory(disk, run); }).status == CKPT_ERR_NOT_FOUND);
  prepare_run_directory(disk, run, {});
  CHECK(thrown_by([&] { require_run_directory(disk, run); }).status == CKPT_OK);
  disk.put("/scratch/file", "");
  CHECK(thrown_by([&] { require_run_directory(disk, Layout("/scratch/file")); }).status == CKPT_ERR_RUN_DIRECTORY);
}

TEST_CASE("a directory with other people's files never becomes a run") {
  testing::FakeDisk disk;
  disk.put("/scratch/project/thesis.tex", "precious");
  const Layout layout("/scratch/project");
  CHECK_THROWS_WITH(prepare_run_directory(disk, layout, {}), Catch::Contains("thesis.tex") && Catch::Contains("/scratch/project/run"));
  CHECK_FALSE(disk.exists("/scratch/project/blocks"));
}
