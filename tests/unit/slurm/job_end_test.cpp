// SPDX-License-Identifier: Apache-2.0
#include "slurm/job_end.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;

namespace {

constexpr double epoch = 1795253184;   // 2026-11-21T09:26:24

std::string stamp(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&whole, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

// Time goes on only when a test says so; the wall clock can be set by itself.
class TestClock : public Clock {
 public:
  double monotonic_seconds() override { return monotonic; }
  double wall_seconds() override { return wall; }
  void sleep_seconds(double seconds) override { pass(seconds); }
  void pass(double seconds) { monotonic += seconds, wall += seconds; }
  double monotonic = 1000, wall = epoch;
};

struct Cluster {
  Cluster() {
    job.id = "7";
    show(epoch + 600);
    tell_clock(epoch);
  }
  void show(double end, const std::string& rest = "JobState=RUNNING Restarts=0 TimeLimit=00:10:00") {
    say("JobId=7 JobName=x UserId=alice(1001) {} StartTime={} EndTime={}", rest, stamp(epoch), stamp(end));
  }
  template <class... Args>
  void say(fmt::format_string<Args...> job_record, Args&&... args) {
    slurm.write("scontrol-show-job.out", fmt::format(job_record, std::forward<Args>(args)...) + "\n");
  }
  void tell_clock(double controller) {
    slurm.write("scontrol-show-config.out", "Configuration data as of " + stamp(controller) + "\n");
  }
  // As ckptrun's loop does, until no question is under way.
  std::optional<double> look() {
    std::optional<double> moved;
    for (;;) {
      if (const auto end = source.look()) moved = end;
      std::vector<pollfd> polled;
      source.add_to(polled);
      if (polled.empty()) return moved;
      ::poll(polled.data(), polled.size(), 1);
      int status = 0;
      for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) source.note_exit(pid, status);
    }
  }
  std::size_t asked() const { return slurm.calls().size(); }
  double pause() const { return source.next_look() - clock.monotonic; }

  FakeSlurm slurm;
  TestClock clock;
  JobEnvironment job;
  EndTime source{clock, [] {
                   JobEnvironment environment;
                   environment.id = "7";
                   return environment;
                 }()};
};

}  // namespace

TEST_CASE("the first end is what Slurm says, on a clock that does not jump") {
  Cluster cluster;
  CHECK(cluster.source.first_end() == 1600);
  CHECK(cluster.source.whole_seconds() == 600);
  CHECK(cluster.pause() == 60);
}

TEST_CASE("an end that moves is told once") {
  Cluster cluster;
  cluster.source.first_end();
  CHECK_FALSE(cluster.look());
  cluster.clock.pass(60);
  CHECK_FALSE(cluster.look());
  cluster.show(epoch + 300);
  cluster.clock.pass(60);
  cluster.tell_clock(epoch + 120);
  CHECK(cluster.look() == 1300);
  CHECK_FALSE(cluster.look());
  CHECK(cluster.source.whole_seconds() == 600);
}

TEST_CASE("our wall clock may jump: the end stays") {
  Cluster cluster;
  cluster.source.first_end();
  cluster.clock.wall += 7200;
  cluster.clock.pass(60);
  CHECK_FALSE(cluster.look());
  SECTION("and an end that moves afterwards is converted by the clock as it is then") {
    cluster.show(epoch + 300);
    cluster.tell_clock(epoch + 120);
    cluster.clock.pass(60);
    CHECK(*cluster.look() == Approx(1300).margin(1));
  }
}

TEST_CASE("a controller whose clock differs from ours is understood") {
  Cluster cluster;
  cluster.tell_clock(epoch - 3600);
  cluster.show(epoch - 3600 + 600);
  CHECK(cluster.source.first_end() == Approx(1600).margin(1));
}

TEST_CASE("without a word about its clock the controller's is taken for ours") {
  Cluster cluster;
  cluster.slurm.write("scontrol-show-config.out", "maintenance\n");
  CHECK(cluster.source.first_end() == 1600);
  CHECK_FALSE(cluster.look());
}

TEST_CASE("after a signal the end is asked for at once") {
  Cluster cluster;
  cluster.source.first_end();
  cluster.show(epoch + 20);
  CHECK_FALSE(cluster.look());
  cluster.source.ask_soon();
  CHECK(cluster.look() == 1020);
}

TEST_CASE("a signal during a question is followed by another question") {
  Cluster cluster;
  cluster.source.first_end();
  cluster.clock.pass(60);
  cluster.source.look();   // starts a question
  cluster.source.ask_soon();
  const std::size_t before = cluster.asked();
  cluster.look();
  CHECK(cluster.asked() <= before + 2);
  CHECK(cluster.pause() == 60);
  CHECK(cluster.asked() >= 4);   // the first end and its clock, the one under way, the other
}

