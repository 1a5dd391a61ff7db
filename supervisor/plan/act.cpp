// SPDX-License-Identifier: Apache-2.0
// The story of one call: which job, what is known, the plan, what the site says, and what is done with it.
#include "plan/act.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/process_identity.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "chain/learned_times.hpp"
#include "plan/job.hpp"
#include "plan/knowledge.hpp"
#include "plan/preset_list.hpp"
#include "plan/rehearsal.hpp"
#include "plan/runs_place.hpp"
#include "plan/site_check.hpp"
#include "plan/submission.hpp"
#include "plan/view.hpp"
#include "plan/wishes.hpp"
#include "slurm/submit.hpp"
#include "tools/find_run.hpp"

namespace ckpt::plan {
namespace {

using namespace supervisor;
using tools::Format;
using tools::Json;

constexpr double customary_limit_seconds = 24 * 3600;  // short jobs start sooner, and an outage costs less
constexpr std::uint64_t blocks_without_knowledge = 10;
constexpr double lead_without_knowledge_seconds = 150;

Job job_in_its_place(const Request& request) {
  Job job = job_of(request);
  place_run(request, job);
  return job;
}

class Planning {
 public:
  // `request`: complete, see wishes.hpp.
  Planning(const Request& request, const LiveSite& live)
      : request_(request), fs_(io::file_system()), clock_(system_clock()), site_(live.site), no_site_(live.why_not) {
    if (request.has_job()) job_ = job_in_its_place(request);
    knowledge_ = gather(request, learn(), limit());
    facts_ = facts_for_plan(knowledge_, request);
    if (const auto most = site_ ? site_->configuration.highest_array_index() : std::nullopt; most && !request.trials)
      facts_.most_blocks = *most;
  }

  int show_or_submit();
  int compare();
  int submit_rehearsal();

 private:
  const std::string& partition() const { return job_ && job_->script ? job_->partition : request_.resources.partition; }
  const slurm::Partition* partition_meant() const;
  LearnedTimes learn() const;
  std::optional<Known> most_allowed() const;
  const slurm::AccountLimits& account_limits() const;
  Known limit() const;
  ChainShape shape() const;
  void make();
  void check_with_site(std::uint64_t tasks, std::uint64_t arrays = 1) const;
  void require_account() const;
  void warn_about_preset_limit() const;
  void warn_about_job() const;
  void warn_about_limits_compared() const;
  void tell_plan();
  void submit(Submission& submission);
  void preview(const Submission& submission);

