// SPDX-License-Identifier: Apache-2.0
// Two owners alive at once: while a program is in the middle of any call, another block claims the run, publishes and
// prunes. Neither may harm the other's newest snapshot.
#include <catch2/catch.hpp>

#include <map>

#include "fault/one_life.hpp"
#include "io/publish.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"

using namespace ckpt;
using namespace ckpt::testing;

namespace {

constexpr std::uint64_t other_step = 8;   // between what the first owner saves at 6 and at 9

// A process of this machine and boot that is gone.
ProcessIdentity somebody_gone() {
  ProcessIdentity who = identify_self();
  who.start_ticks += 1;
  return who;
}

struct OtherOwner {
  FakeDisk& disk;
  const std::map<std::uint64_t, std::string>& snapshots;   // by block
  std::uint64_t block = 0;

  // Claims, publishes step 8, prunes: a whole short block.
  void act() {
    const rundir::Layout layout(run_directory);
    rundir::Blocks blocks(disk, layout, {});
    rundir::Claim claim;
    claim.role = "program";
    claim.who = somebody_gone();
    const auto claimed = blocks.claim(claim);
    REQUIRE(claimed);
    block = *claimed;
    const std::string path = layout.snapshot({block, other_step});
    const std::string temporary = io::temporary_name(path);
    disk.put(temporary, snapshots.at(block));
    io::publish_new(disk, temporary, path);
    rundir::Catalog catalog(disk, layout, {});
    catalog.mark_has_snapshots();
    catalog.prune(2, {});
  }
};

}  // namespace

TEST_CASE("another owner may act at any call: its snapshot stands, and the older block leaves") {
  FakeWorld world;
  auto past = FakeWorld::empty_disk();
  live(*past, {.stop_after = 3});
  live(*past, {.stop_after = 4});
  const std::map<std::uint64_t, std::string> snapshots = {{3, snapshot_content(3, other_step)},
                                                          {4, snapshot_content(4, other_step)}};
  int overtaken = 0, continued = 0;
  for (std::uint64_t n = 1;; ++n) {
    const auto disk = past->clone();
    OtherOwner other{*disk, snapshots};
    disk->at_call(n, [&] { other.act(); });
    const Life life = live(*disk, {});
    disk->clear_faults();
    if (other.block == 0) break;   // the life was over before call n
    const Life next = live(*disk, {});
    INFO("call " << n << ", the other owner was block " << other.block << ", restored " << life.restored);
    REQUIRE(life.exact);
    REQUIRE(next.restored == CKPT_OK);
    REQUIRE(next.exact);
    REQUIRE(next.finished);
    if (other.block == 4) {
      ++overtaken;
      REQUIRE(next.resumed_step == other_step);
    } else {
      ++continued;   // it came before the claim: the life went on from its snapshot
      REQUIRE(next.resumed_step >= (life.finished ? 12 : other_step));
    }
  }
  REQUIRE(overtaken > 50);
  REQUIRE(continued > 5);
}
