// SPDX-License-Identifier: Apache-2.0
#include "chain/chain.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/block.hpp"
#include "block/child.hpp"
#include "block/neighbours.hpp"
#include "block/patience.hpp"
#include "block/result_record.hpp"
#include "chain/ending.hpp"
#include "chain/history.hpp"
#include "chain/open_run.hpp"
#include "chain/queue.hpp"
#include "chain/step.hpp"
#include "chain/surroundings.hpp"
#include "chain/survey.hpp"
#include "chain/words.hpp"
#include "rundir/run_record.hpp"
#include "rundir/sharing.hpp"

namespace ckpt::supervisor {
namespace {

constexpr double first_wait_seconds = 0.1, longest_wait_seconds = 5;
constexpr double longest_wait_for_job_seconds = 30;   // each look asks the scheduler
constexpr double shortest_start_seconds = 10;         // a second try in less is not worth it
constexpr double say_again_seconds = 180;
constexpr double first_questions_seconds = 20;        // a program is not kept waiting for longer

class Chain {
 public:
  Chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options);
  int run();

 private:
  struct Claimed {
    std::uint64_t block = 0;
    std::optional<Decision> instead;     // no block: complete, or refused
  };

  const ChainFacts& gather();
  Claimed claim_next();
  std::optional<std::uint64_t> claim(const Decision& decision);
  void announce(std::uint64_t block, const std::string& from);
  std::optional<Decision> wait_a_little(const std::string& owner);   // why not any longer
  Decision asked_to_stop() const;
  Decision asked_while_waiting(const std::string& owner) const;
  std::optional<Decision> asked_between_jobs();
  double job_end() const;                            // monotonic seconds, as known now
  double seconds_left() const;
  std::optional<Decision> prepare_node();            // why there is no block
  void prepare_first_block();
  void run_one(std::uint64_t block);
  void warn_of_overrides(const BlockResult& result);
  void say_ended(const BlockResult& result);
  void say_left_out();
  void say_chosen();
  void remember_command();
  std::vector<std::string> with_data(std::vector<std::string> command) const;
  std::string program_path() const;
  Surroundings look_around_here() const;
  void note_surroundings(std::uint64_t block);
  bool goes_on_here(const Decision& decision);
  void secure_next(std::uint64_t block);
  void limit_questions(StopCause why_it_ended);
  JobFacts look_at_queue(const Decision& decision);
  int conclude(const Decision& decision);
  void conclude_job(const Decision& decision);
  bool goes_on_elsewhere(const Decision& decision) const;
  void cancel_rest_of_array(const Decision& decision);
  void write_last_status(const Decision& decision);
  int exit_code(const Decision& decision) const { return exit_code_of(decision, last_here(), options_.blocks_are_jobs); }
  const BlockResult* last_here() const { return blocks_here_ > 0 ? &facts_.ended.back() : nullptr; }

  const ChainOptions& options_;
  std::vector<std::string> recorded_command_;
  const bool starts_over_;
  rundir::Layout layout_;
  StatusBoard status_;
  rundir::Permissions permissions_;
  rundir::Blocks blocks_;
  rundir::Catalog catalog_;
  RunAccess run_;
  Survey survey_;
  OwnCheckpointsOfRun own_;
  ChainFacts facts_;
  std::optional<rundir::Ledger> ledger_;             // of the newest block of ours
  std::size_t blocks_here_ = 0;                      // of this ckptrun, the last ones of facts_.ended
  std::optional<Stage> stage_;                       // of this node
  std::optional<JobStep> job_step_;                  // what the last decision means for the queue
  JobFacts job_facts_;
  bool linked_ = false, write_run_record_ = false;
  double wait_seconds_ = first_wait_seconds, said_owner_ = -say_again_seconds;
};

rundir::Blocks::OwnerStateFunction owner_state_of(Scheduler* scheduler) {
  if (!scheduler) return {};
  return [scheduler](const rundir::Claim& claim, const ProcessIdentity& who) { return scheduler->owner_state(claim, who); };
}

rundir::Layout open_layout(io::FileSystem& fs, Clock& clock, const ChainOptions& options, bool starts_over) {
  rundir::Layout layout(options.run.directory);
  if (starts_over)
    if (const std::string moved = move_old_run_aside(fs, clock, layout, options.rules); !moved.empty())
      log_info("the old run is now {}", moved);
  return layout;
}

rundir::Permissions prepare_directory(io::FileSystem& fs, const rundir::Layout& layout, const ChainOptions& options) {
  return options.share ? rundir::prepare_shared_run_directory(fs, layout, options.rules)
                       : rundir::prepare_run_directory(fs, layout, options.rules);
}

Chain::Chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options)
    : options_(options),
      recorded_command_(replace_values(options.command, changing_values())),
      starts_over_(starts_over(fs, options)),
      layout_(open_layout(fs, clock, options, starts_over_)),
      status_(fs, clock, layout_),
      permissions_(prepare_directory(fs, layout_, options)),
      blocks_(fs, layout_, permissions_, owner_state_of(options.scheduler)),
      catalog_(fs, layout_, permissions_),
      run_{fs, clock, signals, layout_, permissions_, blocks_, catalog_, status_},
      survey_(run_, options.blocks_are_jobs, options.scheduler),
      own_(fs, layout_, options.own, starts_over_) {
  status_.set_permissions(permissions_);
  status_.set("run", options.run.name);
  status_.set("command", join_command(options.command));
  const auto change = check_command(fs, layout_, recorded_command_, options.accept_changes);
  if (change && !change->empty()) log_warning("going on with another command: {}", *change);
  write_run_record_ = change.has_value();
  facts_.reopened = options.accept_changes;
  facts_.block_seconds = options.block_seconds;
  if (!options.scheduler) return;
  options.scheduler->end().first_end();
  facts_.block_seconds = std::min(options.block_seconds, options.scheduler->end().whole_seconds());
}

