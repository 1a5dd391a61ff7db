// SPDX-License-Identifier: Apache-2.0
// ckptplan [options] [JOB-SCRIPT [ARGUMENTS] | -- COMMAND]: argv -> call -> exit code.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "plan/act.hpp"
#include "tools/command_line.hpp"

namespace {

using namespace ckpt;
using plan::Request;

constexpr const char* examples = R"(
Examples:
  ckptplan --epochs 300 --epoch-time 14m --limit 24h        how many blocks, and what they cost
  ckptplan --epochs 300 -r fashion                          the same with the times of the run itself
  ckptplan --epochs 300 --epoch-time 14m --compare 3h,12h,24h,3-00:00:00
  ckptplan --rehearse 2 -- python train.py                  two epochs for real, in a run that is thrown away
  ckptplan --epochs 300 --limit 24h --submit train.sh       sends your own job script as a chain
  ckptplan --epochs 300 --limit 24h --gpus 1 --submit -- python train.py
                                                            writes the script, and sends it
  ckptplan --site puhti --account project_2001234 --epochs 300 --epoch-time 14m --gpus 1 -- python train.py
                                                            the script as that site wants it; --site list
  ckptplan --epochs 300 --epoch-time 14m --submit -- \
    ckptrun --latest 'ckpts/*.pt' --resume-args '--load {resume}' -- python train.py
                                                            a program that writes checkpoints of its own
  ckptplan --sweep 50 --limit 4h --submit -- python train.py --seed {SLURM_ARRAY_TASK_ID}

Without --submit nothing is sent: it shows what would be. TIME is 90s, 14m, 24h, 3-00:00:00, or minutes. Exit codes:
0 done; 125 refused, or an error. See ckptplan(1), ckptrun(1).)";

constexpr double most_epochs = 1e12;
const CLI::Validator number_above_zero(
    [](const std::string& text) {
      double number = 0;
      if (!CLI::detail::lexical_cast(text, number) || !(number > 0)) return text + " is not a number above zero";
      return number <= most_epochs ? std::string() : text + " is more than can be planned";
    },
    "");

// As they were typed.
struct CommandLine {
  std::string epoch_time, limit, startup, restore, save, points, state_size, compare;
  bool json = false;
};

