// SPDX-License-Identifier: Apache-2.0
#include "chain/identity.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"

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

TEST_CASE("a name lies below ckpt-runs, a path is taken as it is") {
  const Folder folder;
  CHECK(identify_run("", {"solver"}).directory == folder.path() / "ckpt-runs/solver");
  CHECK(identify_run("sweep/3", {"solver"}).directory == folder.path() / "ckpt-runs/sweep/3");
  CHECK(identify_run("sweep/3", {"solver"}).name == "sweep/3");
  CHECK(identify_run("./here", {"solver"}).directory == folder.path() / "here");
  CHECK(identify_run("/scratch/me/run/", {"solver"}).directory == "/scratch/me/run");
  CHECK(identify_run("/scratch/me/run/", {"solver"}).name == "run");
}

TEST_CASE("an existing directory that was completed by the shell is a path, not a name") {
  const Folder folder;
  fs::create_directories("ckpt-runs/train");
  CHECK(identify_run("ckpt-runs/train/", {"solver"}).directory == folder.path() / "ckpt-runs/train");
}

TEST_CASE("variables in the name of a run are replaced, an unset one is an error") {
  const Folder folder;
  ::setenv("IDENTITY_TEST_TASK", "7", 1);
  CHECK(identify_run("sweep/{IDENTITY_TEST_TASK}", {"solver"}).name == "sweep/7");
  ::unsetenv("IDENTITY_TEST_TASK");
  CHECK_THROWS_AS(identify_run("sweep/{IDENTITY_TEST_TASK}", {"solver"}), Error);
}

TEST_CASE("the root directory is no run") { CHECK_THROWS_AS(identify_run("/", {"solver"}), Error); }

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
