// SPDX-License-Identifier: Apache-2.0
// A run on the real disk: what the kernel does with modes, links and other users' directories.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "captured_log.hpp"
#include "io/publish.hpp"
#include "prepared_run.hpp"
#include "rundir/run_record.hpp"
#include "rundir/sharing.hpp"
#include "unit/io/temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

constexpr DirectoryRules anywhere{.allow_volatile = true};   // the build may be in memory

io::FileSystem& disk() { return io::posix_file_system(); }

std::uint32_t mode_of(const std::string& path) {
  io::FileInfo info;
  INFO(path);
  REQUIRE(disk().info(path, info) == 0);
  return info.mode;
}

struct Umask {
  mode_t before;
  explicit Umask(mode_t now) : before(::umask(now)) {}
  ~Umask() { ::umask(before); }
};

void publish(const Layout& layout, const Permissions& permissions, SnapshotId id) {
  const std::string temporary = io::temporary_name(layout.snapshot(id));
  REQUIRE(io::create_once(disk(), temporary, "state", permissions.file));
  io::publish_new(disk(), temporary, layout.snapshot(id));
}

// What preparing says to an unprivileged user; "" when that went well.
std::string said_to_nobody(const Layout& layout) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool changed = ::setgid(65534) == 0 && ::setuid(65534) == 0;
    const Thrown thrown = thrown_by([&] { prepare_run_directory(disk(), layout, anywhere); });
    const std::string text = changed ? thrown.text : "cannot become nobody";
    [[maybe_unused]] const ssize_t written = ::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(ends[0], text.data(), text.size()), 0)));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return text;
}

}  // namespace

TEST_CASE("a run on the real disk is private, and its parents follow the umask") {
  const TemporaryDirectory here;
  const Umask umask(022);
  const Layout layout(here / "a/b/run");
  const Permissions permissions = prepare_run_directory(disk(), layout, anywhere);
  CHECK(mode_of(here / "a") == 0755);
  CHECK(mode_of(layout.directory()) == 0700);
  CHECK(mode_of(layout.snapshots()) == 0700);
  send_request(disk(), layout, RequestKind::stop, permissions);
  write_run_record(disk(), layout, {}, permissions);
  CHECK(mode_of(layout.run_json()) == 0600);
}

TEST_CASE("a run in a group's directory on the real disk is readable by the group") {
  const TemporaryDirectory here;
  const Umask umask(022);
  REQUIRE(::chmod(here.path().c_str(), 02770) == 0);
  const Layout layout(here / "run");
  const Permissions permissions = prepare_run_directory(disk(), layout, anywhere);
  CHECK(mode_of(layout.directory()) == 02750);
  CHECK(mode_of(layout.blocks()) == 02750);
  Blocks blocks(disk(), layout, permissions);
  REQUIRE(blocks.claim(claim_of(somebody(1))));
  CHECK(mode_of(layout.block_record(1)) == 0640);
  CHECK(prepare_run_directory(disk(), layout, anywhere).file == 0640);
}

TEST_CASE("a shared run is readable by the group whatever the umask, later too, and its new parents let the group through") {
  const TemporaryDirectory here;
  const Umask umask(077);
  const Layout layout(here / "a/run");
  const Permissions permissions = prepare_shared_run_directory(disk(), layout, anywhere);
  CHECK(mode_of(here / "a") == 0750);
  for (const auto& path : {layout.directory(), layout.blocks(), layout.snapshots(), layout.kept(), layout.control(), layout.logs()})
    CHECK(mode_of(path) == 02750);
  publish(layout, permissions, {1, 1});
  CHECK(mode_of(layout.snapshot({1, 1})) == 0640);
  write_run_record(disk(), layout, {}, prepare_run_directory(disk(), layout, anywhere));
  CHECK(mode_of(layout.run_json()) == 0640);
}

TEST_CASE("a private run stays private when it is to be shared, and how to share it is told") {
  const TemporaryDirectory here;
  const Layout layout(here / "run");
  prepare_run_directory(disk(), layout, anywhere);
  const CapturedLog log;
  CHECK(prepare_shared_run_directory(disk(), layout, anywhere).file == 0600);
  CHECK_THAT(log.text(), Catch::Contains("chmod -R g+rX '" + layout.directory() + "' && chmod g+s"));
  CHECK(mode_of(layout.directory()) == 0700);
}

TEST_CASE("a life on the real disk: claims, snapshots, kept ones, requests, and nothing is left over") {
  const TemporaryDirectory here;
  const Layout layout(here / "run");
  const Permissions permissions = prepare_run_directory(disk(), layout, anywhere);
  Blocks blocks(disk(), layout, permissions);
  Catalog catalog(disk(), layout, permissions);
  CHECK(blocks.claim(claim_of(identify_self()), blocks.ownership().newest_block) == 1);
  CHECK_FALSE(blocks.claim(claim_of(identify_self()), 0));
  for (std::uint64_t step = 1; step <= 4; ++step) publish(layout, permissions, {1, step});
  catalog.mark_has_snapshots();
  catalog.keep({1, 1}, "best");
  catalog.keep({1, 1}, "best");   // rename(2) of two links to one file does nothing
  CHECK(catalog.prune(2, {}) == 2);
  const std::string damaged = catalog.quarantine(catalog.list().front(), 1);
  CHECK(ids(catalog) == std::vector<SnapshotId>{{1, 3}});
  CHECK(catalog.damaged() == std::vector{io::base_name(damaged)});
  REQUIRE(catalog.kept().size() == 1);
  CHECK(catalog.kept()[0].size_bytes == 5);
  send_request(disk(), layout, RequestKind::stop, permissions);
  CHECK(take_requests(disk(), layout).size() == 1);
  catalog.touch_marks();
  CHECK(catalog.remove_temporaries({}) == 0);
  std::vector<std::string> names;
  REQUIRE(disk().list(layout.kept(), names) == 0);
  CHECK(names == std::vector<std::string>{"best.h5"});
}

TEST_CASE("an unprivileged user is told whose directory it is, or that it may not be written") {
  if (::geteuid() != 0) {
    std::puts("SKIPPED: only root can become another user");
    return;
  }
  char name[] = "/tmp/ckpt-rundir-XXXXXX";   // a place that every user can reach
  REQUIRE(::mkdtemp(name));
  const std::string root_of_test = name;
  REQUIRE(::chmod(name, 0755) == 0);
  const Layout in_it(root_of_test + "/run");
  CHECK(said_to_nobody(in_it).find("Permission denied") != std::string::npos);
  CHECK(said_to_nobody(in_it).find("--run") != std::string::npos);
  CHECK(said_to_nobody(Layout(root_of_test)).find("belongs to root") != std::string::npos);
  REQUIRE(::chmod(name, 0777) == 0);
  CHECK(said_to_nobody(Layout(root_of_test)).find("belongs to root") != std::string::npos);
  CHECK(said_to_nobody(in_it) == "");
  for (const std::string part : {"/run/blocks", "/run/snapshots", "/run/kept", "/run/control", "/run/logs", "/run", ""})
    CHECK(::rmdir((root_of_test + part).c_str()) == 0);
}
