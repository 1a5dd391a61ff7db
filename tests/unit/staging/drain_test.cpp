// SPDX-License-Identifier: Apache-2.0
// What the drain does when nothing is wrong with the disk.
#include "staging/drain.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "base/log.hpp"
#include "drained_run.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::testing;
using Ids = std::vector<rundir::SnapshotId>;

rundir::SnapshotId id(std::uint64_t block, std::uint64_t step) { return {.block = block, .step = step}; }

// One array whose bytes come from `copy_out`, on a thread of the drain.
staging::Staged staged_by(std::uint64_t step, std::function<void(std::uint64_t, std::span<std::byte>)> copy_out) {
  staging::Staged staged = staged_state(step);
  staged.arrays.resize(1);
  staged.arrays[0].contiguous = nullptr;
  staged.arrays[0].copy_out = std::move(copy_out);
  return staged;
}

// Everything that goes to stderr meanwhile.
class CapturedStderr {
 public:
  CapturedStderr() : file_(::memfd_create("stderr", MFD_CLOEXEC)), before_(::dup(STDERR_FILENO)) {
    ::dup2(file_, STDERR_FILENO);
  }
  ~CapturedStderr() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(file_);
  }
  std::size_t lines_with(const std::string& part) const {
    std::string text(static_cast<std::size_t>(::lseek(file_, 0, SEEK_END)), '\0');
    [[maybe_unused]] const auto length = ::pread(file_, text.data(), text.size(), 0);
    std::size_t lines = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, text.find('\n', at))) ++lines;
    return lines;
  }

 private:
  int file_, before_;
};

TEST_CASE("what is handed over becomes durable and restores") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  staging::Drain drain(run.target());
  drain.hand_over(staged_state(7));
  REQUIRE(drain.wait_idle(1e9));
  CHECK_FALSE(drain.busy());
  REQUIRE(drain.last_durable().has_value());
  CHECK(drain.last_durable()->id == id(1, 7));
  CHECK_FALSE(drain.last_error().has_value());
  CHECK(restores(*disk, id(1, 7)));
  CHECK(restores(*disk->after_power_loss(), id(1, 7)));
  CHECK(temporaries(*disk) == 0);
}

TEST_CASE("after the first publish the run is marked as one that has snapshots, for good") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  CHECK_FALSE(disk->exists("/run/has-snapshots"));
  run.save(1);
  CHECK(disk->after_power_loss()->exists("/run/has-snapshots"));
}

TEST_CASE("the mark that a run has snapshots is never there before a snapshot is") {
  const auto prepared = disk_with_run();
  for (std::uint64_t n = 1;; ++n) {
    auto disk = prepared->clone();
    disk->crash_at(n);
    DrainedRun run(*disk);
    REQUIRE(n < 1000);
    bool durable = true;
    try {
      run.save(1);
    } catch (const Error&) {
      durable = false;
    }
    const auto after_kill = disk->after_kill();
    if (after_kill->exists("/run/has-snapshots")) CHECK(newest_whole(*after_kill).has_value());
    if (durable) CHECK(disk->after_power_loss()->exists("/run/has-snapshots"));
    if (disk->calls() < n) break;
  }
}

TEST_CASE("a snapshot gets the run's permissions") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  auto target = run.target();
  target.permissions.file = 0640;
  staging::make_durable(target, staged_state(1), 0);
  io::FileInfo info;
  REQUIRE(disk->info(run.layout.snapshot(id(1, 1)), info) == 0);
  CHECK(info.mode == 0640);
}

TEST_CASE("the ledger tells what was durable and what it cost") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  const auto durable = run.save(7);
  const auto events = run.events();
  REQUIRE(events.size() == 1);
  const auto& event = events[0];
  CHECK(event.at("event") == "durable");
  CHECK(event.at("step") == 7);
  CHECK(event.at("block") == 1);
  CHECK(event.at("file") == rundir::snapshot_file_name(id(1, 7)));
  CHECK(event.at("file_bytes") == durable.written.file_bytes);
  CHECK(event.at("state_bytes") == durable.written.state_bytes);
  CHECK(durable.written.state_bytes == 300 * 4 + 3 * 8);
  CHECK(event.at("stall_seconds") == 0.25);
  CHECK(event.at("wait_seconds") == 0.5);
  CHECK(event.at("drain_seconds").get<double>() >= 0);
  CHECK(event.at("publish_seconds").get<double>() >= 0);
}

