// SPDX-License-Identifier: Apache-2.0
// Claims and the catalog while calls fail, the power goes, and another owner acts in between.
#include <catch2/catch.hpp>

#include "base/log.hpp"
#include "fault/for_each_call.hpp"
#include "fault/owner.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

constexpr int power_losses = 6;   // the first takes everything that was not synced, the others a random part of it

std::unique_ptr<FakeDisk> after_power_loss(const FakeDisk& disk, int number) {
  return number == 0 ? disk.after_power_loss() : disk.after_power_loss(static_cast<std::uint64_t>(number));
}

Claim claim_by(std::int64_t pid) {
  Claim claim;
  claim.role = "program";
  claim.who.host = "node";
  claim.who.pid = pid;
  return claim;
}

// Two blocks have been; snapshots 1 and 2 of block 1, 3 and 4 of block 2.
std::unique_ptr<FakeDisk> disk_with_past() {
  auto disk = disk_with_run();
  for (std::int64_t pid : {1, 2}) {
    Owner owner(*disk, pid, 4);
    REQUIRE(owner.claim());
    REQUIRE(owner.publish());
    REQUIRE(owner.publish());
  }
  return disk;
}

void require_whole(FakeDisk& disk, SnapshotId id) {
  REQUIRE(disk.exists(owned_run.snapshot(id)));
  REQUIRE(disk.content(owned_run.snapshot(id)) == content_of(id));
}

struct Quiet {
  LogLevel before = log_level();
  Quiet() { set_log_level(LogLevel::error); }
  ~Quiet() { set_log_level(before); }
};

enum class Fault { fails_once, fails_for_ever, reply_lost, power_goes };

void set(Fault fault, FakeDisk& disk, std::uint64_t n) {
  switch (fault) {
    case Fault::fails_once: return disk.fail_call(n, EIO);
    case Fault::fails_for_ever: return disk.fail_call(n, EIO, FakeDisk::Repeat::for_ever);
    case Fault::reply_lost: return disk.fail_call(n, EIO, FakeDisk::Repeat::once, FakeDisk::Effect::done);
    case Fault::power_goes: return disk.crash_at(n);
  }
}

// `check` sees each disk that may be left: as it is now (but after the power went), and after a power loss now.
template <class Check>
void on_what_is_left(FakeDisk& disk, Fault fault, Check check) {
  for (int number = 0; number < power_losses; ++number) check(*after_power_loss(disk, number));
  if (fault == Fault::power_goes) return;
  disk.clear_faults();
  check(disk);
}

}  // namespace

TEST_CASE("whatever happens to a claim, one that was won is durable and nobody else wins its number") {
  const Quiet quiet;
  const auto past = disk_with_past();
  past->set_links_refused(GENERATE(0, EPERM));
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        std::optional<std::uint64_t> won;
        succeeds([&] { won = Blocks(disk, owned_run, {}).claim(claim_by(11)); });
        if (!won) won = 0;
        on_what_is_left(disk, fault, [&](FakeDisk& left) {
          Blocks blocks(left, owned_run, {});
          if (*won) {
            REQUIRE(blocks.read_claim(*won));
            REQUIRE(blocks.read_claim(*won)->who.pid == 11);
          }
          const auto next = blocks.claim(claim_by(12));
          REQUIRE(next);
          REQUIRE(*next != *won);
          REQUIRE(*next > 2);
          REQUIRE(blocks.read_claim(*next)->who.pid == 12);
        });
      });
}

TEST_CASE("whatever happens to the record of a program, one that was attached is durable") {
  const auto past = disk_with_past();
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const auto program = claim_by(11).who;
        if (!succeeds([&] { Blocks(disk, owned_run, {}).attach(2, {.linked = true, .who = program}); })) return;
        on_what_is_left(disk, fault, [&](FakeDisk& left) {
          const auto attachments = Blocks(left, owned_run, {}).read_attachments(2);
          REQUIRE(attachments.size() == 1);
          REQUIRE(attachments[0].who == program);
        });
      });
}

TEST_CASE("whatever happens to the record of an end, whoever was told to be first stays first") {
  const auto past = disk_with_past();
  past->set_links_refused(GENERATE(0, EPERM));
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  BlockEnd mine, other;
  mine.writer = "program";
  other.writer = "ckptrun";
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        bool first = false;
        succeeds([&] { first = Blocks(disk, owned_run, {}).write_end(2, mine); });
        on_what_is_left(disk, fault, [&](FakeDisk& left) {
          Blocks blocks(left, owned_run, {});
          const bool other_was_first = blocks.write_end(2, other);
          REQUIRE_FALSE((first && other_was_first));
          if (first) REQUIRE(blocks.read_end(2)->writer == "program");
          if (other_was_first) REQUIRE(blocks.read_end(2)->writer == "ckptrun");
        });
      });
}

