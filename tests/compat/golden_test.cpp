// SPDX-License-Identifier: Apache-2.0
// The same values stand in test_format_doc.py.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "snapshot/reader.hpp"
#include "snapshot/writer.hpp"

using namespace ckpt;
using snapshot::ArrayInfo;
using Bytes = std::vector<std::byte>;

namespace {

struct Golden {
  ArrayInfo info;
  Bytes bytes;
};

template <class Element>
Bytes bytes_of(const std::vector<Element>& elements) {
  Bytes bytes(elements.size() * sizeof(Element));
  std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

template <class Integer>
Bytes integers() {
  using Limits = std::numeric_limits<Integer>;
  return bytes_of<Integer>({0, 1, 2, static_cast<Integer>(-1), Limits::min(), Limits::max()});
}

template <class Float>
Bytes floats() {
  return bytes_of<Float>({0, -Float{0}, 1.5, -2.25, std::numeric_limits<Float>::infinity(), 65504});
}

template <class Float>
Bytes complex_numbers() {
  return bytes_of<Float>({0, 0, 1.5, -2.25, -1, 0, 0, 1, 65504, 0.5, 3, 4});
}

template <class Element>
Bytes computed(std::size_t count, std::size_t (*value)(std::size_t)) {
  std::vector<Element> elements;
  for (std::size_t i = 0; i < count; ++i) elements.push_back(static_cast<Element>(value(i)));
  return bytes_of(elements);
}

std::vector<Golden> golden_arrays() {
  using Half = std::uint16_t;
  const auto bytes = [](std::vector<std::uint8_t> values) { return bytes_of(values); };
  return {
      {{"dtypes/u8", CKPT_U8, {2, 3}}, integers<std::uint8_t>()},
      {{"dtypes/i8", CKPT_I8, {2, 3}}, integers<std::int8_t>()},
      {{"dtypes/u16", CKPT_U16, {2, 3}}, integers<std::uint16_t>()},
      {{"dtypes/i16", CKPT_I16, {2, 3}}, integers<std::int16_t>()},
      {{"dtypes/u32", CKPT_U32, {2, 3}}, integers<std::uint32_t>()},
      {{"dtypes/i32", CKPT_I32, {2, 3}}, integers<std::int32_t>()},
      {{"dtypes/u64", CKPT_U64, {2, 3}}, integers<std::uint64_t>()},
      {{"dtypes/i64", CKPT_I64, {2, 3}}, integers<std::int64_t>()},
      {{"dtypes/f16", CKPT_F16, {2, 3}}, bytes_of<Half>({0x0000, 0x8000, 0x3e00, 0xc080, 0x7c00, 0x7bff})},
      {{"dtypes/f32", CKPT_F32, {2, 3}}, floats<float>()},
      {{"dtypes/f64", CKPT_F64, {2, 3}}, floats<double>()},
      {{"dtypes/bf16", CKPT_BF16, {2, 3}}, bytes_of<Half>({0x0000, 0x8000, 0x3fc0, 0xc010, 0x7f80, 0x477f})},
      {{"dtypes/f8e4m3", CKPT_F8E4M3, {2, 3}}, bytes({0x00, 0x80, 0x3c, 0xc1, 0x7e, 0x01})},
      {{"dtypes/f8e5m2", CKPT_F8E5M2, {2, 3}}, bytes({0x00, 0x80, 0x3e, 0xc0, 0x7c, 0x01})},
      {{"dtypes/c64", CKPT_C64, {2, 3}}, complex_numbers<float>()},
      {{"dtypes/c128", CKPT_C128, {2, 3}}, complex_numbers<double>()},
      {{"dtypes/bool", CKPT_BOOL, {2, 3}}, bytes({0, 1, 1, 0, 1, 0})},
      {{"empty", CKPT_F32, {4, 0, 2}}, {}},
      {{"many chunks", CKPT_I32, {5, 100}}, computed<std::int32_t>(500, [](std::size_t i) { return i; })},
      {{"packed/état", CKPT_U8, {100}, true}, computed<std::uint8_t>(100, [](std::size_t i) { return 7 * i; })},
      {{"ragged", CKPT_U16, {1009}}, computed<std::uint16_t>(1009, [](std::size_t i) { return i * i; })},
      {{"scalar", CKPT_F64, {}}, bytes_of<double>({0.1})},
      {{"scalar flag", CKPT_BOOL, {}}, bytes({1})},
  };
}

snapshot::Header golden_header() {
  return {.step = 4100, .block = 7, .run = "golden", .created = "2024-11-21T10:19:00Z", .writer = "libckpt 0.1.0",
          .rank = 0, .ranks = 1, .meta = R"({"epoch": 3, "name": "Grün"})"};
}

void check_header(const snapshot::Reader& reader) {
  const snapshot::Header expected = golden_header();
  CHECK(reader.header().step == expected.step);
  CHECK(reader.header().block == expected.block);
  CHECK(reader.header().run == expected.run);
  CHECK(reader.header().created == expected.created);
  CHECK(reader.header().writer == expected.writer);
  CHECK(reader.header().rank == expected.rank);
  CHECK(reader.header().ranks == expected.ranks);
  CHECK(reader.header().meta == expected.meta);
}

void check_golden(const char* path) {
  snapshot::Reader reader(io::posix_file_system(), path);
  check_header(reader);
  const auto arrays = golden_arrays();
  REQUIRE(reader.arrays().size() == arrays.size());
  std::vector<Bytes> read;
  for (const auto& golden : arrays) read.emplace_back(golden.bytes.size());
  std::vector<snapshot::ArrayTarget> targets;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto golden = std::find_if(arrays.begin(), arrays.end(),
                                     [&](const Golden& one) { return one.info == reader.arrays()[i]; });
    INFO(describe(reader.arrays()[i]));
    REQUIRE(golden != arrays.end());
    targets.push_back({read[golden - arrays.begin()].data(), {}});
  }
  reader.read_all(targets, 2);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    INFO(arrays[i].info.name);
    CHECK(read[i] == arrays[i].bytes);
  }
}

const char* file_to_use() {
  const char* path = std::getenv("CKPT_GOLDEN_FILE");
  REQUIRE(path);
  return path;
}

}  // namespace

TEST_CASE("a file of format 1 is read as it was written") { check_golden(CKPT_GOLDEN_FOLDER "/format-1.h5"); }

// Of these two one runs in a build with one HDF5, then the other in a build with another (tests/package).
TEST_CASE("read a golden file of the current format", "[.][read]") { check_golden(file_to_use()); }

TEST_CASE("write the golden file of the current format", "[.][write]") {
  const char* path = file_to_use();
  const auto arrays = golden_arrays();
  std::vector<snapshot::ArraySource> sources;
  for (const auto& golden : arrays) sources.push_back({golden.info, golden.bytes.data(), {}});
  snapshot::WriteOptions options;
  options.permissions = 0644;
  options.chunk_bytes = 256;
  write_snapshot(io::posix_file_system(), path, golden_header(), sources, options);
}
