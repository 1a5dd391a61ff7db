// SPDX-License-Identifier: Apache-2.0
// Claims, attachments and ends: who wins, and what is read back.
#include "rundir/blocks.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <thread>

#include "fault/for_each_call.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

TEST_CASE("the first claim is block 1, the next one more, and each is durable when it was won") {
  PreparedRun run;
  auto blocks = run.blocks();
  CHECK(blocks.newest() == 0);
  CHECK(blocks.claim(claim_of(somebody(1))) == 1);
  CHECK(blocks.claim(claim_of(somebody(2))) == 2);
  CHECK(blocks.is_newest(2));
  CHECK_FALSE(blocks.is_newest(1));
  const auto after = run.disk.after_power_loss();
  CHECK(Blocks(*after, run.layout, {}).newest() == 2);
}

TEST_CASE("a claim tells everything about its claimer, bytes that are no text included") {
  PreparedRun run;
  auto blocks = run.blocks();
  Claim claim = claim_of(somebody(4711));
  claim.job_id = "1235";
  claim.cluster = "puhti";
  claim.array_id = "1234";
  claim.array_task = "7";
  claim.restart_count = 2;
  claim.command = {"python", "tr\xe9s.py", "--name", "très", ""};
  claim.block_seconds = 86400;
  REQUIRE(blocks.claim(claim) == 1);
  const auto read = blocks.read_claim(1);
  REQUIRE(read);
  CHECK(read->block == 1);
  CHECK(read->role == "ckptrun");
  CHECK(read->who == claim.who);
  CHECK(read->job_id == "1235");
  CHECK(read->cluster == "puhti");
  CHECK(read->array_id == "1234");
  CHECK(read->array_task == "7");
  CHECK(read->restart_count == 2);
  CHECK(read->command == claim.command);
  CHECK(read->claimed == claim.claimed);
  CHECK(read->block_seconds == 86400);
}

TEST_CASE("a claim without end of time is read back as one without limit") {
  PreparedRun run;
  Claim claim = claim_of(somebody(1));
  claim.block_seconds = std::numeric_limits<double>::infinity();
  REQUIRE(run.blocks().claim(claim) == 1);
  REQUIRE(run.blocks().read_claim(1));
  CHECK(run.blocks().read_claim(1)->block_seconds == 0);
}

TEST_CASE("a claim is lost when another came after the owner was looked up") {
  PreparedRun run;
  auto blocks = run.blocks();
  const auto seen = blocks.ownership().newest_block;
  REQUIRE(blocks.claim(claim_of(somebody(1)), seen) == 1);
  CHECK_FALSE(blocks.claim(claim_of(somebody(2)), seen));
  CHECK(blocks.newest() == 1);
  CHECK(blocks.claim(claim_of(somebody(2)), 1) == 2);
}

TEST_CASE("a claim is lost when another wins, and publishes, between looking and linking") {
  PreparedRun run;
  const bool publishes = GENERATE(false, true);
  for_each_call(
      run.disk,
      [&](FakeDisk& disk, std::uint64_t n) {
        disk.at_call(n, [&] {
          const auto other = Blocks(disk, run.layout, {}).claim(claim_of(somebody(2)), 0);
          if (other && publishes) disk.put(run.layout.snapshot({.block = *other, .step = 5}), "");
        });
      },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        Blocks blocks(disk, run.layout, {});
        const auto mine = blocks.claim(claim_of(somebody(1)), 0);
        CHECK(blocks.newest() == 1);
        CHECK(blocks.read_claim(1)->who.pid == (mine ? 1 : 2));
      });
}

TEST_CASE("of many claimers at once each number has one winner") {
  PreparedRun run;
  run.disk.set_links_refused(GENERATE(0, EPERM));
  std::vector<std::vector<std::uint64_t>> won(4);
  std::vector<std::thread> claimers;
  for (auto& mine : won) {
    claimers.emplace_back([&] {
      auto blocks = run.blocks();
      while (mine.size() < 10)
        if (const auto block = blocks.claim(claim_of(somebody(1)))) mine.push_back(*block);
    });
  }
  for (auto& claimer : claimers) claimer.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : won) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 40);
  CHECK(run.blocks().newest() == 40);
}

