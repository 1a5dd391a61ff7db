// SPDX-License-Identifier: Apache-2.0
// ckptrun [options] -- command: argv -> call -> exit code.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"
#include "block/process_tree.hpp"
#include "block/progress_text.hpp"
#include "chain/chain.hpp"
#include "chain/own_checkpoints.hpp"
#include "checkpoints/pattern.hpp"
#include "slurm/every_node.hpp"
#include "slurm/place.hpp"
#include "slurm/scheduler.hpp"
#include "tools/command_line.hpp"
#include "tools/preview_view.hpp"
#include "verify/resume.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::supervisor;

constexpr const char* examples = R"(
Examples:
  ckptrun -- python train.py --epochs 300        the chain runs here until the work is complete
  exec ckptrun -- python train.py                in a job script: this job is one block; the next goes on from it
  ckptrun --block-time 24h -- ./solver case.ini  in blocks of 24 hours
  ckptrun --run sweep/lr-0.1 -- python train.py  a run of its own below ./ckpt-runs
  ckptrun --stage-data images.tar.zst -- python train.py {data}
                                                 from the node's own disk, where it is unpacked first
  ckptrun --check -- python train.py             runs nothing: which run, from where, until when
  ckptrun --latest 'ckpts/*.pt' --resume-args '--load {resume}' -- python train.py
                                                 a program that writes its own checkpoints, unchanged
  ckptrun --verify-resume -- python train.py     does a resumed run come to the same bits? Tries it, in runs thrown away
  ckptrun --fresh -- python train.py             starts over; the old run is moved aside, never deleted

Exit codes: the program's own when its work is complete, or after a crash that a retry cannot help; 0 to be continued;
124 stopped because going on makes no sense; 125 usage or an error of ckptrun; 126, 127 the command cannot be run.
With --verify-resume: 0 the same state, 1 another one or no verdict.)";

struct CommandLine {
  std::vector<std::string> words;   // as they stand before the command
  std::vector<std::string> not_expected;
  std::string run, block_time, mtbf, save_interval, staging_size;
  std::vector<std::string> stage_data;
  std::string setup;
  std::string latest, resume_args, stop, progress, done_when;
  std::optional<std::size_t> copies;
  Hooks hooks;
  std::vector<std::string> overrides;
  std::size_t keep = 2;
  bool check = false, json = false, here = false, fresh = false, accept_changes = false, no_wait = false, quiet = false;
  bool share = false, strict = false, deterministic = false;
  bool verify_resume = false, keep_trials = false;
  std::uint64_t steps = 10;
  bool allow_volatile = false, allow_other_owner = false;
  LogWish log = LogWish::automatic;
};

const std::map<std::string, LogWish> log_wishes = {
    {"auto", LogWish::automatic}, {"tee", LogWish::tee}, {"none", LogWish::none}};