double Chain::job_end() const { return options_.scheduler ? options_.scheduler->end().known_end() : engine::no_limit; }

double Chain::seconds_left() const { return job_end() - run_.clock.monotonic_seconds(); }

const ChainFacts& Chain::gather() {
  facts_.seconds_left = seconds_left();
  survey_.look(facts_, blocks_here_);
  if (facts_.owner == OwnerState::gone && (!facts_.complete || facts_.reopened)) own_.choose(facts_);
  return facts_;
}

int Chain::run() {
  if (!options_.blocks_are_jobs) log_info("run {} in {}", options_.run.name, layout_.directory());
  for (;;) {
    const Claimed claimed = patiently(run_.clock, [this] { return claim_next(); });
    if (claimed.instead) return conclude(*claimed.instead);
    if (options_.blocks_are_jobs && blocks_here_ == 0) secure_next(claimed.block);
    run_one(claimed.block);
    if (options_.scheduler) limit_questions(last_here()->asked);
    patiently(run_.clock, [this] { rundir::require_run_directory(run_.fs, layout_); });
    patiently(run_.clock, [this] { survey_.look_at_snapshots(facts_); });
    Decision decision = decide(facts_, Event::block_ended);
    if (blocks_here_ == options_.most_blocks && !concludes(decision.action))
      decision = {Action::leave, count_of(blocks_here_, "block") + " as asked"};
    ledger_->append("decision", {{"decision", name(decision.action)}, {"reason", decision.reason}});
    if (!goes_on_here(decision)) return conclude(decision);
    if (options_.blocks_are_jobs) say_ended(*last_here());
    if (decision.action == Action::retry) log_info("trying once more");
  }
}

bool Chain::goes_on_here(const Decision& decision) {
  if (!options_.blocks_are_jobs)
    return decision.action == Action::resume || decision.action == Action::start_fresh || decision.action == Action::retry;
  job_facts_ = look_at_queue(decision);
  job_step_ = next_in_job(decision, facts_.ended.back().crash, job_facts_);
  return job_step_->again_here && !run_.signals.stop_reason();
}

// Before the program starts: from then on this process may die at any moment.
void Chain::secure_next(std::uint64_t block) {
  options_.scheduler->limit_questions(run_.clock.monotonic_seconds() + first_questions_seconds);
  Queue(run_.fs, *options_.scheduler, layout_, permissions_).secure_next(survey_.outlook.blocks_needed, block);
}

void Chain::limit_questions(StopCause why_it_ended) {
  const double seconds = seconds_for_questions(seconds_left(), why_it_ended);
  options_.scheduler->limit_questions(run_.clock.monotonic_seconds() + seconds);
}

JobFacts Chain::look_at_queue(const Decision& decision) {
  JobFacts facts = Queue(run_.fs, *options_.scheduler, layout_, permissions_).look();
  facts.seconds_left = seconds_left();
  survey_.look_ahead(facts_);
  if (concludes(decision.action)) return facts;
  facts.blocks_needed = survey_.outlook.blocks_needed;
  facts.one_start_seconds =
      engine::safety_margin(facts_.block_seconds) + std::max(survey_.outlook.one_start_seconds, shortest_start_seconds);
  return facts;
}

