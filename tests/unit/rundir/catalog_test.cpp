// SPDX-License-Identifier: Apache-2.0
// What is listed, what retention keeps, and what becomes of damaged snapshots and of leftovers.
#include "rundir/catalog.hpp"

#include <catch2/catch.hpp>

#include "base/clock.hpp"
#include "captured_log.hpp"
#include "fault/for_each_call.hpp"
#include "io/publish.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

using Ids = std::vector<SnapshotId>;

TEST_CASE("snapshots are listed newest first, by block and then by step, as numbers") {
  PreparedRun run;
  run.put_snapshot(2, 5);
  run.put_snapshot(1, 900);
  run.put_snapshot(2, 1'000'000'000'000);
  run.put_snapshot(10'000, 1);
  CHECK(ids(run.catalog()) == Ids{{10'000, 1}, {2, 1'000'000'000'000}, {2, 5}, {1, 900}});
  const auto entry = run.catalog().list().back();
  CHECK(entry.path == run.layout.snapshot({1, 900}));
  CHECK(entry.size_bytes == run.disk.content(entry.path).size());
}

TEST_CASE("damaged and temporary files, directories and strangers are no snapshots") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  const std::string path = run.layout.snapshot({1, 6});
  run.disk.put(path + ".damaged-b0002", "");
  run.disk.put(io::temporary_name(path), "");
  run.disk.put(run.layout.snapshots() + "/notes.txt", "");
  run.disk.make_directories(path);
  CHECK(ids(run.catalog()) == Ids{{1, 5}});
  CHECK(run.catalog().damaged() == std::vector<std::string>{"step-000000000006-b0001.h5.damaged-b0002"});
}

TEST_CASE("a run without a snapshots directory has none") {
  FakeDisk disk;
  disk.make_directories("/scratch/run");
  Catalog catalog(disk, Layout("/scratch/run"), {});
  CHECK(catalog.list().empty());
  CHECK(catalog.kept().empty());
  CHECK_FALSE(catalog.ever_had_snapshots());
}

TEST_CASE("a list that was overtaken by pruning is made again: it never misses the newer ones") {
  PreparedRun run;
  run.put_snapshot(1, 1);
  run.put_snapshot(1, 2);
  for_each_call(
      run.disk,
      [&](FakeDisk& disk, std::uint64_t n) {
        disk.at_call(n, [&] {
          disk.put(run.layout.snapshot({1, 3}), "3");
          disk.put(run.layout.snapshot({1, 4}), "4");
          Catalog(disk, run.layout, {}).prune(2, {});
        });
      },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const Ids found = ids(Catalog(disk, run.layout, {}));
        REQUIRE_FALSE(found.empty());
        CHECK(found.front() >= SnapshotId{1, 2});
      });
}

TEST_CASE("a snapshot that cannot be looked at is an error, not an older one in its place") {
  PreparedRun run;
  run.put_snapshot(1, 1);
  run.put_snapshot(1, 2);
  run.disk.fail_if([&](const FakeDisk::Call& call) { return call.path == run.layout.snapshot({1, 2}); }, EIO);
  const Thrown thrown = thrown_by([&] { static_cast<void>(run.catalog().list()); });
  CHECK(thrown.status == CKPT_ERR_IO);
  CHECK(thrown.says(run.layout.snapshot({1, 2})));
}

TEST_CASE("the mark of the first snapshot is made once and for good") {
  PreparedRun run;
  CHECK_FALSE(run.catalog().ever_had_snapshots());
  auto catalog = run.catalog();
  catalog.mark_has_snapshots();
  const auto calls = run.disk.calls();
  catalog.mark_has_snapshots();
  CHECK(run.disk.calls() == calls);
  CHECK(Catalog(*run.disk.after_power_loss(), run.layout, {}).ever_had_snapshots());
}

TEST_CASE("a mark that another process left unsynced is made durable") {
  PreparedRun run;
  std::unique_ptr<io::File> file;
  REQUIRE(run.disk.open(run.layout.has_snapshots(), io::OpenMode::create_new, 0600, file) == 0);
  REQUIRE_FALSE(Catalog(*run.disk.after_power_loss(), run.layout, {}).ever_had_snapshots());
  run.catalog().mark_has_snapshots();
  CHECK(Catalog(*run.disk.after_power_loss(), run.layout, {}).ever_had_snapshots());
}

TEST_CASE("a run whose only snapshot was damaged had one, whether or not the mark was made") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  auto catalog = run.catalog();
  CHECK(catalog.ever_had_snapshots());
  catalog.quarantine(catalog.list().front(), 2);
  CHECK(catalog.list().empty());
  CHECK(catalog.ever_had_snapshots());
}

TEST_CASE("a disk that does not answer is not a run without snapshots") {
  PreparedRun run;
  run.disk.fail_call(run.disk.calls() + 1, EIO, FakeDisk::Repeat::for_ever);
  CHECK(thrown_by([&] { static_cast<void>(run.catalog().ever_had_snapshots()); }).status == CKPT_ERR_IO);
  CHECK(thrown_by([&] { run.catalog().mark_has_snapshots(); }).status == CKPT_ERR_IO);
}

TEST_CASE("every mark against a purge is touched, and whatever fails is ignored") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  run.disk.put(run.layout.run_json(), "{}");
  run.catalog().mark_has_snapshots();
  run.catalog().keep({1, 5}, "best");
  const std::vector marks = {run.layout.run_json(), run.layout.has_snapshots(), run.layout.snapshot({1, 5}),
                             run.layout.kept_snapshot("best")};
  for (const auto& path : marks) run.disk.set_modified(path, 1);
  for_each_call(
      run.disk, [](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EPERM, FakeDisk::Repeat::for_ever); },
      [&](FakeDisk& disk, std::uint64_t n) {
        Catalog(disk, run.layout, {}).touch_marks();
        if (disk.calls() >= n) return;
        disk.clear_faults();
        for (const auto& path : marks) {
          io::FileInfo info;
          REQUIRE(disk.info(path, info) == 0);
          CHECK(info.modified > 1);
        }
      });
}

