// SPDX-License-Identifier: Apache-2.0
// Everything the doctor's checks look at, gathered once. What is absent could not be asked or tried.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "doctor/storage_trial.hpp"
#include "io/file_system.hpp"
#include "rundir/layout.hpp"
#include "slurm/account_limits.hpp"
#include "slurm/place.hpp"
#include "slurm/site.hpp"
#include "slurm/submission_trial.hpp"

namespace ckpt::supervisor::doctor {

constexpr double harmless_skew_seconds = 5;   // between two clocks

struct RunFacts {
  std::string name;
  std::vector<std::string> command;          // of the program; empty: started without ckptrun
  std::string container;                     // "apptainer": what starts its program; empty: none, as far as can be seen
  std::string script;                        // text of the job script that was submitted; empty: none is known
  bool links_libckpt = false;
  std::uint64_t state_bytes = 0;             // 0: no snapshot yet
  std::uint64_t snapshot_bytes = 0;          // the newest one's file
  std::size_t snapshots = 0;
  double block_seconds = 0;                  // 0: no limit, or unknown
  std::optional<std::uint64_t> blocks_to_submit;
};

struct MachineFacts {
  std::uint64_t memory_allowed_bytes = 0;    // to a process here
  int io_uring_error = 0;                    // of io_uring_setup(2); 0: allowed
};

struct Facts {
  slurm::Whereabouts place;
  slurm::Site site;
  slurm::AccountLimits account;
  std::string partition;                     // the one meant; empty: the default one
  std::optional<slurm::SubmissionTrial> submission;   // tried in a job only: elsewhere it says nothing about compute nodes
  std::optional<RunFacts> run;
  StorageTrial storage;
  MachineFacts machine;

  bool has_slurm() const { return place.place != slurm::Place::elsewhere && !site.configuration.empty(); }
  const slurm::Partition* meant_partition() const { return site.partition(partition); }
};

struct Question {
  std::optional<rundir::Layout> run;         // absent: this folder, no particular run
  std::string run_name;
  std::string partition;
};
Facts gather(io::FileSystem& fs, Clock& clock, const Question& question);

}  // namespace ckpt::supervisor::doctor
