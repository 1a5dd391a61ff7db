// SPDX-License-Identifier: Apache-2.0
#include "chain/surroundings.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "unit/io/temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
namespace fs = std::filesystem;

namespace {

void put(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

// A virtual environment, a training in a git work tree, a kernel that knows a GPU.
struct Place {
  Place() {
    for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "EBPYTHONPREFIXES", "LOADEDMODULES"})
      ::unsetenv(name);
    put(here / "venv/bin/python", "an interpreter");
    put(here / "venv/pyvenv.cfg", "home = " + (here / "module/bin") + "\ninclude-system-site-packages = false\n");
    put(package("torch-2.1.0"), "");
    put(package("numpy-1.26.4"), "");
    put(here / "project/train.py", "import model");
    put(here / "project/model.py", "layers = 3");
    put(here / "project/notes.txt", "no code");
    put(here / "project/.git/HEAD", "ref: refs/heads/main\n");
    put(here / "project/.git/refs/heads/main", "1111\n");
    put(here / "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA A100\nIRQ: 7\n");
    put(here / "proc/driver/nvidia/version", "NVRM version: 535.1\nGCC\n");
  }
  std::string package(const std::string& name) const {
    return here / ("venv/lib/python3.11/site-packages/" + name + ".dist-info/METADATA");
  }
  Surroundings look() const { return look_around(here / "venv/bin/python", {"python", here / "project/train.py"}, here / "proc"); }

  testing::TemporaryDirectory here;
};

}  // namespace

TEST_CASE("what a program runs with is seen: its file, sources beside the script, commit, packages, GPU") {
  const Place place;
  const Surroundings found = place.look();
  CHECK(found.at("program") == (place.here / "venv/bin/python"));
  CHECK(found.count("train.py") + found.count("model.py") == 2);
  CHECK(found.count("notes.txt") == 0);
  CHECK(found.at("commit") == "1111");
  CHECK(found.at("Python packages") == "numpy-1.26.4 torch-2.1.0");
  CHECK(found.at("GPU") == "NVIDIA A100");
  CHECK(describe_change(found, place.look()).empty());
}

TEST_CASE("an edited source is named, a new one is no change") {
  const Place place;
  const Surroundings before = place.look();
  put(place.here / "project/model.py", "layers = 4");
  put(place.here / "project/new.py", "");
  put(place.here / "project/notes.txt", "other");
  CHECK(describe_change(before, place.look()) == "model.py has changed");
}

TEST_CASE("of changed packages only those are named") {
  const Place place;
  const Surroundings before = place.look();
  fs::rename(fs::path(place.package("torch-2.1.0")).parent_path(), place.here / "venv/lib/python3.11/site-packages/torch-2.2.0.dist-info");
  CHECK(describe_change(before, place.look()) == "Python packages: was torch-2.1.0, now torch-2.2.0");
  put(place.package("torch-2.1.0"), "");
  CHECK(describe_change(before, place.look()) == "Python packages: new are torch-2.2.0");
  CHECK(describe_change(place.look(), before) == "Python packages: gone are torch-2.2.0");
}

TEST_CASE("packages are seen wherever Python finds them: below an environment, in a module's, on its path") {
  const Place place;
  put(place.here / "module/lib64/python3.11/dist-packages/scipy-1.11.dist-info/METADATA", "");
  put(place.here / "more/pillow-10.0.egg-info/PKG-INFO", "");
  CHECK(place.look().at("Python packages") == "numpy-1.26.4 torch-2.1.0");
  put(place.here / "venv/pyvenv.cfg", "home = " + (place.here / "module/bin") + "\ninclude-system-site-packages = true\n");
  ::setenv("PYTHONNOUSERSITE", "1", 1);
  CHECK(place.look().at("Python packages") == "numpy-1.26.4 scipy-1.11 torch-2.1.0");
  ::setenv("PYTHONPATH", (place.here / "none" + ":" + (place.here / "more")).c_str(), 1);
  CHECK(place.look().at("Python packages") == "numpy-1.26.4 pillow-10.0 scipy-1.11 torch-2.1.0");
  ::unsetenv("PYTHONPATH");
  ::unsetenv("PYTHONNOUSERSITE");
}

TEST_CASE("of a shell's script the packages of the active environment count, and modules that were loaded") {
  const Place place;
  ::setenv("VIRTUAL_ENV", (place.here / "venv").c_str(), 1);
  ::setenv("LOADEDMODULES", "gcc/12:cuda/12.1", 1);
  const Surroundings before = look_around("/usr/bin/env", {"env", "bash"}, place.here / "proc");
  ::setenv("LOADEDMODULES", "gcc/12:cuda/12.4", 1);
  const Surroundings now = look_around("/usr/bin/env", {"env", "bash"}, place.here / "proc");
  ::unsetenv("VIRTUAL_ENV");
  ::unsetenv("LOADEDMODULES");
  CHECK(now.at("Python packages") == "numpy-1.26.4 torch-2.1.0");
  CHECK(describe_change(before, now) == "modules: was cuda/12.1, now cuda/12.4");
}

TEST_CASE("another GPU, none, and another commit are told with both values") {
  const Place place;
  const Surroundings before = place.look();
  put(place.here / "project/.git/refs/heads/main", "2222\n");
  fs::remove_all(place.here / "proc");
  CHECK(describe_change(before, place.look()) == "GPU: was NVIDIA A100, now none; commit: was 1111, now 2222");
}

TEST_CASE("a commit is found in packed references, when detached, and from a worktree") {
  const Place place;
  const std::string git = place.here / "project/.git";
  fs::remove(git + "/refs/heads/main");
  put(git + "/packed-refs", "# pack-refs with: peeled\n0000 refs/heads/a\n3333 refs/heads/main\n");
  CHECK(place.look().at("commit") == "3333");
  put(git + "/HEAD", "4444\n");
  CHECK(place.look().at("commit") == "4444");
  fs::rename(git, place.here / "main.git");
  put(place.here / "main.git/worktrees/w/HEAD", "ref: refs/heads/main\n");
  put(place.here / "main.git/worktrees/w/commondir", "../..\n");
  put(git, "gitdir: " + (place.here / "main.git/worktrees/w") + "\n");
  CHECK(place.look().at("commit") == "3333");
}

TEST_CASE("of a program that is no script there is less to see, and nothing fails") {
  const Place clean;
  const testing::TemporaryDirectory here;
  put(here / "solver", "machine code");
  const Surroundings found = look_around(here / "solver", {"./solver", "no-such-file"}, here / "proc");
  CHECK(found.at("GPU") == "none");
  CHECK(found.count("Python packages") + found.count("GPU driver") == 0);
}
