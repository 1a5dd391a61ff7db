// SPDX-License-Identifier: Apache-2.0
#include "chain/learned_times.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "rundir/blocks.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

// A run whose ledgers the test writes.
class ToldRun {
 public:
  ToldRun() { prepare(layout_); }
  ~ToldRun() { std::filesystem::remove_all(layout_.directory()); }

  void block(const std::string& ckptrun, const std::string& program) { write(layout_, ckptrun, program); }
  // Of a program without libckpt.
  void own_block(const std::string& ckptrun) { write(layout_, ckptrun, {}); }
  void rehearsal(const std::string& ckptrun, const std::string& program) {
    prepare(rehearsal_of(layout_));
    write(rehearsal_of(layout_), ckptrun, program);
  }
  LearnedTimes learned() const { return learn_times(io::file_system(), layout_); }

 private:
  static std::string make() {
    char name[] = "/tmp/ckpt-learned-XXXXXX";
    return ::mkdtemp(name);
  }
  static void prepare(const rundir::Layout& layout) { std::filesystem::create_directories(layout.blocks()); }
  static void write(const rundir::Layout& layout, const std::string& ckptrun, const std::string& program) {
    rundir::Blocks blocks(io::file_system(), layout, {});
    rundir::Claim claim;
    claim.who = identify_self();
    const std::uint64_t block = *blocks.claim(claim);
    blocks.attach(block, {!program.empty(), identify_self()});
    std::ofstream(layout.ckptrun_ledger(block)) << ckptrun;
    std::ofstream(layout.program_ledger(block, ::getpid())) << program;
  }

  rundir::Layout layout_{make()};
};

std::string started(double time) { return fmt::format("{{\"event\":\"started\",\"time\":{}}}\n", time); }
std::string started_own(double time, double prepared_seconds, const char* own_from = "null") {
  return fmt::format("{{\"event\":\"started\",\"time\":{},\"prepared_seconds\":{},\"keeps_own\":true,\"own_from\":{}}}\n", time,
                     prepared_seconds, own_from);
}
std::string checkpoint(double time, int epoch, double seconds_since_last) {
  return fmt::format("{{\"event\":\"checkpoint\",\"time\":{0},\"epoch\":{1},\"bytes\":500,\"seconds_since_last\":{2}}}\n"
                     "{{\"event\":\"progress\",\"time\":{0},\"done\":{1},\"total\":0,\"unit\":\"epoch\"}}\n", time, epoch,
                     seconds_since_last);
}
std::string fresh(double time) { return fmt::format("{{\"event\":\"fresh\",\"time\":{}}}\n", time); }
std::string restored(double time, int step, double seconds) {
  return fmt::format("{{\"event\":\"restored\",\"time\":{},\"step\":{},\"seconds\":{}}}\n", time, step, seconds);
}
std::string first_point(double time, int step) {
  return fmt::format("{{\"event\":\"first_point\",\"time\":{},\"step\":{}}}\n", time, step);
}
std::string progress(double time, double done, const char* unit = "epoch") {
  return fmt::format("{{\"event\":\"progress\",\"time\":{},\"done\":{},\"total\":300,\"unit\":\"{}\"}}\n", time, done,
                     unit);
}
// `done`: the progress that the snapshot holds.
std::string saved(double time, int step, double between_points = 0.5, double done = 0) {
  return fmt::format("{{\"event\":\"staged\",\"time\":{0},\"step\":{1},\"state_bytes\":1000,"
                     "\"seconds_between_points\":{2},\"done\":{3}}}\n"
                     "{{\"event\":\"durable\",\"time\":{0},\"step\":{1},\"file_bytes\":800,\"stall_seconds\":0.25,"
                     "\"drain_seconds\":4,\"publish_seconds\":0.5}}\n", time, step, between_points, done);
}

}  // namespace