Decision Chain::asked_to_stop() const {
  return {options_.blocks_are_jobs ? Action::hand_on : Action::leave, *run_.signals.stop_reason()};
}

Decision Chain::asked_while_waiting(const std::string& owner) const {
  Decision decision = asked_to_stop();
  decision.reason += fmt::format(" while it waited for the run, which is in use ({})", owner);
  return decision;
}

// A stop that no block of this chain was there to hear.
std::optional<Decision> Chain::asked_between_jobs() {
  if (!options_.blocks_are_jobs || blocks_here_ > 0 || !was_begun_by_this_chain(blocks_)) return std::nullopt;
  for (const rundir::Request& request : rundir::take_requests(run_.fs, layout_))
    if (request.kind == rundir::RequestKind::stop) return Decision{Action::leave, "ckpt stop by " + request.from};
  return std::nullopt;
}

Chain::Claimed Chain::claim_next() {
  for (;;) {
    const Decision decision = decide(gather(), Event::starting);
    run_.signals.take(run_.clock.monotonic_seconds());
    switch (decision.action) {
      case Action::start_fresh:
      case Action::resume:
        if (run_.signals.stop_reason()) return {0, asked_to_stop()};
        if (const auto asked = asked_between_jobs()) return {0, asked};
        if (const auto instead = prepare_node()) return {0, instead};
        if (const auto block = claim(decision)) return {*block, std::nullopt};
        break;
      case Action::wait_for_owner:
        if (const auto instead = wait_a_little(decision.reason)) return {0, instead};
        break;
      default:
        if (is_bad(decision.action) && !facts_.checkpoint) say_left_out();
        return {0, decision};
    }
  }
}

std::optional<std::uint64_t> Chain::claim(const Decision& decision) {
  if (options_.strict && !options_.accept_changes)
    refuse_changes(run_.fs, layout_, survey_.newest_block, look_around_here());
  rundir::Claim claim;
  claim.role = "ckptrun";
  claim.who = identify_self();
  const JobEnvironment job = read_job_environment();
  claim.job_id = job.id;
  claim.cluster = job.cluster;
  claim.array_id = job.array_id;
  claim.array_task = job.array_task;
  claim.restart_count = job.restart_count;
  claim.command = options_.command;
  claim.claimed = run_.clock.wall_seconds();
  const double seconds = std::min(options_.block_seconds, seconds_left());
  claim.block_seconds = std::isfinite(seconds) ? seconds : 0;
  const auto block = blocks_.claim(claim, survey_.newest_block);
  if (block) say_chosen();
  if (block) announce(*block, decision.reason);
  return block;
}

void Chain::announce(std::uint64_t block, const std::string& from) {
  const std::uint64_t blocks = survey_.outlook.blocks_needed > 0 ? block - 1 + survey_.outlook.blocks_needed : survey_.outlook.blocks_planned;
  survey_.outlook.about_blocks = blocks > 0 ? std::max(blocks, block) : 0;
  log_info("{}{}", first_line(block, from, survey_.outlook, std::min(options_.block_seconds, seconds_left())),
           options_.blocks_are_jobs ? fmt::format("; run {} in {}", options_.run.name, layout_.directory()) : "");
}

std::optional<Decision> Chain::wait_a_little(const std::string& owner) {
  if (!options_.wait) refuse_to_wait(layout_, facts_.owner, owner);
  if (run_.signals.stop_reason()) return asked_while_waiting(owner);
  if (seconds_left() <= engine::safety_margin(facts_.block_seconds))
    return Decision{Action::hand_on, fmt::format("the time of this job is up, and the run is still in use ({}); {}", owner,
                                                 how_to_free(facts_.owner, layout_))};
  const double now = run_.clock.monotonic_seconds();
  if (now - said_owner_ >= say_again_seconds) {
    const bool its_turn_comes = options_.blocks_are_jobs && facts_.owner == OwnerState::alive;
    log_info("waiting: this run is in use ({}); {}", owner,
             its_turn_comes ? "this block begins when that one has ended, nothing to do" : how_to_free(facts_.owner, layout_));
    said_owner_ = now;
  }
  run_.signals.wait(run_.clock, wait_seconds_);
  wait_seconds_ = std::min(2 * wait_seconds_, options_.scheduler ? longest_wait_for_job_seconds : longest_wait_seconds);
  if (run_.signals.stop_reason()) return asked_while_waiting(owner);
  return std::nullopt;
}

