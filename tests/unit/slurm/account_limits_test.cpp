// SPDX-License-Identifier: Apache-2.0
#include "slurm/account_limits.hpp"

#include <catch2/catch.hpp>

#include "recorded_output.hpp"
#include "slurm/fake/fake_slurm.hpp"
#include "slurm/submission_trial.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using ckpt::testing::FakeSlurm;
using ckpt::testing::recorded;

TEST_CASE("the limits of a user are those of the account and of the QOS that may be used") {
  FakeSlurm slurm({"sacctmgr"});
  slurm.answer_recorded("sacctmgr-show-assoc", recorded("sacctmgr-show-assoc"));
  slurm.write("sacctmgr-show-qos.out", "secret|1|1|1|\n" + recorded("sacctmgr-show-qos"));
  const AccountLimits limits = ask_account_limits(system_clock(), "alice", once(10));
  CHECK(limits.why_not.empty());
  REQUIRE(limits.associations.size() == 1);
  CHECK(limits.associations[0].name == "account physics");
  CHECK(limits.associations[0].max_jobs == 20);
  CHECK(limits.associations[0].max_submitted == 100);
  CHECK(limits.associations[0].longest_seconds == 2 * 86400);
  REQUIRE(limits.qos.size() == 2);
  CHECK(limits.qos[0].name == "QOS normal");
  CHECK_FALSE(limits.qos[0].max_submitted);
  CHECK(limits.qos[1].max_submitted == 50);
  CHECK(limits.qos[1].grace_seconds == 120);
  CHECK(slurm.calls()[0] == "sacctmgr -nP show assoc user=alice format=Account,MaxJobs,MaxSubmit,MaxWall,QOS");
}

TEST_CASE("a site without accounting has no limits that could be told, and says why") {
  FakeSlurm slurm({"sacctmgr"});
  slurm.write("sacctmgr.err", "sacctmgr: error: You are not running a supported accounting_storage plugin\n");
  slurm.write("sacctmgr.code", "1");
  const AccountLimits limits = ask_account_limits(system_clock(), "alice", once(10));
  CHECK(limits.associations.empty());
  CHECK(limits.why_not.find("not running a supported accounting_storage plugin") != std::string::npos);
  CHECK(slurm.calls().size() == 1);
}

TEST_CASE("whether a job would be taken is asked without sending one") {
  FakeSlurm slurm;
  slurm.write("sbatch.err", "sbatch: Job 5 to start at 2026-11-21T09:26:24 using 1 processors on nodes n1\n");
  CHECK(try_submission(system_clock(), once(10)).works);
  CHECK(slurm.calls()[0].find("--test-only") != std::string::npos);
  slurm.write("sbatch.err", "sbatch: error: Access/permission denied\n");
  slurm.write("sbatch.code", "1");
  const SubmissionTrial trial = try_submission(system_clock(), once(10));
  CHECK_FALSE(trial.works);
  CHECK(trial.why_not.find("Access/permission denied") != std::string::npos);
}
