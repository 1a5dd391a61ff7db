// SPDX-License-Identifier: Apache-2.0
// What people ask of a run: each request is acted on once, in order, whoever looks and whatever fails.
#include <catch2/catch.hpp>

#include "base/process_identity.hpp"
#include "captured_log.hpp"
#include "fault/for_each_call.hpp"
#include "io/publish.hpp"
#include "prepared_run.hpp"
#include "rundir/run_record.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

std::string send(PreparedRun& run, RequestKind kind) {
  return send_request(run.disk, run.layout, kind, run.permissions);
}

std::vector<RequestKind> kinds(const std::vector<Request>& requests) {
  std::vector<RequestKind> found;
  for (const auto& request : requests) found.push_back(request.kind);
  return found;
}

using Kinds = std::vector<RequestKind>;

}  // namespace

TEST_CASE("requests are taken in the order they were made, once, with their sender") {
  PreparedRun run;
  const std::string first = send(run, RequestKind::save);
  const std::string second = send(run, RequestKind::stop);
  const std::string third = send(run, RequestKind::save);
  run.disk.set_modified(first, 30);
  run.disk.set_modified(second, 20);
  run.disk.set_modified(third, 10);
  const auto taken = take_requests(run.disk, run.layout);
  REQUIRE(kinds(taken) == Kinds{RequestKind::save, RequestKind::stop, RequestKind::save});
  CHECK(taken[0].path == third);
  CHECK(taken[2].path == first);
  const ProcessIdentity self = identify_self();
  CHECK(taken[0].from == self.user + ", " + describe(self));
  CHECK(take_requests(run.disk, run.layout).empty());
  CHECK(run.disk.after_power_loss()->files().empty());
}

TEST_CASE("a request that was sent survives a power loss, with the run's permissions") {
  PreparedRun run;
  run.permissions.file = 0640;
  const std::string path = send(run, RequestKind::stop);
  const auto after = run.disk.after_power_loss();
  io::FileInfo info;
  REQUIRE(after->info(path, info) == 0);
  CHECK(info.mode == 0640);
  CHECK(kinds(take_requests(*after, run.layout)) == Kinds{RequestKind::stop});
}

TEST_CASE("a request that cannot be sent is told to its sender") {
  PreparedRun run;
  run.disk.set_mode(run.layout.control(), 0500);
  const Thrown thrown = thrown_by([&] { send(run, RequestKind::stop); });
  CHECK(thrown.status == CKPT_ERR_PERMISSION);
  CHECK(thrown.says(run.layout.control()));
}

TEST_CASE("a request cut short is still what its name says, and only its sender is lost") {
  PreparedRun run;
  run.disk.cut(send(run, RequestKind::stop), GENERATE(0, 5));
  const CapturedLog log;
  const auto taken = take_requests(run.disk, run.layout);
  REQUIRE(kinds(taken) == Kinds{RequestKind::stop});
  CHECK(taken[0].from == "somebody");
  CHECK(log.lines() == 1);
}

TEST_CASE("what is no request is removed with a warning, and temporaries are left alone") {
  PreparedRun run;
  const std::string temporary = io::temporary_name(run.layout.control() + "/stop-1-2.json");
  run.disk.put(temporary, "");
  run.disk.put(run.layout.control() + "/explode-1-2.json", "{}");
  run.disk.put(run.layout.control() + "/stop", "{}");
  const CapturedLog log;
  CHECK(take_requests(run.disk, run.layout).empty());
  CHECK(log.lines() == 2);
  CHECK(log.says("explode-1-2.json"));
  CHECK(run.disk.files() == std::vector{temporary});
}

TEST_CASE("of two who look for requests at once exactly one takes each") {
  PreparedRun run;
  for (int i = 0; i < 3; ++i) send(run, RequestKind::save);
  for_each_call(
      run.disk,
      [&](FakeDisk& disk, std::uint64_t n) {
        disk.at_call(n, [&disk, &run] { disk.put("/taken", std::to_string(take_requests(disk, run.layout).size())); });
      },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const CapturedLog log;
        const auto mine = take_requests(disk, run.layout).size();
        const auto others = disk.exists("/taken") ? std::stoul(disk.content("/taken")) : 0;
        CHECK(mine + others == 3);
      });
}

TEST_CASE("whatever call fails, a request is acted on at most once, and never lost but with its removal") {
  PreparedRun run;
  send(run, RequestKind::stop);
  const auto repeat = GENERATE(FakeDisk::Repeat::once, FakeDisk::Repeat::for_ever);
  for_each_call(
      run.disk, [&](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, EIO, repeat); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const CapturedLog log;
        const auto first = take_requests(disk, run.layout).size();
        disk.clear_faults();
        const auto second = take_requests(disk, run.layout).size();
        CHECK(first + second == 1);
      });
}

TEST_CASE("a request that cannot be removed is not acted on, and said once") {
  PreparedRun run;
  send(run, RequestKind::stop);
  run.disk.set_mode(run.layout.control(), 0500);
  const CapturedLog log;
  for (int i = 0; i < 3; ++i) CHECK(take_requests(run.disk, run.layout).empty());
  CHECK(log.lines() <= 1);   // none where an earlier test of this process was told already
}

TEST_CASE("without a control directory there are no requests") {
  FakeDisk disk;
  disk.make_directories("/scratch/run");
  CHECK(take_requests(disk, Layout("/scratch/run")).empty());
}
