// SPDX-License-Identifier: Apache-2.0
#include "chain/words.hpp"

#include <catch2/catch.hpp>

using namespace ckpt;
using namespace ckpt::supervisor;
using rundir::SnapshotId;

namespace {

BlockResult some_block() {
  BlockResult result;
  result.block = 4;
  result.seconds = 85200;
  result.reason = "stopped at step 52000";
  return result;
}

}  // namespace

TEST_CASE("a block's first line says how far the run is and how long the block has") {
  Outlook outlook;
  CHECK(first_line(1, "the beginning", outlook, engine::no_limit) == "block 1 starts from the beginning");
  outlook.about_blocks = 12;
  outlook.progress = "epoch 36.5 of 300";
  CHECK(first_line(4, "step 41200 (block 3)", outlook, 86280) ==
        "block 4 of about 12 starts from step 41200 (block 3), epoch 36.5 of 300, 23 h 58 min left");
}

TEST_CASE("a job's last line says what ended it, the newest snapshot, and what comes next") {
  const BlockResult block = some_block();
  CHECK(last_line({Action::resume, "step 52000 (block 4)"}, &block, SnapshotId{4, 52000}, "epoch 46 of 300", "nothing to do") ==
        "to be continued: block 4 ended after 23 h 40 min: stopped at step 52000; newest snapshot: step 52000 (block 4), "
        "epoch 46 of 300; nothing to do");
}

TEST_CASE("a chain that was ended says why, once") {
  BlockResult block = some_block();
  block.reason = "exit code 3";
  CHECK(last_line({Action::stop, "the same step failed twice"}, &block, std::nullopt, "", "nothing of it waits") ==
        "stopped: block 4 ended after 23 h 40 min: exit code 3; the same step failed twice; no snapshot yet; nothing of it waits");
  CHECK(last_line({Action::fail, "exit code 3"}, &block, std::nullopt, "", "x") ==
        "stopped: block 4 ended after 23 h 40 min: exit code 3; no snapshot yet; x");
  CHECK(last_line({Action::fail, "exit code 3; not tried again"}, &block, std::nullopt, "", "x") ==
        "stopped: block 4 ended after 23 h 40 min: exit code 3; not tried again; no snapshot yet; x");
}

TEST_CASE("a job without a block of its own says why") {
  CHECK(last_line({Action::complete, "this run is complete"}, nullptr, SnapshotId{4, 9}, "", "nothing of it waits") ==
        "complete: this run is complete; newest snapshot: step 9 (block 4); nothing of it waits");
}