TEST_CASE("the newest stay, and so does the one this block resumed from") {
  PreparedRun run;
  for (std::uint64_t step = 1; step <= 6; ++step) run.put_snapshot(1, step);
  auto catalog = run.catalog();
  CHECK(catalog.prune(6, {}) == 0);
  CHECK(catalog.prune(2, {{1, 3}}) == 3);
  CHECK(ids(catalog) == Ids{{1, 6}, {1, 5}, {1, 3}});
  CHECK(catalog.prune(2, {{1, 6}}) == 1);
  CHECK(catalog.prune(0, {}) == 1);
  CHECK(ids(catalog) == Ids{{1, 6}});
}

TEST_CASE("damaged snapshots neither count nor go, and kept ones stay") {
  PreparedRun run;
  for (std::uint64_t step = 1; step <= 4; ++step) run.put_snapshot(1, step);
  auto catalog = run.catalog();
  catalog.keep({1, 1}, "best");
  const std::string damaged = catalog.quarantine(catalog.list().front(), 2);
  CHECK(catalog.prune(2, {}) == 1);
  CHECK(ids(catalog) == Ids{{1, 3}, {1, 2}});
  CHECK(run.disk.exists(damaged));
  CHECK(run.disk.content(run.layout.kept_snapshot("best")) == "state of step 1");
}

TEST_CASE("what stays is durable before anything goes") {
  PreparedRun run;
  run.put_snapshot(1, 1);
  const std::string unsynced = run.layout.snapshot({1, 2});
  run.disk.put(unsynced + "x", "2");
  REQUIRE(run.disk.rename_new(unsynced + "x", unsynced) == 0);
  for_each_call(
      run.disk, [](FakeDisk& disk, std::uint64_t n) { disk.crash_at(n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        Catalog(disk, run.layout, {}).prune(1, {});
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
          const auto after = seed == 0 ? disk.after_power_loss() : disk.after_power_loss(seed);
          CHECK_FALSE(Catalog(*after, run.layout, {}).list().empty());
        }
      });
}