TEST_CASE("whatever happens to publishing and pruning, the newest durable snapshots are whole") {
  const Quiet quiet;
  const auto past = disk_with_past();
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  Owner(*past, 3, 2).claim();
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        std::vector<SnapshotId> durable{{2, 3}, {2, 4}};
        Owner owner(disk, 4, 2);
        succeeds([&] {
          if (!owner.claim()) return;
          for (int i = 0; i < 3; ++i) {
            if (const auto id = owner.publish()) durable.push_back(*id);
            owner.prune();
          }
        });
        on_what_is_left(disk, fault, [&](FakeDisk& left) {
          require_whole(left, durable.back());
          require_whole(left, durable[durable.size() - 2]);
        });
      });
}

TEST_CASE("whatever happens to putting a damaged snapshot aside, its bytes are there under one name or the other") {
  const Quiet quiet;
  const auto past = disk_with_past();
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  const SnapshotId damaged{2, 4};
  past->put(owned_run.snapshot(damaged), "damaged");
  past->put(owned_run.snapshot(damaged) + ".damaged-b0002", "older evidence");
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        const CatalogEntry entry{damaged, owned_run.snapshot(damaged), 0, 0};
        std::string aside;
        succeeds([&] { aside = Catalog(disk, owned_run, {}).quarantine(entry, 2); });
        on_what_is_left(disk, fault, [&](FakeDisk& left) {
          const std::string path = owned_run.snapshot(damaged);
          if (!aside.empty()) REQUIRE_FALSE(left.exists(path));
          const std::string now = left.exists(path) ? path : path + ".damaged-b0002-2";
          REQUIRE(left.content(now) == "damaged");
          REQUIRE(left.content(path + ".damaged-b0002") == "older evidence");
          require_whole(left, {2, 3});
        });
      });
}

TEST_CASE("whatever happens to the mark, a run that was told to have it has it for good") {
  const auto past = disk_with_run();
  const auto fault = GENERATE(Fault::fails_once, Fault::fails_for_ever, Fault::reply_lost, Fault::power_goes);
  for_each_call(
      *past, [&](FakeDisk& disk, std::uint64_t n) { set(fault, disk, n); },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        if (!succeeds([&] { Catalog(disk, owned_run, {}).mark_has_snapshots(); })) return;
        on_what_is_left(disk, fault,
                        [&](FakeDisk& left) { REQUIRE(Catalog(left, owned_run, {}).ever_had_snapshots()); });
      });
}

TEST_CASE("an owner paused at any call while another claims, publishes and prunes harms nothing of the other") {
  const Quiet quiet;
  const auto past = disk_with_past();
  std::vector<SnapshotId> by_second;
  for_each_call(
      *past,
      [&](FakeDisk& disk, std::uint64_t n) {
        by_second.clear();
        disk.at_call(n, [&] {
          Owner second(disk, 12, 2);
          REQUIRE(second.claim());
          for (int i = 0; i < 3; ++i) {
            by_second.push_back(second.publish().value());
            second.prune();
          }
        });
      },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        Owner first(disk, 11, 2);
        std::vector<SnapshotId> by_first;
        succeeds([&] {
          if (!first.claim()) return;
          for (int i = 0; i < 3; ++i) {
            if (const auto id = first.publish()) by_first.push_back(*id);
            first.prune();
          }
        });
        for (const SnapshotId id : snapshots_on(disk)) require_whole(disk, id);
        if (disk.calls() < n) return;   // the first was never paused
        const bool second_is_newer = first.block() < by_second.back().block;
        require_whole(disk, second_is_newer || by_first.empty() ? by_second.back() : by_first.back());
        if (second_is_newer) {
          REQUIRE(snapshots_on(disk).front() == by_second.back());
          require_whole(disk, by_second[1]);
          REQUIRE(by_first.size() <= 3);
        }
      });
}

TEST_CASE("an owner paused at any call of its pruning leaves the one that another resumed from and saved") {
  const Quiet quiet;
  const auto past = disk_with_past();
  for_each_call(
      *past,
      [&](FakeDisk& disk, std::uint64_t n) {
        // The other resumes from (2, 3): it found (2, 4) damaged. One snapshot of its own is durable, of two to keep.
        disk.at_call(n, [&disk] {
          Owner second(disk, 12, 2);
          REQUIRE(second.claim());
          second.quarantine({2, 4});
          REQUIRE(second.publish());
        });
      },
      [&](FakeDisk& disk, std::uint64_t n) {
        INFO("call " << n);
        Catalog(disk, owned_run, {}).prune(2, {});
        require_whole(disk, {2, 3});
        if (disk.calls() < n) return;
        require_whole(disk, {3, 5});
        REQUIRE(disk.exists(owned_run.snapshot({2, 4}) + ".damaged-b0003"));
      });
}
