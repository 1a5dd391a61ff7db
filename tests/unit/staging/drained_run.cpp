// SPDX-License-Identifier: Apache-2.0
#include "drained_run.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "io/publish.hpp"
#include "snapshot/reader.hpp"

namespace ckpt::testing {
namespace {

constexpr std::size_t weights_count = 300;
constexpr std::size_t counter_count = 3;

std::vector<std::byte> weights_of(std::uint64_t step) {
  std::vector<float> weights(weights_count);
  for (std::size_t i = 0; i < weights_count; ++i) weights[i] = static_cast<float>(step) + 1.0f / static_cast<float>(i + 1);
  std::vector<std::byte> bytes(weights_count * sizeof(float));
  std::memcpy(bytes.data(), weights.data(), bytes.size());
  return bytes;
}

std::vector<std::byte> counters_of(std::uint64_t step) {
  return std::vector<std::byte>(counter_count * sizeof(std::uint64_t), static_cast<std::byte>(step));
}

const std::vector<std::byte>& kept_alive(const char* name, std::uint64_t step) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::uint64_t>, std::vector<std::byte>> states;
  const std::lock_guard lock(mutex);
  auto& bytes = states[{name, step}];
  if (bytes.empty()) bytes = name == std::string("weights") ? weights_of(step) : counters_of(step);
  return bytes;
}

// Also false for a snapshot of other arrays: the content decides.
bool holds_state_of(snapshot::Reader& reader, std::uint64_t step) {
  std::vector<std::vector<std::byte>> found;
  for (const auto& array : reader.arrays()) found.emplace_back(array.size_bytes());
  std::vector<snapshot::ArrayTarget> targets(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) targets[i].contiguous = found[i].data();
  reader.read_all(targets, 1);
  return reader.header().step == step && found == std::vector{counters_of(step), weights_of(step)};
}

}  // namespace

staging::Staged staged_state(std::uint64_t step, std::uint64_t block) {
  staging::Staged staged;
  staged.header = {.step = step, .block = block, .run = "run", .created = "2026-03-01T14:05:09Z", .writer = "test"};
  staged.arrays.push_back({.info = {.name = "counters", .dtype = CKPT_U64, .shape = {counter_count}},
                           .contiguous = kept_alive("counters", step).data(), .copy_out = {}});
  staged.arrays.push_back({.info = {.name = "weights", .dtype = CKPT_F32, .shape = {weights_count}},
                           .contiguous = kept_alive("weights", step).data(), .copy_out = {}});
  staged.stage_seconds = 0.25;
  staged.wait_seconds = 0.5;
  return staged;
}

void claim(FakeDisk& disk, std::uint64_t block) { disk.put(rundir::Layout("/run").block_record(block), "{}"); }

std::unique_ptr<FakeDisk> disk_with_run(std::uint64_t block) {
  auto disk = std::make_unique<FakeDisk>();
  for (const char* folder : {"/run/blocks", "/run/snapshots", "/run/kept"}) disk->make_directories(folder);
  claim(*disk, block);
  return disk;
}

DrainedRun::DrainedRun(FakeDisk& disk_, std::uint64_t block_)
    : disk(disk_), block(block_), blocks(disk, layout, {}), catalog(disk, layout, {}),
      ledger(disk, layout.program_ledger(block, 4711), 0600) {}

staging::DrainTarget DrainedRun::target() {
  return {.fs = disk, .layout = layout, .permissions = {}, .blocks = blocks, .catalog = catalog, .ledger = ledger,
          .clock = system_clock(), .block = block, .keep = keep, .resumed_from = resumed_from, .threads = 1};
}

staging::Durable DrainedRun::save(std::uint64_t step, std::size_t published) {
  return staging::make_durable(target(), staged_state(step, block), published);
}

std::vector<nlohmann::json> DrainedRun::events() const {
  return rundir::read_ledger(disk, layout.program_ledger(block, 4711));
}

bool restores(FakeDisk& disk, rundir::SnapshotId id) try {
  snapshot::Reader reader(disk, rundir::Layout("/run").snapshot(id));
  return reader.header().block == id.block && holds_state_of(reader, id.step);
} catch (const Error&) {
  return false;
}

std::vector<rundir::SnapshotId> listed(FakeDisk& disk) {
  std::vector<rundir::SnapshotId> ids;
  for (const auto& entry : rundir::Catalog(disk, rundir::Layout("/run"), {}).list()) ids.push_back(entry.id);
  return ids;
}

std::optional<rundir::SnapshotId> newest_whole(FakeDisk& disk) {
  for (const auto& id : listed(disk)) {
    if (restores(disk, id)) return id;
  }
  return std::nullopt;
}

std::size_t temporaries(const FakeDisk& disk) {
  const auto files = disk.files();
  return static_cast<std::size_t>(std::count_if(
      files.begin(), files.end(), [](const std::string& path) { return io::is_temporary_name(io::base_name(path)); }));
}

}  // namespace ckpt::testing
