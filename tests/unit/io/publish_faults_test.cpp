// SPDX-License-Identifier: Apache-2.0
// Each call of each way to create a file fails, in every manner; power is lost and the process killed at each.
#include <catch2/catch.hpp>

#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "fault/for_each_call.hpp"
#include "io/publish.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using Repeat = FakeDisk::Repeat;
using Effect = FakeDisk::Effect;

namespace {

const std::string path = "/run/file";
const std::string old_content = "old";
const std::string new_content(3 * InodeTree::page_bytes + 100, 'n');

// One way to bring new_content to `path`, and what may be found there instead of it.
struct Way {
  std::string name;
  std::string source;                       // exists before, complete and synced; or empty
  std::optional<std::string> before;        // what `path` holds before
  int links_refused = 0;
  void (*act)(FakeDisk&);
};

void publish(FakeDisk& disk) { io::publish_new(disk, "/run/.file.tmp-here-1-1", path); }
void create(FakeDisk& disk) {
  if (!io::create_once(disk, path, new_content, 0600)) throw std::logic_error("lost although nobody else was there");
}
void replace(FakeDisk& disk) { io::replace_file(disk, path, new_content, 0600); }

const Way ways[] = {
    {"publish", "/run/.file.tmp-here-1-1", {}, 0, publish},
    {"create by link", "", {}, 0, create},
    {"create where links are refused", "", {}, EPERM, create},
    {"replace", "", old_content, 0, replace},
    {"replace nothing", "", {}, 0, replace},
};

std::unique_ptr<FakeDisk> prepare(const Way& way) {
  auto disk = std::make_unique<FakeDisk>();
  disk->make_directories("/run");
  if (!way.source.empty()) disk->put(way.source, new_content);
  if (way.before) disk->put(path, *way.before);
  disk->set_links_refused(way.links_refused);
  return disk;
}

bool succeeds(const Way& way, FakeDisk& disk) {
  try {
    way.act(disk);
    return true;
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("/run") != std::string::npos);   // the file, or its directory
    return false;
  }
}

std::optional<std::string> found(const FakeDisk& disk) {
  return disk.exists(path) ? std::optional(disk.content(path)) : std::nullopt;
}

bool is_whole_or_as_before(const Way& way, const FakeDisk& disk) {
  const auto now = found(disk);
  return now == new_content || now == way.before;
}

// Where links are refused only O_EXCL is left, and with it a moment in which the file is short.
bool may_be_short(const Way& way, const FakeDisk& disk) {
  return way.links_refused && found(disk) && new_content.starts_with(*found(disk));
}

}  // namespace

TEST_CASE("whichever call fails once, the file is as before or whole, and no temporary is left") {
  const Way& way = GENERATE(from_range(std::begin(ways), std::end(ways)));
  const int error = GENERATE(EIO, ENOSPC, ENOENT);
  const Effect effect = GENERATE(Effect::none, Effect::half, Effect::done);
  const auto prepared = prepare(way);
  set_log_level(LogLevel::error);
  const auto arm = [&](FakeDisk& disk, std::uint64_t number) { disk.fail_call(number, error, Repeat::once, effect); };
  const auto calls = for_each_call(*prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(way.name, number, error);
    const bool done = succeeds(way, disk);
    const std::string failed = number <= disk.calls() ? disk.log()[number - 1].name : "nothing";
    CAPTURE(failed);
    const bool lost_open = effect == Effect::done && failed == "open";
    CHECK((is_whole_or_as_before(way, disk) || (lost_open && may_be_short(way, disk))));
    if (done) CHECK(disk.after_power_loss()->content(path) == new_content);
    if (effect == Effect::done && (failed == "link" || failed.starts_with("rename")) && !way.links_refused) CHECK(done);
    if (failed == "nothing") CHECK(done);
    const bool removable = failed != "remove";
    for (const auto& file : disk.files()) CHECK((file == path || !removable));
  });
  CHECK(calls >= 3);
  set_log_level(LogLevel::info);
}

TEST_CASE("when everything fails from some call on, the file is as before or whole") {
  const Way& way = GENERATE(from_range(std::begin(ways), std::end(ways)));
  const Effect effect = GENERATE(Effect::none, Effect::half, Effect::done);
  const auto prepared = prepare(way);
  const auto arm = [&](FakeDisk& disk, std::uint64_t number) { disk.fail_call(number, EIO, Repeat::for_ever, effect); };
  for_each_call(*prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(way.name, number);
    const bool done = succeeds(way, disk);
    CHECK((is_whole_or_as_before(way, disk) || may_be_short(way, disk)));
    if (done) CHECK(disk.after_power_loss()->content(path) == new_content);
    for (const auto& file : disk.files()) CHECK((file == path || io::is_temporary_name(io::base_name(file))));
  });
}

TEST_CASE("wherever power is lost or the process killed, the file is as before or whole") {
  const Way& way = GENERATE(from_range(std::begin(ways), std::end(ways)));
  const auto prepared = prepare(way);
  const auto arm = [](FakeDisk& disk, std::uint64_t number) { disk.crash_at(number); };
  for_each_call(*prepared, arm, [&](FakeDisk& disk, std::uint64_t number) {
    CAPTURE(way.name, number);
    const bool done = succeeds(way, disk);
    const auto check = [&](const FakeDisk& left) {
      CHECK((is_whole_or_as_before(way, left) || (!done && way.links_refused)));
      if (done) CHECK(found(left) == new_content);
      for (const auto& file : left.files()) CHECK((file == path || io::is_temporary_name(io::base_name(file))));
    };
    check(*disk.after_kill());
    check(*disk.after_power_loss());
    for (std::uint64_t seed = 0; seed < 50; ++seed) check(*disk.after_power_loss(seed));
  });
}
