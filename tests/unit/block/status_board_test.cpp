// SPDX-License-Identifier: Apache-2.0
#include "block/status_board.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "rundir/run_record.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

class SetClock final : public Clock {
 public:
  double now = 0;
  double monotonic_seconds() override { return now; }
  double wall_seconds() override { return 1.8e9 + now; }
  void sleep_seconds(double seconds) override { now += seconds; }
};

struct Board {
  Board() : layout(folder()), board(io::file_system(), clock, layout) {}
  ~Board() { std::filesystem::remove_all(layout.directory()); }
  static std::string folder() {
    char name[] = "/tmp/ckpt-board-XXXXXX";
    return ::mkdtemp(name);
  }
  nlohmann::json read() const { return rundir::read_status(io::file_system(), layout).value_or(nlohmann::json()); }

  SetClock clock;
  rundir::Layout layout;
  StatusBoard board;
};

}  // namespace

TEST_CASE("status.json is written at most every two seconds, and only when something changed") {
  Board b;
  b.board.write();
  b.board.set("step", 1);
  b.clock.now = 1;
  b.board.write_when_due();
  CHECK(b.read()["step"].is_null());
  b.clock.now = 2;
  b.board.write_when_due();
  CHECK(b.read()["step"] == 1);
  const auto updated = b.read()["updated"];
  b.clock.now = 10;
  b.board.set("step", 1);
  b.board.write_when_due();
  CHECK(b.read()["updated"] == updated);
}

TEST_CASE("status.json always has all of its keys, so that a dashboard needs no cases") {
  Board b;
  b.board.write();
  for (const char* key : {"run", "state", "reason", "block", "pid", "host", "command", "step", "progress", "snapshot",
                          "seconds_to_end", "stop_in_seconds", "stall_seconds", "save_error", "updated"})
    CHECK(b.read().contains(key));
}

TEST_CASE("what the program tells appears in status.json") {
  Board b;
  ProgramNews news;
  staging::Status status;
  status.step = 41;
  status.done = 2;
  status.total = 10;
  status.unit = "epoch";
  status.save_error = "disk full";
  news.status = status;
  news.durable = staging::DurableNotice{40, 100, 200, 0, 0};
  b.board.set("block", 3);
  b.board.set_end(60);
  b.board.set_news(news);
  b.board.write();
  const auto json = b.read();
  CHECK(json["step"] == 41);
  CHECK(json["progress"]["unit"] == "epoch");
  CHECK(json["save_error"] == "disk full");
  CHECK(json["snapshot"]["block"] == 3);
  CHECK(json["seconds_to_end"] == 60.0);
  b.board.clear_block();
  b.board.write();
  CHECK(b.read()["seconds_to_end"].is_null());
  CHECK(b.read()["save_error"].is_null());
  CHECK(b.read()["step"] == 41);
}

TEST_CASE("a snapshot newer than the last safe point heard of is the step") {
  Board b;
  ProgramNews news;
  news.status = staging::Status{};
  news.status->step = 41;
  news.durable = staging::DurableNotice{60, 100, 200, 0, 0};
  b.board.set_news(news);
  b.board.write();
  CHECK(b.read()["step"] == 60);
}
