// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fault/for_each_call.hpp"
#include "io/publish.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

TEST_CASE("a kept snapshot outlives the one it was made from") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  run.disk.set_links_refused(GENERATE(0, EPERM, EOPNOTSUPP, EMLINK));   // without links: a copy
  auto catalog = run.catalog();
  catalog.keep({1, 5}, "best");
  run.disk.erase(run.layout.snapshot({1, 5}));
  const auto after = run.disk.after_power_loss();
  CHECK(after->content(run.layout.kept_snapshot("best")) == "state of step 5");
  CHECK(run.disk.files() == std::vector{run.layout.kept_snapshot("best")});
}

TEST_CASE("a kept snapshot shares its file with the catalog while that has it") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  auto catalog = run.catalog();
  catalog.keep({1, 5}, "b");
  catalog.keep({1, 5}, "a");
  run.disk.put(run.layout.kept() + "/notes.txt", "");
  const auto kept = catalog.kept();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].name == "a");
  CHECK(kept[1].path == run.layout.kept_snapshot("b"));
  io::FileInfo info;
  REQUIRE(run.disk.info(run.layout.snapshot({1, 5}), info) == 0);
  CHECK(kept[0].inode == info.inode);
  CHECK(kept[0].size_bytes == info.size_bytes);
}

TEST_CASE("keeping under a name again replaces it, also by the same snapshot, and leaves nothing behind") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  run.put_snapshot(1, 6);
  auto catalog = run.catalog();
  catalog.keep({1, 5}, "best");
  catalog.keep({1, 5}, "best");
  catalog.keep({1, 6}, "best");
  CHECK(run.disk.content(run.layout.kept_snapshot("best")) == "state of step 6");
  CHECK(run.disk.files().size() == 3);
}

TEST_CASE("a snapshot that is not there cannot be kept") {
  PreparedRun run;
  run.disk.set_links_refused(GENERATE(0, EPERM));
  const Thrown thrown = thrown_by([&] { run.catalog().keep({1, 5}, "best"); });
  CHECK(thrown.status == CKPT_ERR_NOT_FOUND);
  CHECK(thrown.says(run.layout.snapshot({1, 5})));
  CHECK(run.disk.files().empty());
}

TEST_CASE("a missing folder is not taken for a missing snapshot") {
  FakeDisk disk;
  const Layout layout("/scratch/run");
  disk.put(layout.snapshot({1, 5}), "");
  CHECK(thrown_by([&] { Catalog(disk, layout, {}).keep({1, 5}, "best"); }).status == CKPT_ERR_IO);
}

TEST_CASE("a name that is no plain file name is refused") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  const auto name = GENERATE(as<std::string>(), "", ".", "..", ".hidden", "a/b", "../best", "new\nline", "\x7f",
                             std::string(101, 'x'), std::string("nul\0", 4));
  CHECK(thrown_by([&] { run.catalog().keep({1, 5}, name); }).status == CKPT_ERR_NAME);
  CHECK(run.disk.files().size() == 1);
}

TEST_CASE("whatever call fails, the name keeps the old snapshot or the new one whole, durable when it was told") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  run.put_snapshot(1, 6);
  run.catalog().keep({1, 5}, "best");
  run.disk.sync_everything();
  run.disk.set_links_refused(GENERATE(0, EPERM));
  const auto repeat = GENERATE(FakeDisk::Repeat::once, FakeDisk::Repeat::for_ever);
  const auto effect = GENERATE(FakeDisk::Effect::none, FakeDisk::Effect::done, FakeDisk::Effect::half);
  for_each_call(
      run.disk, [&](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO, repeat, effect); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const Thrown thrown = thrown_by([&] { Catalog(disk, run.layout, {}).keep({1, 6}, "best"); });
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
          const auto after = seed == 0 ? disk.after_power_loss() : disk.after_power_loss(seed);
          const std::string kept = after->content(run.layout.kept_snapshot("best"));
          if (thrown.status == CKPT_OK) CHECK(kept == "state of step 6");
          else CHECK((kept == "state of step 5" || kept == "state of step 6"));
        }
      });
}

TEST_CASE("a snapshot taken over from elsewhere is durable, and the run never again one that begins from zero") {
  PreparedRun run;
  run.put_snapshot(1, 5);
  run.disk.set_links_refused(GENERATE(0, EXDEV));
  run.catalog().adopt(run.layout.snapshot({1, 5}), {2, 5});
  const auto after = run.disk.after_power_loss();
  CHECK(after->content(run.layout.snapshot({2, 5})) == "state of step 5");
  CHECK(Catalog(*after, run.layout, {}).ever_had_snapshots());
}

TEST_CASE("a snapshot that could not be taken over leaves a run that has lost it, not one that begins from zero") {
  PreparedRun run;
  CHECK(thrown_by([&] { run.catalog().adopt("/scratch/gone.h5", {1, 5}); }).status == CKPT_ERR_NOT_FOUND);
  CHECK(run.catalog().list().empty());
  CHECK(run.catalog().ever_had_snapshots());
}
