// SPDX-License-Identifier: Apache-2.0
#include "chain/chain.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/block.hpp"
#include "block/patience.hpp"
#include "chain/earlier_times.hpp"
#include "chain/open_run.hpp"
#include "chain/step.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double first_wait_seconds = 0.1, longest_wait_seconds = 5;
constexpr double say_again_seconds = 180;

class Chain {
 public:
  Chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options);
  int run();

 private:
  struct Claimed {
    std::uint64_t block = 0;
    std::optional<Decision> instead;     // no block: complete, or refused
  };

  ChainFacts gather();
  Claimed claim_next();
  std::optional<std::uint64_t> claim(const Decision& decision);
  void close_abandoned_block(std::uint64_t newest);
  bool wait_a_little(const std::string& owner);     // false: somebody asked to stop meanwhile
  void prepare_first_block();
  void run_one(std::uint64_t block);
  void remember_command();
  int conclude(const Decision& decision);
  void write_last_status(const Decision& decision);
  int exit_code(const Decision& decision) const;
  void show(const Decision& decision);

  const ChainOptions& options_;
  std::vector<std::string> recorded_command_;
  rundir::Layout layout_;
  StatusBoard status_;
  rundir::Permissions permissions_;
  rundir::Blocks blocks_;
  rundir::Catalog catalog_;
  RunAccess run_;
  ChainFacts facts_;
  std::optional<rundir::Ledger> ledger_;             // of the newest block of ours
  std::uint64_t newest_block_ = 0;                   // as ownership() told it
  bool linked_ = false, write_run_record_ = false;
  double wait_seconds_ = first_wait_seconds, said_owner_ = -say_again_seconds;
};

rundir::Layout open_layout(io::FileSystem& fs, Clock& clock, const ChainOptions& options) {
  rundir::Layout layout(options.run.directory);
  if (options.fresh)
    if (const std::string moved = move_old_run_aside(fs, clock, layout, options.rules); !moved.empty())
      log_info("the old run is now {}", moved);
  return layout;
}

Chain::Chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options)
    : options_(options),
      recorded_command_(replace_values(options.command, changing_values())),
      layout_(open_layout(fs, clock, options)),
      status_(fs, clock, layout_),
      permissions_(rundir::prepare_run_directory(fs, layout_, options.rules)),
      blocks_(fs, layout_, permissions_),
      catalog_(fs, layout_, permissions_),
      run_{fs, clock, signals, layout_, permissions_, blocks_, catalog_, status_} {
  status_.set_permissions(permissions_);
  status_.set("run", options.run.name);
  status_.set("command", join_command(options.command));
  write_run_record_ = check_command(fs, layout_, recorded_command_, options.accept_changes);
  facts_.reopened = options.accept_changes;
  facts_.block_seconds = options.block_seconds;
}

ChainFacts& with_snapshots(ChainFacts& facts, const rundir::Catalog& catalog) {
  const auto entries = catalog.list();
  facts.newest = entries.empty() ? std::nullopt : std::optional(entries.front().id);
  facts.ever_had_snapshots = catalog.ever_had_snapshots();
  return facts;
}

ChainFacts Chain::gather() {
  const rundir::Ownership ownership = blocks_.ownership();
  facts_.owner = ownership.state;
  facts_.owner_text = ownership.owner;
  newest_block_ = ownership.newest_block;
  with_snapshots(facts_, catalog_);
  if (!facts_.ended.empty() || ownership.newest_block == 0 || ownership.state != OwnerState::gone) return facts_;
  const auto end = blocks_.read_end(ownership.newest_block);
  facts_.complete = end && end->outcome == rundir::Outcome::finished;
  facts_.continued_before = end && end->outcome == rundir::Outcome::stopped;
  facts_.earlier_costs = costs_without_progress(run_.fs, layout_, ownership.newest_block);
  return facts_;
}

int Chain::run() {
  log_info("run {} in {}", options_.run.name, layout_.directory());
  for (;;) {
    const Claimed claimed = patiently(run_.clock, [this] { return claim_next(); });
    if (claimed.instead) return conclude(*claimed.instead);
    run_one(claimed.block);
    patiently(run_.clock, [this] { with_snapshots(facts_, catalog_); });
    const Decision decision = decide(facts_, Event::block_ended);
    ledger_->append("decision", {{"decision", name(decision.action)}, {"reason", decision.reason}});
    const bool goes_on = decision.action == Action::resume || decision.action == Action::start_fresh ||
                         decision.action == Action::retry;
    if (!goes_on) return conclude(decision);
    if (decision.action == Action::retry) log_info("trying once more");
  }
}

Chain::Claimed Chain::claim_next() {
  for (;;) {
    const Decision decision = decide(gather(), Event::starting);
    run_.signals.take(run_.clock.monotonic_seconds());
    switch (decision.action) {
      case Action::start_fresh:
      case Action::resume:
        if (const auto& reason = run_.signals.stop_reason()) return {0, Decision{Action::leave, *reason}};
        if (const auto block = claim(decision)) return {*block, std::nullopt};
        break;
      case Action::wait_for_owner:
        if (!wait_a_little(decision.reason)) return {0, Decision{Action::leave, *run_.signals.stop_reason()}};
        break;
      default: return {0, decision};
    }
  }
}