TEST_CASE("the newest snapshots are kept and older ones go") {
  for (const std::size_t keep : {1u, 2u, 3u}) {
    auto disk = disk_with_run();
    DrainedRun run(*disk);
    run.keep = keep;
    for (std::uint64_t step = 1; step <= 5; ++step) run.save(step, step - 1);
    Ids expected;
    for (std::uint64_t step = 5; step > 5 - keep; --step) expected.push_back(id(1, step));
    CHECK(listed(*disk) == expected);
  }
}

TEST_CASE("what the block resumed from stays until enough newer snapshots of this block are durable") {
  auto disk = disk_with_run();
  {
    DrainedRun first(*disk);
    first.keep = 3;
    for (const std::uint64_t step : {10, 20, 30}) first.save(step);
  }
  claim(*disk, block_2);
  DrainedRun run(*disk, block_2);
  staging::Drain drain(run.target());
  drain.set_resumed_from(id(1, 10));
  const auto save = [&](std::uint64_t step) {
    drain.hand_over(staged_state(step, block_2));
    drain.wait_idle(1e9);
    return listed(*disk);
  };
  CHECK(save(11) == Ids{id(2, 11), id(1, 30), id(1, 10)});   // 2 stay, and what has proven that it restores
  CHECK(save(12) == Ids{id(2, 12), id(2, 11)});
}

TEST_CASE("failed saves do not count when the snapshot resumed from is let go") {
  auto disk = disk_with_run();
  DrainedRun(*disk).save(10);
  claim(*disk, block_2);
  DrainedRun run(*disk, block_2);
  run.keep = 2;
  run.resumed_from = id(1, 10);
  staging::Drain drain(run.target());
  for (const std::uint64_t step : {11, 12, 13}) {
    disk->fail_if([step](const auto& call) { return call.name == "rename_new" && step != 13; }, EIO);
    drain.hand_over(staged_state(step, block_2));
    drain.wait_idle(1e9);
    disk->clear_faults();
  }
  CHECK(listed(*disk) == Ids{id(2, 13), id(1, 10)});
}

TEST_CASE("with a newer block nothing is published and nothing pruned") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  run.keep = 3;
  for (const std::uint64_t step : {1, 2, 3}) run.save(step);
  claim(*disk, block_2);
  run.keep = 1;
  staging::Drain drain(run.target());
  drain.hand_over(staged_state(4));
  drain.wait_idle(1e9);
  REQUIRE(drain.last_error().has_value());
  CHECK(drain.last_error()->status() == CKPT_ERR_SUPERSEDED);
  CHECK_FALSE(drain.last_durable().has_value());
  CHECK(listed(*disk) == Ids{id(1, 3), id(1, 2), id(1, 1)});
  CHECK(temporaries(*disk) == 0);
}

TEST_CASE("only one snapshot is in flight") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  std::promise<void> go_on;
  const std::shared_future<void> allowed = go_on.get_future().share();
  staging::Drain drain(run.target());
  CHECK(drain.wait_idle(0));
  drain.hand_over(staged_by(1, [allowed](auto, auto) { allowed.wait(); }));
  CHECK(drain.busy());
  CHECK_FALSE(drain.wait_idle(0));
  CHECK_FALSE(drain.wait_idle(-1));
  CHECK_FALSE(drain.wait_idle(0.01));
  CHECK_THROWS_AS(drain.hand_over(staged_state(2)), Error);
  go_on.set_value();
  CHECK(drain.wait_idle(std::numeric_limits<double>::infinity()));
  CHECK(drain.last_durable()->id == id(1, 1));
  CHECK(listed(*disk) == Ids{id(1, 1)});
}

TEST_CASE("a drain that goes finishes what is staged") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  { staging::Drain(run.target()).hand_over(staged_state(9)); }
  CHECK(restores(*disk, id(1, 9)));
}

