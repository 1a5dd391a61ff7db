// SPDX-License-Identifier: Apache-2.0
#include "slurm/script.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "slurm/fake/fake_slurm.hpp"

using namespace ckpt::supervisor::slurm;
using Catch::Contains;

namespace {

std::string golden(const std::string& name) {
  std::ifstream stream(CKPT_SLURM_GOLDEN "/" + name);
  return {std::istreambuf_iterator<char>(stream), {}};
}

JobShape shape() {
  return {.name = "fashion",
          .limit_seconds = 86400,
          .warning_seconds = 120,
          .log_folder = "/scratch/alice/ckpt-runs/fashion/logs",
          .working_directory = "/home/alice/project"};
}

ScriptContent chain() {
  ScriptContent content;
  content.title = "Written by ckptplan for the run /scratch/alice/ckpt-runs/fashion.";
  content.options = resource_options({.account = "physics",
                                      .partition = "gpu",
                                      .qos = "",
                                      .gpus = "1",
                                      .cpus = "8",
                                      .memory = "32G",
                                      .others = {"--constraint=a100"}});
  for (const auto& option : job_options(shape())) content.options.push_back(option);
  content.options.push_back(chain_array(4));
  content.surroundings = {.modules_home = "/opt/lmod/lmod",
                          .modules = "gcc/12:cuda/12.1",
                          .virtual_environment = "/home/alice/venv",
                          .conda = "",
                          .conda_environment = ""};
  content.command = {"ckptrun", "-r",      "/scratch/alice/ckpt-runs/fashion", "--", "python", "train.py",
                     "--name",  "it's new"};
  return content;
}

}  // namespace

TEST_CASE("the script of a chain is the recorded one") { CHECK(job_script(chain()) == golden("chain.sh")); }

TEST_CASE("the script of a sweep names run and seed by the task's number") {
  ScriptContent content;
  content.title = "Written by ckptplan for the sweep /scratch/alice/my runs/lr.";
  JobShape trial = shape();
  trial.log_folder = "/scratch/alice/my runs/lr/logs";
  trial.limit_seconds = 5400;
  content.options = job_options(trial);
  content.options.push_back(sweep_array(50));
  content.surroundings.conda = "/opt/conda/bin/conda";
  content.surroundings.conda_environment = "/opt/conda/envs/torch 2";
  content.command = {"ckptrun",
                     "-r",
                     "/scratch/alice/my runs/lr/{SLURM_ARRAY_TASK_ID}",
                     "--",
                     "python",
                     "train.py",
                     "--seed={SLURM_ARRAY_TASK_ID}",
                     "{SLURM_ARRAY_TASK_ID}"};
  CHECK(job_script(content) == golden("sweep.sh"));
}

TEST_CASE("a directive holds a value together that sbatch would split or read as a quote") {
  ScriptContent content = chain();
  content.options = {"--job-name=it's", "--comment=a # b", "--requeue"};
  CHECK_THAT(job_script(content),
             Contains("#SBATCH --job-name=\"it's\"\n#SBATCH --comment=\"a # b\"\n#SBATCH --requeue\n"));
}

TEST_CASE("limits are written to the second, and never below the minute that Slurm counts in") {
  JobShape one = shape();
  one.limit_seconds = 90061;
  CHECK(job_options(one)[1] == "--time=1-01:01:01");
  one.limit_seconds = 20;
  CHECK(job_options(one)[1] == "--time=0-00:01:00");
}

TEST_CASE("what is not known is left to the script or the site") {
  CHECK(job_options(
            {.name = "", .limit_seconds = 0, .warning_seconds = 0, .log_folder = "/r/logs", .working_directory = ""}) ==
        JobOptions{"--open-mode=append", "--output=/r/logs/%A_%a.log"});
  CHECK(resource_options({}).empty());
}

TEST_CASE("a folder that Slurm would read as a pattern, or a value that no directive can hold, is refused") {
  JobShape odd = shape();
  odd.log_folder = "/scratch/100%/logs";
  CHECK_THROWS_WITH(job_options(odd), Contains("/scratch/100%/logs") && Contains("--run"));
  ScriptContent content = chain();
  content.options = {"--comment=a\nrm -rf"};
  CHECK_THROWS_WITH(job_script(content), Contains("--comment"));
}

TEST_CASE("what is not said is taken from the job around us, or from the user's variables for submissions") {
  ckpt::testing::FakeSlurm slurm;
  slurm.change("SLURM_JOB_ACCOUNT", "physics");
  slurm.change("SLURM_JOB_PARTITION", "short");
  slurm.change("SBATCH_PARTITION", "gpu");
  slurm.change("SLURM_CPUS_PER_TASK", "8");
  slurm.change("SLURM_MEM_PER_NODE", "16000");
  const Resources here = with_resources_here(
      {.account = "", .partition = "", .qos = "long", .gpus = "", .cpus = "", .memory = "", .others = {}});
  CHECK(resource_options(here) ==
        JobOptions{"--account=physics", "--partition=gpu", "--qos=long", "--cpus-per-task=8", "--mem=16000"});
}

TEST_CASE("a short job on this terminal is one line to type") {
  CHECK(interactive_line(
            {.account = "", .partition = "gpu", .qos = "", .gpus = "1", .cpus = "", .memory = "", .others = {}}, 1790,
            {"ckptplan", "--rehearse", "2", "--", "./my prog"}) ==
        "srun --partition=gpu --gpus=1 --time=30 --pty ckptplan --rehearse 2 -- './my prog'");
}
