// SPDX-License-Identifier: Apache-2.0
#include "chain/identity.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "io/file_system.hpp"
#include "rundir/run_record.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
namespace fs = std::filesystem;

namespace {

// A temporary working directory.
class Folder {
 public:
  Folder() : before_(fs::current_path()) {
    char name[] = "/tmp/ckpt-identity-XXXXXX";
    path_ = ::mkdtemp(name);
    fs::current_path(path_);
  }
  ~Folder() {
    fs::current_path(before_);
    fs::remove_all(path_);
  }
  void file(const fs::path& name) const {
    if (name.has_parent_path()) fs::create_directories(name.parent_path());
    std::ofstream(name) << "x";
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path before_, path_;
};

}  // namespace

TEST_CASE("a run is named after the first word behind the program that is an existing file") {
  const Folder folder;
  folder.file("src/train.py");
  folder.file("data.csv");
  CHECK(default_run_name({"python", "-u", "src/train.py", "data.csv"}) == "train");
}

TEST_CASE("a folder among the words names no run") {
  const Folder folder;
  fs::create_directory("data");
  CHECK(default_run_name({"./solver", "data"}) == "solver");
}

TEST_CASE("without a file a run is named after the -m module, else after the program") {
  const Folder folder;
  CHECK(default_run_name({"python", "-m", "package.train", "--lr", "1"}) == "package.train");
  CHECK(default_run_name({"/opt/bin/solver", "-m"}) == "solver");
}

TEST_CASE("a file that the program has written since its run began does not make another run of it") {
  const Folder folder;
  const std::vector<std::string> command = {"solver", "out.h5"};
  const rundir::Layout begun(folder.path() / "ckpt-runs/solver");
  rundir::prepare_run_directory(io::posix_file_system(), begun, {.allow_volatile = true});
  rundir::RunRecord record;
  record.name = "solver";
  record.command = command;
  rundir::write_run_record(io::posix_file_system(), begun, record, {});
  folder.file("out.h5");
  CHECK(identify_run_of_command(command).name == "solver");
  CHECK(identify_run_of_command({"solver", "out.h5", "again"}).name == "out");
  fs::create_directories("ckpt-runs/out");
  CHECK(identify_run_of_command(command).name == "out");
}

TEST_CASE("a name lies below ckpt-runs, a path is taken as it is") {
  const Folder folder;
  CHECK(identify_run_of_command({"solver"}).directory == folder.path() / "ckpt-runs/solver");
  CHECK(identify_run("sweep/3").directory == folder.path() / "ckpt-runs/sweep/3");
  CHECK(identify_run("ckpt-runs/sweep/4").directory == folder.path() / "ckpt-runs/sweep/4");
  CHECK(identify_run("sweep/3").name == "sweep/3");
  CHECK(identify_run("./here").directory == folder.path() / "here");
  CHECK(identify_run("/scratch/me/run/").directory == "/scratch/me/run");
  CHECK(identify_run("/scratch/me/run/").name == "run");
}

TEST_CASE("an existing directory that was completed by the shell is a path, not a name") {
  const Folder folder;
  fs::create_directories("ckpt-runs/train");
  CHECK(identify_run("ckpt-runs/train/").directory == folder.path() / "ckpt-runs/train");
}

TEST_CASE("variables in the name of a run are replaced, an unset one is an error") {
  const Folder folder;
  ::setenv("IDENTITY_TEST_TASK", "7", 1);
  CHECK(identify_run("sweep/{IDENTITY_TEST_TASK}").name == "sweep/7");
  ::unsetenv("IDENTITY_TEST_TASK");
  CHECK_THROWS_AS(identify_run("sweep/{IDENTITY_TEST_TASK}"), Error);
}

TEST_CASE("the root directory is no run") { CHECK_THROWS_AS(identify_run("/"), Error); }

TEST_CASE("a job's run is named after the job, a trial's after job and task") {
  const Folder folder;
  JobEnvironment job;
  job.id = "12";
  job.name = "fashion";
  CHECK(identify_run_of_job(job, std::nullopt, {"solver"}).name == "fashion");
  job.array_task = "7";
  CHECK(identify_run_of_job(job, true, {"solver"}).name == "fashion");
  CHECK(identify_run_of_job(job, false, {"solver"}).name == "fashion/7");
  CHECK(identify_run_of_job(job, false, {"solver"}).directory == folder.path() / "ckpt-runs/fashion/7");
}

TEST_CASE("a job that sbatch named after its script has a run named after it without the ending") {
  const Folder folder;
  JobEnvironment job;
  for (const char* name : {"train.sh", "train.sbatch", "train.slurm", "train"}) {
    job.name = name;
    CHECK(identify_run_of_job(job, true, {"solver"}).name == "train");
  }
  job.name = "train.v2";
  CHECK(identify_run_of_job(job, true, {"solver"}).name == "train.v2");
  job.name = ".sh";
  CHECK(identify_run_of_job(job, true, {"solver"}).name == "solver");
}

TEST_CASE("a job's name that is the scheduler's habit, or no file name, names no run") {
  const Folder folder;
  JobEnvironment job;
  for (const char* name : {"wrap", "interactive", "bash", "", ".."}) {
    job.name = name;
    CHECK(identify_run_of_job(job, true, {"solver"}).name == "solver");
  }
  job.name = "../x/y";
  CHECK(identify_run_of_job(job, true, {"solver"}).name == "..-x-y");
}

TEST_CASE("chain or sweep is never guessed: a run that is there tells, else the user must") {
  const Folder folder;
  JobEnvironment job;
  job.name = "fashion";
  job.array_id = "12";
  job.array_task = "7";
  CHECK_THROWS_WITH(identify_run_of_job(job, std::nullopt, {"solver"}),
                    Catch::Contains("--run fashion ") && Catch::Contains("'fashion/{SLURM_ARRAY_TASK_ID}'"));
  fs::create_directories("ckpt-runs/fashion/snapshots");
  CHECK(identify_run_of_job(job, std::nullopt, {"solver"}).name == "fashion");
  fs::create_directories("ckpt-runs/fashion/7");
  CHECK(identify_run_of_job(job, std::nullopt, {"solver"}).name == "fashion/7");
}

TEST_CASE("equal commands have no difference") {
  CHECK_FALSE(command_difference({"a", "b"}, {"a", "b"}));
}

TEST_CASE("the difference between two commands shows the words that differ, and where") {
  CHECK(command_difference({"train", "--lr", "0.1", "-v"}, {"train", "--lr", "0.2", "-v"}) == "word 3 was 0.1, now 0.2");
  CHECK(command_difference({"train", "-v"}, {"train", "--lr", "0.2", "-v"}) == "new at word 2: --lr 0.2");
  CHECK(command_difference({"train", "-a", "b"}, {"train"}) == "gone from word 2: -a b");
  CHECK(command_difference({"train", "x"}, {"train", "x y"}) == "word 2 was x, now 'x y'");
  CHECK(command_difference({"a", "a"}, {"a", "a", "a"}) == "new at word 3: a");
}

TEST_CASE("values that change with every job are replaced by their names") {
  const std::vector<std::pair<std::string, std::string>> values = {{"/data/12345", "{CKPT_DATA}"}, {"12345", "{job}"}};
  CHECK(replace_values({"--out=/tmp/12345/x", "-i", "/data/12345/y", "12345", "123456", "a12345"}, values) ==
        std::vector<std::string>{"--out=/tmp/{job}/x", "-i", "{CKPT_DATA}/y", "{job}", "123456", "a12345"});
}

TEST_CASE("a short value is not replaced: it would hide real differences") {
  CHECK(replace_values({"--layers", "3"}, {{"3", "{task}"}}) == std::vector<std::string>{"--layers", "3"});
}

TEST_CASE("a command is printed as it would be typed") {
  CHECK(join_command({"python", "t.py", "--note", "it's", ""}) == "python t.py --note 'it'\\''s' ''");
}
