// SPDX-License-Identifier: Apache-2.0
#include "engine/ownership.hpp"

#include <charconv>
#include <cmath>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/process_identity.hpp"
#include "base/text.hpp"

namespace ckpt::engine {
namespace {

constexpr double refusal_timeout_seconds = 1;
constexpr double welcome_timeout_seconds = 30;   // ckptrun answers within a second unless its node is swapping

std::uint64_t parse_block(const std::string& text) {
  std::uint64_t block = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), block);
  if (error != std::errc{} || end != text.data() + text.size() || block == 0)
    fail(CKPT_ERR_CONFIG, "CKPT_BLOCK is '{}', which is no block number; only ckptrun sets it", text);
  return block;
}

rundir::Claim own_claim(const Options& options) {
  const JobEnvironment job = read_job_environment();
  rundir::Claim claim;
  claim.role = "program";
  claim.who = identify_self();
  claim.job_id = job.id;
  claim.cluster = job.cluster;
  claim.array_id = job.array_id;
  claim.array_task = job.array_task;
  claim.restart_count = job.restart_count;
  claim.claimed = system_clock().wall_seconds();
  claim.block_seconds = std::isfinite(options.block_seconds) ? options.block_seconds : 0;
  return claim;
}

staging::Attached say_hello(const std::string& directory, double timeout_seconds) {
  const RunEnvironment environment = read_run_environment();
  staging::Hello hello;
  hello.version = CKPT_VERSION;
  hello.run_directory = rundir::Layout(directory).directory();
  hello.block = parse_block(environment.block);
  hello.pid = identify_self().pid;
  return staging::attach_to_station(environment.station, hello, timeout_seconds);
}

}  // namespace

bool under_ckptrun(const std::string& directory) {
  const RunEnvironment environment = read_run_environment();
  return !environment.station.empty() && !environment.run_directory.empty() &&
         rundir::Layout(environment.run_directory).directory() == rundir::Layout(directory).directory();
}

void tell_refusal(const std::string& directory, const std::string& why) noexcept try {
  if (!under_ckptrun(directory)) return;
  staging::Attached attached = say_hello(directory, refusal_timeout_seconds);
  attached.connection.send(staging::FromProgram{staging::OutcomeNotice{staging::ProgramOutcome::failed, std::nullopt, why}});
} catch (const std::exception& error) {
  log_debug("ckptrun was not told: {}", error.what());
}

Ownership attach_to_ckptrun(const std::string& directory, rundir::Blocks& blocks) {
  staging::Attached attached = say_hello(directory, welcome_timeout_seconds);
  Ownership ownership;
  ownership.block = parse_block(read_run_environment().block);
  ownership.welcome = attached.welcome;
  ownership.served = attached.welcome.accepted;
  if (!ownership.served) return ownership;
  if (!blocks.is_newest(ownership.block))
    fail(CKPT_ERR_SUPERSEDED, "block {} of run {} is no longer the newest: a newer one has started", ownership.block, directory);
  blocks.attach(ownership.block, {.linked = true, .who = identify_self()});
  ownership.station.emplace(std::move(attached.connection));
  return ownership;
}

Ownership claim_alone(const Options& options, rundir::Blocks& blocks) {
  for (;;) {
    const rundir::Ownership current = blocks.ownership();
    if (current.state != OwnerState::gone)
      fail(CKPT_ERR_IN_USE, "the run {} is in use by {}; {} {}", options.directory, current.owner,
           current.state == OwnerState::alive ? "wait for its end, or type: ckpt stop" : "if that is gone for certain: ckpt unlock",
           shell_word(options.directory));
    if (const auto block = blocks.claim(own_claim(options), current.newest_block)) {
      Ownership ownership;
      ownership.block = *block;
      blocks.attach(*block, {.linked = true, .who = identify_self()});
      return ownership;
    }
  }
}

}  // namespace ckpt::engine
