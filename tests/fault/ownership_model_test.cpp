// SPDX-License-Identifier: Apache-2.0
// A model check: two and three owners that believe each other gone, acting in random order, each paused in the middle
// of its calls while the others act; they are killed, calls fail, the power goes. What must hold holds after each act.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "base/log.hpp"
#include "fault/owner.hpp"

using namespace ckpt;
using namespace ckpt::rundir;
using namespace ckpt::testing;

namespace {

class Schedule {
 public:
  Schedule(std::uint64_t seed, std::size_t owners, bool damages)
      : random_(seed), keep_(1 + pick(3)), damages_(damages), disk_(disk_with_run()) {
    for (std::size_t i = 0; i < owners; ++i) start_owner();
  }

  void act() {
    switch (pick(12)) {
      case 0: return lose_power();
      case 1: return kill_an_owner();
      case 2: return damage_newest();
      default: return act_of(*owners_[pick(owners_.size())], true);
    }
  }

  void check() {
    const auto list = snapshots_on(*disk_);
    const std::set<SnapshotId> there(list.begin(), list.end());
    for (const SnapshotId id : there)
      if (!damaged_.contains(id)) REQUIRE(disk_->content(owned_run.snapshot(id)) == content_of(id));
    for (const SnapshotId id : durable_)
      if (newer_attempts(id) < keep_) REQUIRE(there.contains(id));
    for (const std::string& path : put_aside_) REQUIRE(disk_->exists(path));
    // Who damages what retention counts on may lose more than the newest; without damage it is always there.
    if (durable_.empty() || !damaged_.empty()) return;
    REQUIRE(there.contains(*durable_.rbegin()));
  }

  // Once at the end: records never change again.
  void check_claims() {
    for (const auto& [block, pid] : won_) {
      const auto claim = Blocks(*disk_, owned_run, {}).read_claim(block);
      REQUIRE(claim);
      REQUIRE(claim->who.pid == pid);
    }
  }

  std::size_t durable_count() const { return durable_.size(); }
  std::size_t overtaken_count() const { return overtaken_; }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  void start_owner() { owners_.push_back(std::make_unique<Owner>(*disk_, ++last_pid_, keep_)); }

  // With `paused`, another owner acts at one of its calls, or that call and perhaps all later ones fail.
  void act_of(Owner& owner, bool paused) {
    if (paused) set_trap(owner);
    const bool went_through = succeeds([&] { act_freely(owner); });
    if (!paused) return;
    disk_->clear_faults();
    if (!went_through && pick(2)) replace(owner);
  }

  void set_trap(Owner& owner) {
    const std::uint64_t call = disk_->calls() + 1 + pick(25);
    switch (pick(5)) {
      case 0: return disk_->fail_call(call, EIO);
      case 1: return disk_->fail_call(call, EIO, FakeDisk::Repeat::for_ever);   // as if killed there
      case 2: return disk_->fail_call(call, EIO, FakeDisk::Repeat::once, FakeDisk::Effect::done);
      default: return disk_->at_call(call, [this, &owner] { others_act(owner); });
    }
  }

  void others_act(Owner& paused) {
    ++overtaken_;
    for (std::uint64_t acts = 1 + pick(6); acts > 0; --acts) {
      Owner& other = *owners_[pick(owners_.size())];
      if (&other != &paused) act_of(other, false);
    }
  }

  void act_freely(Owner& owner) {
    const std::uint64_t choice = pick(8);
    if (owner.block() == 0 || choice == 0) return claim(owner);
    if (choice == 1 && !damaged_.empty()) return put_aside(owner, *damaged_.begin());
    publish(owner);
    owner.prune();
  }

  void claim(Owner& owner) {
    if (!owner.claim()) return;
    REQUIRE(won_.emplace(owner.block(), owner.pid()).second);   // nobody had won this number
  }

  void publish(Owner& owner) {
    attempted_.insert(owner.next_id());
    if (const auto id = owner.publish()) durable_.insert(*id);
    else replace(owner);   // superseded: it leaves
  }

  void put_aside(Owner& owner, SnapshotId id) {
    if (const std::string path = owner.quarantine(id); !path.empty()) put_aside_.insert(path);
  }

  void replace(Owner& owner) { owner.become(++last_pid_); }

  void kill_an_owner() { replace(*owners_[pick(owners_.size())]); }

  void lose_power() {
    disk_ = pick(2) ? disk_->after_power_loss() : disk_->after_power_loss(random_());
    const std::size_t count = owners_.size();
    owners_.clear();
    for (std::size_t i = 0; i < count; ++i) start_owner();
  }

  void damage_newest() {
    const auto there = snapshots_on(*disk_);
    if (!damages_ || there.empty()) return;
    disk_->put(owned_run.snapshot(there.front()), "damaged");
    damaged_.insert(there.front());
    durable_.erase(there.front());
  }

  std::size_t newer_attempts(SnapshotId id) const {
    return static_cast<std::size_t>(std::distance(attempted_.upper_bound(id), attempted_.end()));
  }

  std::mt19937_64 random_;
  std::size_t keep_;
  bool damages_;
  std::unique_ptr<FakeDisk> disk_;
  std::vector<std::unique_ptr<Owner>> owners_;
  std::int64_t last_pid_ = 0;
  std::size_t overtaken_ = 0;
  std::map<std::uint64_t, std::int64_t> won_;         // block -> pid
  std::set<SnapshotId> attempted_, durable_, damaged_;
  std::set<std::string> put_aside_;                   // paths
};

}  // namespace

TEST_CASE("in no schedule of several owners is a durable snapshot lost, a number won twice or evidence removed") {
  set_log_level(LogLevel::error);
  const auto owners = GENERATE(2u, 3u);
  const bool damages = GENERATE(false, true);
  std::size_t durable = 0, overtaken = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Schedule schedule(seed, owners, damages);
    for (int act = 0; act < 40; ++act) {
      INFO("seed " << seed << ", act " << act << ", owners " << owners);
      schedule.act();
      schedule.check();
    }
    schedule.check_claims();
    durable += schedule.durable_count();
    overtaken += schedule.overtaken_count();
  }
  CHECK(durable > 100);     // the schedules are about something
  CHECK(overtaken > 100);
}
