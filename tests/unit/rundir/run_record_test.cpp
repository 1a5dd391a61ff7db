// SPDX-License-Identifier: Apache-2.0
#include "rundir/run_record.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "captured_log.hpp"
#include "fault/for_each_call.hpp"
#include "prepared_run.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

RunRecord some_record(const std::string& argument) {
  return {"run", {"python", "train.py", argument}, "/home/al\xef" "ce", "alice", "2026-03-01T14:05:09Z"};
}

}  // namespace

TEST_CASE("what a run is, is read back exactly, bytes that are no text included") {
  PreparedRun run;
  CHECK_FALSE(read_run_record(run.disk, run.layout));
  const RunRecord record = some_record("--data=tr\xe9s");
  write_run_record(run.disk, run.layout, record, {.directory = 02750, .file = 0640});
  const auto after = run.disk.after_power_loss();
  const auto read = read_run_record(*after, run.layout);
  REQUIRE(read);
  CHECK(read->name == record.name);
  CHECK(read->command == record.command);
  CHECK(read->working_directory == record.working_directory);
  CHECK(read->user == record.user);
  CHECK(read->created == record.created);
  io::FileInfo info;
  REQUIRE(run.disk.info(run.layout.run_json(), info) == 0);
  CHECK(info.mode == 0640);
}

TEST_CASE("whatever call fails, the record is the old one or the new one, whole") {
  PreparedRun run;
  write_run_record(run.disk, run.layout, some_record("old"), {});
  for_each_call(
      run.disk, [](FakeDisk& disk, std::uint64_t n) { disk.crash_at(n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const Thrown thrown = thrown_by([&] { write_run_record(disk, run.layout, some_record("new"), {}); });
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
          const auto after = seed == 0 ? disk.after_power_loss() : disk.after_power_loss(seed);
          const std::string word = read_run_record(*after, run.layout)->command.at(2);
          if (thrown.status == CKPT_OK) CHECK(word == "new");
          else CHECK((word == "old" || word == "new"));
        }
      });
}

TEST_CASE("a record that cannot be read is damaged, with the way out, never absent") {
  PreparedRun run;
  run.disk.put(run.layout.run_json(), GENERATE(as<std::string>(), "", "{", "[]", "{}", "{\"name\": 7}"));
  const Thrown thrown = thrown_by([&] { read_run_record(run.disk, run.layout); });
  CHECK(thrown.status == CKPT_ERR_DAMAGED);
  CHECK(thrown.says(run.layout.run_json()));
  run.disk.fail_call(run.disk.calls() + 1, EIO);
  CHECK(thrown_by([&] { read_run_record(run.disk, run.layout); }).status == CKPT_ERR_IO);
}

TEST_CASE("the status is read back as it was written last") {
  PreparedRun run;
  CHECK_FALSE(read_status(run.disk, run.layout));
  write_status(run.disk, run.layout, {{"step", 1}}, {});
  write_status(run.disk, run.layout, {{"step", 2}, {"note", "\xff"}}, {});
  REQUIRE(read_status(run.disk, run.layout));
  CHECK(read_status(run.disk, run.layout)->at("step") == 2);
  CHECK(run.disk.files() == std::vector{run.layout.status_json()});
}

TEST_CASE("an unreadable status is none") {
  PreparedRun run;
  run.disk.put(run.layout.status_json(), GENERATE(as<std::string>(), "", "{", "17"));
  CHECK_FALSE(read_status(run.disk, run.layout));
  run.disk.fail_call(run.disk.calls() + 1, EIO);
  CHECK_FALSE(read_status(run.disk, run.layout));
}

TEST_CASE("whatever call fails, the status is the old one or the new one, nothing is thrown and nothing left") {
  PreparedRun run;
  write_status(run.disk, run.layout, {{"step", 1}}, {});
  const CapturedLog log;
  for_each_call(
      run.disk, [](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, ENOSPC); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        write_status(disk, run.layout, {{"step", 2}}, {});
        const int expected = disk.calls() < n ? 2 : 1;
        disk.clear_faults();
        const auto status = read_status(disk, run.layout);
        REQUIRE(status);
        CHECK(status->at("step") == expected);
        CHECK(disk.files() == std::vector{run.layout.status_json()});
      });
  CHECK(log.lines() == 1);
  CHECK(log.says(run.layout.status_json()));
}