void add_options(CLI::App& app, CommandLine& line) {
  app.add_option("-r,--run", line.run, "Run: a name below ./ckpt-runs, or a path; {VARIABLE} is replaced")
      ->check(tools::not_empty)
      ->type_name("NAME|PATH");
  app.add_option("--latest", line.latest, "Quoted pattern of the program's own checkpoints: 'ckpts/*.pt', 'model-{epoch}.h5'")
      ->check(tools::not_empty)
      ->type_name("PATTERN");
  app.add_option("--resume-args", line.resume_args, "Put behind the command when there is a checkpoint; {resume} is its path")
      ->type_name("WORDS");
  app.add_option("--copies", line.copies, "Copies to keep of a checkpoint that is overwritten in place (default: 2 where "
                 "PATTERN names one file)")
      ->type_name("N")
      ->check(CLI::Range(0, 2).description(""));
  app.add_option("--stop", line.stop, "How the program is stopped: after a checkpoint (default with --latest), at its "
                 "deadline, or by a signal in time to save")
      ->type_name("checkpoint|deadline|signal[:NAME]");
  app.add_option("--progress", line.progress, "Read the program's progress from what it prints, by one of these or a "
                 "regular expression")
      ->type_name("keras|lightning|huggingface|tqdm|EXPRESSION");
  app.add_option("--done-when", line.done_when, "Exit code 0 of a program without libckpt means complete only when this "
                 "shell command succeeds: 'test -s final.pt'")
      ->check(tools::not_empty)
      ->type_name("COMMAND");
  app.add_option("--block-time", line.block_time, "Length of a block: 90s, 15m, 24h, 1-12:00:00 (default: no limit)")
      ->check(tools::not_empty)
      ->type_name("TIME");
  app.add_flag("--here", line.here, "Run the whole chain here: inside this one job, or on a login node");
  app.add_flag("--fresh", line.fresh, "Start over; an old run of that name is moved to NAME.old-DATE");
  app.add_flag("--accept-changes", line.accept_changes, "Go on with a changed command, or with a complete run");
  app.add_flag("--strict", line.strict, "Refuse changed code, libraries or GPU model, instead of warning");
  app.add_flag("--deterministic", line.deterministic, "Ask cuBLAS, Python and TensorFlow to be, by their variables");
  app.add_option("--keep", line.keep, "Snapshots to keep (default: 2)")->type_name("N")->check(CLI::Range(1, 1000000).description(""));
  app.add_option("--mtbf", line.mtbf, "Mean time between failures here, for the save interval (default: 24h)")
      ->type_name("TIME");
  app.add_option("--save-interval", line.save_interval, "Time between saves (default: auto)")->type_name("TIME|auto");
  app.add_option("--staging-size", line.staging_size, "Memory for staging a snapshot: 512M, 4GiB; 0: none")
      ->type_name("SIZE");
  app.add_option("--stage-data", line.stage_data, "Unpack this archive on the node's own disk first, in a folder of it; "
                 "{data} in the command is where; may be repeated")
      ->type_name("ARCHIVE[:FOLDER]")
      ->allow_extra_args(false);
  app.add_option("--setup", line.setup, "Shell command to run on the node before the program starts")->type_name("COMMAND");
  app.add_option("--override", line.overrides, "A value that counts more than the snapshot's, once: optimizer.lr=0.01")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--on-complete", line.hooks.on_complete, "Shell command to run when the work is complete")->type_name("COMMAND");
  app.add_option("--on-stop", line.hooks.on_stop, "Shell command to run when the chain stops before that")->type_name("COMMAND");
  app.add_flag("--share", line.share, "A new run may be read by your group (default: in a setgid directory)");
  app.add_option("--log", line.log, "Of the program's output; tee: a pipe and a log; none: nothing; auto: on a terminal")
      ->transform(CLI::CheckedTransformer(log_wishes).description(""))
      ->type_name("auto|tee|none");
  app.add_flag("--no-wait", line.no_wait, "Refuse a run that is in use instead of waiting for its end");
  app.add_flag("--allow-volatile", line.allow_volatile, "Accept a run directory that is gone with the machine (tmpfs)");
  app.add_flag("--allow-other-owner", line.allow_other_owner, "Go on with a run that belongs to another user");
  CLI::Option* check = app.add_flag("--check", line.check, "Run nothing: tell which run, from where, until when, and what it needs");
  CLI::Option* verify = app.add_flag("--verify-resume", line.verify_resume,
                                     "Try whether a resumed run comes to the same state, in runs that are thrown away")
                            ->excludes(check);
  app.add_option("--steps", line.steps, "With --verify-resume: steps of each of these runs (default: 10)")
      ->needs(verify)
      ->type_name("N")
      ->check(CLI::Range(2, 1000000).description(""));
  app.add_flag("--keep-trials", line.keep_trials, "With --verify-resume: do not throw them away")->needs(verify);
  app.add_flag("--json", line.json, "With --check or --verify-resume: for programs instead of people");
  app.add_flag("-q,--quiet", line.quiet, "Only warnings and errors");
}

// The program reads them by the rules of ckpt_config_set; times as seconds, so that both mean the same.
std::vector<std::pair<std::string, std::string>> program_config(const CommandLine& line) {
  std::vector<std::pair<std::string, std::string>> config = {{"keep", std::to_string(line.keep)}};
  if (!line.mtbf.empty()) config.emplace_back("mtbf", fmt::format("{}s", tools::positive_duration("--mtbf", line.mtbf)));
  if (line.save_interval == "auto") config.emplace_back("save_interval", "auto");
  else if (!line.save_interval.empty())
    config.emplace_back("save_interval", fmt::format("{}s", tools::positive_duration("--save-interval", line.save_interval)));
  if (line.allow_volatile) config.emplace_back("allow_volatile", "on");
  return config;
}