TEST_CASE("nothing is learned from a run that is not there or never ran") {
  const LearnedTimes learned = learn_times(io::file_system(), rundir::Layout("/tmp/ckpt-no-such-run"));
  CHECK(learned.unit.empty());
  CHECK(learned.unit_seconds.count() == 0);
  CHECK_FALSE(learned.unit_seconds.p90());
  CHECK(ToldRun().learned().unit_seconds.count() == 0);
}

TEST_CASE("epochs, start-up, restore, saves and sizes are learned from a run's ledgers") {
  ToldRun run;
  run.block(started(100), fresh(108) + first_point(110, 0) + progress(210, 1) + progress(320, 2) + saved(321, 2000));
  run.block(started(400), restored(409, 2000, 3) + first_point(410, 2000) + progress(500, 3) + progress(590, 4) +
                              saved(591, 4000, 0.5, 4));
  const LearnedTimes learned = run.learned();
  CHECK(learned.unit == "epoch");
  CHECK(learned.unit_seconds.count() == 3);  // 100, 110, 90: what a restored block did before its first word is unknown
  CHECK(learned.unit_seconds.p90() == 110);
  CHECK(learned.startup.count() == 2);
  CHECK(learned.startup.p90() == 10);  // 10, and 10 - 3 for the restore
  CHECK(learned.restore.p90() == 3);
  CHECK(learned.done == 4);
  CHECK(learned.total == 300);
  CHECK(learned.state_bytes == 1000);
  CHECK(learned.file_bytes == 800);
  CHECK(learned.costs().stage == Approx(0.25 * 1.2));  // few observations: as pessimistic as the policy
  CHECK(learned.costs().drain == Approx(4 * 1.2));
  CHECK(learned.costs().between_points == Approx(0.5 * 1.2));
  CHECK_FALSE(learned.from_rehearsal);
}

TEST_CASE("progress after the newest durable snapshot is not counted as done") {
  ToldRun run;
  run.block(started(0), fresh(1) + progress(1, 0) + progress(11, 1) + saved(12, 10, 0.5, 1) + progress(21, 2));
  CHECK(run.learned().done == 1);
}

TEST_CASE("reports that skip units or cut them small teach the time of one unit all the same") {
  ToldRun run;
  run.block("", progress(0, 0.5) + progress(5, 1.0) + progress(10, 1.5) + progress(50, 5.5));
  const LearnedTimes learned = run.learned();
  REQUIRE(learned.unit_seconds.count() == 2);
  CHECK(learned.unit_seconds.p90() == 10);
  CHECK(learned.units_observed == 5);
}

TEST_CASE("a part of an epoch that is longer than its block teaches how long the epoch would be") {
  ToldRun run;
  run.block("", progress(0, 0.0) + progress(3600, 0.25));
  CHECK(run.learned().unit_seconds.p90() == 4 * 3600);
  run.block("", progress(0, 1) + progress(7200, 2));
  run.block("", progress(0, 2) + progress(3600, 2.1));
  const LearnedTimes learned = run.learned();
  CHECK(learned.unit_seconds.count() == 1);  // whole ones are better, as soon as there is one
  CHECK(learned.unit_seconds.p90() == 7200);
}

TEST_CASE("a program that counts anew or whose clock went back teaches no negative time") {
  ToldRun run;
  run.block(started(50),
            fresh(40) + first_point(41, 0) + progress(100, 7) + progress(90, 8) + progress(95, 0) + progress(105, 1));
  const LearnedTimes learned = run.learned();
  CHECK(learned.startup.count() == 0);
  CHECK(learned.unit_seconds.p90() == 10);
}

TEST_CASE("a first safe point behind the first step is no start") {
  ToldRun run;
  run.block(started(0), fresh(5) + first_point(500, 1));
  CHECK(run.learned().startup.count() == 0);
}

