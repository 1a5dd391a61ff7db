// SPDX-License-Identifier: Apache-2.0
// ckpt VERB [options]: argv -> call -> exit code.
#include <CLI/CLI.hpp>
#include <clocale>
#include <exception>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/quantity.hpp"
#include "tools/verbs.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::tools;

constexpr const char* examples = R"(
Examples:
  ckpt ls                          the runs of this folder (./ckpt-runs)
  ckpt ls fashion                  the snapshots of one run
  ckpt show                        blocks of the run here: how long, how far, why each ended
  ckpt show snapshots/step-….h5    what is in one snapshot
  ckpt verify fashion              read every byte of its snapshots
  ckpt status --json               where the run is now, for a script
  ckpt done && ./evaluate          only when the work is complete

RUN is a name below ./ckpt-runs or a path. Left out: the run that this folder is, the only one in ./ckpt-runs, or the one
active last. Exit codes: 0 yes; 1 the answer is no (damaged, not complete, not saved in time); 2 stopped (done);
125 usage or an error. See ckpt(1), ckpt(7).)";

struct CommandLine {
  std::string run, timeout = "10m";
  std::vector<std::string> what;
  bool json = false, no_wait = false, allow_other_owner = false;

  Format format() const { return json ? Format::json : Format::text; }
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
  CLI::App* status_ = verbs.add("status", "Where a run is now", "ckpt status --json",
                                [](const CommandLine& l) { return status(l.run, l.format()); });
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

  const char* run = "A name below ./ckpt-runs, or a path";
  for (CLI::App* verb : {status_, done_, stop, save}) verb->add_option("RUN,-r,--run", line.run, run)->type_name("");
  ls->add_option("RUN,-r,--run", line.run, "A run, or a folder of runs")->type_name("");
  show_->add_option("RUN,-r,--run", line.run, "A run, or a snapshot file")->type_name("");
  verify_->add_option("RUN,-r,--run", line.what, "Runs, or snapshot files")->type_name("");
  unlock_->add_option("RUN,-r,--run", line.run, run)->type_name("")->required();
  for (CLI::App* verb : {stop, save, unlock_})
    verb->add_flag("--allow-other-owner", line.allow_other_owner, "Also a run that belongs to another user");
  save->add_option("--timeout", line.timeout, "How long to wait for it (default: 10m)")->type_name("TIME");
  save->add_flag("--no-wait", line.no_wait, "Do not wait for the snapshot");
}

}  // namespace

int main(int argc, char** argv) try {
  std::setlocale(LC_CTYPE, "");   // for the widths of characters
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
  return verbs.run();
} catch (const std::exception& error) {
  ckpt::log_error("{}", error.what());
  return ckpt::tools::exit_error;
}
