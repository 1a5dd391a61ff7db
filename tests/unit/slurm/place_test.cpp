// SPDX-License-Identifier: Apache-2.0
#include "slurm/place.hpp"

#include <catch2/catch.hpp>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

TEST_CASE("inside a job nobody is asked where we are") {
  FakeSlurm slurm;
  slurm.change("SLURM_JOB_ID", "7");
  CHECK(where_are_we(system_clock()).place == Place::in_job);
  CHECK(slurm.calls().empty());
}

TEST_CASE("a controller that is up and no job around us make a login node") {
  FakeSlurm slurm;
  slurm.answer_recorded("scontrol-ping", recorded("scontrol-ping"));
  CHECK(where_are_we(system_clock()).place == Place::login_node);
}

TEST_CASE("one of two controllers is enough") {
  FakeSlurm slurm;
  slurm.write("scontrol.out", "Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n");
  slurm.write("scontrol.code", "1");
  CHECK(where_are_we(system_clock()).place == Place::login_node);
}

TEST_CASE("a machine that has Slurm's packages but no controller is no login node") {
  FakeSlurm slurm;
  std::string why;
  SECTION("it is down") {
    slurm.write("scontrol.out", "Slurmctld(primary) at a is DOWN\n");
    why = "no controller of Slurm is up";
  }
  SECTION("nothing is configured") {
    slurm.write("scontrol.err", "scontrol: fatal: Unable to process configuration file\n");
    slurm.write("scontrol.code", "1");
    why = "scontrol failed (1): Unable to process configuration file";
  }
  SECTION("it is silent") {
    slurm.write("scontrol.sleep", "infinity");
    why = "scontrol gave no answer within 2.0 s";
  }
  const Whereabouts here = where_are_we(system_clock());
  CHECK(here.place == Place::elsewhere);
  CHECK(here.why == why);
}

TEST_CASE("without scontrol in PATH there is no Slurm, at no cost") {
  FakeSlurm slurm({"squeue"});
  const Whereabouts here = where_are_we(system_clock());
  CHECK(here.place == Place::elsewhere);
  CHECK(here.why == "scontrol is not in PATH");
  CHECK(slurm.calls().empty());
}
