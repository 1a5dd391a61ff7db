// SPDX-License-Identifier: Apache-2.0
#include "plan/submission.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "base/working_directory.hpp"
#include "io/publish.hpp"
#include "plan/freeze.hpp"
#include "plan/job_scripts.hpp"
#include "plan/runs_place.hpp"
#include "rundir/blocks.hpp"
#include "rundir/run_record.hpp"
#include "slurm/directives.hpp"
#include "slurm/job.hpp"
#include "slurm/settings.hpp"
#include "slurm/submit.hpp"
#include "tools/find_run.hpp"
#include "tools/program_word.hpp"
#include "tools/run_view.hpp"

namespace ckpt::plan {
namespace {

using namespace supervisor::slurm;
using tools::Json;

constexpr std::size_t keep_by_default = 2;

bool still_to_run(Clock& clock, const std::string& array) {
  for (const auto& job : show_array(clock, array, once(10)).jobs)
    if (!is_over(job.state)) return true;
  return false;
}

std::vector<std::string> arrays_of(const rundir::Submission& submission) {
  return submission.sweep_arrays.empty() ? std::vector{submission.array_id} : submission.sweep_arrays;
}

}  // namespace

Submission::Submission(io::FileSystem& fs, Clock& clock, const Request& request, const Job& job,
                       const ChainShape& shape)
    : fs_(fs), clock_(clock), request_(request), job_(job), shape_(shape),
      working_directory_(working_directory()) {}

JobOptions Submission::options() const {
  if (!job_.script) return {};  // the script that is written has them
  JobOptions options = resource_options(request_.resources);
  JobShape shape{.name = job_.name,
                 .limit_seconds = shape_.limit_seconds,
                 .warning_seconds = shape_.warning_seconds,
                 .log_folder = folder() + "/logs",
                 .working_directory = frozen_};
  for (std::string& option : job_options(shape)) options.push_back(std::move(option));
  return options;
}

std::string Submission::array() const {
  return request_.trials ? sweep_array(*request_.trials) : chain_array(shape_.blocks);
}

std::string Submission::script_text() const {
  if (job_.script) return job_.script->text;
  ScriptContent content;
  content.title = fmt::format("Written by ckptplan for the {} {}.", request_.trials ? "sweep" : "run", folder());
  if (!request_.by_site.name.empty()) content.title += fmt::format("\n# Site: {}.", request_.by_site.title);
  content.options = resource_options(request_.resources);
  const JobShape shape{.name = job_.name,
                       .limit_seconds = shape_.limit_seconds,
                       .warning_seconds = shape_.warning_seconds,
                       .log_folder = folder() + "/logs",
                       .working_directory = frozen_.empty() ? directory_of_job(request_) : frozen_};
  for (std::string& option : job_options(shape)) content.options.push_back(std::move(option));
  content.options.push_back(array());
  content.surroundings = surroundings_here();
  content.surroundings.node_disk = request_.by_site.node_disk;
  content.command = {tools::program_word("ckptrun"), "-r", folder() + (request_.trials ? "/{SLURM_ARRAY_TASK_ID}" : "")};
  if (request_.keep != keep_by_default)
    content.command.insert(content.command.end(), {"--keep", fmt::format("{}", request_.keep)});
  const std::vector<std::string> words = request_.ckptrun_words();
  content.command.insert(content.command.end(), words.begin(), words.end());
  return job_script(content);
}

std::string Submission::preview() const {
  if (!job_.script) return script_text();
  JobOptions all = options();
  all.insert(all.begin(), array());
  const std::vector<std::string> arguments(request_.script.begin() + 1, request_.script.end());
  return submit_line(all, job_.script->path, arguments) + '\n';
}

void Submission::tell_what_gives_way() const {
  if (!job_.script) return;
  const auto chosen = long_options(options());
  for (const char* name : {"signal", "output", "open-mode"}) {
    const auto asked = job_.script->directives.find(name);
    const auto given = chosen.find(name);
    if (asked == job_.script->directives.end() || given == chosen.end() || asked->second == given->second) continue;
    log_info("--{0}={1} in {2} gives way to --{0}={3}", name, asked->second, job_.script->path, given->second);
  }
}

// ckptrun would, after all the waiting in the queue.
void Submission::refuse_another_command() const {
  const auto record = rundir::read_run_record(fs_, rundir::Layout(folder()));
  if (request_.command.empty() || !record || record->command.empty()) return;
  if (const auto difference = supervisor::command_difference(record->command, request_.command))
    fail(CKPT_ERR_CONFIG,
         "the run {} was started with another command: {}; send a run of its own (-r NAME), or a job script with "
         "`ckptrun --accept-changes -- …`", folder(), *difference);
}

// What a program without libckpt wrote by relative names stands where it ran, which a new copy does not have.
void Submission::refuse_another_copy() const {
  const rundir::Layout layout(folder());
  const rundir::Blocks blocks(fs_, layout, {});
  const auto record = rundir::read_run_record(fs_, layout);
  const bool ran_in_a_copy = record && record->working_directory.starts_with(folder() + "/code/");
  if (!request_.freeze || !ran_in_a_copy || blocks.newest() == 0 || blocks.links_libckpt()) return;
  fail(CKPT_ERR_CONFIG,
       "--freeze: the program of the run {} keeps files of its own, in {} if their names are relative, and a new copy of the "
       "code would begin without them: leave --freeze out and submit from there, or send a run of its own (-r NAME)",
       folder(), record->working_directory);
}

void Submission::refuse_what_is_done_or_waits() const {
  if (tools::is_run(fs_, folder())) {
    if (request_.trials)
      fail(CKPT_ERR_CONFIG, "{} is a run, and cannot be the folder of a sweep's runs as well: name another with -r",
           folder());
    const tools::RunView view = tools::view_run(fs_, rundir::Layout(folder()));
    if (view.state == tools::RunState::complete)
      fail(CKPT_ERR_CONFIG, "the run {} is complete: there is nothing to submit. Another run: -r NAME", view.name);
    refuse_another_command();
    refuse_another_copy();
  }
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder() + "/submissions", ignored)) return;
  for (const rundir::Submission& earlier : rundir::read_submissions(fs_, folder()))
    for (const std::string& array : arrays_of(earlier))
      if (still_to_run(clock_, array))
        fail(CKPT_ERR_IN_USE,
             "array {} of this run is still in the queue and continues it by itself; to plan anew, first: {}", array,
             cancel_line(arrays_of(earlier)));
}

