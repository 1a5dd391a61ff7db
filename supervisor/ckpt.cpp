// SPDX-License-Identifier: Apache-2.0
// ckpt VERB [options]: argv -> call -> exit code.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/quantity.hpp"
#include "doctor/doctor.hpp"
#include "tools/command_line.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/verbs.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::tools;

constexpr double shortest_interval_seconds = 0.1;

constexpr const char* examples = R"(
Examples:
  ckpt ls                          the runs of this folder (./ckpt-runs)
  ckpt ls fashion                  the snapshots of one run
  ckpt show                        blocks of the run here: how long, how far, why each ended
  ckpt show snapshots/step-….h5    what is in one snapshot
  ckpt verify fashion              read every byte of its snapshots
  ckpt diff fashion@best fashion   which arrays differ, and by how much
  ckpt export fashion@best --safetensors best.safetensors --only model
  ckpt status --watch              where the run is now, and when it will be done
  ckpt status --json               the same for a script
  ckpt doctor                      what will happen on this site: signals, limits, storage
  ckpt done && ./evaluate          only when the work is complete
  ckpt keep 4100 best -r fashion   step 4100 stays, under the name best
  ckpt rollback fashion 4000       go on from step 4000 at the next start

RUN is a name below ./ckpt-runs or a path. Left out: the run that this folder is, the only one in ./ckpt-runs, or the one
active last. Exit codes: 0 yes; 1 the answer is no (damaged, not complete, not saved in time); 2 stopped (done);
125 usage or an error. See ckpt(1), ckpt(7).)";

struct CommandLine {
  std::string run, partition, timeout = "10m", interval = "2s";
  std::vector<std::string> what;
  std::string snapshot, name, step;
  ExportOptions exported;
  bool json = false, no_wait = false, watch = false, allow_other_owner = false, allow_volatile = false, yes = false;

  Format format() const { return json ? Format::json : Format::text; }
  double interval_seconds() const {
    const double seconds = parse_duration(interval);
    if (seconds < shortest_interval_seconds) fail(CKPT_ERR_CONFIG, "--interval {} is too short: 100ms at least", interval);
    return seconds;
  }
  RequestOptions request() const { return {run, no_wait ? 0 : parse_duration(timeout), allow_other_owner}; }
};

using Call = int (*)(const CommandLine&);

class Verbs {
 public:
  Verbs(CLI::App& app, CommandLine& line) : app_(app), line_(line) {}

  CLI::App* add(const char* name, const char* about, const char* example, Call call) {
    CLI::App* verb = app_.add_subcommand(name, about);
    verb->add_flag("--json", line_.json, "For programs instead of people");
    verb->footer(std::string("\nExample: ") + example);
    verb->callback([this, call] { call_ = call; });
    return verb;
  }
  int run() const { return call_(line_); }

 private:
  CLI::App& app_;
  CommandLine& line_;
  Call call_ = nullptr;
};