TEST_CASE("an odd answer changes nothing") {
  Cluster cluster;
  cluster.source.first_end();
  SECTION("another job") { cluster.say("JobId=8 JobState=RUNNING EndTime=2026-11-21T09:27:00"); }
  SECTION("no end") { cluster.say("JobId=7 JobState=RUNNING Restarts=0 EndTime=Unknown"); }
  SECTION("our successor after a requeue") { cluster.show(epoch + 90, "JobState=RUNNING Restarts=1"); }
  SECTION("it waits again") { cluster.show(epoch + 90, "JobState=PENDING Restarts=0"); }
  SECTION("its end has begun") { cluster.show(epoch + 60, "JobState=COMPLETING Restarts=0"); }
  SECTION("nonsense") { cluster.say("\x1b[2J\n= = ="); }
  SECTION("a refusal") {
    cluster.slurm.remove("scontrol-show-job.out");
    cluster.slurm.write("scontrol-show-job.err", "slurm_load_jobs error: Invalid job id specified\n");
    cluster.slurm.write("scontrol-show-job.code", "1");
  }
  cluster.clock.pass(60);
  CHECK_FALSE(cluster.look());
}

TEST_CASE("while Slurm is silent it is asked ever more rarely, and once a minute when it is back") {
  Cluster cluster;
  cluster.source.first_end();
  cluster.slurm.write("scontrol.fail", "10");
  cluster.clock.pass(60);
  std::vector<double> pauses;
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(cluster.look());
    pauses.push_back(cluster.pause());
    cluster.clock.pass(pauses.back());
  }
  CHECK(pauses == std::vector<double>{5, 10, 20, 40, 80, 160, 320, 600, 600, 600});
  CHECK_FALSE(cluster.look());
  CHECK(cluster.pause() == 60);
}

TEST_CASE("a question that hangs is given up, and the end stays") {
  Cluster cluster;
  cluster.source.first_end();
  cluster.slurm.write("scontrol.sleep", "infinity");
  cluster.clock.pass(60);
  CHECK_FALSE(cluster.source.look());
  CHECK(cluster.pause() == 10);
  cluster.clock.pass(10);
  CHECK_FALSE(cluster.look());
  CHECK(cluster.pause() == 5);
}

TEST_CASE("where Slurm is silent in the beginning the job's environment tells the end") {
  FakeSlurm slurm;
  TestClock clock;
  JobEnvironment job;
  job.id = "7";
  SECTION("from 23.02 on") {
    job.end = epoch + 500;
    EndTime source(clock, job);
    CHECK(source.first_end() == 1500);
    CHECK(source.whole_seconds() == 500);
    CHECK(source.next_look() == 1005);
  }
  SECTION("before, nobody knows yet") {
    EndTime source(clock, job);
    CHECK(std::isinf(source.first_end()));
    CHECK(std::isinf(source.whole_seconds()));
  }
}

TEST_CASE("an end that was not known at first is told as soon as Slurm answers") {
  Cluster cluster;
  cluster.slurm.write("scontrol.fail", "1");
  CHECK(std::isinf(cluster.source.first_end()));
  cluster.clock.pass(5);
  cluster.tell_clock(epoch + 5);
  CHECK(cluster.look() == 1600);
  CHECK(cluster.source.whole_seconds() == 600);
}

TEST_CASE("without scontrol the queue is asked, without both nobody") {
  FakeSlurm slurm({"squeue"});
  TestClock clock;
  JobEnvironment job;
  job.id = "7";
  EndTime source(clock, job);
  CHECK(std::isinf(source.first_end()));
  CHECK(source.next_look() == 1005);
  clock.pass(5);
  SECTION("squeue") {
    slurm.write("squeue.out", "7|7|N/A|RUNNING|None|" + stamp(epoch) + "|" + stamp(epoch + 600) +
                                  "|N/A|10:00|main|(null)|normal|alice|n1|/home/alice|chain\n");
    source.first_end();
    CHECK(source.whole_seconds() == 600);
  }
  SECTION("nothing") {
    std::filesystem::remove(std::getenv("PATH") + std::string("/squeue"));
    source.first_end();
    CHECK(std::isinf(source.next_look()));
    source.ask_soon();
    CHECK(std::isinf(source.next_look()));
  }
}

TEST_CASE("a job without a limit has no end, until it gets one") {
  Cluster cluster;
  cluster.say("JobId=7 JobState=RUNNING Restarts=0 TimeLimit=UNLIMITED StartTime={} EndTime=Unknown", stamp(epoch));
  CHECK(std::isinf(cluster.source.first_end()));
  CHECK(std::isinf(cluster.source.whole_seconds()));
  CHECK(cluster.pause() == 60);
  cluster.show(epoch + 30);
  cluster.source.ask_soon();
  CHECK(cluster.look() == 1030);
}
