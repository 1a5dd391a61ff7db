// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "sample_state.hpp"
#include "snapshot/values.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using snapshot::ArrayInfo;
using snapshot::Reader;
using snapshot::describe;
using snapshot::write_snapshot;

namespace {

bool comes_back(const SampleState& state, const snapshot::WriteOptions& options, unsigned reading_threads = 1) {
  const auto disk = disk_with(state, options);
  return same(state, restored(*disk, reading_threads));
}

}  // namespace

TEST_CASE("every dtype, a scalar, empty and packed arrays come back byte for byte") {
  const SampleState state = every_dtype();
  for (const unsigned threads : {1u, 4u}) {
    snapshot::WriteOptions options = small_chunks();
    options.threads = threads;
    CHECK(comes_back(state, options, threads));
    options.chunk_bytes = 1u << 20;
    CHECK(comes_back(state, options, threads));
  }
}

TEST_CASE("awkward shapes come back byte for byte, cut into many chunks or one") {
  SampleState state;
  state.add({.name = "sixteen axes", .dtype = CKPT_I16, .shape = std::vector<std::uint64_t>(16, 2)});
  state.add({.name = "sixteen ones", .dtype = CKPT_I16, .shape = std::vector<std::uint64_t>(16, 1)});
  state.add({.name = "primes", .dtype = CKPT_F32, .shape = {7, 11, 13}});
  state.add({.name = "long", .dtype = CKPT_C128, .shape = {1009}});
  state.add({.name = "thin", .dtype = CKPT_F64, .shape = {211, 1}});
  state.add({.name = "flat", .dtype = CKPT_F64, .shape = {1, 211}});
  for (const std::uint64_t chunk_bytes : {1u, 17u, 64u, 1000u, 4096u, 1u << 20}) {
    snapshot::WriteOptions options;
    options.chunk_bytes = chunk_bytes;
    options.threads = 3;
    INFO(chunk_bytes);
    CHECK(comes_back(state, options, 3));
  }
}

TEST_CASE("a snapshot without arrays, and one without small values, can be written and read") {
  SampleState state;
  CHECK(comes_back(state, {}));
  state.header.meta = "";
  state.header.run = "";
  CHECK(comes_back(state, {}));
}

TEST_CASE("chunks of the size used in earnest come back as well") {
  SampleState state;
  state.add({.name = "weights", .dtype = CKPT_F32, .shape = {1201, 701}});
  state.add({.name = "bytes", .dtype = CKPT_U8, .shape = {2500007}, .packed = true});
  snapshot::WriteOptions options;
  options.threads = 2;
  CHECK(comes_back(state, options, 2));
}

TEST_CASE("sources and targets that are not contiguous give and take every byte once") {
  SampleState state = small_state();
  auto sources = state.sources();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    sources[i].contiguous = nullptr;
    sources[i].copy_out = [&bytes = state.bytes[i]](std::uint64_t first, std::span<std::byte> to) {
      REQUIRE(first + to.size() <= bytes.size());
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(first), to.size(), to.begin());
    };
  }
  const auto disk = empty_disk();
  write_snapshot(*disk, snapshot_path, state.header, sources, small_chunks());
  CHECK(disk->content(snapshot_path) == disk_with(state, small_chunks())->content(snapshot_path));

  Reader reader(*disk, snapshot_path);
  std::vector<Bytes> read;
  std::vector<snapshot::ArrayTarget> targets;
  for (const ArrayInfo& info : reader.arrays()) read.emplace_back(info.size_bytes());
  for (Bytes& bytes : read)
    targets.push_back({nullptr, [&bytes](std::uint64_t first, std::span<const std::byte> from) {
                         REQUIRE(first + from.size() <= bytes.size());
                         std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(first));
                       }});
  reader.read_all(targets, 1);
  for (std::size_t i = 0; i < read.size(); ++i) {
    const auto saved = std::find(state.infos.begin(), state.infos.end(), reader.arrays()[i]);
    REQUIRE(saved != state.infos.end());
    CHECK(read[i] == state.bytes[saved - state.infos.begin()]);
  }
}

TEST_CASE("single arrays can be read, in any order, more than once, before and after all of them") {
  const SampleState state = every_dtype();
  const auto disk = disk_with(state, small_chunks());
  Reader reader(*disk, snapshot_path);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = reader.arrays().size(); i-- > 0;) {
      Bytes bytes(reader.arrays()[i].size_bytes());
      reader.read_array(i, {bytes.data(), {}}, 2);
      const auto saved = std::find(state.infos.begin(), state.infos.end(), reader.arrays()[i]);
      CHECK(bytes == state.bytes[saved - state.infos.begin()]);
    }
    reader.verify(2);
  }
  CHECK(status_of([&] { reader.read_array(reader.arrays().size(), {}, 1); }) == CKPT_ERR_NOT_FOUND);
  CHECK(status_of([&] { reader.read_all({}, 1); }) == CKPT_ERR_ARGUMENT);
}