// Once, for all blocks here. Before a block is claimed: a node that cannot be prepared costs the chain none. Where that takes
// the better part of each job, whatever cuts it off, the next ones would come no further.
std::optional<Decision> Chain::prepare_node() {
  if (stage_ || options_.preparation.empty()) return std::nullopt;
  const double whole = options_.scheduler ? options_.scheduler->end().whole_seconds() : engine::no_limit;
  stage_.emplace(options_.preparation, layout_.directory(), run_.signals, run_.clock, job_end() - engine::safety_margin(whole));
  if (!stage_->was_cut_off()) return std::nullopt;
  if (stage_->seconds() > whole / 2)
    return Decision{Action::stop,
                    fmt::format("no progress: the preparation of the node (--stage-data, --setup) was not done after {} of the {} "
                                "of this job: make blocks longer, or prepare less",
                                format_duration(stage_->seconds()), format_duration(whole))};
  if (run_.signals.stop_reason()) return asked_to_stop();
  return Decision{Action::hand_on, "the time of this job was up while the node was prepared"};
}

void Chain::say_left_out() {
  for (const checkpoints::Rejected& rejected : own_.rejected())
    log_warning("{} is left out: {}", rejected.path, rejected.reason);
}

// By the one that goes on from it: what others would have said is of no use to anybody.
void Chain::say_chosen() {
  say_left_out();
  own_.warn_of_doubt();
  if (facts_.checkpoint && own_.adopts())
    log_info("{} was there before this run, and is taken for its own; --fresh starts from the beginning",
             facts_.checkpoint->path());
  own_.remember(permissions_);
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
  if (blocks_here_ == 0) prepare_first_block();
  wait_seconds_ = first_wait_seconds;
  ledger_.emplace(run_.fs, layout_.ckptrun_ledger(block), permissions_.file);
  for (const BlockResult& result : std::exchange(survey_.closed, {})) ledger_->append("closed", to_json(result));
  BlockPlan plan;
  plan.block = block;
  plan.run_name = options_.run.name;
  if (own_.is_used()) facts_.checkpoint = own_.put_in_place(facts_.checkpoint, options_.command, block);
  plan.command = with_data(command_of_block(options_.command, options_.own.resume_words, facts_.checkpoint));
  plan.program_path = program_path();
  if (stage_) {
    plan.data_directory = stage_->directory();
    if (blocks_here_ == 0) plan.prepared_seconds = stage_->seconds();
  }
  plan.resume = facts_.newest;
  plan.block_seconds = options_.block_seconds;
  plan.job_end = job_end();
  plan.job_end_source = options_.scheduler ? &options_.scheduler->end() : nullptr;
  plan.is_job = options_.blocks_are_jobs;
  plan.node = options_.node;
  plan.about_blocks = survey_.outlook.about_blocks;
  plan.linked_before = linked_;
  plan.staging_size = options_.staging_size;
  plan.experiment = experiment_of(run_.fs, layout_);
  plan.deterministic = options_.deterministic;
  plan.program_config = options_.program_config;
  plan.variables = options_.variables;
  if (!options_.overrides.empty()) plan.variables.push_back("CKPT_OVERRIDE=" + options_.overrides);
  plan.output = options_.output;
  if (own_.is_used()) plan.own = own_.for_block(block, permissions_, facts_.checkpoint);
  plan.progress = options_.progress;
  plan.done_when = options_.done_when;
  plan.stop_way = options_.own.stop_way;
  plan.stop_signal = options_.own.stop_signal;
  plan.once_started = [this, block] {
    if (blocks_here_ == 0 && write_run_record_) remember_command();
    note_surroundings(block);
  };
  BlockResult result = run_block(run_, *ledger_, plan);
  linked_ = linked_ || result.linked;
  if (result.keeps_own) facts_.checkpoint = result.own_newest;
  warn_of_overrides(result);
  if (!options_.blocks_are_jobs) say_ended(result);
  facts_.ended.push_back(std::move(result));
  facts_.judge_last = false;
  ++blocks_here_;
}

void Chain::warn_of_overrides(const BlockResult& result) {
  if (!options_.overrides.empty() && result.started && !result.linked)
    log_warning("--override changed nothing: the program does not use libckpt's Python package, which alone takes it");
}

void Chain::say_ended(const BlockResult& result) {
  log_info("block {} ended after {}: {}", result.block, format_duration(result.seconds), result.reason);
}

void Chain::remember_command() try {
  write_run(run_.fs, run_.clock, layout_, permissions_, options_.run.name, recorded_command_);
} catch (const Error& error) {
  log_warning("the command of this run is not remembered: {}", error.what());
}