TEST_CASE("a snapshot that cannot be removed is told and does not hold up the others") {
  PreparedRun run;
  for (std::uint64_t step = 1; step <= 4; ++step) run.put_snapshot(1, step);
  const CapturedLog log;
  SECTION("not permitted") {
    const std::string stuck = run.layout.snapshot({1, 1});
    run.disk.fail_if([&](const auto& call) { return call.name == "remove" && call.path == stuck; }, EACCES);
    CHECK(run.catalog().prune(2, {}) == 1);
    CHECK(ids(run.catalog()) == Ids{{1, 4}, {1, 3}, {1, 1}});
    CHECK(log.says(stuck));
    CHECK(log.lines() == 1);
  }
  SECTION("gone already: counted as removed, not worth a word") {
    run.disk.fail_if([](const auto& call) { return call.name == "remove"; }, ENOENT);
    CHECK(run.catalog().prune(2, {}) == 2);
    CHECK(log.text().empty());
  }
  SECTION("the whole disk is gone: everything stays") {
    run.disk.fail_call(run.disk.calls() + 1, EIO, FakeDisk::Repeat::for_ever);
    CHECK(run.catalog().prune(2, {}) == 0);
    CHECK(log.lines() == 1);
  }
}

TEST_CASE("a damaged snapshot is put aside under a name of its own, replacing nothing") {
  PreparedRun run;
  run.put_snapshot(3, 7);
  const std::string path = run.layout.snapshot({3, 7});
  run.disk.put(path + ".damaged-b0004", "older evidence");
  run.disk.put(path + ".damaged-b0004-2", "more of it");
  auto catalog = run.catalog();
  const auto entry = catalog.list().front();
  CHECK(catalog.quarantine(entry, 4) == path + ".damaged-b0004-3");
  const auto after = run.disk.after_power_loss();
  CHECK(after->content(path + ".damaged-b0004-3") == "state of step 7");
  CHECK(after->content(path + ".damaged-b0004") == "older evidence");
  CHECK_FALSE(after->exists(path));
  CHECK(catalog.quarantine(entry, 4).empty());   // somebody was faster
}

TEST_CASE("a damaged snapshot that cannot be put aside is told") {
  PreparedRun run;
  run.put_snapshot(3, 7);
  const auto entry = run.catalog().list().front();
  run.disk.fail_call(run.disk.calls() + 1, EACCES);
  const Thrown thrown = thrown_by([&] { run.catalog().quarantine(entry, 4); });
  CHECK(thrown.status == CKPT_ERR_PERMISSION);
  CHECK(thrown.says(entry.path));
}

TEST_CASE("temporaries of earlier blocks go, and one's own stay") {
  PreparedRun run;
  const std::string mine = io::temporary_name(run.layout.snapshot({2, 1}));
  run.disk.put(mine, "");
  run.disk.put(io::temporary_name(run.layout.snapshot({1, 1})), "");
  run.put_snapshot(1, 5);
  CHECK(run.catalog().remove_temporaries([&](const std::string& name) { return name == io::base_name(mine); }) == 1);
  CHECK(run.disk.files() == std::vector{mine, run.layout.snapshot({1, 5})});
  CHECK(run.catalog().remove_temporaries({}) == 1);
}

TEST_CASE("temporaries where anybody may be writing go only when they are old") {
  PreparedRun run;
  const auto folder = GENERATE(as<std::string>(), "", "/blocks", "/kept", "/control");
  const std::string path = io::temporary_name(run.layout.directory() + folder + "/something.json");
  run.disk.put(path, "");
  run.disk.set_modified(path, system_clock().wall_seconds() - 600);
  CHECK(run.catalog().remove_temporaries({}) == 0);
  run.disk.set_modified(path, system_clock().wall_seconds() - 7200);
  CHECK(run.catalog().remove_temporaries({}) == 1);
  CHECK_FALSE(run.disk.exists(path));
}

TEST_CASE("leftovers that cannot be removed are told, never thrown") {
  PreparedRun run;
  run.disk.put(io::temporary_name(run.layout.snapshot({1, 1})), "");
  for_each_call(
      run.disk, [](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO, FakeDisk::Repeat::for_ever); },
      [&](FakeDisk& disk, std::uint64_t n) {
        const CapturedLog log;
        Catalog(disk, run.layout, {}).remove_temporaries({});
        CHECK(log.text().empty() == (disk.calls() < n));
      });
}
