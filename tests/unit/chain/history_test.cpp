// SPDX-License-Identifier: Apache-2.0
#include "chain/history.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "block/result_record.hpp"
#include "fault/fake_disk.hpp"
#include "rundir/catalog.hpp"
#include "rundir/ledger.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
using nlohmann::json;
using rundir::Outcome;
using rundir::SnapshotId;

namespace {

struct ChainOnDisk {
  testing::FakeDisk disk;
  rundir::Layout layout{"/scratch/run"};
  rundir::Permissions permissions;
  std::optional<rundir::Blocks> blocks;

  ChainOnDisk() {
    disk.make_directories("/scratch");
    permissions = rundir::prepare_run_directory(disk, layout, {});
    blocks.emplace(disk, layout, permissions);
  }
  std::uint64_t claim(const std::string& array_id = "4711") {
    rundir::Claim claim;
    claim.role = "ckptrun";
    claim.who = identify_self();
    claim.array_id = array_id;
    claim.block_seconds = 86400;
    return blocks->claim(claim).value();
  }
  void append(std::uint64_t block, const char* event, const json& details) {
    rundir::Ledger(disk, layout.ckptrun_ledger(block), 0600).append(event, details);
  }
  // A block that made `steps` more steps, or crashed where it began.
  std::uint64_t block(Outcome outcome, std::uint64_t steps, Action decision) {
    BlockResult result;
    result.block = claim();
    result.linked = true;
    result.outcome = outcome;
    result.resumed_from = newest;
    if (steps > 0) newest = SnapshotId{result.block, (newest ? newest->step : 0) + steps};
    result.newest = newest;
    append(result.block, "ended", to_json(result));
    append(result.block, "decision", {{"decision", name(decision)}, {"reason", "because"}});
    return result.block;
  }
  History history() { return read_history(disk, layout, *blocks); }

  std::optional<SnapshotId> newest;
};

std::vector<std::uint64_t> numbers(const History& history) {
  std::vector<std::uint64_t> found;
  for (const auto& result : history.ended) found.push_back(result.block);
  return found;
}

}  // namespace

TEST_CASE("the history of a chain of jobs is what its blocks wrote down, oldest first") {
  ChainOnDisk chain;
  CHECK(chain.history().ended.empty());
  chain.block(Outcome::stopped, 10, Action::resume);
  chain.block(Outcome::crashed, 0, Action::retry);
  const History history = chain.history();
  CHECK(numbers(history) == std::vector<std::uint64_t>{1, 2});
  CHECK(history.ended[0].newest == SnapshotId{1, 10});
  CHECK(history.ended[1].outcome == Outcome::crashed);
  CHECK_FALSE(history.concluded);
}

TEST_CASE("the history ends where the chain was ended before: a new submission counts anew") {
  ChainOnDisk chain;
  chain.block(Outcome::stopped, 10, Action::resume);
  chain.block(Outcome::crashed, 0, Action::stop);
  chain.block(Outcome::crashed, 0, Action::retry);
  CHECK(numbers(chain.history()) == std::vector<std::uint64_t>{3});
}

TEST_CASE("a chain that its newest block ended is told as concluded, with its array") {
  ChainOnDisk chain;
  chain.block(Outcome::stopped, 10, Action::resume);
  chain.block(Outcome::stopped, 0, Action::stop);
  const History history = chain.history();
  CHECK(history.ended.empty());
  REQUIRE(history.concluded);
  CHECK(history.concluded->action == Action::stop);
  CHECK(history.concluded->reason == "because");
  CHECK(history.concluded->block == 2);
  CHECK(history.concluded->array_id == "4711");
}

TEST_CASE("a superseded block ends no chain") {
  ChainOnDisk chain;
  chain.block(Outcome::stopped, 10, Action::superseded);
  CHECK_FALSE(chain.history().concluded);
  CHECK(numbers(chain.history()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("blocks without a word say nothing, unless a later one found out why they ended") {
  ChainOnDisk chain;
  chain.block(Outcome::stopped, 10, Action::resume);
  chain.claim();   // preempted: not a word
  const std::uint64_t killed = chain.claim();
  const std::uint64_t newest = chain.claim();
  BlockResult result;
  result.block = killed;
  result.outcome = Outcome::crashed;
  result.reason = "its job was killed for memory";
  chain.append(newest, "closed", to_json(result));
  const History history = chain.history();
  CHECK(numbers(history) == std::vector<std::uint64_t>{1, killed});
  CHECK(history.ended.back().reason == "its job was killed for memory");
}

TEST_CASE("a long chain is read no further back than a decision looks") {
  ChainOnDisk chain;
  for (int i = 0; i < 30; ++i) chain.block(Outcome::stopped, 10, Action::resume);
  CHECK(chain.history().ended.size() == short_blocks_allowed);
  for (int i = 0; i < 10; ++i) chain.block(Outcome::stopped, 0, Action::resume);
  CHECK(chain.history().ended.size() == 11);   // back to the one that made progress
}

TEST_CASE("a ledger that is not there or broken is as good as a block without a word") {
  ChainOnDisk chain;
  chain.block(Outcome::stopped, 10, Action::resume);
  const std::uint64_t block = chain.claim();
  chain.disk.put(chain.layout.ckptrun_ledger(block), "{\"event\": \"ended\", \"outcome\": 7}\n{\"event\": 5}\nnonsense\n{}");
  CHECK(numbers(chain.history()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("a block without a word is reconstructed from what it and its program left") {
  ChainOnDisk chain;
  const std::uint64_t block = chain.claim();
  chain.append(block, "started", {{"resume", {{"step", 8}, {"block", 0}}}});
  const BlockResult early = reconstruct(chain.disk, chain.layout, *chain.blocks, block, SnapshotId{0, 8});
  CHECK_FALSE(early.linked);
  CHECK_FALSE(early.reached_point);
  CHECK(early.resumed_from == SnapshotId{0, 8});
  CHECK(early.whole_seconds == 86400);
  CHECK_FALSE(made_progress(early));
  chain.blocks->attach(block, {true, identify_self()});
  const BlockResult late = reconstruct(chain.disk, chain.layout, *chain.blocks, block, SnapshotId{block, 9});
  CHECK(late.linked);
  CHECK(late.reached_point);
  CHECK(made_progress(late));
}
