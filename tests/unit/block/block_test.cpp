// SPDX-License-Identifier: Apache-2.0
#include "block/block.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <utility>

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
  BlockResult run(std::uint64_t block, const std::string& script, Clock& clock = system_clock(),
                  EndSource* job = nullptr) {
    const RunAccess access{io::file_system(), clock, signals, layout, {}, blocks, catalog, status};
    rundir::Ledger ledger(io::file_system(), layout.ckptrun_ledger(block), 0600);
    BlockPlan plan;
    plan.block = block;
    plan.run_name = "test";
    plan.command = {"sh", "-c", script};
    plan.program_path = "/bin/sh";
    plan.job_end_source = job;
    plan.is_job = job != nullptr;
    if (job) plan.job_end = job->first_end();
    plan.node = "r01c07";
    return run_block(access, ledger, plan);
  }

  SignalInbox signals;
  rundir::Layout layout{folder()};
  rundir::Blocks blocks{io::file_system(), layout, {}};
  rundir::Catalog catalog{io::file_system(), layout, {}};
  StatusBoard status{io::file_system(), system_clock(), layout};
};

// A job of an hour. Its end moves once there is a file; asked soon, it is told at once.
class FakeJob final : public EndSource {
 public:
  explicit FakeJob(fs::path mark, double moved_to_seconds) : mark_(std::move(mark)), moved_to_(moved_to_seconds) {}
  double first_end() override { return started_ + 3600; }
  double known_end() const override { return started_ + 3600; }
  double whole_seconds() const override { return 3600; }
  void add_to(std::vector<pollfd>&) const override {}
  double next_look() const override { return 0; }
  std::optional<double> look() override {
    if (!fs::exists(mark_) || std::exchange(told_, true)) return std::nullopt;
    return started_ + moved_to_;
  }
  void ask_soon() override { asked_soon = true; }
  double known_as_of() const override { return answers ? system_clock().monotonic_seconds() : 0; }
  void note_exit(pid_t, int) override {}

  bool asked_soon = false, answers = true;

 private:
  fs::path mark_;
  double moved_to_, started_ = system_clock().monotonic_seconds();
  bool told_ = false;
};

}  // namespace

TEST_CASE("a block whose end moves nearer is stopped in time for that end, and says that it moved") {
  OneRun one;
  const fs::path mark = fs::path(one.layout.directory()) / "mark";
  FakeJob job(mark, 1);
  const BlockResult result = one.run(one.claim(), "trap 'exit 85' TERM; touch '" + mark.string() +
                                     "'; while :; do sleep 0.01; done", system_clock(), &job);
  CHECK(result.asked == StopCause::deadline);
  CHECK(result.seconds < 60);
  CHECK(result.end_moved_nearer);
  CHECK(result.whole_seconds == Approx(3600).margin(1));
}

TEST_CASE("a signal inside a job ends the block, not the chain, and has the end of the job asked for") {
  OneRun one;
  FakeJob job("/nowhere", 0);
  const std::string script = fmt::format("trap 'exit 85' TERM; kill -USR1 {}; while :; do sleep 0.01; done", ::getpid());
  const BlockResult result = one.run(one.claim(), script, system_clock(), &job);
  CHECK(result.asked == StopCause::job);
  CHECK(job.asked_soon);
  CHECK(was_cut_short(result));
}

TEST_CASE("a crash's reason has the last words of its output") {
  OneRun one;
  const int saved = ::dup(STDERR_FILENO);
  const std::string output = one.layout.directory() + "/job.out";
  const int file = ::open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  ::dup2(file, STDERR_FILENO);
  const BlockResult result = one.run(one.claim(), "echo 'RuntimeError: CUDA error: unspecified launch failure' >&2; exit 1");
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(file);
  CHECK(result.crash == CrashKind::device);
  CHECK_THAT(result.reason, Catch::Contains("exit code 1: RuntimeError: CUDA error") && Catch::Contains("r01c07"));
}

TEST_CASE("a block that sees a newer one stops its program and leaves") {
  OneRun one;
  const std::uint64_t block = one.claim();
  one.claim();   // somebody else, elsewhere
  HurriedClock clock;
  const BlockResult result = one.run(block, "trap 'exit 85' TERM; while :; do sleep 0.01; done", clock);
  CHECK(result.asked == StopCause::superseded);
  CHECK(result.outcome == rundir::Outcome::stopped);
}

TEST_CASE("a program that leaves because it saw a newer block has not crashed by itself") {
  OneRun run;
  const std::uint64_t block = run.claim();
  run.claim();
  CHECK(run.run(block, "exit 1").asked == StopCause::superseded);
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