Preparation preparation(const CommandLine& line) {
  Preparation preparation;
  for (const std::string& given : line.stage_data) preparation.archives.push_back(open_archive(given));
  preparation.setup_command = line.setup;
  preparation.on_every_node = [](const Words& words) { return slurm::on_every_node(read_job_environment(), words); };
  return preparation;
}

// "signal:USR1", also "signal:SIGUSR1"; USR1 is what most libraries listen to.
int signal_of_stop(const std::string& text) {
  std::string name = text.size() > 7 ? text.substr(7) : "USR1";
  if (!name.starts_with("SIG")) name = "SIG" + name;
  for (const int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU})
    if (name == signal_name(number)) return number;
  fail(CKPT_ERR_CONFIG, "--stop {}: '{}' is no signal that stops a program; known: USR1, USR2, TERM, INT, HUP, QUIT, XCPU",
       text, name);
}

CheckpointOptions checkpoint_options(const CommandLine& line) {
  CheckpointOptions own;
  own.pattern = checkpoints::with_variables(line.latest);
  if (!own.pattern.empty()) static_cast<void>(checkpoints::Pattern(own.pattern));   // refused before anything is made
  own.resume_words = split_words(line.resume_args);
  own.copies = line.copies;
  if (own.pattern.empty() && (!own.resume_words.empty() || own.copies))
    fail(CKPT_ERR_CONFIG, "{} needs --latest PATTERN, which says where the checkpoints are",
         own.copies ? "--copies" : "--resume-args");
  if (own.copies.value_or(0) > 0 && !checkpoints::Pattern(own.pattern).names_one_file())
    fail(CKPT_ERR_CONFIG, "--copies {}: copies are made of one file that is overwritten in place, and '{}' names several",
         *own.copies, own.pattern);
  if (line.stop.empty()) own.stop_way = own.pattern.empty() ? StopWay::at_deadline : StopWay::after_checkpoint;
  else if (line.stop == "deadline") own.stop_way = StopWay::at_deadline;
  else if (line.stop == "checkpoint" && !own.pattern.empty()) own.stop_way = StopWay::after_checkpoint;
  else if (line.stop == "signal" || line.stop.starts_with("signal:")) {
    own.stop_way = StopWay::in_advance;
    own.stop_signal = signal_of_stop(line.stop);
  } else
    fail(CKPT_ERR_CONFIG, "--stop {}: it is checkpoint (which needs --latest), deadline, signal or signal:NAME", line.stop);
  return own;
}

ChainOptions chain_options(const CommandLine& line, const std::vector<std::string>& command, bool in_job) {
  ChainOptions options;
  options.command = command;
  if (!line.block_time.empty()) options.block_seconds = tools::positive_duration("--block-time", line.block_time);
  options.fresh = line.fresh;
  options.accept_changes = line.accept_changes;
  options.wait = !line.no_wait;
  options.share = line.share;
  options.strict = line.strict;
  options.deterministic = line.deterministic;
  options.keep = line.keep;
  options.rules = {line.allow_volatile, line.allow_other_owner};
  if (!line.staging_size.empty()) options.staging_size = std::to_string(parse_size(line.staging_size));
  options.program_config = program_config(line);
  options.overrides = tools::override_json(line.overrides);
  options.hooks = line.hooks;
  options.output = choose_output(line.log, in_job);
  options.done_when = line.done_when;
  options.own = checkpoint_options(line);
  options.own.is_by_trainer = line.progress == "huggingface";
  if (line.progress.empty()) return options;
  options.progress = line.progress;
  static_cast<void>(ProgressText(line.progress));   // refused now, and not when the program runs
  if (options.output == OutputWay::inherited) options.output = OutputWay::tee;
  return options;
}

bool is_there(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown);
}

// Each of them would claim blocks of its own and run them one after the other.
void refuse_tasks(const std::vector<std::string>& command) {
  const std::uint64_t tasks = started_side_by_side();
  if (tasks > 1)
    fail(CKPT_ERR_RANKS, "this is one of {} tasks started side by side, but a block has one ckptrun, which starts the "
         "launcher: ckptrun -- LAUNCHER {}", tasks, join_command(command));
}