// {data} is where it lies here.
std::vector<std::string> Chain::with_data(std::vector<std::string> command) const {
  for (std::string& word : command)
    if (stage_) word = stage_->expand(word);
  return command;
}

std::string Chain::program_path() const {
  const std::string here = with_data({options_.command.front()}).front();
  return here == options_.command.front() ? options_.program_path : find_program(here).path;
}

// What came with the data is in another folder in each job: by the word for it that is no change.
Surroundings Chain::look_around_here() const {
  const std::vector<std::string> command = with_data(options_.command);
  Surroundings found = look_around(program_path(), command);
  if (command.front() != options_.command.front()) found["program"] = options_.command.front();
  return found;
}

// When the program runs already: it waits for none of this.
void Chain::note_surroundings(std::uint64_t block) try {
  const Surroundings now = look_around_here();
  const std::string change = describe_change(surroundings_of(run_.fs, layout_, block - 1), now);
  ledger_->append("surroundings", {{"found", now}, {"changed", change}});
  if (!change.empty()) log_warning("block {} goes on with something else than its command changed: {}", block, change);
} catch (const std::exception& error) {
  log_warning("what block {} runs with is not recorded: {}", block, error.what());
}

int Chain::conclude(const Decision& decision) {
  if (options_.blocks_are_jobs) conclude_job(decision);
  else say_ending(decision, last_here(), exit_code(decision));
  if (!options_.blocks_are_jobs && options_.scheduler) cancel_rest_of_array(decision);
  if (last_here()) write_last_status(decision);
  // Once per chain: a job that only finds it ended leaves it at that.
  if (last_here() && (decision.action == Action::complete || is_bad(decision.action)))
    run_hook(options_.hooks, options_.run, {decision.action == Action::complete, decision.reason, facts_.newest}, run_.signals);
  return exit_code(decision);
}

// A chain that was run as a whole by this job: once it is over, the later tasks of the array have nothing to do.
void Chain::cancel_rest_of_array(const Decision& decision) {
  if (read_job_environment().array_id.empty() || (decision.action != Action::complete && !is_bad(decision.action))) return;
  limit_questions(StopCause::nobody);
  Queue queue(run_.fs, *options_.scheduler, layout_, permissions_);
  if (const QueueFacts facts = queue.look().queue; facts.is_chain.value_or(false) && facts.waiting != 0)
    log_info("{}", queue.cancel(facts));
}

// With a newer block, or with the owner for whom this job has waited in vain.
bool Chain::goes_on_elsewhere(const Decision& decision) const {
  const bool its_owner_lives = decision.action == Action::hand_on && facts_.owner == OwnerState::alive;
  return decision.action == Action::superseded || (its_owner_lives && job_step_->queue == QueueStep::tell_how_to_extend);
}

void Chain::conclude_job(const Decision& decision) {
  if (!job_step_) {                                  // no block here
    limit_questions(StopCause::nobody);
    job_facts_ = look_at_queue(decision);
    job_step_ = next_in_job(decision, CrashKind::program, job_facts_);
  }
  Queue queue(run_.fs, *options_.scheduler, layout_, permissions_);
  std::string next = goes_on_elsewhere(decision) ? "nothing to do here"
                                                 : queue.carry_out(*job_step_, job_facts_, survey_.newest_block);
  if (decision.action == Action::leave) next += "; to go on, submit it again";
  status_.set("next", next);
  log(is_bad(decision.action) ? LogLevel::error : LogLevel::info, "{}",
      last_line(decision, last_here(), facts_.newest, survey_.outlook.progress, next));
}

// By the newest block only.
void Chain::write_last_status(const Decision& decision) try {
  if (!blocks_.is_newest(last_here()->block)) return;
  status_.set("state", decision.action == Action::complete ? "complete" : is_bad(decision.action) ? "stopped" : "to-be-continued");
  status_.set("reason", decision.reason);
  status_.write();
} catch (const Error& error) {
  log_warning("status.json is not written: {}", error.what());
}

}  // namespace

bool starts_over(io::FileSystem& fs, const ChainOptions& options) {
  if (!options.fresh || !options.blocks_are_jobs) return options.fresh;
  return !was_begun_by_this_chain(rundir::Blocks(fs, rundir::Layout(options.run.directory), {}));
}

int run_chain(io::FileSystem& fs, Clock& clock, SignalInbox& signals, const ChainOptions& options) {
  return Chain(fs, clock, signals, options).run();
}

}  // namespace ckpt::supervisor
