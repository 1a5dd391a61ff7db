// SPDX-License-Identifier: Apache-2.0
// Every way in which a block can be owned or free.
#include <catch2/catch.hpp>

#include <map>

#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

constexpr auto alive = OwnerState::alive;
constexpr auto gone = OwnerState::gone;
constexpr auto unknown = OwnerState::unknown;

constexpr std::int64_t ckptrun_pid = 10, program_pid = 20, other_program_pid = 30;

// Claimed by ckptrun (10) on node12, with programs 20 and 30 attached, each in the state given.
struct OwnedRun : PreparedRun {
  std::map<std::int64_t, OwnerState> states{{ckptrun_pid, gone}, {program_pid, gone}, {other_program_pid, gone}};
  Blocks owned = blocks([this](const Claim&, const ProcessIdentity& who) { return states.at(who.pid); });

  OwnedRun() {
    REQUIRE(owned.claim(claim_of(somebody(99))) == 1);   // an older block, whose owner nobody asks about
    REQUIRE(owned.claim(claim_of(somebody(ckptrun_pid))) == 2);
    owned.attach(2, {.linked = true, .who = somebody(program_pid)});
    owned.attach(2, {.linked = true, .who = somebody(other_program_pid)});
  }
  void end(const std::string& writer, std::int64_t pid) {
    BlockEnd end;
    end.writer = writer;
    end.writer_pid = pid;
    REQUIRE(owned.write_end(2, end));
  }
};

}  // namespace

TEST_CASE("a run is free only when claimer and programs are all gone, and alive outranks unknown") {
  struct Row {
    OwnerState ckptrun, program, other_program, run;
  };
  const auto row = GENERATE(values<Row>({{gone, gone, gone, gone},
                                         {alive, gone, gone, alive},
                                         {unknown, gone, gone, unknown},
                                         {gone, alive, gone, alive},
                                         {gone, gone, alive, alive},
                                         {gone, unknown, gone, unknown},
                                         {gone, gone, unknown, unknown},
                                         {unknown, alive, gone, alive},
                                         {alive, unknown, gone, alive},
                                         {unknown, gone, alive, alive},
                                         {gone, unknown, alive, alive}}));
  OwnedRun run;
  run.states = {{ckptrun_pid, row.ckptrun}, {program_pid, row.program}, {other_program_pid, row.other_program}};
  const Ownership ownership = run.owned.ownership();
  CHECK(ownership.newest_block == 2);
  CHECK(ownership.state == row.run);
}

TEST_CASE("the text names the one that stands in the way") {
  OwnedRun run;
  run.states[ckptrun_pid] = alive;
  CHECK(run.owned.ownership().owner == "block 2: pid 10 on node12, since 2026-03-01T14:05:09Z");
  run.states = {{ckptrun_pid, gone}, {program_pid, unknown}, {other_program_pid, alive}};
  CHECK(run.owned.ownership().owner == "block 2: program pid 30 on node12");
}

TEST_CASE("the text names the scheduler's job, and the scheduler is asked with it") {
  PreparedRun run;
  std::string asked;
  auto blocks = run.blocks([&](const Claim& claim, const ProcessIdentity&) {
    asked = claim.job_id;
    return alive;
  });
  Claim claim = claim_of(somebody(ckptrun_pid));
  claim.job_id = "1234_7";
  REQUIRE(blocks.claim(claim));
  CHECK(blocks.ownership().owner == "block 1: job 1234_7, pid 10 on node12, since 2026-03-01T14:05:09Z");
  CHECK(asked == "1234_7");
}

TEST_CASE("the end that the claimer wrote frees its own part only") {
  OwnedRun run;
  run.states = {{ckptrun_pid, alive}, {program_pid, gone}, {other_program_pid, gone}};
  SECTION("nothing else in the way: free") {
    run.end("ckptrun", ckptrun_pid);
    CHECK(run.owned.ownership().state == gone);
  }
  SECTION("a program still lives: owned") {
    run.states[program_pid] = alive;
    run.end("ckptrun", ckptrun_pid);
    CHECK(run.owned.ownership().state == alive);
  }
  SECTION("another ckptrun wrote it: the claimer still owns") {
    run.end("ckptrun", 11);
    CHECK(run.owned.ownership().state == alive);
  }
  SECTION("its program wrote it: the claimer still owns") {
    run.end("program", program_pid);
    CHECK(run.owned.ownership().state == alive);
  }
}

