// SPDX-License-Identifier: Apache-2.0
#include "chain/open_run.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/error.hpp"
#include "rundir/run_record.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;
namespace fs = std::filesystem;

namespace {

class Runs {
 public:
  Runs() {
    char name[] = "/tmp/ckpt-open-run-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Runs() { fs::remove_all(path_); }
  rundir::Layout make(const std::string& name) const {
    rundir::Layout layout(path_ / name);
    rundir::prepare_run_directory(io::file_system(), layout, {.allow_volatile = true});
    return layout;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string move_aside(const rundir::Layout& layout) {
  return move_old_run_aside(io::file_system(), system_clock(), layout, {.allow_volatile = true});
}

void claim(const rundir::Layout& layout, std::int64_t pid) {
  rundir::Blocks blocks(io::file_system(), layout, {});
  rundir::Claim claim;
  claim.role = "ckptrun";
  claim.who = identify_process(pid);
  REQUIRE(blocks.claim(claim));
}

}  // namespace

TEST_CASE("a fresh start moves the old run aside whole, and a second one on the same day gets a name of its own") {
  const Runs runs;
  const rundir::Layout layout = runs.make("train");
  CHECK(fs::exists(move_aside(layout) + "/snapshots"));
  CHECK_FALSE(fs::exists(layout.directory()));
  runs.make("train");
  const std::string second = move_aside(layout);
  CHECK(second.ends_with("-2"));
  CHECK(fs::exists(second + "/snapshots"));
}

TEST_CASE("a fresh start where nothing is there moves nothing") {
  const Runs runs;
  CHECK(move_aside(rundir::Layout(runs.path() / "none")).empty());
}

TEST_CASE("a run in use is not moved aside") {
  const Runs runs;
  const rundir::Layout layout = runs.make("train");
  claim(layout, ::getppid());   // a process that is certainly there
  CHECK_THROWS_WITH(move_aside(layout), Catch::Contains("in use") && Catch::Contains("ckpt stop"));
  CHECK(fs::exists(layout.directory()));
}

TEST_CASE("a folder that is no run is not moved aside") {
  const Runs runs;
  fs::create_directory(runs.path() / "thesis");
  CHECK_THROWS_AS(move_aside(rundir::Layout(runs.path() / "thesis")), Error);
  CHECK(fs::exists(runs.path() / "thesis"));
}

TEST_CASE("another command in the same run is refused with the difference and the three ways out") {
  const Runs runs;
  const rundir::Layout layout = runs.make("train");
  auto& files = io::file_system();
  CHECK(check_command(files, layout, {"train", "1"}, false));   // nothing recorded yet: record it
  write_run(files, system_clock(), layout, {}, "train", {"train", "1"});
  CHECK_FALSE(check_command(files, layout, {"train", "1"}, false));
  CHECK_THROWS_WITH(check_command(files, layout, {"train", "2"}, false),
                    Catch::Contains("word 2 was 1, now 2") && Catch::Contains("--accept-changes") &&
                        Catch::Contains("--run") && Catch::Contains("--fresh"));
  CHECK(check_command(files, layout, {"train", "2"}, true));
}

TEST_CASE("a run that was made without ckptrun takes the first command") {
  const Runs runs;
  const rundir::Layout layout = runs.make("train");
  rundir::write_run_record(io::file_system(), layout, {"train", {}, "", "me", "2026-01-01T00:00:00Z"}, {});
  CHECK(check_command(io::file_system(), layout, {"train", "1"}, false));
  write_run(io::file_system(), system_clock(), layout, {}, "train", {"train", "1"});
  const auto record = rundir::read_run_record(io::file_system(), layout);
  REQUIRE(record);
  CHECK(record->command == std::vector<std::string>{"train", "1"});
  CHECK(record->created == "2026-01-01T00:00:00Z");
}
