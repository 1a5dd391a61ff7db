// SPDX-License-Identifier: Apache-2.0
#include "read_anything.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/error.hpp"
#include "fault/fake_disk.hpp"
#include "snapshot/reader.hpp"

// As in catch_main.cpp: HDF5 loses some bytes for each damaged object header it meets.
extern "C" const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

namespace ckpt::testing {
namespace {

const std::string path = "/snapshot.h5";
constexpr std::uint64_t largest_array_bytes = 1u << 20;   // that is read into memory here

[[noreturn]] void give_up(const char* what, const std::string& text) {
  std::fprintf(stderr, "%s: %s\n", what, text.c_str());
  std::abort();
}

void read_small_arrays(snapshot::Reader& reader) {
  for (std::size_t i = 0; i < reader.arrays().size(); ++i) {
    const std::uint64_t bytes = reader.arrays()[i].size_bytes();
    if (bytes == 0 || bytes > largest_array_bytes) continue;
    std::vector<std::byte> once(bytes, std::byte{1}), twice(bytes, std::byte{2});
    reader.read_array(i, {.contiguous = once.data(), .copy_in = {}}, 1);
    reader.read_array(i, {.contiguous = twice.data(), .copy_in = {}}, 1);
    if (once != twice) give_up("an array that reads differently each time", snapshot::describe(reader.arrays()[i]));
  }
}

}  // namespace

void read_anything(std::string_view content) try {
  FakeDisk disk;
  disk.put(path, content);
  snapshot::Reader reader(disk, path);
  read_small_arrays(reader);
  reader.verify(1);
} catch (const Error& error) {
  const bool of_the_content = error.status() == CKPT_ERR_DAMAGED || error.status() == CKPT_ERR_FORMAT;
  if (!of_the_content) give_up("a failure that is none of the content", error.what());
}

}  // namespace ckpt::testing
