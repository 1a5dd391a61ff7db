// SPDX-License-Identifier: Apache-2.0
// ckptrun [options] -- command: argv -> call -> exit code.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "block/child.hpp"
#include "block/process_tree.hpp"
#include "chain/chain.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::supervisor;

constexpr const char* examples = R"(
Examples:
  ckptrun -- python train.py --epochs 300        the chain runs here until the work is complete
  ckptrun --block-time 24h -- ./solver case.ini  in blocks of 24 hours
  ckptrun --run sweep/lr-0.1 -- python train.py  a run of its own below ./ckpt-runs
  ckptrun --fresh -- python train.py             starts over; the old run is moved aside, never deleted

Exit codes: the program's own when its work is complete, or after a crash that a retry cannot help; 0 to be continued;
124 stopped because going on makes no sense; 125 usage or an error of ckptrun; 126, 127 the command cannot be run.)";

class Help : public CLI::Formatter {
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: ckptrun [OPTIONS] -- COMMAND [ARGUMENTS]\n";
  }
};

struct CommandLine {
  std::string run, block_time, mtbf, save_interval, staging_size;
  std::size_t keep = 2;
  bool here = false, fresh = false, accept_changes = false, no_wait = false, quiet = false;
  bool allow_volatile = false, allow_other_owner = false;
};

// "$TIME" of a variable that is not set must not mean the default.
const CLI::Validator not_empty([](const std::string& value) { return std::string(value.empty() ? "the value is empty; is a variable not set?" : ""); }, "");

void add_options(CLI::App& app, CommandLine& line) {
  app.add_option("-r,--run", line.run, "Run: a name below ./ckpt-runs, or a path; {VARIABLE} is replaced")
      ->check(not_empty)
      ->type_name("NAME|PATH");
  app.add_option("--block-time", line.block_time, "Length of a block: 90s, 15m, 24h, 1-12:00:00 (default: no limit)")
      ->check(not_empty)
      ->type_name("TIME");
  app.add_flag("--here", line.here, "Inside a batch job: run the whole chain in this job");
  app.add_flag("--fresh", line.fresh, "Start over; an old run of that name is moved to NAME.old-DATE");
  app.add_flag("--accept-changes", line.accept_changes, "Go on with a changed command, or with a complete run");
  app.add_option("--keep", line.keep, "Snapshots to keep (default: 2)")->type_name("N")->check(CLI::Range(1, 1000000).description(""));
  app.add_option("--mtbf", line.mtbf, "Mean time between failures here, for the save interval (default: 24h)")
      ->type_name("TIME");
  app.add_option("--save-interval", line.save_interval, "Time between saves (default: auto)")->type_name("TIME|auto");
  app.add_option("--staging-size", line.staging_size, "Memory for staging a snapshot: 512M, 4GiB; 0: none")
      ->type_name("SIZE");
  app.add_flag("--no-wait", line.no_wait, "Refuse a run that is in use instead of waiting for its end");
  app.add_flag("--allow-volatile", line.allow_volatile, "Accept a run directory that is gone with the machine (tmpfs)");
  app.add_flag("--allow-other-owner", line.allow_other_owner, "Go on with a run that belongs to another user");
  app.add_flag("-q,--quiet", line.quiet, "Only warnings and errors");
}

double positive_duration(const std::string& option, const std::string& text) try {
  const double seconds = parse_duration(text);
  if (seconds <= 0) fail(CKPT_ERR_CONFIG, "'{}' is no time above zero", text);
  return seconds;
} catch (const Error& error) {
  fail(CKPT_ERR_CONFIG, "{}: {}", option, error.what());
}

// The program reads them by the rules of ckpt_config_set; times as seconds, so that both mean the same.
std::vector<std::pair<std::string, std::string>> program_config(const CommandLine& line) {
  std::vector<std::pair<std::string, std::string>> config = {{"keep", std::to_string(line.keep)}};
  if (!line.mtbf.empty()) config.emplace_back("mtbf", fmt::format("{}s", positive_duration("--mtbf", line.mtbf)));
  if (line.save_interval == "auto") config.emplace_back("save_interval", "auto");
  else if (!line.save_interval.empty())
    config.emplace_back("save_interval", fmt::format("{}s", positive_duration("--save-interval", line.save_interval)));
  if (line.allow_volatile) config.emplace_back("allow_volatile", "on");
  return config;
}

ChainOptions chain_options(const CommandLine& line, const std::vector<std::string>& command) {
  ChainOptions options;
  options.run = identify_run(line.run, command);
  options.command = command;
  if (!line.block_time.empty()) options.block_seconds = positive_duration("--block-time", line.block_time);
  options.fresh = line.fresh;
  options.accept_changes = line.accept_changes;
  options.wait = !line.no_wait;
  options.keep = line.keep;
  options.rules = {line.allow_volatile, line.allow_other_owner};
  if (!line.staging_size.empty()) options.staging_size = std::to_string(parse_size(line.staging_size));
  options.program_config = program_config(line);
  return options;
}

int run(const CommandLine& line, const std::vector<std::string>& command, SignalInbox& signals) {
  if (line.quiet) set_log_level(LogLevel::warning);
  ChainOptions options = chain_options(line, command);
  if (!read_job_environment().id.empty() && !line.here)
    fail(CKPT_ERR_CONFIG, "this is inside a batch job, and blocks as jobs are not supported by this version; --here runs "
         "the whole chain inside this job");
  if (read_run_environment().run_directory == options.run.directory)
    fail(CKPT_ERR_IN_USE, "this is already inside the run {}: a ckptrun in it would wait for itself; give it a --run "
         "NAME of its own", options.run.name);
  // Before anything is claimed: a word mistyped must not leave a block behind.
  const FoundProgram program = find_program(command.front());
  if (program.error_exit_code != 0) {
    log_error("'{}' {}", command.front(),
              program.error_exit_code == 127 ? "is not found; is it in PATH, or is its path right?"
                                             : "is not executable; is the execute bit set (chmod +x), is it a program?");
    return program.error_exit_code;
  }
  options.program_path = program.path;
  become_subreaper();
  return run_chain(io::file_system(), system_clock(), signals, options);
}

// What follows the first "--" is the command, untouched.
std::vector<std::string> take_command(std::vector<std::string>& arguments) {
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (dashes == arguments.end()) return {};
  std::vector<std::string> command(dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  return command;
}

}  // namespace

int main(int argc, char** argv) try {
  SignalInbox signals;   // first: from here on no signal is lost
  set_log_prefix("ckptrun");
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::vector<std::string> command = take_command(arguments);

  CLI::App app("Runs a program until its work is complete: in blocks, each from the newest whole snapshot.", "ckptrun");
  app.formatter(std::make_shared<Help>());
  app.footer(examples);
  app.set_version_flag("--version", "ckptrun " CKPT_VERSION);
  CommandLine line;
  add_options(app, line);
  try {
    std::reverse(arguments.begin(), arguments.end());   // CLI11 takes them from the back
    app.parse(arguments);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ExtrasError& error) {
    log_error("{}; the command goes after '--', see ckptrun --help", error.what());
    return exit_our_error;
  } catch (const CLI::ParseError& error) {
    log_error("{}; see ckptrun --help", error.what());
    return exit_our_error;
  }
  if (command.empty()) {
    log_error("no command; type: ckptrun [OPTIONS] -- COMMAND [ARGUMENTS]");
    return exit_our_error;
  }
  return run(line, command, signals);
} catch (const std::exception& error) {
  ckpt::log_error("{}", error.what());
  return ckpt::supervisor::exit_our_error;
}
