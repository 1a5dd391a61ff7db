// SPDX-License-Identifier: Apache-2.0
#include "slurm/refusal.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"
#include "slurm/submit.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using Catch::Contains;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

namespace {

std::string refused(const std::string& name) {
  FakeSlurm slurm;
  slurm.answer_recorded("sbatch", recorded("refused/" + name));
  return submit_job(system_clock(), {}, "job.sh", {}).said;
}

}  // namespace

TEST_CASE("every recorded refusal comes with what to do, in one line") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CKPT_RECORDED_SLURM "/refused")) {
    const std::string said = refused(entry.path().stem());
    INFO(entry.path() << ": " << said);
    CHECK_THAT(said, Contains("; "));
    CHECK(with_remedy(said).size() > said.size());
    CHECK(said.find('\n') == std::string::npos);
    ++count;
  }
  CHECK(count > 15);
}

TEST_CASE("a refusal's remedy fits its reason") {
  CHECK_THAT(refused("err-timelimit"), Contains("(missing or exceeds some limit); ask for less time"));
  CHECK_THAT(refused("err-array-too-large"), Contains("MaxArraySize"));
  CHECK_THAT(refused("err-partition"), Contains("invalid partition specified: nosuch"));
  CHECK_THAT(refused("err-partition"), Contains("sinfo lists the partitions"));
  CHECK_THAT(refused("err-mem"), Contains("less memory"));
  CHECK_THAT(refused("err-gpus-type"), Contains("%G"));
  CHECK_THAT(refused("err-no-conf"), Contains("SLURM_CONF"));
  CHECK_THAT(with_remedy("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"),
             Contains("; sacctmgr show associations"));
  CHECK_THAT(with_remedy("Invalid account or account/partition combination specified"), Contains("--account"));
}

TEST_CASE("a reason that nobody knows stays as it is") { CHECK(with_remedy("the moon is full") == "the moon is full"); }