void refuse_login_node(const CommandLine& line, const std::vector<std::string>& command) {
  if (line.here || slurm::where_are_we(system_clock()).place != slurm::Place::login_node) return;
  const std::string words = line.words.empty() ? "" : join_command(line.words) + ' ', program = join_command(command);
  fail(CKPT_ERR_CONFIG, "Slurm works here and this is no job: trainings do not run on login nodes. To send it as a chain "
       "of jobs type: ckptplan --submit -- {}; to run it here all the same: ckptrun --here {}-- {}",
       words.empty() ? program : fmt::format("ckptrun {}-- {}", words, program), words, program);
}

// Of a first block only Slurm tells a chain from a sweep, and it has just started this job. A task that gave up at once
// would cost the others their turn, too.
RunIdentity identify_array_task(const JobEnvironment& job, const std::vector<std::string>& command,
                                slurm::SlurmScheduler& scheduler, SignalInbox& signals) {
  constexpr double longest_pause_seconds = 300;   // about ten minutes in all
  for (double pause = 1;; pause *= 2) try {
    return identify_run_of_job(job, scheduler.queue().is_chain, command);
  } catch (const Error&) {
    signals.take(system_clock().monotonic_seconds());
    if (!scheduler.may_answer_later() || pause > longest_pause_seconds || signals.stop_reason()) throw;
    log_warning("Slurm does not say now whether array {} is a chain or a sweep: it is asked again in {}", job.array_id,
                format_duration(pause));
    signals.wait(system_clock(), pause);
  }
}

// The run that this command belongs to; in a job that was given no name the scheduler knows.
RunIdentity identify(const CommandLine& line, const std::vector<std::string>& command, const JobEnvironment& job,
                     slurm::SlurmScheduler* scheduler, SignalInbox& signals) {
  if (!line.run.empty()) return identify_run(line.run);
  if (!scheduler) return identify_run_of_command(command);
  scheduler->set_run_directory(identify_chain_of_job(job, command).directory);   // what was submitted is recorded there
  if (job.array_task.empty()) return identify_run_of_job(job, std::nullopt, command);
  return identify_array_task(job, command, *scheduler, signals);
}

// 0, or the exit code after saying why. Before anything is claimed: a word mistyped must not leave a block behind.
int look_up_program(const std::string& word, std::string& path) {
  const FoundProgram program = find_program(word);
  path = program.path;
  if (program.error_exit_code != 0)
    log_error("'{}' {}", word,
              program.error_exit_code == 127 ? "is not found; is it in PATH, or is its path right?"
                                             : "is not executable; is the execute bit set (chmod +x), is it a program?");
  return program.error_exit_code;
}

tools::Format format_of(const CommandLine& line) { return line.json ? tools::Format::json : tools::Format::text; }

// What stands in a buffer is lost without a word when the disk behind standard output is full.
void require_all_printed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) fail_io(errno, "cannot write to standard output");
}

int check(const CommandLine& line, const ChainOptions& options) {
  const Preview preview = preview_chain(io::file_system(), system_clock(), options);
  print_preview(preview, options, format_of(line));
  require_all_printed();
  return preview.refusal.empty() ? 0 : exit_our_error;
}

// Nothing of the real run, its job or its queue takes part in it.
int verify_resume(const CommandLine& line, const ChainOptions& options, SignalInbox& signals) {
  verify::Request request;
  request.steps = line.steps;
  request.keep = line.keep_trials;
  request.format = format_of(line);
  request.chain.run = options.run;
  request.chain.command = options.command;
  request.chain.program_path = options.program_path;
  request.chain.rules = options.rules;
  request.chain.staging_size = options.staging_size;
  request.chain.overrides = options.overrides;
  request.chain.preparation = options.preparation;
  request.chain.deterministic = options.deterministic;
  request.chain.node = options.node;
  const int code = verify::verify_resume(io::file_system(), system_clock(), signals, request);
  require_all_printed();
  return code;
}

bool is_real(const CommandLine& line) { return !line.check && !line.verify_resume; }

void refuse_unexpected(const CommandLine& line) {
  const std::vector<std::string>& words = line.not_expected;
  if (words.empty()) return;
  if (!line.latest.empty() && std::all_of(words.begin(), words.end(), is_there))
    fail(CKPT_ERR_CONFIG, "the shell has expanded the pattern of --latest to {} files ({}, {} …): put it into quotes: "
         "--latest '…/*.pt'", words.size() + 1, line.latest, words.back());
  fail(CKPT_ERR_CONFIG, "not expected here: {}; the command goes after '--', see ckptrun --help", join_command(words));
}

