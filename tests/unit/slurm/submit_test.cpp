// SPDX-License-Identifier: Apache-2.0
#include "slurm/submit.hpp"

#include <catch2/catch.hpp>

#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt;
using namespace ckpt::supervisor::slurm;
using Catch::Contains;
using ckpt::testing::FakeSlurm;

namespace {

Submitted submit(const JobOptions& options = {"--array=1-4%1"}) {
  return submit_job(system_clock(), options, "/run/jobs/0001-train.sh", {"--lr", "0.1"});
}

}  // namespace

TEST_CASE("a submission answers the number of its array, and the cluster where there are several") {
  FakeSlurm slurm;
  slurm.write("sbatch.out", "4711\n");
  CHECK(submit().job_id == "4711");
  CHECK(slurm.calls().back() == "sbatch --parsable --array=1-4%1 /run/jobs/0001-train.sh --lr 0.1");
  slurm.write("sbatch.out", "4712;west\n");
  CHECK(submit().job_id == "4712");
  CHECK(submit().cluster == "west");
}

TEST_CASE("a submission finds its number among what a site's plug-in says, and hands warnings on") {
  FakeSlurm slurm;
  slurm.write("sbatch.out", "Welcome to the cluster\nYour budget: 12\n4711\n");
  slurm.write("sbatch.err", "sbatch: warning: your account is nearly used up\n");
  const Submitted submitted = submit();
  CHECK(submitted.job_id == "4711");
  CHECK_THAT(submitted.said, Contains("nearly used up"));
}

TEST_CASE("a submission that was refused says why, and is not tried again") {
  FakeSlurm slurm;
  slurm.write(
      "sbatch.err",
      "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n");
  slurm.write("sbatch.code", "1");
  const Submitted submitted = submit();
  CHECK_FALSE(submitted.ok());
  CHECK(submitted.refused);
  CHECK_THAT(submitted.why_not(), Contains("nothing was submitted: ") && Contains("Invalid account"));
  CHECK(slurm.calls().size() == 1);
}

TEST_CASE("an answer without a number, and no answer at all, are no submission") {
  FakeSlurm slurm;
  slurm.write("sbatch.out", "\n");
  CHECK_FALSE(submit().ok());
  CHECK_THAT(submit().said, Contains("squeue --me"));
  slurm.write("sbatch.out", "");
  slurm.write("sbatch.fail", "1");
  CHECK_THAT(submit().said, Contains("Unable to contact"));
}

TEST_CASE("a submission whose answer was lost is not called refused") {
  FakeSlurm slurm;
  slurm.write("sbatch.err", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n");
  slurm.write("sbatch.code", "1");
  CHECK_FALSE(submit().refused);
  CHECK_THAT(submit().why_not(), Contains("squeue --me") && !Contains("nothing was submitted"));
}

TEST_CASE("where Slurm is not installed a submission says so") {
  FakeSlurm slurm({"scontrol"});
  CHECK(submit().said == "sbatch is not in PATH");
}

TEST_CASE("lines to type are quoted as a shell needs it") {
  CHECK(submit_line({"--array=1-2%1", "--comment=a b"}, "job.sh", {"it's"}) ==
        "sbatch --array=1-2%1 '--comment=a b' job.sh 'it'\\''s'");
  CHECK(cancel_line({"1", "2"}) == "scancel 1 2");
}