TEST_CASE("a program that wrote the end is done with the run") {
  OwnedRun run;
  run.states[program_pid] = alive;
  run.end("program", program_pid);
  CHECK(run.owned.ownership().state == gone);
}

TEST_CASE("the end written by unlock frees the run from everybody") {
  OwnedRun run;
  run.states = {{ckptrun_pid, unknown}, {program_pid, alive}, {other_program_pid, unknown}};
  run.end("unlock", 1);
  CHECK(run.owned.ownership().state == gone);
}

TEST_CASE("unlock frees the run, also where another has recorded the end") {
  OwnedRun run;
  run.states[program_pid] = unknown;
  const bool ended_before = GENERATE(false, true);
  if (ended_before) run.end("ckptrun", ckptrun_pid);
  REQUIRE(run.owned.ownership().state == unknown);
  run.owned.unlock(claim_of(somebody(40)), "alice says so");
  CHECK(run.owned.ownership().state == gone);
  CHECK(run.owned.newest() == (ended_before ? 3 : 2));
  CHECK(run.owned.read_end(run.owned.newest())->reason == "alice says so");
  run.owned.unlock(claim_of(somebody(40)), "again");
  CHECK(run.owned.newest() == (ended_before ? 3 : 2));
}

TEST_CASE("this very process does not stand in its own way") {
  PreparedRun run;
  auto blocks = run.blocks([](const Claim&, const ProcessIdentity&) { return alive; });
  REQUIRE(blocks.claim(claim_of(identify_self(), "program")));
  blocks.attach(1, {.linked = true, .who = identify_self()});
  CHECK(blocks.ownership().state == gone);
  ProcessIdentity namesake = identify_self();
  namesake.start_ticks += 1;
  REQUIRE(blocks.claim(claim_of(namesake, "program")));
  CHECK(blocks.ownership().state == alive);
}

TEST_CASE("without a scheduler the process table tells alive from gone from unknown") {
  PreparedRun run;
  auto blocks = run.blocks();
  REQUIRE(blocks.claim(claim_of(identify_process(::getppid()))));
  CHECK(blocks.ownership().state == alive);
  ProcessIdentity dead = identify_self();
  dead.start_ticks += 1;
  REQUIRE(blocks.claim(claim_of(dead)));
  CHECK(blocks.ownership().state == gone);
  REQUIRE(blocks.claim(claim_of(somebody(1))));   // of another machine
  CHECK(blocks.ownership().state == unknown);
}

TEST_CASE("a claim cut short is an unknown owner, named with the way out") {
  PreparedRun run;
  auto blocks = run.blocks([](const Claim&, const ProcessIdentity&) { return gone; });
  REQUIRE(blocks.claim(claim_of(somebody(ckptrun_pid))));
  run.disk.cut(run.layout.block_record(1), GENERATE(0, 10));
  const Ownership ownership = blocks.ownership();
  CHECK(ownership.state == unknown);
  CHECK(ownership.owner.find(run.layout.block_record(1)) != std::string::npos);
  CHECK(ownership.owner.find("ckpt unlock /scratch/run") != std::string::npos);
}

TEST_CASE("a program's record cut short is an unknown owner as well") {
  OwnedRun run;
  run.disk.cut(run.layout.program_record(2, program_pid), 3);
  const Ownership ownership = run.owned.ownership();
  CHECK(ownership.state == unknown);
  CHECK(ownership.owner.find(run.layout.program_record(2, program_pid)) != std::string::npos);
}

TEST_CASE("a claim that cannot be read for an I/O error is an unknown owner, not a free run") {
  OwnedRun run;
  run.disk.fail_if([&](const FakeDisk::Call& call) { return call.path == run.layout.block_record(2); }, EIO);
  CHECK(run.owned.ownership().state == unknown);
}
