// SPDX-License-Identifier: Apache-2.0
// No byte of a snapshot may turn into another, and none may be missing, without restore either noticing it or ending
// with the very state that was saved. Through the C ABI, so with everything that restoring does around the reading.
#include <catch2/catch.hpp>

#include "scratch_run.hpp"

using namespace ckpt::testing;

namespace {

constexpr std::size_t largest_file = 16384;

// What a program registers; every kind of array that a snapshot tells apart.
struct Program {
  std::vector<float> weights = std::vector<float>(150);
  std::vector<double> moments = std::vector<double>(20);
  std::string journal;

  void become(std::uint64_t step) {
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(step * 1000 + i) / 7;
    for (std::size_t i = 0; i < moments.size(); ++i) moments[i] = static_cast<double>(step + i) / 3;
    journal = "at step " + std::to_string(step);
  }
  bool operator==(const Program&) const = default;

  static std::size_t pack(void* self, void* buffer, std::size_t capacity) {
    const std::string& text = static_cast<Program*>(self)->journal;
    if (buffer && capacity >= text.size()) text.copy(static_cast<char*>(buffer), text.size());
    return text.size();
  }
  static int unpack(void* self, const void* data, std::size_t size) {
    static_cast<Program*>(self)->journal.assign(static_cast<const char*>(data), size);
    return 0;
  }
  void add_to(ckpt_run* run) {
    ckpt_array array = array_of(weights);
    ckpt_add(run, "model/weights", &array, nullptr);
    array = {};
    array.data = moments.data();
    array.dtype = CKPT_F64;
    array.ndim = 2;
    array.shape[0] = 4;
    array.shape[1] = 5;
    ckpt_add(run, "moments", &array, nullptr);
    ckpt_add_packed(run, "journal", pack, unpack, this, nullptr);
  }
};

struct Restored {
  ckpt_status status;
  std::uint64_t step;
  bool exact;
  std::string text;
  std::string best;   // a small value
};

Restored restore() {
  Program program, expected;
  ScratchRun run({{"threads", "1"}});
  program.add_to(run.run);
  const ckpt_status status = run.restore();
  expected.become(run.step);
  char best[32] = "";
  ckpt_get(run.run, "best", best, sizeof best, nullptr, nullptr);
  return {status, run.step, program == expected, run.text(), best};
}

// Steps 1 and 2 are durable; the newest file is small.
struct TwoSnapshots : ScratchWorld {
  std::unique_ptr<FakeDisk> prepared;
  std::string newest, content;

  TwoSnapshots() {
    {
      Program program;
      ScratchRun run({{"threads", "1"}});
      program.add_to(run.run);
      run.restore();
      for (const std::uint64_t step : {1, 2}) {
        program.become(step);
        ckpt_set(run.run, "best", std::to_string(step).c_str(), nullptr);
        REQUIRE(run.save_durably(step) == CKPT_OK);
      }
    }
    newest = snapshots().back();
    content = disk->content(newest);
    REQUIRE(content.size() <= largest_file);
    prepared = disk->clone();
  }

  bool put_aside() const {   // as it was found
    for (const std::string& path : disk->files())
      if (path.starts_with(newest + ".damaged-b")) return true;
    return false;
  }

  // Restores with `harm` done to the newest file; true when restore noticed it.
  template <class Harm>
  bool is_noticed(const Harm& harm) {
    use(prepared->clone());
    harm(*disk);
    const Restored restored = restore();
    INFO(restored.text);
    REQUIRE(restored.status == CKPT_OK);
    REQUIRE(restored.exact);
    REQUIRE(restored.best == std::to_string(restored.step));
    REQUIRE((restored.step == 1 || restored.step == 2));
    const bool noticed = restored.step == 1;
    REQUIRE(put_aside() == noticed);
    return noticed;
  }
};

}  // namespace

TEST_CASE("each bit of each byte of a snapshot flipped in turn: restore notices it, or ends with the state that was saved") {
  TwoSnapshots world;
  const int bit = GENERATE(range(0, 8));
  std::size_t noticed = 0;
  for (std::size_t byte = 0; byte < world.content.size(); ++byte) {
    INFO("bit " << bit << " of byte " << byte << " of " << world.content.size());
    noticed += world.is_noticed([&](FakeDisk& disk) { disk.flip_bit(world.newest, byte * 8 + bit); });
  }
  CHECK(noticed > world.content.size() / 2);   // the flips do reach what is read
}

TEST_CASE("each byte of a snapshot turned into its complement: restore notices it, or ends with the state that was saved") {
  TwoSnapshots world;
  for (std::size_t byte = 0; byte < world.content.size(); ++byte) {
    INFO("byte " << byte << " of " << world.content.size());
    world.is_noticed([&](FakeDisk& disk) {
      for (int bit = 0; bit < 8; ++bit) disk.flip_bit(world.newest, byte * 8 + bit);
    });
  }
}

TEST_CASE("restore notices a snapshot that ends early, at whatever length") {
  TwoSnapshots world;
  for (std::size_t length = 0; length < world.content.size(); ++length) {
    INFO("cut to " << length << " of " << world.content.size());
    REQUIRE(world.is_noticed([&](FakeDisk& disk) { disk.cut(world.newest, length); }));
  }
}