TEST_CASE("a number that has left traces is not used again, whatever was purged") {
  PreparedRun run;
  SECTION("a snapshot") {
    run.put_snapshot(7, 4100);
    CHECK(run.blocks().claim(claim_of(somebody(1))) == 8);
  }
  SECTION("an end") {
    run.disk.put(run.layout.block_end(9), "{}");
    CHECK(run.blocks().claim(claim_of(somebody(1))) == 10);
  }
  SECTION("the highest number there is") {
    run.disk.put(run.layout.block_record(UINT64_MAX), "{}");
    const Thrown thrown = thrown_by([&] { run.blocks().claim(claim_of(somebody(1))); });
    CHECK(thrown.status == CKPT_ERR_RUN_DIRECTORY);
    CHECK(thrown.says(run.layout.directory()));
  }
}

TEST_CASE("what a late writer leaves does not make its block the newest") {
  PreparedRun run;
  auto blocks = run.blocks();
  REQUIRE(blocks.claim(claim_of(somebody(1))) == 1);
  run.disk.put(run.layout.program_ledger(5, 77), "{}\n");
  run.disk.put(run.layout.block_end(5), "{}");
  CHECK(blocks.is_newest(1));
}

TEST_CASE("a blocks directory that is not there was never claimed") {
  FakeDisk disk;
  disk.make_directories("/scratch/run");
  const Blocks blocks(disk, Layout("/scratch/run"), {});
  CHECK(blocks.newest() == 0);
  CHECK(blocks.history().empty());
  CHECK(blocks.ownership().state == OwnerState::gone);
}

TEST_CASE("a listing that NFS takes back is asked for again, and an error that stays is told, never an empty run") {
  PreparedRun run;
  auto blocks = run.blocks();
  REQUIRE(blocks.claim(claim_of(somebody(1))) == 1);
  const int error = GENERATE(ENOENT, ESTALE);
  run.disk.fail_call(run.disk.calls() + 1, error);
  run.disk.fail_call(run.disk.calls() + 2, error);
  CHECK(blocks.newest() == 1);
  const int lasting = GENERATE(ESTALE, EIO);
  run.disk.fail_call(run.disk.calls() + 1, lasting, FakeDisk::Repeat::for_ever);
  const Thrown thrown = thrown_by([&] { static_cast<void>(blocks.newest()); });
  CHECK(thrown.status == CKPT_ERR_IO);
  CHECK(thrown.says(run.layout.blocks()));
}

TEST_CASE("the first to record the end wins, and the others are told") {
  PreparedRun run;
  auto blocks = run.blocks();
  BlockEnd end;
  end.outcome = Outcome::stopped;
  end.reason = "time is up";
  end.writer = "program";
  end.writer_pid = 4711;
  end.step = 4100;
  end.signal = 15;
  end.ended = 1772373909.5;
  CHECK(blocks.write_end(7, end));
  end.reason = "a second opinion";
  CHECK_FALSE(blocks.write_end(7, end));
  const auto read = Blocks(*run.disk.after_power_loss(), run.layout, {}).read_end(7);
  REQUIRE(read);
  CHECK(read->outcome == Outcome::stopped);
  CHECK(read->reason == "time is up");
  CHECK(read->writer == "program");
  CHECK(read->writer_pid == 4711);
  CHECK(read->step == 4100u);
  CHECK_FALSE(read->exit_code);
  CHECK(read->signal == 15);
  CHECK(read->ended == 1772373909.5);
}

TEST_CASE("every outcome is read back by its name, and no other name is one") {
  for (const Outcome outcome : {Outcome::finished, Outcome::stopped, Outcome::crashed, Outcome::abandoned})
    CHECK(parse_outcome(name(outcome)) == outcome);
  CHECK_FALSE(parse_outcome("unknown"));
}

TEST_CASE("a run with one linked program links libckpt for good, and a wrapped child does not") {
  PreparedRun run;
  auto blocks = run.blocks();
  blocks.attach(1, {.linked = false, .who = somebody(5)});
  CHECK_FALSE(blocks.links_libckpt());
  blocks.attach(2, {.linked = true, .who = somebody(6)});
  CHECK(blocks.links_libckpt());
  REQUIRE(blocks.read_attachments(2).size() == 1);
  CHECK(blocks.read_attachments(2)[0].linked);
  CHECK(blocks.read_attachments(2)[0].who == somebody(6));
}

