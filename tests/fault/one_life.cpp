// SPDX-License-Identifier: Apache-2.0
#include "fault/one_life.hpp"

#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "engine/state.hpp"

namespace ckpt::testing {
namespace {

class SleeplessClock final : public Clock {
 public:
  double monotonic_seconds() override { return real_.monotonic_seconds(); }
  double wall_seconds() override { return real_.wall_seconds(); }
  void sleep_seconds(double) override {}

 private:
  Clock& real_ = system_clock();
};

SleeplessClock& sleepless_clock() {
  static SleeplessClock clock;
  return clock;
}

// The state of a step is a function of the step alone; strided and packed state take part.
struct Program {
  static constexpr std::uint64_t rows = 31, columns = 40, padded_columns = 44;
  std::vector<float> weights = std::vector<float>(rows * padded_columns);
  std::vector<std::int64_t> counters = std::vector<std::int64_t>(7);
  std::string history;              // grows with every step

  void become(std::uint64_t step) {
    for (std::uint64_t i = 0; i < rows; ++i)
      for (std::uint64_t j = 0; j < columns; ++j)
        weights[i * padded_columns + j] = static_cast<float>(step) + static_cast<float>(i * 1000 + j) / 997.0f;
    for (std::size_t i = 0; i < counters.size(); ++i) counters[i] = static_cast<std::int64_t>(step * 1'000'003 + i);
    history = std::string(step * 13, static_cast<char>('a' + step % 26));
  }
  bool operator==(const Program&) const = default;

  static std::size_t pack(void* self, void* buffer, std::size_t capacity) {
    const std::string& text = static_cast<Program*>(self)->history;
    if (buffer && capacity >= text.size()) text.copy(static_cast<char*>(buffer), text.size());
    return text.size();
  }
  static int unpack(void* self, const void* data, std::size_t size) {
    static_cast<Program*>(self)->history.assign(static_cast<const char*>(data), size);
    return 0;
  }

  ckpt_array matrix() {
    ckpt_array array{};
    array.data = weights.data();
    array.dtype = CKPT_F32;
    array.ndim = 2;
    array.shape[0] = rows;
    array.shape[1] = columns;
    array.strides[0] = padded_columns * sizeof(float);
    array.strides[1] = sizeof(float);
    return array;
  }
  ckpt_array vector() {
    ckpt_array array{};
    array.data = counters.data();
    array.dtype = CKPT_I64;
    array.ndim = 1;
    array.shape[0] = counters.size();
    return array;
  }
  void add_to(ckpt_run* run) {
    const ckpt_array both[] = {matrix(), vector()};
    ckpt_add(run, "model/weights", &both[0], nullptr);
    ckpt_add(run, "counters", &both[1], nullptr);
    ckpt_add_packed(run, "history", pack, unpack, this, nullptr);
  }
  void add_to(engine::State& state) {
    state.add("model/weights", matrix());
    state.add("counters", vector());
    state.add_packed("history", pack, unpack, this);
  }
};

ckpt_config* make_config() {
  ckpt_config* config = nullptr;
  ckpt_config_create(&config, nullptr);
  for (const auto& [key, value] : {std::pair{"directory", run_directory.c_str()}, {"signals", "off"}, {"threads", "1"}})
    ckpt_config_set(config, key, value, nullptr);
  return config;
}

void work(ckpt_run* run, Program& program, std::uint64_t step, const LifePlan& plan, Life& life) {
  const std::uint64_t first = step;
  while (step < plan.total && ckpt_point(run, step) == CKPT_GO) {
    if (plan.stop_after && step - first == plan.stop_after) return;
    program.become(++step);
    if (step % plan.save_every != 0) continue;
    if (ckpt_save(run, step, nullptr) == CKPT_OK && ckpt_wait(run, 60, nullptr) == CKPT_OK) life.durable_step = step;
  }
  if (step == plan.total && ckpt_finish(run, step, nullptr) == CKPT_OK) {
    life.finished = true;
    life.durable_step = step;
  }
}

}  // namespace

FakeWorld::FakeWorld() {
  set_log_level(LogLevel::error);
  set_system_clock(&sleepless_clock());
}

FakeWorld::~FakeWorld() {
  set_system_clock(nullptr);
  io::set_file_system(nullptr);
}

std::unique_ptr<FakeDisk> FakeWorld::empty_disk() {
  auto disk = std::make_unique<FakeDisk>();
  disk->make_directories("/scratch");
  return disk;
}

Life live(FakeDisk& disk, const LifePlan& plan) {
  io::set_file_system(&disk);
  Life life;
  Program program;
  program.become(0);
  ckpt_config* config = make_config();
  ckpt_run* run = nullptr;
  life.opened = ckpt_open(config, &run, nullptr);
  ckpt_config_free(&config);
  program.add_to(run);
  life.restored = ckpt_restore(run, &life.resumed_step, nullptr);
  if (life.restored == CKPT_OK || life.restored == CKPT_FRESH) {
    Program expected;
    expected.become(life.resumed_step);
    // Padding between rows is not state.
    for (std::uint64_t i = 0; i < Program::rows; ++i)
      for (std::uint64_t j = Program::columns; j < Program::padded_columns; ++j)
        expected.weights[i * Program::padded_columns + j] = program.weights[i * Program::padded_columns + j];
    life.exact = program == expected;
    work(run, program, life.resumed_step, plan, life);
  }
  life.exit_code = ckpt_close(&run);
  return life;
}

std::string snapshot_content(std::uint64_t block, std::uint64_t step) {
  FakeDisk disk;
  Program program;
  program.become(step);
  engine::State state;
  program.add_to(state);
  state.measure();
  snapshot::Header header{.step = step, .block = block, .run = "run", .created = "2026-01-01T00:00:00Z", .writer = "a test"};
  header.meta = R"({"values":{}})";
  snapshot::write_snapshot(disk, "/snapshot", header, state.direct_sources(), {});
  return disk.content("/snapshot");
}

}  // namespace ckpt::testing
