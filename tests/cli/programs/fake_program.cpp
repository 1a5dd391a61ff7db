// SPDX-License-Identifier: Apache-2.0
// A program as ckptrun sees one that links libckpt, and it does what the words say, in order:
//   block:N …        what follows is for block N only, until the next block: word ("block:any" for all)
//   attach           says hello, writes its record; prints "accepted" or "refused: REASON"
//   times            prints the seconds of the welcome
//   config           prints the configuration of the welcome
//   status:STEP      tells a safe point            points:SECONDS   tells how long a step takes
//   snapshot:STEP    makes a durable snapshot (an empty file of that name) and tells it
//   wait-stop        until a stop is asked; prints the reason        wait-save   the same for a save
//   wait-gone        until ckptrun is gone
//   end:OUTCOME      records finished or stopped and tells it        tell:OUTCOME   tells it only
//   detach           closes the connection
//   print:TEXT       touch:FILE       sleep (for ever)       exit:CODE       raise:SIGNAL
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/process_identity.hpp"
#include "io/file_system.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "staging/station.hpp"

namespace {

using namespace ckpt;
using namespace ckpt::staging;

struct Program {
  RunEnvironment environment = read_run_environment();
  rundir::Layout layout{environment.run_directory};
  rundir::Blocks blocks{io::file_system(), layout, {}};
  rundir::Catalog catalog{io::file_system(), layout, {}};
  std::uint64_t block = std::stoull(environment.block);
  std::optional<Attached> attached;
  Status status;

  void say(const std::string& text) const {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }
  void tell(const FromProgram& message) {
    if (attached) attached->connection.send(message);
  }

  void attach() {
    Hello hello;
    hello.version = "fake";
    hello.run_directory = environment.run_directory;
    hello.block = block;
    hello.pid = ::getpid();
    attached.emplace(attach_to_station(environment.station, hello, 30));
    if (attached->welcome.accepted) blocks.attach(block, {true, identify_self()});
    say(attached->welcome.accepted ? "accepted" : "refused: " + attached->welcome.reason);
  }

  void snapshot(std::uint64_t step) {
    std::ofstream(layout.snapshot({block, step})) << "snapshot";
    catalog.mark_has_snapshots();
    status.step = step;
    tell(status);
    tell(DurableNotice{step, 8, 8, 0.001, 0.001});
  }

  template <class Wanted>
  std::optional<Wanted> wait_for() {
    for (;;) {
      if (const auto message = attached->connection.receive_from_ckptrun()) {
        if (const auto* wanted = std::get_if<Wanted>(&*message)) return *wanted;
        continue;
      }
      if (!attached->connection.open()) break;
      pollfd polled{attached->connection.fd(), POLLIN, 0};
      ::poll(&polled, 1, -1);
    }
    return std::nullopt;
  }

  void end(const std::string& text, bool recorded) {
    const bool finished = text == "finished";
    rundir::BlockEnd record;
    record.outcome = finished ? rundir::Outcome::finished : rundir::Outcome::stopped;
    record.writer = "program";
    record.writer_pid = ::getpid();
    record.step = status.step;
    if (recorded) blocks.write_end(block, record);
    tell(OutcomeNotice{finished ? ProgramOutcome::finished : ProgramOutcome::stopped, status.step, ""});
  }

  void act(const std::string& verb, const std::string& value) {
    if (verb == "attach") attach();
    else if (verb == "times")
      say(fmt::format("{:.1f} {:.1f} {:.1f}", attached->welcome.block_seconds, attached->welcome.seconds_to_end,
                      attached->welcome.seconds_to_deadline));
    else if (verb == "config")
      for (const auto& [key, setting] : attached->welcome.config) say(key + "=" + setting);
    else if (verb == "status") tell((status.step = std::stoull(value), status));
    else if (verb == "points") tell((status.seconds_between_points = std::stod(value), status));
    else if (verb == "snapshot") snapshot(std::stoull(value));
    else if (verb == "wait-stop") say("stop: " + wait_for<StopRequest>().value_or(StopRequest{"gone"}).reason);
    else if (verb == "wait-save") say(wait_for<SaveRequest>() ? "save" : "gone");
    else if (verb == "wait-gone") wait_for<Welcome>();
    else if (verb == "end") end(value, true);
    else if (verb == "tell") end(value, false);
    else if (verb == "detach") attached.reset();
    else if (verb == "print") say(value);
    else if (verb == "touch") std::ofstream(value) << "touched";
    else if (verb == "sleep") for (;;) ::pause();
    else if (verb == "exit") std::exit(std::stoi(value));
    else if (verb == "raise") ::raise(std::stoi(value));
    else fail(CKPT_ERR_ARGUMENT, "fake_program does not know '{}'", verb);
  }
};

}  // namespace

int main(int argc, char** argv) try {
  Program program;
  bool for_us = true;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t colon = std::min(word.find(':'), word.size());
    const std::string verb = word.substr(0, colon), value = colon < word.size() ? word.substr(colon + 1) : "";
    if (verb == "block") for_us = value == "any" || std::stoull(value) == program.block;
    else if (for_us) program.act(verb, value);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fake_program: %s\n", error.what());
  return 99;
}
