// SPDX-License-Identifier: Apache-2.0
#include "block/block.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.hpp"
#include "block/process_tree.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
namespace fs = std::filesystem;

namespace {

// A minute takes a second.
class HurriedClock final : public Clock {
 public:
  double monotonic_seconds() override { return 60 * system_clock().monotonic_seconds(); }
  double wall_seconds() override { return system_clock().wall_seconds(); }
  void sleep_seconds(double seconds) override { system_clock().sleep_seconds(seconds / 60); }
};

// A run whose next block is run by the test itself.
struct OneRun {
  OneRun() {
    become_subreaper();
    rundir::prepare_run_directory(io::file_system(), layout, {.allow_volatile = true});
  }
  ~OneRun() { fs::remove_all(layout.directory()); }
  static std::string folder() {
    char name[] = "/tmp/ckpt-block-XXXXXX";
    return ::mkdtemp(name);
  }
  std::uint64_t claim() {
    rundir::Claim claim;
    claim.role = "ckptrun";
    claim.who = identify_self();
    return blocks.claim(claim).value();
  }
  BlockResult run(std::uint64_t block, const std::string& script, Clock& clock = system_clock()) {
    const RunAccess access{io::file_system(), clock, signals, layout, {}, blocks, catalog, status};
    rundir::Ledger ledger(io::file_system(), layout.ckptrun_ledger(block), 0600);
    BlockPlan plan;
    plan.block = block;
    plan.run_name = "test";
    plan.command = {"sh", "-c", script};
    plan.program_path = "/bin/sh";
    return run_block(access, ledger, plan);
  }

  SignalInbox signals;
  rundir::Layout layout{folder()};
  rundir::Blocks blocks{io::file_system(), layout, {}};
  rundir::Catalog catalog{io::file_system(), layout, {}};
  StatusBoard status{io::file_system(), system_clock(), layout};
};

}  // namespace

TEST_CASE("a block that sees a newer one stops its program and leaves") {
  OneRun one;
  const std::uint64_t block = one.claim();
  one.claim();   // somebody else, elsewhere
  HurriedClock clock;
  const BlockResult result = one.run(block, "trap 'exit 85' TERM; while :; do sleep 0.01; done", clock);
  CHECK(result.asked == StopCause::superseded);
  CHECK(result.outcome == rundir::Outcome::stopped);
}

TEST_CASE("a superseded program that does not stop is killed") {
  OneRun one;
  const std::uint64_t block = one.claim();
  one.claim();
  HurriedClock clock;
  const BlockResult result = one.run(block, "trap '' TERM; while :; do sleep 0.01; done", clock);
  CHECK(result.asked == StopCause::superseded);
  CHECK_THAT(result.reason, Catch::Contains("newer block"));
}

TEST_CASE("a program whose record cannot be written is never started, and nothing of it stays behind") {
  OneRun one;
  const std::uint64_t block = one.claim();
  fs::remove_all(one.layout.blocks());
  const fs::path mark = fs::path(one.layout.directory()) / "mark";
  CHECK_THROWS_AS(one.run(block, "touch '" + mark.string() + "'"), Error);
  CHECK_FALSE(fs::exists(mark));
  CHECK(descendants().empty());
}

TEST_CASE("an end that cannot be recorded does not change how the block ended") {
  OneRun one;
  const std::uint64_t block = one.claim();
  const BlockResult result = one.run(block, "mv '" + one.layout.blocks() + "' '" + one.layout.logs() + "'");
  CHECK(result.outcome == rundir::Outcome::finished);
}

TEST_CASE("the end that the program recorded first is the one that counts") {
  OneRun one;
  const std::uint64_t block = one.claim();
  rundir::BlockEnd end;
  end.outcome = rundir::Outcome::finished;
  end.writer = "program";
  end.step = 7;
  REQUIRE(one.blocks.write_end(block, end));
  CHECK(one.run(block, "exit 3").outcome == rundir::Outcome::finished);
  CHECK(one.blocks.read_end(block)->writer == "program");
}