int start(const CommandLine& line, ChainOptions& options, SignalInbox& signals) try {
  refuse_unexpected(line);
  refuse_tasks(options.command);
  if (read_run_environment().run_directory == options.run.directory)
    fail(CKPT_ERR_IN_USE, "this is already inside the run {}: a ckptrun in it would wait for itself; give it a --run "
         "NAME of its own", options.run.name);
  const bool prepares = !line.stage_data.empty() || !line.setup.empty();
  const bool comes_with_data = prepares && options.command.front().find("{data}") != std::string::npos;
  if (const int code = comes_with_data ? 0 : look_up_program(options.command.front(), options.program_path)) {
    if (is_real(line)) give_up_waiting_tasks(io::file_system(), options);
    return code;
  }
  become_subreaper();
  options.preparation = preparation(line);
  if (line.verify_resume) return verify_resume(line, options, signals);
  if (line.check) return check(line, options);
  return run_chain(io::file_system(), system_clock(), signals, options);
} catch (const Error& error) {
  constexpr ckpt_status to_every_task[] = {CKPT_ERR_CONFIG, CKPT_ERR_RUN_DIRECTORY, CKPT_ERR_RANKS};
  const bool would_fare_no_better = std::ranges::find(to_every_task, error.status()) != std::end(to_every_task);
  if (would_fare_no_better && is_real(line)) give_up_waiting_tasks(io::file_system(), options);
  throw;
}

int run(const CommandLine& line, const std::vector<std::string>& command, SignalInbox& signals) {
  if (line.json && is_real(line))
    fail(CKPT_ERR_CONFIG, "--json is for --check and --verify-resume");
  if (line.verify_resume && !line.latest.empty())
    fail(CKPT_ERR_CONFIG, "--verify-resume starts the program from its beginning, several times, which would write over the checkpoints "
                          "that --latest names; it compares the state of programs with libckpt");
  if (line.quiet) set_log_level(LogLevel::warning);
  const JobEnvironment job = read_job_environment();
  ChainOptions options = chain_options(line, command, !job.id.empty());
  if (options.own.stop_way == StopWay::in_advance) signals.leave_to_program(options.own.stop_signal);
  std::optional<slurm::SlurmScheduler> scheduler;
  if (!job.id.empty()) scheduler.emplace(io::file_system(), system_clock(), job);
  else if (!line.check) refuse_login_node(line, command);
  options.run = identify(line, command, job, scheduler ? &*scheduler : nullptr, signals);
  if (scheduler) {
    scheduler->set_run_directory(options.run.directory);
    options.scheduler = &*scheduler;
    options.blocks_are_jobs = !line.here;
  }
  options.node = job.node.empty() ? identify_self().host : job.node;
  return start(line, options, signals);
}

}  // namespace

int main(int argc, char** argv) try {
  SignalInbox signals;   // first: from here on no signal is lost
  set_log_prefix("ckptrun");
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::vector<std::string> command = tools::take_command(arguments);

  CLI::App app("Runs a program until its work is complete: in blocks, each from the newest whole snapshot.", "ckptrun");
  app.formatter(std::make_shared<tools::Usage>("ckptrun [OPTIONS] -- COMMAND [ARGUMENTS]"));
  app.footer(examples);
  app.set_version_flag("--version", "ckptrun " CKPT_VERSION);
  CommandLine line;
  add_options(app, line);
  app.allow_extras();
  try {
    line.words = arguments;
    std::reverse(arguments.begin(), arguments.end());   // CLI11 takes them from the back
    app.parse(arguments);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    log_error("{}; see ckptrun --help", error.what());
    return exit_our_error;
  }
  line.not_expected = app.remaining();
  if (command.empty()) {
    refuse_unexpected(line);
    log_error("no command; type: ckptrun [OPTIONS] -- COMMAND [ARGUMENTS]");
    return exit_our_error;
  }
  return run(line, command, signals);
} catch (const std::exception& error) {
  ckpt::log_error("{}", error.what());
  return ckpt::supervisor::exit_our_error;
}
