// SPDX-License-Identifier: Apache-2.0
#include "rundir/ledger.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <thread>

#include "captured_log.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

std::vector<std::string> events(FakeDisk& disk, const std::string& path) {
  std::vector<std::string> found;
  for (const auto& line : read_ledger(disk, path)) found.push_back(line.at("event"));
  return found;
}

using Events = std::vector<std::string>;

}  // namespace

TEST_CASE("a ledger's lines are read back, event and time in front") {
  PreparedRun run;
  const std::string path = run.layout.program_ledger(7, 4711);
  {
    Ledger ledger(run.disk, path, 0640);
    CHECK_FALSE(run.disk.exists(path));   // nothing to say, nothing there
    ledger.append("durable", {{"a", 1}, {"step", 4100}, {"event", "another"}});
    ledger.append("ended", nullptr);
  }
  CHECK(run.disk.content(path).rfind("{\"event\":\"durable\",\"time\":", 0) == 0);
  const auto lines = read_ledger(run.disk, path);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("event") == "durable");
  CHECK(lines[0].at("step") == 4100);
  CHECK(lines[0].at("time").is_number());
  io::FileInfo info;
  REQUIRE(run.disk.info(path, info) == 0);
  CHECK(info.mode == 0640);
}

TEST_CASE("a ledger that is not there is empty") {
  PreparedRun run;
  CHECK(read_ledger(run.disk, run.layout.ckptrun_ledger(1)).empty());
}

TEST_CASE("unterminated and malformed lines are dropped, the others stay") {
  PreparedRun run;
  const std::string path = run.layout.ckptrun_ledger(1);
  run.disk.put(path, "{\"event\":\"a\"}\n{\"event\":\n\n17\n\xff\n{\"event\":\"b\"}\n{\"event\":\"c\"}");
  CHECK(events(run.disk, path) == Events{"a", "b"});
}

TEST_CASE("text that is no UTF-8 does not stop the ledger") {
  PreparedRun run;
  const std::string path = run.layout.ckptrun_ledger(1);
  Ledger ledger(run.disk, path, 0600);
  ledger.append("started", {{"command", "tr\xe9s"}, {"lines", "one\ntwo"}});
  CHECK(events(run.disk, path) == Events{"started"});
}

TEST_CASE("a ledger that cannot be written says so once, and goes on when it can") {
  PreparedRun run;
  const std::string path = run.layout.ckptrun_ledger(1);
  Ledger ledger(run.disk, path, 0600);
  ledger.append("a", {});
  const CapturedLog log;
  run.disk.fail_call(run.disk.calls() + 1, ENOSPC, FakeDisk::Repeat::for_ever, FakeDisk::Effect::half);
  ledger.append("torn", {});
  run.disk.clear_faults();
  ledger.append("b", {});
  run.disk.fail_call(run.disk.calls() + 1, ENOSPC);
  ledger.append("lost", {});
  ledger.append("c", {});
  CHECK(events(run.disk, path) == Events{"a", "b", "c"});
  CHECK(log.lines() == 1);
  CHECK(log.says(path));
  CHECK(log.says("No space left on device"));
}

TEST_CASE("a ledger that cannot be opened is tried again") {
  PreparedRun run;
  const std::string path = run.layout.ckptrun_ledger(1);
  Ledger ledger(run.disk, path, 0600);
  const CapturedLog log;
  run.disk.fail_call(run.disk.calls() + 1, EACCES);
  ledger.append("lost", {});
  ledger.append("a", {});
  CHECK(events(run.disk, path) == Events{"a"});
  CHECK(log.lines() == 1);
}

TEST_CASE("lines of several threads never mix") {
  PreparedRun run;
  const std::string path = run.layout.ckptrun_ledger(1);
  Ledger ledger(run.disk, path, 0600);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int line = 0; line < 50; ++line) ledger.append("line", {{"text", std::string(200, 'x')}});
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(read_ledger(run.disk, path).size() == 200);
}
