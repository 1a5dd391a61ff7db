// SPDX-License-Identifier: Apache-2.0
#include "base/environment.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>

#include "base/error.hpp"

using namespace ckpt;

namespace {

using Values = std::map<std::string, const char*>;

// Variables set (or, with nullptr, unset) for one scope.
class Variables {
 public:
  explicit Variables(const Values& values) {
    for (const auto& [name, value] : values) {
      const char* before = std::getenv(name.c_str());
      before_.emplace(name, before ? std::optional<std::string>(before) : std::nullopt);
      set(name, value);
    }
  }
  ~Variables() {
    for (const auto& [name, value] : before_) set(name, value ? value->c_str() : nullptr);
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

 private:
  static void set(const std::string& name, const char* value) {
    if (value) ::setenv(name.c_str(), value, 1);
    else ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};

const Values no_launcher = {{"OMPI_COMM_WORLD_SIZE", nullptr}, {"PMI_SIZE", nullptr},     {"MPI_LOCALNRANKS", nullptr},
                            {"SLURM_STEP_NUM_TASKS", nullptr}, {"SLURM_NTASKS", nullptr}, {"WORLD_SIZE", nullptr}};

}  // namespace

TEST_CASE("names in braces are replaced by their variables' values") {
  const Variables variables(Values{{"CKPT_TEST_TASK", "17"}, {"CKPT_TEST_NAME", "sweep"}});
  CHECK(replace_variables("{CKPT_TEST_NAME}/{CKPT_TEST_TASK}") == "sweep/17");
  CHECK(replace_variables("a{CKPT_TEST_TASK}b{CKPT_TEST_TASK}c") == "a17b17c");
  CHECK(replace_variables("plain") == "plain");
  CHECK(replace_variables("").empty());
  CHECK(replace_variables("open{brace") == "open{brace");
  CHECK(replace_variables("close}brace") == "close}brace");
}

TEST_CASE("the value of a variable is not looked through again") {
  const Variables variables(Values{{"CKPT_TEST_NAME", "{CKPT_TEST_NAME}"}});
  CHECK(replace_variables("{CKPT_TEST_NAME}") == "{CKPT_TEST_NAME}");
}

TEST_CASE("a name that is not set or empty is refused by name") {
  const Variables variables(Values{{"CKPT_TEST_UNSET", nullptr}, {"CKPT_TEST_EMPTY", ""}});
  const std::string text = GENERATE("x/{CKPT_TEST_UNSET}", "x/{CKPT_TEST_EMPTY}", "{}");
  try {
    replace_variables(text);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.status() == CKPT_ERR_CONFIG);
    CHECK(std::string(error.what()).find("'" + text + "'") != std::string::npos);
    if (text.size() > 2) CHECK(std::string(error.what()).find(text.substr(3, 15)) != std::string::npos);
  }
}

TEST_CASE("the number of ranks is the launcher's word, and one without a launcher") {
  const Variables none(no_launcher);
  CHECK(world_size() == 1);
  const char* name = GENERATE("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE");
  const Variables one(Values{{name, "4"}});
  CHECK(world_size() == 4);
}

TEST_CASE("one task of a launcher that launches ranks is not alone") {
  const Variables none(no_launcher);
  const Variables both(Values{{"SLURM_STEP_NUM_TASKS", "1"}, {"WORLD_SIZE", "4"}});
  CHECK(started_side_by_side() == 1);
  CHECK(world_size() == 4);
}

TEST_CASE("the tasks of a batch script are no ranks yet, and nonsense is no number") {
  const Variables none(no_launcher);
  const Variables variables(Values{{"SLURM_NTASKS", "8"}, {"WORLD_SIZE", "four"}});
  CHECK(world_size() == 1);
}

TEST_CASE("the run and the job around a process are read from its environment") {
  const Variables variables(Values{{"CKPT_RUN", "r"},
                                   {"CKPT_RUN_DIR", "/runs/r"},
                                   {"CKPT_BLOCK", "7"},
                                   {"CKPT_STATION", nullptr},
                                   {"SLURM_JOB_ID", "12"},
                                   {"SLURM_ARRAY_JOB_ID", "10"},
                                   {"SLURM_ARRAY_TASK_ID", "2"},
                                   {"SLURM_CLUSTER_NAME", "puhti"},
                                   {"SLURMD_NODENAME", "r01c07"},
                                   {"SLURM_JOB_END_TIME", "1772373909"},
                                   {"SLURM_RESTART_COUNT", nullptr}});
  const RunEnvironment run = read_run_environment();
  CHECK(run.run == "r");
  CHECK(run.run_directory == "/runs/r");
  CHECK(run.block == "7");
  CHECK(run.station.empty());
  const JobEnvironment job = read_job_environment();
  CHECK(job.id == "12");
  CHECK(job.array_id == "10");
  CHECK(job.array_task == "2");
  CHECK(job.cluster == "puhti");
  CHECK(job.node == "r01c07");
  CHECK(job.end == 1772373909);
  CHECK(job.end_ignored.empty());
  CHECK(job.restart_count == 0);
}

TEST_CASE("an end of the job that is no time is none, and can be told of") {
  for (const char* text : {"-5", "soon", "", "17", "18446744073709551616", "1772373909x", "1e9"}) {
    const Variables variables(Values{{"SLURM_JOB_END_TIME", text}});
    const JobEnvironment job = read_job_environment();
    CAPTURE(text);
    CHECK(job.end == 0);
    CHECK(job.end_ignored == text);
  }
}
