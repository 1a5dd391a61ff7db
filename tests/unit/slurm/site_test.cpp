// SPDX-License-Identifier: Apache-2.0
#include "slurm/site.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

namespace {

class StoppedClock : public Clock {
 public:
  double monotonic_seconds() override { return system_clock().monotonic_seconds(); }
  double wall_seconds() override { return wall; }
  void sleep_seconds(double) override {}
  double wall = 0;
};

}  // namespace

TEST_CASE("the site's settings are read with their units") {
  const Configuration site(recorded("scontrol-show-config"));
  CHECK(site.cluster() == "sandbox");
  CHECK(site.version() == "22.05.8");
  CHECK(site.seconds("KillWait") == 5);
  CHECK(site.seconds("OverTimeLimit") == 0);
  CHECK(site.seconds("MinJobAge") == 300);
  CHECK(site.seconds("SlurmdTimeout") == 10);
  CHECK(site.flag("JobRequeue") == true);
  CHECK(site.highest_array_index() == 1000);
  CHECK(site.rejects_long_limits());
  CHECK(site.value("ProctrackType") == "proctrack/linuxproc");
  CHECK(site.value("PreemptType") == "preempt/partition_prio");
  CHECK(site.lists("SlurmctldParameters", "preempt_send_user_signal"));
  CHECK_FALSE(site.lists("SlurmctldParameters", "preempt_send"));
  CHECK(site.value("AccountingStorageType") == "accounting_storage/slurmdbd");
  CHECK(site.clock_seconds() == 1795253186);
}

TEST_CASE("settings of cgroups are read where the site has them") {
  const Configuration site(recorded("scontrol-show-config-cgroup"));
  CHECK(site.value("ProctrackType") == "proctrack/cgroup");
  CHECK(site.flag("ConstrainRAMSpace") == false);
  CHECK(site.value("CgroupPlugin") == "cgroup/v1");
  CHECK_FALSE(Configuration(recorded("scontrol-show-config")).flag("ConstrainRAMSpace"));
}

TEST_CASE("a setting that is not there is absent") {
  const Configuration site("hello\nA = (null)\n= x\nOverTimeLimit = UNLIMITED\nJobRequeue = maybe\nMaxArraySize = 0\n");
  CHECK(site.value("A").empty());
  CHECK(site.value("B").empty());
  CHECK_FALSE(site.seconds("KillWait"));
  CHECK(std::isinf(*site.seconds("OverTimeLimit")));
  CHECK_FALSE(site.flag("JobRequeue"));
  CHECK_FALSE(site.highest_array_index());
  CHECK_FALSE(site.rejects_long_limits());
  CHECK_FALSE(site.clock_seconds());
}

TEST_CASE("partitions are read with their limits") {
  const auto partitions = parse_partitions(recorded("scontrol-show-partition-o"));
  REQUIRE(partitions.size() == 3);
  CHECK(partitions[0].name == "main");
  CHECK(partitions[0].is_default);
  CHECK(partitions[0].is_up());
  CHECK(partitions[0].limit_seconds == 3600);
  CHECK(partitions[0].default_seconds == 300);
  CHECK_FALSE(partitions[0].over_time_limit_seconds);
  CHECK(partitions[0].preempt_mode == "OFF");
  CHECK(partitions[0].node_count == 2);
  CHECK_FALSE(partitions[1].is_default);
  CHECK_FALSE(partitions[1].default_seconds);
  CHECK(partitions[1].grace_seconds == 10);
  CHECK(partitions[1].preempt_mode == "REQUEUE");
}

TEST_CASE("what the nodes of a partition have is read from sinfo") {
  const auto groups = parse_node_groups(recorded("sinfo-h-o") + "big*|up|idle~|4|64+|256000+|b[1-4]|(null)\n|||\n");
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].partition == "main");
  CHECK(groups[0].count == 2);
  CHECK(groups[0].cpus == 8);
  CHECK(groups[0].memory_bytes == 16000ull << 20);
  CHECK(groups[0].gres == "gpu:4");
  CHECK(groups[3].partition == "big");
  CHECK(groups[3].cpus == 64);
  CHECK(groups[3].gres.empty());
}

TEST_CASE("a site is asked whole") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-show-config", recorded("scontrol-show-config"));
  slurm.answer_recorded("scontrol-show-partition", recorded("scontrol-show-partition-o"));
  slurm.answer_recorded("sinfo", recorded("sinfo-h-o"));
  StoppedClock clock;
  clock.wall = 1795253186.4;
  const Site site = ask_site(clock, once(30));
  CHECK(site.why_not.empty());
  CHECK(site.clock_skew_seconds == 0);
  REQUIRE(site.partition(""));
  CHECK(site.partition("")->name == "main");
  CHECK(site.partition("high"));
  CHECK_FALSE(site.partition("nosuch"));
  CHECK(site.nodes.size() == 3);
}

TEST_CASE("a controller that is silent is asked once, not for every fact") {
  FakeSlurm slurm;
  const Site site = ask_site(system_clock(), once(30));
  CHECK(site.why_not == "scontrol failed (1): Unable to contact slurm controller (connect failure)");
  CHECK(site.configuration.empty());
  CHECK(slurm.calls().size() == 1);
}

TEST_CASE("the controller's clock is compared with ours only as finely as it is told") {
  const Configuration site(recorded("scontrol-show-config"));
  const double told = 1795253186;
  CHECK(clock_skew(site, told + 0.2, told + 0.3) == 0);
  CHECK(clock_skew(site, told - 0.1, told + 0.1) == 0);
  CHECK(clock_skew(site, told - 5, told + 5) == 0);          // a slow answer says little
  CHECK(*clock_skew(site, told + 100, told + 100) == Approx(-99.5));
  CHECK(*clock_skew(site, told - 3600, told - 3600) == Approx(3600.5));
  CHECK_FALSE(clock_skew(Configuration(""), 0, 0));
}
