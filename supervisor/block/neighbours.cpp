// SPDX-License-Identifier: Apache-2.0
#include "block/neighbours.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "io/publish.hpp"

namespace ckpt::supervisor {
namespace {

struct Variable {
  const char* name;
  std::string value;
};

// FNV-1a: nobody attacks this, it only has to differ from run to run.
std::uint64_t digest(std::string_view text, std::uint64_t value) {
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

// Set to nothing means: not at all. What an outer ckptrun has set is not the user's word.
std::vector<std::string> unless_set(const std::vector<Variable>& variables, const std::string& of_outer_run = {}) {
  std::vector<std::string> result;
  for (const auto& [name, value] : variables) {
    const char* set = std::getenv(name);
    const bool by_user = set && (of_outer_run.empty() || of_outer_run != set);
    if (!by_user) result.push_back(fmt::format("{}={}", name, value));
    else if (*set == '\0') result.emplace_back(name);
  }
  return result;
}

}  // namespace

std::string experiment_of(io::FileSystem& fs, const rundir::Layout& layout) try {
  constexpr std::uint64_t basis = 0xcbf29ce484222325;
  const std::string record = io::read_file(fs, layout.block_record(1));
  const std::uint64_t first = digest(record, basis);
  return fmt::format("{:016x}{:016x}", first, digest(record, first));
} catch (const Error&) {
  return {};
}

std::vector<std::string> tracker_variables(const std::string& experiment) {
  if (experiment.empty()) return {};
  const char* outer = std::getenv("CKPT_EXPERIMENT");
  std::vector<std::string> result = unless_set({{"WANDB_RUN_ID", experiment}, {"COMET_EXPERIMENT_KEY", experiment}},
                                               outer ? outer : "");
  // With an id of the user's as well: there is one, and each block goes on with it.
  for (std::string& variable : unless_set({{"WANDB_RESUME", "allow"}})) result.push_back(std::move(variable));
  result.push_back("CKPT_EXPERIMENT=" + experiment);
  return result;
}

std::vector<std::string> determinism_variables() {
  return unless_set({{"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},  // of cuBLAS: one workspace for each stream
                     {"PYTHONHASHSEED", "0"},                 // the order of sets of texts in Python
                     {"TF_DETERMINISTIC_OPS", "1"},           // TensorFlow 2.1 to 2.8: no atomics in its kernels
                     {"TF_CUDNN_DETERMINISTIC", "1"}});       // TensorFlow before that: no such algorithms of cuDNN
}

std::vector<std::string> container_variables(const std::vector<std::string>& variables) {
  std::vector<std::string> result;
  for (const char* prefix : {"APPTAINERENV_", "SINGULARITYENV_"})
    for (const std::string& variable : variables) result.push_back(prefix + variable);
  return result;
}

}  // namespace ckpt::supervisor