TEST_CASE("an exception of any kind is a failed save, and the next save works") {
  struct Row {
    std::function<void()> fail;
    ckpt_status status;
  };
  const Row rows[] = {{[] { throw std::bad_alloc(); }, CKPT_ERR_MEMORY},
                      {[] { throw std::runtime_error("odd"); }, CKPT_ERR_INTERNAL},
                      {[] { throw 7; }, CKPT_ERR_INTERNAL},
                      {[] { throw Error(CKPT_ERR_CALLBACK, 0, "pack failed"); }, CKPT_ERR_CALLBACK}};
  for (const Row& row : rows) {
    auto disk = disk_with_run();
    DrainedRun run(*disk);
    staging::Drain drain(run.target());
    drain.hand_over(staged_by(1, [&](auto, auto) { row.fail(); }));
    REQUIRE(drain.wait_idle(1e9));
    REQUIRE(drain.last_error().has_value());
    CHECK(drain.last_error()->status() == row.status);
    CHECK(listed(*disk).empty());
    CHECK(temporaries(*disk) == 0);
    CHECK_FALSE(disk->exists("/run/has-snapshots"));
    drain.hand_over(staged_state(2));
    drain.wait_idle(1e9);
    CHECK_FALSE(drain.last_error().has_value());
    CHECK(restores(*disk, id(1, 2)));
  }
}

TEST_CASE("every result is told once, on the drain's thread, before it is idle") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  std::vector<std::string> told;
  staging::Drain drain(run.target());
  drain.on_result([&](const staging::Durable* durable, const Error* error) {
    CHECK(drain.busy());
    CHECK((durable == nullptr) != (error == nullptr));
    if (durable) CHECK(drain.last_durable()->id == durable->id);
    if (error) CHECK(drain.last_error()->what() == std::string(error->what()));
    told.push_back(durable ? "durable" : "failed");
  });
  drain.hand_over(staged_state(1));
  drain.wait_idle(1e9);
  drain.hand_over(staged_by(2, [](auto, auto) { throw std::bad_alloc(); }));
  drain.wait_idle(1e9);
  CHECK(told == std::vector<std::string>{"durable", "failed"});
}

TEST_CASE("a listener that throws does not end the writer") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  staging::Drain drain(run.target());
  drain.on_result([](const auto*, const auto*) { throw std::runtime_error("listener"); });
  for (const std::uint64_t step : {1, 2}) {
    drain.hand_over(staged_state(step));
    REQUIRE(drain.wait_idle(1e9));
  }
  CHECK(drain.last_durable()->id == id(1, 2));
}

TEST_CASE("the drain steps aside for the program and takes none of its signals") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  int priority = 0;
  sigset_t blocked;
  sigemptyset(&blocked);
  {
    staging::Drain drain(run.target());
    drain.hand_over(staged_by(1, [&](auto, auto) {
      priority = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)));
      pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    }));
  }
  const int own_priority = ::getpriority(PRIO_PROCESS, 0);
  CHECK(priority == std::min(own_priority + 5, 19));
  CHECK(sigismember(&blocked, SIGTERM) == 1);
  CHECK(sigismember(&blocked, SIGUSR1) == 1);
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  CHECK(sigismember(&blocked, SIGTERM) == 0);
}

TEST_CASE("a failed save is in the ledger with its reason") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  disk->fail_if([](const auto& call) { return call.name == "rename_new"; }, ENOSPC);
  staging::Drain drain(run.target());
  drain.hand_over(staged_state(5));
  drain.wait_idle(1e9);
  const auto events = run.events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].at("event") == "save_failed");
  CHECK(events[0].at("step") == 5);
  CHECK(events[0].at("status") == static_cast<int>(CKPT_ERR_NO_SPACE));
  CHECK_THAT(events[0].at("reason").get<std::string>(), Catch::Contains("No space left"));
}

TEST_CASE("a reason is said once as long as it lasts, another reason and another episode again") {
  auto disk = disk_with_run();
  DrainedRun run(*disk);
  const CapturedStderr captured;
  const LogLevel level_before = log_level();
  set_log_level(LogLevel::warning);
  staging::Drain drain(run.target());
  std::uint64_t step = 0;
  const auto save_with = [&](int error) {
    disk->clear_faults();
    if (error) disk->fail_if([](const auto& call) { return call.name == "rename_new"; }, error);
    drain.hand_over(staged_state(++step));
    drain.wait_idle(1e9);
    return captured.lines_with("was not written");
  };
  CHECK(save_with(ENOSPC) == 1);
  CHECK(captured.lines_with("there is no older one yet") == 1);
  CHECK(save_with(ENOSPC) == 1);
  CHECK(save_with(EIO) == 2);
  CHECK(save_with(ENOSPC) == 2);
  CHECK(save_with(0) == 2);
  CHECK(save_with(ENOSPC) == 3);
  CHECK(captured.lines_with("the older one stands") == 1);
  set_log_level(level_before);
}

}  // namespace