void Submission::prepare_folder() {
  const rundir::Layout layout(folder());
  if (request_.trials) {
    const std::string above = io::parent_directory(layout.directory());
    std::error_code failed;
    std::filesystem::create_directories(above, failed);
    if (failed) fail_io(failed.value(), "cannot create '{}' (name a place where you may write with --run)", above);
    make_folder(fs_, layout.directory(), permissions_);
    permissions_ = rundir::permissions_of(fs_, layout);
    make_folder(fs_, layout.logs(), permissions_);
  } else {
    permissions_ = rundir::prepare_run_directory(fs_, layout, {});
  }
}

std::string Submission::copy_script() const {
  const std::string name = job_.script ? io::base_name(job_.script->path) : job_.name + ".sh";
  return keep_script(fs_, folder(), name, script_text(), permissions_);
}

// What was sent before one was refused stays sent, and recorded.
Sent Submission::send_arrays(const std::string& script, Provisional& made) {
  const std::vector<std::string> arguments(job_.script ? request_.script.begin() + 1 : request_.script.end(),
                                           request_.script.end());
  Sent sent{{}, script};
  std::vector<std::string>& arrays = sent.arrays;
  for (std::uint64_t i = 0; i < (request_.trials ? shape_.blocks : 1); ++i) {
    JobOptions all = options();
    all.push_back(array());
    if (!arrays.empty())
      for (std::string& option : after_each_task(arrays.back())) all.push_back(std::move(option));
    const Submitted submitted = submit_job(clock_, all, script, arguments);
    if (!submitted.refused) made.keep();
    if (submitted.ok() && !submitted.said.empty()) log_warning("{}", submitted.said);
    if (!submitted.ok() && arrays.empty()) fail(CKPT_ERR_CONFIG, "{}", submitted.why_not());
    if (!submitted.ok()) {
      log_warning("only {} of {} submitted, so that a trial has no more: {}; to take back what was: {}", arrays.size(),
                  count_of(shape_.blocks, "block"), submitted.said, cancel_line(arrays));
      break;
    }
    arrays.push_back(submitted.job_id);
    cluster_ = submitted.cluster;
    record(sent);   // each at once: whoever is killed here leaves none that nobody knows of
  }
  return sent;
}

void Submission::record(const Sent& sent) const try {
  rundir::Submission submission;
  submission.array_id = sent.arrays.front();
  submission.cluster = cluster_;
  submission.blocks = request_.trials ? *request_.trials : shape_.blocks;
  submission.planned_blocks = shape_.blocks;
  submission.script = sent.script;
  submission.options = options();
  if (job_.script) submission.arguments.assign(request_.script.begin() + 1, request_.script.end());
  submission.working_directory = working_directory_;
  if (request_.trials) submission.sweep_arrays = sent.arrays;
  submission.submitted = clock_.wall_seconds();
  rundir::write_submission(fs_, folder(), submission, permissions_);
} catch (const Error& error) {
  log_warning("array {} is submitted, but this is not recorded ({}): it will not be extended by itself",
              sent.arrays.front(), error.what());
}

void Submission::print(const Sent& sent) const {
  const auto& [arrays, script] = sent;
  const std::string& array = arrays.front();
  if (request_.trials)
    fmt::print("submitted  {} of up to {}: {} {}\n", count_of(*request_.trials, "trial"),
               count_of(arrays.size(), "block"), arrays.size() == 1 ? "array" : "arrays", fmt::join(arrays, ", "));
  else
    fmt::print("submitted  array {}: {} of the run {}{}\n", array, count_of(shape_.blocks, "block"), job_.run.name,
               shape_.blocks == 1 ? "" : ", one after another");
  fmt::print("  script   {}{}\n", script, job_.script ? " (a copy: edits do not reach it)" : "");
  if (!frozen_.empty()) fmt::print("  code     {}\n", frozen_);
  fmt::print("  logs     {}/logs/{}_*.log\n", folder(), array);
  fmt::print("  watch    {} {}\n", request_.trials ? "ckpt ls" : "ckpt status --watch", shell_word(folder()));
  fmt::print("  cancel   {}\n", cancel_line(arrays));
}

Sent Submission::send() {
  refuse_what_is_done_or_waits();
  Provisional made{rundir::Layout(folder())};
  make_runs_folder(job_, made);
  prepare_folder();
  if (request_.freeze) frozen_ = freeze_code(fs_, clock_, folder(), working_directory_, permissions_, made);
  warn_about_settings_left_out(job_.script.has_value());
  const std::string script = made.add(copy_script());
  return send_arrays(script, made);
}

Json Submission::json(const Sent& sent) const {
  return {{"array", sent.arrays.front()}, {"arrays", sent.arrays},
          {"blocks", shape_.blocks},      {"trials", request_.trials ? Json(*request_.trials) : Json()},
          {"run", job_.run.name},         {"directory", folder()},
          {"script", sent.script},        {"code", frozen_.empty() ? Json() : Json(frozen_)},
          {"logs", folder() + "/logs"}};
}

}  // namespace ckpt::plan