std::optional<std::uint64_t> Chain::claim(const Decision& decision) {
  close_abandoned_block(newest_block_);
  rundir::Claim claim;
  claim.role = "ckptrun";
  claim.who = identify_self();
  const JobEnvironment job = read_job_environment();
  claim.job_id = job.id;
  claim.restart_count = job.restart_count;
  claim.command = options_.command;
  claim.claimed = run_.clock.wall_seconds();
  claim.block_seconds = std::isfinite(options_.block_seconds) ? options_.block_seconds : 0;
  const auto block = blocks_.claim(claim, newest_block_);
  if (!block) return std::nullopt;
  log_info("block {} starts from {}{}", *block, decision.reason,
           claim.block_seconds > 0 ? fmt::format(", for {}", format_duration(claim.block_seconds)) : "");
  return block;
}

// Its owner was found gone and left no end: killed, or the machine failed.
void Chain::close_abandoned_block(std::uint64_t newest) {
  if (newest == 0 || blocks_.read_end(newest)) return;
  const std::optional<std::uint64_t> step = facts_.newest ? std::optional(facts_.newest->step) : std::nullopt;
  blocks_.write_end(newest, {rundir::Outcome::abandoned, "its owner was found gone", "ckptrun", ::getpid(), step,
                             std::nullopt, std::nullopt, run_.clock.wall_seconds()});
}

bool Chain::wait_a_little(const std::string& owner) {
  if (!options_.wait)
    fail(CKPT_ERR_IN_USE, "{} is in use ({}); leave out --no-wait to wait for its end, or {}", layout_.directory(), owner,
         how_to_free(facts_.owner, layout_));
  if (run_.signals.stop_reason()) return false;
  const double now = run_.clock.monotonic_seconds();
  if (now - said_owner_ >= say_again_seconds) {
    log_info("waiting: this run is in use ({}); {}", owner, how_to_free(facts_.owner, layout_));
    said_owner_ = now;
  }
  pollfd polled{run_.signals.fd(), POLLIN, 0};
  ::poll(&polled, 1, static_cast<int>(wait_seconds_ * 1000));
  run_.signals.take(run_.clock.monotonic_seconds());
  wait_seconds_ = std::min(2 * wait_seconds_, longest_wait_seconds);
  return !run_.signals.stop_reason();
}

// What a request asked of a block that is over does not bind this start.
void Chain::prepare_first_block() {
  for (const rundir::Request& request : rundir::take_requests(run_.fs, layout_))
    log_info("an old request by {} is dropped: it came before this start", request.from);
  linked_ = blocks_.links_libckpt();
  if (const auto entries = catalog_.list(); !entries.empty())
    warn_if_space_is_short(run_.fs, layout_, entries.front().size_bytes, entries.size(), options_.keep);
}

void Chain::run_one(std::uint64_t block) {
  if (facts_.ended.empty()) prepare_first_block();
  wait_seconds_ = first_wait_seconds;
  ledger_.emplace(run_.fs, layout_.ckptrun_ledger(block), permissions_.file);
  BlockPlan plan{block, options_.run.name, options_.command, options_.program_path, facts_.newest,
                 options_.block_seconds, linked_, options_.staging_size, options_.program_config, {}};
  if (facts_.ended.empty() && write_run_record_)
    plan.once_started = [this] { remember_command(); };
  BlockResult result = run_block(run_, *ledger_, plan);
  linked_ = linked_ || result.linked;
  log_info("block {} ended after {}: {}", block, format_duration(result.seconds), result.reason);
  facts_.ended.push_back(std::move(result));
}

void Chain::remember_command() try {
  write_run(run_.fs, run_.clock, layout_, permissions_, options_.run.name, recorded_command_);
} catch (const Error& error) {
  log_warning("the command of this run is not remembered: {}", error.what());
}

int Chain::conclude(const Decision& decision) {
  show(decision);
  if (!facts_.ended.empty()) write_last_status(decision);
  return exit_code(decision);
}

// By the newest block only.
void Chain::write_last_status(const Decision& decision) try {
  if (!blocks_.is_newest(facts_.ended.back().block)) return;
  status_.set("state", decision.action == Action::complete ? "complete"
                       : decision.action == Action::leave  ? "to-be-continued"
                                                           : "stopped");
  status_.set("reason", decision.reason);
  status_.write();
} catch (const Error& error) {
  log_warning("status.json is not written: {}", error.what());
}

int Chain::exit_code(const Decision& decision) const {
  if (decision.action == Action::leave) return 0;
  if (decision.action == Action::stop) return exit_stopped_by_us;
  if (facts_.ended.empty()) return 0;              // complete before this start
  const BlockResult& last = facts_.ended.back();
  if (decision.action == Action::fail) return exit_code_of_crash(last);
  return last.signal ? 128 + *last.signal : last.exit_code.value_or(0);
}

void Chain::show(const Decision& decision) {
  const int code = exit_code(decision);
  const std::string again = join_command(options_.command);
  switch (decision.action) {
    case Action::complete:
      if (facts_.ended.empty())
        log_info("this run is complete already; nothing to do. --fresh starts it over, --run NAME starts another one, "
                 "--accept-changes goes on with it");
      else if (code != 0) log_warning("complete, although the program's last word was exit code {}", code);
      else log_info("complete");
      break;
    case Action::leave: log_info("to be continued: {}; the same command goes on from there", decision.reason); break;
    case Action::fail: log_error("{}", decision.reason); break;
    default: log_error("stopped: {}", decision.reason); break;
  }
}

}  // namespace

int run_chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options) {
  return Chain(fs, clock, signals, options).run();
}

}  // namespace ckpt::supervisor
