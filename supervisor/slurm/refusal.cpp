// SPDX-License-Identifier: Apache-2.0
#include "slurm/refusal.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ckpt::supervisor::slurm {
namespace {

// Slurm's words, from 22.05 and the list of its errors, the more telling ones first.
constexpr std::array remedies = {
    std::pair{"policy", "sacctmgr show associations user=$USER shows your limits; ask for less or submit fewer blocks"},
    std::pair{"time limit", "ask for less time: sinfo -o '%P %l' shows each partition's limit"},
    std::pair{"--time", "write it like 24:00:00 or 1-00:00:00"},
    std::pair{"job array", "its numbers end below MaxArraySize (scontrol show config): plan fewer, longer blocks"},
    std::pair{"SubmitJob", "submit fewer blocks, or wait until some of your jobs have ended"},
    std::pair{"too many jobs", "submit fewer blocks, or wait until some of your jobs have ended"},
    std::pair{"account", "sacctmgr show associations user=$USER lists your accounts; name one with --account"},
    std::pair{"artition", "sinfo lists the partitions; name one with --partition"},
    std::pair{"QOS", "sacctmgr show qos lists them and their limits; name one with --qos"},
    std::pair{"qos", "sacctmgr show qos lists them and their limits; name one with --qos"},
    std::pair{"generic resource", "sinfo -o '%P %G' lists what there is, as gpu:TYPE:COUNT"},
    std::pair{"Memory specification", "ask for less memory: sinfo -o '%P %m' shows each node's"},
    std::pair{"node configuration", "no node has all of that: sinfo -o '%P %c %m %G' shows what nodes have"},
    std::pair{"--mem", "write it like 32G, or as MiB: 32768"},
    std::pair{"feature", "--constraint takes what sinfo -o '%P %f' lists"},
    std::pair{"time specification", "write it like 2026-03-01T20:00, 20:00 or now+2hours"},
    std::pair{"processors requested", "ask for fewer tasks or CPUs: sinfo -o '%P %D %c' shows what there is"},
    std::pair{"Node count", "ask for fewer nodes: sinfo -o '%P %D' shows how many there are"},
    std::pair{"batch script", "begin the script with #!/bin/bash"},
    std::pair{"Unable to open file", "name a script that is there"},
    std::pair{"--signal", "write it like B:USR1@120"},
    std::pair{"dependency", "the job that it is to wait for is not known any more"},
    std::pair{"option", "this Slurm does not know that option: sbatch --help lists what it knows"},
    std::pair{"configuration", "slurm.conf cannot be read here: set SLURM_CONF, or submit where it can be read"},
    std::pair{"denied", "submit on a login node"},
    std::pair{"controller", "Slurm does not answer: try again in a moment"},
    std::pair{"no answer within", "look with squeue --me whether it was sent, then try again"},
    std::pair{"imed out", "Slurm does not answer: look with squeue --me whether it was sent, then try again"},
};

}  // namespace

std::string with_remedy(const std::string& reason) {
  const auto tells = [&](const auto& entry) { return reason.find(entry.first) != std::string::npos; };
  const auto found = std::find_if(remedies.begin(), remedies.end(), tells);
  return found == remedies.end() ? reason : reason + "; " + found->second;
}

}  // namespace ckpt::supervisor::slurm