  const Request& request_;
  io::FileSystem& fs_;
  Clock& clock_;
  std::optional<Job> job_;
  const std::optional<slurm::Site>& site_;  // absent: no Slurm here
  const std::string& no_site_;              // why
  mutable std::optional<slurm::AccountLimits> account_limits_;  // asked once
  Knowledge knowledge_;
  PlanFacts facts_;
  std::optional<Plan> plan_;  // absent: not enough is known
  Json told_ = Json::object();
};

// A run that is named must be there, unless it is to be submitted.
LearnedTimes Planning::learn() const {
  if (job_) return learn_times(fs_, rundir::Layout(job_->run.directory));
  if (request_.run.empty()) return {};
  return learn_times(fs_, tools::choose_run(fs_, request_.run));
}

const slurm::Partition* Planning::partition_meant() const {
  const bool picked = partition().empty() && request_.by_site.picks_partition;
  return picked ? site_->longest() : site_->partition(partition());
}

// How long a block may be, and who says so.
std::optional<Known> Planning::most_allowed() const {
  const slurm::Partition* meant = site_ ? partition_meant() : nullptr;
  if (meant) {
    const bool is_default = partition().empty() && !request_.by_site.picks_partition;
    return Known{meant->limit_seconds.value_or(engine::no_limit),
                 (is_default ? "the default partition " : "partition ") + meant->name};
  }
  if (!site_ && request_.by_site.limit_seconds)
    return Known{*request_.by_site.limit_seconds, "the preset of " + request_.by_site.name};
  return std::nullopt;
}

// Nothing where they are not enforced.
const slurm::AccountLimits& Planning::account_limits() const {
  if (!account_limits_) {
    const bool enforced = site_ && site_->configuration.lists("AccountingStorageEnforce", "limits");
    account_limits_ = enforced ? slurm::ask_account_limits(clock_, identify_self().user, slurm::once(10)) : slurm::AccountLimits{};
  }
  return *account_limits_;
}

Known Planning::limit() const {
  if (request_.limit_seconds) return {*request_.limit_seconds, "given"};
  if (request_.rehearsed_units) return {rehearsal_limit_seconds, "enough for most rehearsals"};
  if (job_ && job_->own_limit_seconds) return {*job_->own_limit_seconds, "as the job script says"};
  std::optional<Known> most = most_allowed();
  const auto* of_account = shortest_allowed(account_limits(), request_.resources.account, request_.resources.qos);
  if (of_account && (!most || *of_account->longest_seconds < most->seconds))
    most = Known{*of_account->longest_seconds, of_account->name};
  if (!most)
    return {customary_limit_seconds, site_ ? "by custom; --limit says otherwise"
                                           : "by custom, as no Slurm answers here; --limit says otherwise"};
  if (most->seconds < customary_limit_seconds)
    return {most->seconds, fmt::format("the most that {} allows", most->source)};
  return {customary_limit_seconds, fmt::format("by custom ({} allows {}); --limit says otherwise", most->source,
                                               format_duration(most->seconds))};
}

void Planning::make() {
  if (!knowledge_.is_enough()) return;
  if (facts_.units_left <= 0)
    fail(CKPT_ERR_CONFIG,
         "all {} are done and saved, the work is complete: there is nothing to plan (more of them: --epochs)",
         count_of(*knowledge_.units, facts_.unit));
  plan_ = make_plan(facts_);
  if (!plan_->refusal.empty()) fail(CKPT_ERR_CONFIG, "{}", plan_->refusal);
}

ChainShape Planning::shape() const {
  ChainShape shape;
  shape.blocks = request_.blocks.value_or(plan_ ? plan_->blocks() : blocks_without_knowledge);
  if (!job_->script || job_->script->becomes_ckptrun)   // a shell would die of the warning, and its job with it
    shape.warning_seconds =
        warning_seconds(knowledge_.limit.seconds, plan_ ? plan_->lead_seconds : lead_without_knowledge_seconds);
  const bool script_says_it = job_->own_limit_seconds && !request_.limit_seconds;
  shape.limit_seconds = script_says_it ? 0 : knowledge_.limit.seconds;
  return shape;
}

void Planning::require_account() const {
  const bool is_ours_to_say = job_ && !job_->script && request_.resources.account.empty();
  if (is_ours_to_say && !request_.by_site.account_form.empty())
    fail(CKPT_ERR_CONFIG, "{} bills each job to an account: name yours, as --account {}, or by SBATCH_ACCOUNT",
         request_.by_site.name, request_.by_site.account_form);
}

// Nobody else is there to object.
void Planning::warn_about_preset_limit() const {
  const auto& most = request_.by_site.limit_seconds;
  if (most && knowledge_.limit.seconds > *most)
    log_warning("a block of {} is longer than the preset of {} allows ({}), and would be rejected or wait for ever",
                format_duration(knowledge_.limit.seconds), request_.by_site.name, format_duration(*most));
}

// What would be asked for, as one array of `tasks`; `arrays` of them at once for a sweep.
void Planning::check_with_site(std::uint64_t tasks, std::uint64_t arrays) const {
  const std::string no_way = site_ ? slurm::no_way_to_submit() : no_site_;
  if (request_.submit && !no_way.empty())
    fail(CKPT_ERR_CONFIG, "cannot submit from here: {}; try again when Slurm answers, on a login node of the cluster", no_way);
  require_account();
  if (!site_) return warn_about_preset_limit();
  if (!job_ && partition().empty() && !site_->partition("")) return;  // a plan for nowhere in particular
  const Wish wish{.partition = partition(),
                  .site_picks_partition = request_.by_site.picks_partition,
                  .limit_seconds = knowledge_.limit.seconds,
                  .array_tasks = tasks,
                  .are_trials = request_.trials.has_value(),
                  .cpus = job_ ? job_->cpus_per_task : request_.resources.cpus,
                  .memory = request_.resources.memory,
                  .gpus = request_.resources.gpus,
                  .nodes = job_ ? job_->nodes : "",
                  .tasks = job_ ? job_->tasks : "",
                  .tasks_per_node = job_ ? job_->tasks_per_node : "",
                  .jobs = tasks * arrays,
                  .account = request_.resources.account,
                  .qos = request_.resources.qos};
  const std::string objected = objection(*site_, wish);
  if (!objected.empty() && !job_ && partition().empty()) return log_warning("{}", objected);   // a plan, for some partition
  if (!objected.empty()) fail(CKPT_ERR_CONFIG, "{}", objected);
  if (const std::string by_account = objection(account_limits(), wish); !by_account.empty())
    fail(CKPT_ERR_CONFIG, "{}", by_account);
}

void Planning::tell_plan() {
  told_["plan"] = plan_ ? plan_json(knowledge_, facts_, *plan_) : Json();
  if (plan_ && request_.format == Format::text) print_plan(knowledge_, facts_, *plan_);
  if (plan_ || request_.format == Format::json) return;
  fmt::print(
      "{}, {}.\nWhat is not needed is cancelled when the work is complete{}.\n", count_of(shape().blocks, "block"),
      request_.blocks ? "as asked for" : "since " + how_to_know(knowledge_),
      request_.trials ? "" : "; too few are continued, up to twice as many");  // nobody continues a trial
}

// Nothing is told of a plan that comes to nothing: what is refused is refused before.
void Planning::submit(Submission& submission) {
  const Sent sent = submission.send();
  tell_plan();
  told_["submitted"] = submission.json(sent);
  if (request_.format == Format::json) return;
  fmt::print("\n");
  submission.print(sent);
}

void Planning::preview(const Submission& submission) {
  const std::string text = submission.preview();
  tell_plan();
  if (request_.format == Format::json) return;
  if (!site_) fmt::print("\nNot checked against a site: {}.\n", no_site_);
  fmt::print("\nWith --submit {}:\n\n{}",
             job_->script ? "this is run, with a copy of the script" : "this script is sent", text);
}

void Planning::warn_about_job() const {
  if (job_->script && !job_->script->starts_ckptrun)
    log_warning("{} does not call ckptrun: unless something in it does, every block starts from the beginning",
                job_->script->path);
  else if (job_->script && !job_->script->becomes_ckptrun)
    log_info("{} starts ckptrun without exec: it gets no --signal, of which its shell would die; blocks end by the clock",
             job_->script->path);
  if (job_->script && job_->script->changes_to_unknown() && !job_->script->run.starts_with('/'))
    log_warning("{} goes to {} before it starts ckptrun: where that is not this folder it continues another run than "
                "the one that is planned; let it start `ckptrun -r {} -- …`",
                job_->script->path, job_->script->directory, job_->run.directory);
  if (request_.trials.value_or(1) > 1 && !tells_trials_apart(request_, *job_))
    log_warning("nothing in {} depends on {{SLURM_ARRAY_TASK_ID}}, so that all {} trials compute the same, unless the "
                "program reads it itself; add it where they differ, as --seed {{SLURM_ARRAY_TASK_ID}}",
                job_->script ? job_->script->path : "the command", *request_.trials);
}

int Planning::show_or_submit() {
  make();
  if (!plan_ && !job_) fail(CKPT_ERR_CONFIG, "{}", how_to_know(knowledge_));
  if (!job_) check_with_site(plan_->blocks());
  if (!job_) {
    tell_plan();
    if (request_.format == Format::json) tools::print_json(told_);
    return exit_done;
  }
  const ChainShape shape = this->shape();
  check_with_site(request_.trials.value_or(shape.blocks), request_.trials ? shape.blocks : 1);
  warn_about_job();
  Submission submission(fs_, clock_, request_, *job_, shape);
  submission.tell_what_gives_way();
  request_.submit ? submit(submission) : preview(submission);
  if (request_.format == Format::json) tools::print_json(told_);
  return exit_done;
}

void Planning::warn_about_limits_compared() const {
  const std::optional<Known> most = most_allowed();
  if (most && most->seconds < *std::max_element(request_.compared_limits.begin(), request_.compared_limits.end()))
    log_warning("{} allows {}: longer blocks need another one (--partition)", most->source, format_duration(most->seconds));
}

int Planning::compare() {
  if (!knowledge_.is_enough()) fail(CKPT_ERR_CONFIG, "{}", how_to_know(knowledge_));
  warn_about_limits_compared();
  if (request_.format == Format::json)
    tools::print_json(comparison_json(facts_, request_.compared_limits));
  else
    print_comparison(facts_, request_.compared_limits);
  return exit_done;
}

int Planning::submit_rehearsal() {
  check_with_site(1);
  plan::submit_rehearsal(fs_, clock_, request_, *job_);
  return exit_done;
}

int rehearse_here(const Request& request, const LiveSite& live) {
  const Job job = job_in_its_place(request);
  const rundir::Layout layout(job.run.directory);
  Provisional made(layout);
  make_runs_folder(job, made);
  rehearse(io::file_system(), system_clock(), request, layout);
  made.keep();
  Request learned = request;
  learned.rehearsed_units.reset();
  learned.run = layout.directory();
  const LearnedTimes times = learn_times(io::file_system(), layout);
  if (request.format == Format::text)
    fmt::print(
        "one {} takes {} (p90 of {}), a start {}; the times are kept in the run, and ckptplan -r {} plans with "
        "them\n\n",
        times.unit.empty() ? "epoch" : times.unit, format_duration(times.unit_seconds.p90().value_or(0)), times.unit_seconds.count(),
        format_duration(times.startup.p90().value_or(0)), shell_word(request.run.empty() ? layout.name() : request.run));
  if (!request.units && !times.total) return exit_done;
  return Planning(learned, live).show_or_submit();
}

}  // namespace

int act(const Request& asked) {
  if (asked.lists_sites) return list_presets(asked.format), exit_done;
  Request request = with_environment(asked);
  const LiveSite live = ask_live_site(system_clock());
  if (const std::optional<Preset> preset = preset_for(request, live)) request = with_preset(request, *preset, live);
  else if (request.disk_gb)
    fail(CKPT_ERR_CONFIG, "--disk: no preset of this site says how to ask for a disk: name one (--site), or say it as the "
         "site does (--job-option=--gres=nvme:100)");
  if (request.rehearsed_units && !request.submit) return rehearse_here(request, live);
  Planning planning(request, live);
  if (request.rehearsed_units) return planning.submit_rehearsal();
  return request.compared_limits.empty() ? planning.show_or_submit() : planning.compare();
}

}  // namespace ckpt::plan
