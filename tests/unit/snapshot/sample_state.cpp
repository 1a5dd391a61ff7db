// SPDX-License-Identifier: Apache-2.0
#include "sample_state.hpp"

#include <algorithm>
#include <numeric>
#include <random>

namespace ckpt::testing {

using snapshot::ArrayInfo;

SampleState& SampleState::add(ArrayInfo info) {
  std::minstd_rand random(static_cast<unsigned>(std::accumulate(info.name.begin(), info.name.end(), 17)));
  Bytes content(info.size_bytes());
  for (std::size_t i = 0; i < content.size(); ++i)
    content[i] = static_cast<std::byte>(i % 4 < 2 ? random() >> 8 : 0x3f);
  if (info.dtype == CKPT_BOOL)
    for (std::byte& byte : content) byte &= std::byte{1};
  infos.push_back(std::move(info));
  bytes.push_back(std::move(content));
  return *this;
}

std::vector<snapshot::ArraySource> SampleState::sources() const {
  std::vector<snapshot::ArraySource> sources;
  for (std::size_t i = 0; i < infos.size(); ++i) sources.push_back({infos[i], bytes[i].data(), {}});
  return sources;
}

SampleState every_dtype() {
  SampleState state;
  state.header = {.step = 4100, .block = 7, .run = "sweep/17", .created = "2024-11-21T10:19:00Z",
                  .writer = "libckpt 0.1.0", .rank = 0, .ranks = 1, .meta = R"({"epoch": 3, "name": "Grün"})"};
  for (int dtype = CKPT_U8; dtype <= CKPT_BOOL; ++dtype)
    state.add({.name = "dtypes/" + std::to_string(dtype), .dtype = static_cast<ckpt_dtype>(dtype), .shape = {3, 5}});
  state.add({.name = "step size", .dtype = CKPT_F64, .shape = {}});
  state.add({.name = "flag", .dtype = CKPT_BOOL, .shape = {}});
  state.add({.name = "one", .dtype = CKPT_F32, .shape = {1}});
  state.add({.name = "nothing", .dtype = CKPT_F32, .shape = {4, 0, 2}});
  state.add({.name = "nothing packed", .dtype = CKPT_U8, .shape = {0}, .packed = true});
  state.add({.name = "loader/état", .dtype = CKPT_U8, .shape = {333}, .packed = true});
  state.add({.name = "a/b/c/d", .dtype = CKPT_I64, .shape = {2, 3}});
  state.add({.name = "a-b", .dtype = CKPT_I64, .shape = {2}});
  return state;
}

SampleState small_state() {
  SampleState state;
  state.header = {.step = 12, .block = 3, .run = "small", .created = "2024-11-21T10:19:00Z", .writer = "libckpt 0.1.0"};
  state.add({.name = "weights", .dtype = CKPT_F32, .shape = {5, 17}});
  state.add({.name = "adam/moment", .dtype = CKPT_F64, .shape = {19}});
  state.add({.name = "adam/bias", .dtype = CKPT_BF16, .shape = {7}});
  state.add({.name = "count", .dtype = CKPT_U64, .shape = {}});
  return state;
}

snapshot::WriteOptions small_chunks() {
  snapshot::WriteOptions options;
  options.chunk_bytes = 64;
  return options;
}

std::unique_ptr<FakeDisk> empty_disk() {
  auto disk = std::make_unique<FakeDisk>();
  disk->make_directories("/run");
  return disk;
}

std::unique_ptr<FakeDisk> disk_with(const SampleState& state, const snapshot::WriteOptions& options) {
  auto disk = empty_disk();
  write_snapshot(*disk, snapshot_path, state.header, state.sources(), options);
  return disk;
}

SampleState restored(io::FileSystem& disk, unsigned threads, const std::string& path) {
  snapshot::Reader reader(disk, path);
  SampleState state;
  state.header = reader.header();
  state.infos = reader.arrays();
  std::vector<snapshot::ArrayTarget> targets;
  for (const ArrayInfo& info : state.infos) state.bytes.emplace_back(info.size_bytes(), std::byte{0xa5});
  for (Bytes& bytes : state.bytes) targets.push_back({bytes.data(), {}});
  reader.read_all(targets, threads);
  return state;
}

bool same(const SampleState& saved, const SampleState& restored) {
  const auto& a = saved.header;
  const auto& b = restored.header;
  if (a.step != b.step || a.block != b.block || a.run != b.run || a.created != b.created || a.writer != b.writer ||
      a.rank != b.rank || a.ranks != b.ranks || a.meta != b.meta || saved.infos.size() != restored.infos.size())
    return false;
  for (std::size_t i = 0; i < saved.infos.size(); ++i) {
    const auto found = std::find(restored.infos.begin(), restored.infos.end(), saved.infos[i]);
    if (found == restored.infos.end() || restored.bytes[found - restored.infos.begin()] != saved.bytes[i]) return false;
  }
  return true;
}

}  // namespace ckpt::testing