TEST_CASE("a run forked from one that links libckpt links it before its first program has") {
  PreparedRun run;
  run.catalog().mark_has_snapshots();
  CHECK(run.blocks().links_libckpt());
}

TEST_CASE("attaching twice is once, and a dead process of the same number gives way, any other does not") {
  PreparedRun run;
  auto blocks = run.blocks();
  const ProcessIdentity self = identify_self();
  blocks.attach(1, {.linked = true, .who = self});
  blocks.attach(1, {.linked = true, .who = self});
  CHECK(blocks.read_attachments(1).size() == 1);

  ProcessIdentity dead = self;
  dead.start_ticks += 1;
  blocks.attach(2, {.linked = true, .who = dead});
  blocks.attach(2, {.linked = true, .who = self});
  CHECK(blocks.read_attachments(2)[0].who == self);

  ProcessIdentity elsewhere = somebody(self.pid);
  blocks.attach(3, {.linked = true, .who = elsewhere});
  const Thrown thrown = thrown_by([&] { blocks.attach(3, {.linked = true, .who = self}); });
  CHECK(thrown.status == CKPT_ERR_IN_USE);
  CHECK(thrown.says(run.layout.program_record(3, self.pid)));
  CHECK(blocks.read_attachments(3)[0].who == elsewhere);
}

TEST_CASE("the history is complete, oldest first, and says which records cannot be read") {
  PreparedRun run;
  auto blocks = run.blocks();
  for (int i = 1; i <= 3; ++i) REQUIRE(blocks.claim(claim_of(somebody(i))));
  blocks.attach(2, {.linked = true, .who = somebody(20)});
  BlockEnd end;
  end.outcome = Outcome::crashed;
  blocks.write_end(1, end);
  run.disk.cut(run.layout.block_record(3), 10);
  const auto history = blocks.history();
  REQUIRE(history.size() == 3);
  CHECK(history[0].end->outcome == Outcome::crashed);
  CHECK(history[1].claim.who.pid == 2);
  CHECK(history[1].attachments.size() == 1);
  CHECK_FALSE(history[1].end);
  CHECK(history[2].claim.block == 3);
  CHECK(history[2].claim.who.pid == 0);
}

TEST_CASE("no text, however broken, is read as a record or stops the reader") {
  PreparedRun run;
  auto blocks = run.blocks();
  REQUIRE(blocks.claim(claim_of(somebody(1))));
  const std::string whole = run.disk.content(run.layout.block_record(1));
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) {   // the last byte is a newline
    run.disk.put(run.layout.block_record(1), whole.substr(0, length));
    REQUIRE_FALSE(blocks.read_claim(1));
  }
  for (const std::string text : {"null", "[]", "{}", "{\"block\": \"one\"}", "\xff\xfe", "[[[[[[[[[[[["}) {
    run.disk.put(run.layout.block_record(1), text);
    run.disk.put(run.layout.block_end(1), text);
    run.disk.put(run.layout.program_record(1, 5), text);
    CHECK_FALSE(blocks.read_claim(1));
    CHECK_FALSE(blocks.read_end(1));
    CHECK(blocks.read_attachments(1)[0].who == [] { ProcessIdentity unknown; unknown.pid = 5; return unknown; }());
    CHECK(blocks.ownership().state == OwnerState::unknown);
  }
}

TEST_CASE("the records' permissions are the run's") {
  PreparedRun run;
  const Permissions shared{.directory = 02750, .file = 0640};
  Blocks blocks(run.disk, run.layout, shared);
  REQUIRE(blocks.claim(claim_of(somebody(1))));
  blocks.attach(1, {.linked = true, .who = somebody(2)});
  blocks.write_end(1, {});
  for (const auto& file : run.disk.files()) {
    io::FileInfo info;
    REQUIRE(run.disk.info(file, info) == 0);
    CHECK(info.mode == 0640);
  }
}