TEST_CASE("a program that tells no progress counts steps") {
  ToldRun run;
  run.block(started(0), fresh(1) + first_point(2, 0) + saved(12, 100) + saved(22, 200));
  const LearnedTimes learned = run.learned();
  CHECK(learned.unit == "step");
  CHECK(learned.unit_seconds.p90() == Approx(0.1));
  CHECK(learned.done == 200);
  CHECK_FALSE(learned.total);
}

TEST_CASE("nonsense in a ledger is no observation") {
  ToldRun run;
  run.block("{\"event\":\"started\",\"time\":\"soon\"}\n[]\nnot json\n",
            "{\"event\":7}\n{\"event\":\"progress\",\"done\":\"much\"}\n{\"event\":\"restored\",\"seconds\":-5,"
            "\"step\":null}\n"
            "{\"event\":\"durable\",\"step\":\"x\",\"drain_seconds\":null}\n{\"event\":\"first_point\"}\n");
  const LearnedTimes learned = run.learned();
  CHECK(learned.unit_seconds.count() == 0);
  CHECK(learned.startup.count() == 0);
  CHECK(learned.restore.count() == 0);
}

TEST_CASE("a rehearsal tells what the run itself does not know yet") {
  ToldRun run;
  run.rehearsal(started(0), fresh(4) + first_point(5, 0) + progress(25, 1) + progress(45, 2) + saved(46, 2));
  LearnedTimes learned = run.learned();
  CHECK(learned.from_rehearsal);
  CHECK(learned.unit_seconds.p90() == 20);
  CHECK(learned.startup.p90() == 5);
  CHECK(learned.total == 300);
  CHECK_FALSE(learned.done);  // the rehearsal's work is thrown away
  run.block(started(0), fresh(4) + first_point(5, 0) + progress(35, 1) + saved(36, 1));
  learned = run.learned();
  CHECK_FALSE(learned.from_rehearsal);
  CHECK(learned.unit_seconds.p90() == 30);
}

TEST_CASE("p90 is the value that nine of ten observations do not exceed") {
  Sample sample;
  for (int i = 1; i <= 10; ++i) sample.add(i);
  CHECK(sample.p90() == 9);
  sample.add(11);
  CHECK(sample.p90() == 10);
  sample.add(0);
  CHECK(sample.count() == 11);
}

TEST_CASE("the start of a program with checkpoints of its own takes what its first one took longer than the others, and what "
          "prepared its node") {
  ToldRun run;
  run.own_block(started_own(100, 60) + checkpoint(140, 1, 40) + checkpoint(150, 2, 10) + checkpoint(160, 3, 10));
  run.own_block(started_own(300, 0, "{\"epoch\":3}") + checkpoint(330, 4, 30) + checkpoint(340, 5, 10));
  const LearnedTimes learned = run.learned();
  CHECK(learned.startup.count() == 2);
  CHECK(learned.startup.p90() == Approx(60 + 30));
  CHECK(learned.between_points.count() == 3);
  CHECK(learned.between_points.p90() == Approx(10));
  CHECK(learned.unit_seconds.p90() == Approx(10));
  CHECK(learned.done == 5);
}

TEST_CASE("an epoch that fills its block teaches its time from where the block began") {
  ToldRun run;
  run.own_block(started_own(0, 20) + checkpoint(3600, 1, 3600));
  run.own_block(started_own(10000, 20, "{\"epoch\":1}") + checkpoint(13600, 2, 3600));
  const LearnedTimes learned = run.learned();
  CHECK(learned.unit_seconds.count() == 2);
  CHECK(learned.unit_seconds.p90() == Approx(3600));
  CHECK(learned.between_points.p90() == Approx(3600));
  CHECK(learned.startup.p90() == Approx(20));
}

TEST_CASE("a block that goes on from a checkpoint without a number teaches nothing before its second word") {
  ToldRun run;
  run.own_block(started_own(0, 0, "{\"path\":\"last.pt\"}") + progress(3600, 7));
  CHECK(run.learned().unit_seconds.count() == 0);
}
