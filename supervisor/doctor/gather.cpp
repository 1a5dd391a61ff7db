// SPDX-License-Identifier: Apache-2.0
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/process_identity.hpp"
#include "block/child.hpp"
#include "chain/learned_times.hpp"
#include "doctor/facts.hpp"
#include "io/publish.hpp"
#include "rundir/blocks.hpp"
#include "rundir/catalog.hpp"
#include "rundir/run_record.hpp"
#include "rundir/submissions.hpp"
#include "slurm/directives.hpp"
#include "slurm/job.hpp"
#include "staging/area.hpp"

namespace ckpt::supervisor::doctor {
namespace {

constexpr slurm::Attempts patience = slurm::once(5);

int try_io_uring() {
  io_uring_params parameters{};
  const long descriptor = ::syscall(SYS_io_uring_setup, 1, &parameters);
  if (descriptor < 0) return errno;
  ::close(static_cast<int>(descriptor));
  return 0;
}

std::string read_script(io::FileSystem& fs, const std::string& path) try {
  constexpr std::uint64_t longest_script_bytes = 1u << 20;
  return path.empty() ? "" : io::read_file(fs, path, longest_script_bytes);
} catch (const Error&) {   // a run may have been moved
  return "";
}

// Of the command itself, or of the script that stands for a program ("python") in front of it.
std::string container_of(io::FileSystem& fs, const std::string& word) {
  const FoundProgram program = find_program(word);
  std::string text = program.error_exit_code == 0 ? read_script(fs, program.path) : "";
  const std::string interpreter = text.substr(0, text.find('\n'));
  if (!interpreter.starts_with("#!") || !interpreter.ends_with("sh")) text.clear();
  for (const char* name : {"apptainer", "singularity"})
    if (io::base_name(word) == name || text.find(name) != std::string::npos) return name;
  return {};
}

void read_submission(io::FileSystem& fs, const rundir::Layout& layout, RunFacts& run) {
  const auto submissions = rundir::read_submissions(fs, layout.directory());
  if (submissions.empty()) return;
  run.script = read_script(fs, submissions.back().script);
  run.blocks_to_submit = submissions.back().planned_blocks;
}

RunFacts look_at_run(io::FileSystem& fs, const rundir::Layout& layout, const std::string& name) {
  RunFacts run;
  run.name = name;
  if (const auto record = rundir::read_run_record(fs, layout)) run.command = record->command;
  if (!run.command.empty()) run.container = container_of(fs, run.command.front());
  const rundir::Blocks blocks(fs, layout, {});
  run.links_libckpt = blocks.links_libckpt();
  if (const auto claim = blocks.read_claim(blocks.newest())) run.block_seconds = claim->block_seconds;
  const auto snapshots = rundir::Catalog(fs, layout, {}).list();
  run.snapshots = snapshots.size();
  if (!snapshots.empty()) run.snapshot_bytes = snapshots.front().size_bytes;
  run.state_bytes = learn_times(fs, layout).state_bytes;
  read_submission(fs, layout, run);
  return run;
}

std::string partition_in(const std::string& script) {
  const auto asked = slurm::directives(script);
  const auto found = asked.find("partition");
  return found == asked.end() ? "" : found->second;
}

std::string partition_of_this_job(Clock& clock) {
  const slurm::JobAnswer answer = slurm::show_job(clock, read_job_environment().id, patience, false);
  return answer.found() ? answer.jobs.front().partition : "";
}

// The user's word, what the run's script asks for, or that of the job around us; else empty: the default one.
std::string partition_of(Clock& clock, const Question& question, const Facts& facts) {
  std::string partition = question.partition;
  if (partition.empty() && facts.run) partition = partition_in(facts.run->script);
  const bool in_job = facts.place.place == slurm::Place::in_job && facts.has_slurm();
  return partition.empty() && in_job ? partition_of_this_job(clock) : partition;
}

std::string where_runs_are(io::FileSystem& fs, const Question& question) {
  if (question.run) return question.run->directory();
  io::FileInfo info;
  return fs.info("ckpt-runs", info) == 0 ? "ckpt-runs" : ".";
}

}  // namespace

Facts gather(io::FileSystem& fs, Clock& clock, const Question& question) {
  Facts facts;
  facts.place = slurm::where_are_we(clock);
  if (facts.place.place != slurm::Place::elsewhere) {
    facts.site = slurm::ask_site(clock, patience);
    if (facts.has_slurm()) facts.account = slurm::ask_account_limits(clock, identify_self().user, patience);
    if (facts.place.place == slurm::Place::in_job) facts.submission = slurm::try_submission(clock, patience);
  }
  if (question.run) facts.run = look_at_run(fs, *question.run, question.run_name);
  facts.partition = partition_of(clock, question, facts);
  facts.storage = try_storage(fs, clock, where_runs_are(fs, question));
  facts.machine = {staging::memory_still_allowed(), try_io_uring()};
  return facts;
}

}  // namespace ckpt::supervisor::doctor
