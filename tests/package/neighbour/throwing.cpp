// SPDX-License-Identifier: Apache-2.0
// A C++ program, with the C++ runtime of its own, lets an exception leave a callback although it must not: it is told,
// and goes on.
#include <ckpt/ckpt.hpp>
#include <cstdio>
#include <stdexcept>

namespace {

bool in_trouble = false;

std::size_t pack(void*, void* buffer, std::size_t capacity) {
  if (in_trouble) throw std::runtime_error("the program's own trouble");
  if (buffer && capacity >= 1) *static_cast<char*>(buffer) = 'x';
  return 1;
}

int unpack(void*, const void*, std::size_t) { return 0; }

}  // namespace

int main() {
  ckpt::run run;
  std::uint64_t step = 0;
  run.add_packed("state", pack, unpack, nullptr);
  run.restore(step);
  try {
    in_trouble = true;
    run.save(1);
  } catch (const ckpt::error& failure) {
    std::printf("%s\n", failure.what());
  }
  in_trouble = false;
  run.finish(2);
  return run.close();
}
