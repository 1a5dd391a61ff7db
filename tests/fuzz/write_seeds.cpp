// SPDX-License-Identifier: Apache-2.0
// write_seeds FOLDER: small snapshots of every kind of array and every way its chunks may be kept.
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "snapshot/writer.hpp"

namespace {

using namespace ckpt;
using snapshot::ArrayInfo;

void write(const std::string& path, std::vector<ArrayInfo> arrays, std::uint64_t chunk_bytes) {
  std::vector<std::vector<std::byte>> contents;
  std::vector<snapshot::ArraySource> sources;
  for (ArrayInfo& info : arrays) {
    contents.emplace_back(info.size_bytes());
    for (std::size_t i = 0; i < contents.back().size(); ++i) contents.back()[i] = std::byte(i % 3 == 0 ? i * 37 : 1);
    sources.push_back({info, nullptr, {}});
  }
  for (std::size_t i = 0; i < sources.size(); ++i) sources[i].contiguous = contents[i].data();
  snapshot::Header header{.step = 12, .block = 3, .run = "seed", .created = "2026-01-01T00:00:00Z", .writer = "write_seeds"};
  header.meta = R"({"values":{"epoch":3}})";
  snapshot::WriteOptions options;
  options.chunk_bytes = chunk_bytes;
  snapshot::write_snapshot(io::file_system(), path, header, sources, options);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: write_seeds FOLDER\n"), 2;
  const std::string folder = argv[1];
  write(folder + "/empty.h5", {}, 64);
  write(folder + "/one-chunk.h5", {{.name = "w", .dtype = CKPT_F32, .shape = {9}}}, 1 << 20);
  write(folder + "/many-chunks.h5", {{.name = "w", .dtype = CKPT_F32, .shape = {5, 17}}}, 64);
  write(folder + "/kinds.h5", {{.name = "scalar", .dtype = CKPT_F64, .shape = {}},
                               {.name = "packed", .dtype = CKPT_U8, .shape = {70}, .packed = true},
                               {.name = "nothing", .dtype = CKPT_I16, .shape = {2, 0}},
                               {.name = "a/b/c", .dtype = CKPT_BF16, .shape = {7}},
                               {.name = "a/d", .dtype = CKPT_C64, .shape = {2, 2}}}, 64);
  return 0;
} catch (const ckpt::Error& error) {
  std::fprintf(stderr, "write_seeds: %s\n", error.what());
  return 1;
}