void add_work(CLI::App& app, Request& request, CommandLine& line) {
  const char* group = "The work";
  const auto time = [&](const char* name, std::string& value, const char* about) {
    app.add_option(name, value, about)->check(tools::not_empty)->type_name("TIME")->group(group);
  };
  app.add_option("--epochs", request.units, "Epochs of the whole work (default: as the run says)")
      ->check(number_above_zero)
      ->type_name("N")
      ->group(group);
  time("--epoch-time", line.epoch_time, "How long one takes (default: learned from the run)");
  time("--limit", line.limit, "Of a block (default: 24h, or what the partition allows)");
  time("--startup", line.startup, "From the start of a block to its first safe point");
  time("--restore", line.restore, "To read a snapshot");
  time("--save", line.save, "Until a snapshot is durable");
  time("--points", line.points, "Between two safe points (default: learned, else an epoch)");
  app.add_option("--state-size", line.state_size, "Of one snapshot: 512M, 12GiB (default: learned)")
      ->check(tools::not_empty)
      ->type_name("SIZE")
      ->group(group);
  app.add_option("--keep", request.keep, "Snapshots to keep (default: 2)")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  app.add_option("--slack", request.slack_blocks, "Blocks to spare (default: a tenth, at least 1)")
      ->check(CLI::Range(0, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  app.add_option("--blocks", request.blocks, "So many blocks, whatever the plan says")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
}

void add_job(CLI::App& app, Request& request) {
  const char* group = "The job";
  const auto text = [&](const char* name, std::string& value, const char* about, const char* type) {
    app.add_option(name, value, about)->check(tools::not_empty)->type_name(type)->group(group);
  };
  text("-r,--run", request.run, "Run: a name below ./ckpt-runs, or a path", "NAME|PATH");
  text("-A,--account", request.resources.account, "Account that pays", "NAME");
  text("-p,--partition", request.resources.partition, "Partition", "NAME");
  text("-q,--qos", request.resources.qos, "Quality of service", "NAME");
  text("-G,--gpus", request.resources.gpus, "GPUs of a block: 1, a100:2", "GPUS");
  app.add_option("-c,--cpus", request.resources.cpus, "CPUs of a block")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  text("--mem", request.resources.memory, "Memory of a block: 32G", "SIZE");
  app.add_option("--disk", request.disk_gb, "GB on the node's own disk, where the site's preset knows how to ask for it")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  text("--site", request.site, "Preset of the site (default: by the cluster's name); list: all of them", "NAME");
  app.add_option("--job-option", request.resources.others,
                 "Any other option of the job, as --constraint=a100; may be repeated")
      ->check(tools::not_empty)
      ->type_name("OPTION")
      ->group(group)
      ->allow_extra_args(false);
}

void add_actions(CLI::App& app, Request& request, CommandLine& line) {
  const char* group = "What to do";
  app.add_flag("--submit", request.submit, "Send it")->group(group);
  app.add_flag("--freeze", request.freeze, "Run a copy of the code as it is now: what git tracks, and small new files")
      ->group(group);
  app.add_option("--sweep", request.trials, "So many trials side by side, each a run with a chain of its own")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  app.add_option("--rehearse", request.rehearsed_units,
                 "Measure: so many epochs of the command, in a run that is thrown away")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("N")
      ->group(group);
  app.add_option("--compare", line.compare, "A row for each limit: what short queues cost")
      ->check(tools::not_empty)
      ->type_name("TIME,TIME,...")
      ->group(group);
  app.add_flag("--json", line.json, "For programs instead of people")->group(group);
}

std::uint64_t state_size(const std::string& text) try {
  return parse_size(text);
} catch (const Error& error) {
  fail(CKPT_ERR_CONFIG, "--state-size: {}", error.what());
}

void take_times(const CommandLine& line, Request& request) {
  const auto take = [](std::optional<double>& seconds, const char* option, const std::string& text) {
    if (!text.empty()) seconds = tools::positive_duration(option, text);
  };
  take(request.unit_seconds, "--epoch-time", line.epoch_time);
  take(request.limit_seconds, "--limit", line.limit);
  take(request.startup_seconds, "--startup", line.startup);
  take(request.restore_seconds, "--restore", line.restore);
  take(request.save_seconds, "--save", line.save);
  take(request.between_points_seconds, "--points", line.points);
  if (!line.state_size.empty()) request.state_bytes = state_size(line.state_size);
  for (std::size_t at = 0; at < line.compare.size();) {
    const std::size_t end = std::min(line.compare.find(',', at), line.compare.size());
    request.compared_limits.push_back(tools::positive_duration("--compare", line.compare.substr(at, end - at)));
    at = end + 1;
  }
  if (line.json) request.format = tools::Format::json;
  request.lists_sites = request.site == "list";
}

// "-- ckptrun --latest 'ckpts/*.pt' -- python train.py": the written job starts ckptrun anyway, and then with these options.
// What both programs know is ours: it goes to our arguments.
void take_ckptrun(Request& request, std::vector<std::string>& arguments) {
  if (request.command.empty() || io::base_name(request.command.front()) != "ckptrun") return;
  std::vector<std::string> words(request.command.begin() + 1, request.command.end());
  request.command = tools::take_command(words);
  if (request.command.empty())
    fail(CKPT_ERR_CONFIG, "the program that ckptrun is to start stands behind another --: ckptplan … -- ckptrun [OPTIONS] -- "
                          "COMMAND");
  for (auto word = words.begin(); word != words.end(); ++word) {
    const bool is_ours = *word == "-r" || *word == "--run" || *word == "--keep";
    const bool is_ours_with_value = word->starts_with("-r") || word->starts_with("--run=") || word->starts_with("--keep=");
    auto& to = is_ours || is_ours_with_value ? arguments : request.ckptrun_options;
    to.push_back(*word);
    const bool has_value_behind = is_ours || *word == "--resume-args";   // "-r {resume}", say
    if (has_value_behind && word + 1 != words.end()) to.push_back(*++word);
  }
}

void check_together(const Request& request) {
  if (!request.script.empty() && !request.command.empty())
    fail(CKPT_ERR_CONFIG, "either a job script ({}) or a command behind --, not both", request.script.front());
  if (request.submit && !request.has_job())
    fail(CKPT_ERR_CONFIG, "--submit needs a job: your job script, or -- and a command");
  if (request.rehearsed_units && request.command.empty())
    fail(CKPT_ERR_CONFIG, "--rehearse needs the command behind --: ckptplan --rehearse {} -- COMMAND",
         *request.rehearsed_units);
  if (request.rehearsed_units && request.trials)
    fail(CKPT_ERR_CONFIG, "--rehearse and --sweep do not go together: rehearse one trial, and give its --epoch-time");
  if (request.trials && !request.has_job())
    fail(CKPT_ERR_CONFIG, "--sweep needs a job: your job script, or -- and a command");
  if (request.submit && !request.compared_limits.empty())
    fail(CKPT_ERR_CONFIG, "--compare and --submit do not go together: compare first, then submit with one --limit");
  if (request.freeze && !request.submit)
    fail(CKPT_ERR_CONFIG, "--freeze copies the code when it is sent: add --submit");
}

// Everything from the first word that is no option of ours: a job script and its arguments.
void take_script(const CLI::App& app, Request& request) {
  request.script = app.remaining();
  if (!request.script.empty() && request.script.front().starts_with('-'))
    fail(CKPT_ERR_CONFIG, "there is no option {}; see ckptplan --help", request.script.front());
  for (const std::string& word : request.script) {
    const bool ours = word.starts_with("--") && app.get_option_no_throw(word.substr(0, word.find('=')));
    if (ours)
      log_warning("{} goes to {}, as everything behind it; for ckptplan it stands before", word, request.script.front());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  std::setlocale(LC_CTYPE, "");  // for the widths of characters
  set_log_prefix("ckptplan");
  std::vector<std::string> arguments(argv + 1, argv + argc);
  Request request;
  request.command = tools::take_command(arguments);
  take_ckptrun(request, arguments);

  CLI::App app("Works out how many blocks a training needs, and submits the chain.", "ckptplan");
  app.formatter(std::make_shared<tools::Usage>("ckptplan [OPTIONS] [JOB-SCRIPT [ARGUMENTS] | -- COMMAND [ARGUMENTS]]"));
  app.footer(examples);
  app.set_version_flag("--version", "ckptplan " CKPT_VERSION);
  app.prefix_command();
  CommandLine line;
  add_work(app, request, line);
  add_job(app, request);
  add_actions(app, request, line);
  try {
    if (argc == 1) throw CLI::CallForHelp();
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(arguments);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    log_error("{}; see ckptplan --help", error.what());
    return plan::exit_error;
  }
  take_script(app, request);
  take_times(line, request);
  check_together(request);
  return plan::act(request);
} catch (const std::exception& error) {
  ckpt::log_error("{}", error.what());
  return ckpt::plan::exit_error;
}