TEST_CASE("small values that are nested so deep that reading them could overflow a stack are refused") {
  SampleState state = small_state();
  state.header.meta = R"({"values": {"a": )" + std::string(200000, '[') + std::string(200000, ']') + "}}";
  const auto disk = disk_with(state);
  CHECK(status_of([&] { Reader(*disk, snapshot_path); }) == CKPT_ERR_DAMAGED);
  state.header.meta = R"({"values": {"a": [[["[[[\"[[["]]]}})";
  CHECK(snapshot::nest_of(state.header.meta).depth == 5);
}

TEST_CASE("small values of more containers than memory is meant for are refused, however little they take in the file") {
  SampleState state = small_state();
  std::string many;
  for (std::size_t i = 0; i <= snapshot::most_containers; ++i) many += "[],";
  state.header.meta = R"({"values": {"a": [)" + many + "0]}}";
  const auto disk = disk_with(state);
  CHECK(status_of([&] { Reader(*disk, snapshot_path); }) == CKPT_ERR_DAMAGED);
}

TEST_CASE("verifying tells how far it is, up to the size of the state") {
  SampleState state = small_state();
  state.add({.name = "large", .dtype = CKPT_F32, .shape = {5, 65536}});
  const auto disk = disk_with(state, {.chunk_bytes = 256u << 10});
  Reader reader(*disk, snapshot_path);
  std::uint64_t last = 0, calls = 0;
  reader.verify(2, [&](std::uint64_t bytes_done) {
    CHECK(bytes_done > last);
    last = bytes_done;
    ++calls;
  });
  CHECK(last == reader.state_bytes());
  CHECK(calls >= 5);
}

TEST_CASE("the arrays are listed by name, whatever order they were saved in") {
  SampleState state = every_dtype();
  const auto disk = disk_with(state);
  std::reverse(state.infos.begin(), state.infos.end());
  std::reverse(state.bytes.begin(), state.bytes.end());
  CHECK(disk_with(state)->content(snapshot_path) == disk->content(snapshot_path));
  Reader reader(*disk, snapshot_path);
  CHECK(std::is_sorted(reader.arrays().begin(), reader.arrays().end(),
                       [](const ArrayInfo& a, const ArrayInfo& b) { return a.name < b.name; }));
  CHECK(reader.file_bytes() == disk->content(snapshot_path).size());
}

TEST_CASE("the same state gives the same bytes in another second") {
  SampleState state = every_dtype();
  state.add({.name = "group/array", .dtype = CKPT_F32, .shape = {2}});
  const auto disk = disk_with(state);
  const std::time_t written = std::time(nullptr);
  while (std::time(nullptr) == written) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(disk_with(state)->content(snapshot_path) == disk->content(snapshot_path));
}

TEST_CASE("ten thousand small arrays in a thousand groups come back") {
  SampleState state;
  for (int i = 0; i < 10000; ++i)
    state.add({.name = "layer" + std::to_string(i / 10) + "/part" + std::to_string(i % 10), .dtype = CKPT_F32,
               .shape = {static_cast<std::uint64_t>(i % 7 + 1), 3}});
  snapshot::WriteOptions options;
  options.threads = 2;
  CHECK(comes_back(state, options, 2));
}

TEST_CASE("malformed and contradicting names are refused and leave no file") {
  const std::vector<std::vector<std::string>> refused = {
      {""}, {"/a"}, {"a/"}, {"a//b"}, {"."}, {"a/.."}, {"./a"}, {std::string(256, 'x')}, {"a\xff"}, {"\xed\xa0\x80"},
      {"\xc0\xaf"}, {std::string("a\0b", 3)}, {"cut\xe2\x82"}, {"a", "a"}, {"a", "a-b", "a/b"}, {"a/b/c", "a/b"}};
  for (const auto& names : refused) {
    SampleState state;
    for (const auto& name : names) state.add({.name = name, .dtype = CKPT_U8, .shape = {4}});
    const auto disk = empty_disk();
    CHECK(status_of([&] { write_snapshot(*disk, snapshot_path, {}, state.sources(), {}); }) == CKPT_ERR_NAME);
    CHECK(disk->files().empty());
  }
  SampleState fine;
  for (const auto* name : {"...", "a.b/.c", "ünïcödé/€/😀", "with space", "a-b", "a0"})
    fine.add({.name = name, .dtype = CKPT_U8, .shape = {4}});
  fine.add({.name = std::string(255, 'x'), .dtype = CKPT_U8, .shape = {4}});
  CHECK(comes_back(fine, {}));
}

TEST_CASE("an array is described as people write it") {
  CHECK(describe({.name = "weights", .dtype = CKPT_F32, .shape = {1000, 784}}) == "weights: f32 [1000, 784]");
  CHECK(describe({.name = "rate", .dtype = CKPT_BF16, .shape = {}}) == "rate: bf16 scalar");
  CHECK(describe({.name = "loader", .dtype = CKPT_U8, .shape = {12}, .packed = true}) ==
        "loader: packed, 12 bytes");
}