void add_verbs(Verbs& verbs, CommandLine& line) {
  CLI::App* ls = verbs.add("ls", "List runs, or the snapshots of a run", "ckpt ls",
                           [](const CommandLine& l) { return list(l.run, l.format()); });
  CLI::App* show_ = verbs.add("show", "Tell the story of a run, or what is in a snapshot", "ckpt show fashion",
                              [](const CommandLine& l) { return show(l.run, l.format()); });
  CLI::App* verify_ = verbs.add("verify", "Check every byte of snapshots", "ckpt verify fashion",
                                [](const CommandLine& l) { return verify(l.what, l.format()); });
  CLI::App* diff_ = verbs.add("diff", "Which arrays of two snapshots differ, and by how much", "ckpt diff fashion@4000 fashion",
                              [](const CommandLine& l) { return diff(l.snapshot, l.name, l.format()); });
  CLI::App* export_ = verbs.add("export", "Write a snapshot as a file of another library",
                                "ckpt export fashion@best --safetensors best.safetensors --only model",
                                [](const CommandLine& l) -> int { export_snapshot(l.snapshot, l.exported, l.format()); });
  CLI::App* status_ = verbs.add("status", "Where a run is now, and when it will be done", "ckpt status --watch", [](const CommandLine& l) {
    return l.watch ? watch(l.run, l.interval_seconds(), l.format()) : status(l.run, l.format());
  });
  CLI::App* done_ = verbs.add("done", "Is the work complete? 0 yes, 1 not yet, 2 stopped",
                              "ckpt done && ./evaluate",
                              [](const CommandLine& l) { return done(l.run, l.format()); });
  CLI::App* stop = verbs.add("stop", "Ask a run to save and end", "ckpt stop fashion",
                             [](const CommandLine& l) { return request_stop(l.request(), l.format()); });
  CLI::App* save = verbs.add("save", "Ask a run to save now, and wait for the snapshot", "ckpt save --timeout 5m",
                             [](const CommandLine& l) { return request_save(l.request(), l.format()); });
  CLI::App* unlock_ = verbs.add("unlock", "Declare the owner of a run gone that cannot be seen from here",
                                "ckpt unlock fashion",
                                [](const CommandLine& l) { return unlock(l.request(), l.format()); });

  CLI::App* keep_ = verbs.add("keep", "Keep a snapshot under a name, whatever is removed later", "ckpt keep 4100 best",
                              [](const CommandLine& l) { return keep(l.snapshot, l.name, l.request(), l.format()); });
  CLI::App* rollback_ = verbs.add("rollback", "Go on from an older snapshot at the next start", "ckpt rollback fashion 4000",
                                  [](const CommandLine& l) { return rollback(l.step, l.request(), l.format()); });
  CLI::App* fork_ = verbs.add("fork", "Begin a new run from a snapshot of this one", "ckpt fork fashion fashion-lr2 --at 4000",
                              [](const CommandLine& l) {
    return fork(l.name, l.step, {l.run, l.allow_volatile}, l.format());
  });
  CLI::App* rm = verbs.add("rm", "Remove a run and all its snapshots", "ckpt rm fashion --yes",
                           [](const CommandLine& l) { return remove_run(l.yes, l.request(), l.format()); });
  CLI::App* doctor = verbs.add("doctor", "What will happen on this site: signals, limits, storage", "ckpt doctor -r fashion",
                               [](const CommandLine& l) {
    return supervisor::doctor::run_doctor({l.run, l.partition}, l.format());
  });

  const char* run = "A name below ./ckpt-runs, or a path";
  for (CLI::App* verb : {status_, done_, stop, save})
    verb->add_option("RUN,-r,--run", line.run, run)->type_name("")->check(not_empty);
  ls->add_option("RUN,-r,--run", line.run, "A run, or a folder of runs")->type_name("");
  show_->add_option("RUN,-r,--run", line.run, "A run, a snapshot file, RUN@STEP, or RUN@NAME of a snapshot that is kept")->type_name("");
  verify_->add_option("RUN,-r,--run", line.what, "Runs, snapshot files, RUN@STEP, or RUN@NAME of snapshots that are kept")->type_name("");
  for (auto [name, to] : {std::pair{"A", &line.snapshot}, {"B", &line.name}})
    diff_->add_option(name, *to, "A snapshot file, RUN, RUN@STEP, or RUN@NAME of one that is kept")->type_name("")->required();
  export_->add_option("SNAPSHOT", line.snapshot, "A snapshot file, RUN, RUN@STEP, or RUN@NAME of one that is kept")
      ->type_name("")->required();
  CLI::Option_group* formats = export_->add_option_group("Formats");
  formats->require_option(1);
  for (auto [format, about] : {std::pair{"safetensors", "For Hugging Face, and many others"},
                               {"npz", "For numpy.load; bfloat16 and float8 become float32"},
                               {"pt", "For torch.load; needs torch"}}) {
    formats->add_option_function<std::string>(std::string("--") + format, [&line, format = format](const std::string& path) {
      line.exported.format = format;
      line.exported.path = path;
    }, about)->type_name("FILE");
  }
  export_->add_option("--only", line.exported.only, "This object only, named as in its state_dict; several: again")
      ->type_name("NAME")->allow_extra_args(false);
  export_->add_flag("--force", line.exported.force, "Replace the file if it is there");
  doctor->add_option("RUN,-r,--run", line.run, "A run whose command, sizes and job script are looked at, too")->type_name("");
  doctor->add_option("-p,--partition", line.partition, "The partition to look at (default: the run's, else the site's default)")
      ->type_name("NAME");
  for (CLI::App* verb : {unlock_, rollback_, fork_, rm})
    verb->add_option("RUN,-r,--run", line.run, run)->type_name("")->required()->check(not_empty);   // "$RUN" that is unset
  keep_->add_option("SNAPSHOT", line.snapshot, "A step, or a file in snapshots/ of a run")->type_name("")->required();
  keep_->add_option("NAME", line.name, "What it is called from now on")->type_name("")->required();
  keep_->add_option("-r,--run", line.run, run)->type_name("RUN")->check(not_empty);
  rollback_->add_option("STEP", line.step, "Of a snapshot, as ckpt ls shows it, or the name of one that is kept")
      ->type_name("")->required();
  fork_->add_option("NEW", line.name, "The new run: a name below ./ckpt-runs, or a path")
      ->type_name("")->required()->check(not_empty);
  fork_->add_option("--at", line.step, "From the snapshot of this step, or the one kept under this name (default: the newest)")
      ->type_name("STEP");
  fork_->add_flag("--allow-volatile", line.allow_volatile, "Accept a directory that is gone with the machine (tmpfs)");
  rm->add_flag("-y,--yes", line.yes, "Do not ask");
  for (CLI::App* verb : {stop, save, unlock_, keep_, rollback_, rm})
    verb->add_flag("--allow-other-owner", line.allow_other_owner, "Also a run that belongs to another user");
  status_->add_flag("-w,--watch", line.watch, "Show it again and again, until the run is complete or stopped");
  status_->add_option("--interval", line.interval, "How often (default: 2s)")->type_name("TIME");
  save->add_option("--timeout", line.timeout, "How long to wait for it (default: 10m)")->type_name("TIME");
  save->add_flag("--no-wait", line.no_wait, "Do not wait for the snapshot");
}

// What stands in a buffer is lost without a word when the disk behind standard output is full.
int flushed(int exit_code) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return exit_code;
  fail_io(errno, "cannot write to standard output");
}

}  // namespace

int main(int argc, char** argv) try {
  std::setlocale(LC_CTYPE, "");   // for the widths of characters
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of one write, told like any other
  CLI::App app("Looks at runs and acts on them.", "ckpt");
  app.footer(examples);
  app.set_version_flag("--version", "ckpt " CKPT_VERSION);
  app.require_subcommand(1);
  CommandLine line;
  Verbs verbs(app, line);
  add_verbs(verbs, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    const bool worded = argc > 1 && argv[1][0] != '-';
    if (argc == 1)
      ckpt::log_error("no verb, like ls, show or status; ckpt --help lists them");
    else if (worded && app.get_subcommands([&](CLI::App* verb) { return verb->check_name(argv[1]); }).empty())
      ckpt::log_error("there is no verb '{}'; ckpt --help lists them", argv[1]);
    else
      ckpt::log_error("{}; see ckpt --help", error.what());
    return exit_error;
  }
  return flushed(verbs.run());
} catch (const std::exception& error) {
  ckpt::log_error("{}", error.what());
  return ckpt::tools::exit_error;
}
