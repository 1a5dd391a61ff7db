// SPDX-License-Identifier: Apache-2.0
// A second owner does its whole work before call N of the first, for every N.
#include <catch2/catch.hpp>

#include <thread>

#include "base/error.hpp"
#include "fault/for_each_call.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

using namespace ckpt;
using namespace ckpt::testing;

namespace {

bool publishes(FakeDisk& disk, const std::string& from, const std::string& to) {
  try {
    io::publish_new(disk, from, to);
    return true;
  } catch (const Error& error) {
    CHECK(error.os_errno() == EEXIST);
    return false;
  }
}

}  // namespace

TEST_CASE("of two that create the same file exactly one is told that it did") {
  FakeDisk prepared;
  prepared.make_directories("/run");
  prepared.set_links_refused(GENERATE(0, EPERM));
  bool other_won = false, other_came = false;
  const auto arm = [&](FakeDisk& disk, std::uint64_t number) {
    other_came = other_won = false;
    disk.at_call(number, [&] {
      other_came = true;
      other_won = io::create_once(disk, "/run/claim", "other", 0600);
    });
  };
  int won_by_one = 0, won_by_other = 0;
  for_each_call(prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(number);
    const bool one_won = io::create_once(disk, "/run/claim", "one", 0600);
    CHECK(one_won != other_won);
    CHECK(disk.content("/run/claim") == (one_won ? "one" : "other"));
    CHECK(disk.after_power_loss()->content("/run/claim") == (one_won ? "one" : "other"));
    CHECK(disk.files().size() == 1);
    if (other_came) ++(one_won ? won_by_one : won_by_other);
  });
  CHECK(won_by_one > 0);   // the races were real ones
  CHECK(won_by_other > 0);
}

TEST_CASE("a lost reply does not make two winners") {
  FakeDisk prepared;
  prepared.make_directories("/run");
  const bool other_first = GENERATE(true, false);
  const auto arm = [](FakeDisk& disk, std::uint64_t number) {
    disk.fail_call(number, EEXIST, FakeDisk::Repeat::once, FakeDisk::Effect::done);
  };
  for_each_call(prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(number, other_first);
    if (other_first) disk.put("/run/claim", "other");
    bool won = false;
    try {
      won = io::create_once(disk, "/run/claim", "one", 0600);
    } catch (const Error&) {
    }
    if (won) CHECK(disk.content("/run/claim") == "one");
    if (other_first) CHECK(disk.content("/run/claim") == "other");
    const auto log = disk.log();
    if (number <= log.size() && log[number - 1].name == "link") CHECK(won == !other_first);
  });
}

TEST_CASE("of two that publish the same name one does, and the other's file replaces nothing") {
  FakeDisk prepared;
  prepared.put("/run/.a.tmp-here-1-1", "one");
  prepared.put("/run/.a.tmp-there-1-1", "other");
  bool other_published = false;
  const auto arm = [&](FakeDisk& disk, std::uint64_t number) {
    other_published = false;
    disk.at_call(number, [&] { other_published = publishes(disk, "/run/.a.tmp-there-1-1", "/run/a"); });
  };
  for_each_call(prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(number);
    const bool one_published = publishes(disk, "/run/.a.tmp-here-1-1", "/run/a");
    CHECK(one_published != other_published);
    CHECK(disk.content("/run/a") == (one_published ? "one" : "other"));
  });
}

TEST_CASE("a reader meets the old or the new content at every call of a replacement") {
  FakeDisk prepared;
  prepared.put("/run/status", "old");
  std::string read;
  const auto arm = [&](FakeDisk& disk, std::uint64_t number) {
    disk.at_call(number, [&] { read = io::read_file(disk, "/run/status"); });
  };
  for_each_call(prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(number);
    read = "old";
    io::replace_file(disk, "/run/status", "newer", 0600);
    CHECK((read == "old" || read == "newer"));
  });
}

TEST_CASE("threads that create the same file on a real disk have one winner") {
  const TemporaryDirectory directory;
  std::atomic<int> winners{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      if (io::create_once(io::posix_file_system(), directory / "claim", "content", 0600)) ++winners;
    });
  for (auto& thread : threads) thread.join();
  CHECK(winners == 1);
  std::vector<std::string> names;
  REQUIRE(io::posix_file_system().list(directory.path(), names) == 0);
  CHECK(names == std::vector<std::string>{"claim"});
}
