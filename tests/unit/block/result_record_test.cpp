// SPDX-License-Identifier: Apache-2.0
#include "block/result_record.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace ckpt;
using namespace ckpt::supervisor;
using nlohmann::json;

TEST_CASE("a result that was written to the ledger is read back whole") {
  BlockResult result;
  result.block = 7;
  result.linked = true;
  result.outcome = rundir::Outcome::stopped;
  result.reason = "stopped at step 12";
  result.asked = StopCause::job;
  result.resumed_from = rundir::SnapshotId{6, 8};
  result.newest = rundir::SnapshotId{7, 12};
  result.exit_code = 85;
  result.reached_point = true;
  result.started = false;
  result.seconds = 80000;
  result.whole_seconds = 86400;
  result.end_moved_nearer = true;
  result.start_up_seconds = 30;
  result.costs = {.between_points = 2, .stage = 0.5, .drain = 4, .publish = 0};
  result.crash = CrashKind::device;
  result.began = Progress{3, 300, "epoch"};
  result.reached = Progress{5.5, 300, "epoch"};
  const auto read = parse_result(json::parse(to_json(result).dump()));
  REQUIRE(read);
  CHECK(to_json(*read) == to_json(result));
  CHECK(read->resumed_from == result.resumed_from);
  CHECK(read->newest == result.newest);
  CHECK(read->asked == StopCause::job);
  CHECK(read->crash == CrashKind::device);
  CHECK(read->reached->done == 5.5);
  CHECK_FALSE(read->signal);
}

TEST_CASE("a block without limit has none after reading either") {
  CHECK(parse_result(to_json(BlockResult()))->whole_seconds == engine::no_limit);
}

TEST_CASE("a line without an outcome is no result, odd fields keep their defaults") {
  CHECK_FALSE(parse_result(json::object()));
  CHECK_FALSE(parse_result({{"outcome", "soso"}}));
  CHECK_FALSE(parse_result({{"outcome", 7}}));
  const auto odd = parse_result({{"outcome", "crashed"}, {"seconds", "long"}, {"newest", 5}, {"asked", "me"}, {"reached", {}}});
  REQUIRE(odd);
  CHECK(odd->seconds == 0);
  CHECK_FALSE(odd->newest);
  CHECK(odd->asked == StopCause::nobody);
}

TEST_CASE("a signal early in a block, or after its end moved nearer, cut it short; a late one is its warning") {
  BlockResult result;
  result.asked = StopCause::job;
  result.whole_seconds = 1000;
  result.seconds = 500;
  CHECK(was_cut_short(result));
  result.seconds = 900;
  CHECK_FALSE(was_cut_short(result));
  result.end_moved_nearer = true;
  CHECK(was_cut_short(result));
  for (const StopCause asked : {StopCause::user, StopCause::superseded}) {
    result.asked = asked;
    CHECK_FALSE(was_cut_short(result));
  }
  result.end_moved_nearer = false;
  for (const StopCause asked : {StopCause::nobody, StopCause::deadline}) {
    result.asked = asked;
    CHECK_FALSE(was_cut_short(result));
  }
}
