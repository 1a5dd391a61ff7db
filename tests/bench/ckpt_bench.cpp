// SPDX-License-Identifier: Apache-2.0
// What libckpt costs, as ratios to what the machine can do at best, measured in the same run:
//   a safe point with nothing due              nanoseconds
//   the stall of a save                        against a plain copy of the state into touched memory
//   state made durable, bytes per second       against a buffered write and fsync of the same bytes
//   state restored, bytes per second           against reading those bytes back through the page cache
//
//   ckpt_bench [--size MIB] [--rounds N]       in the current folder, which must not be on tmpfs
#include <ckpt/ckpt.hpp>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void must(bool ok, const char* what) {
  if (!ok) throw std::system_error(errno, std::generic_category(), what);
}

struct Times {   // seconds, one per round
  std::vector<double> copy, stall, durable, write_and_sync, restore, read;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Like weights: every mantissa is noise, exponents are not.
std::vector<float> make_state(std::size_t bytes) {
  std::vector<float> state(bytes / sizeof(float));
  std::mt19937 random(7);
  std::normal_distribution<float> weights(0, 0.02F);
  for (float& weight : state) weight = weights(random);
  return state;
}

double write_and_sync(const std::string& path, const std::vector<float>& state) {
  const std::size_t bytes = state.size() * sizeof(float);
  return seconds_of([&] {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(file >= 0, path.c_str());
    const char* from = reinterpret_cast<const char*>(state.data());
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t written = ::write(file, from + done, std::min<std::size_t>(bytes - done, 4 << 20));
      must(written > 0, path.c_str());
      done += static_cast<std::size_t>(written);
    }
    must(::fsync(file) == 0 && ::close(file) == 0, path.c_str());
  });
}

double read_back(const std::string& path, std::vector<float>& into) {
  const std::size_t bytes = into.size() * sizeof(float);
  return seconds_of([&] {
    const int file = ::open(path.c_str(), O_RDONLY);
    must(file >= 0, path.c_str());
    char* to = reinterpret_cast<char*>(into.data());
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t got = ::read(file, to + done, std::min<std::size_t>(bytes - done, 4 << 20));
      must(got > 0, path.c_str());
      done += static_cast<std::size_t>(got);
    }
    ::close(file);
  });
}

ckpt::run open_run(const std::filesystem::path& directory) {
  ckpt::config config;
  config.set("directory", directory.string()).set("save_interval", "100000");
  return ckpt::run(config);
}

void measure_saves(const std::filesystem::path& folder, std::vector<float>& state, int rounds, Times& times) {
  std::vector<float> other = state;   // touched
  ckpt::run run = open_run(folder / "run");
  std::uint64_t step = 0;
  run.add("state", state);
  run.restore(step);
  std::this_thread::sleep_for(std::chrono::seconds(1));   // the first save of a training comes later still
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < state.size(); i += 1024) state[i] += 1e-6F;
    times.copy.push_back(seconds_of([&] { std::memcpy(other.data(), state.data(), state.size() * sizeof(float)); }));
    times.durable.push_back(seconds_of([&] {
      times.stall.push_back(seconds_of([&] { run.save(++step); }));
      run.wait();
    }));
    times.write_and_sync.push_back(write_and_sync((folder / "plain").string(), state));
  }
}

void measure_restores(const std::filesystem::path& folder, std::vector<float>& state, int rounds, Times& times) {
  const std::vector<float> expected = state;
  for (int round = 0; round < rounds; ++round) {
    times.read.push_back(read_back((folder / "plain").string(), state));
    std::fill(state.begin(), state.end(), 0.0F);
    ckpt::run run = open_run(folder / "run");
    std::uint64_t step = 0;
    run.add("state", state);
    times.restore.push_back(seconds_of([&] { run.restore(step); }));
    if (state != expected) throw std::runtime_error("the restored state differs");
  }
}

double nanoseconds_of_a_point(const std::filesystem::path& folder) {
  constexpr std::uint64_t points = 20'000'000;
  std::vector<float> state(256);
  ckpt::run run = open_run(folder / "points");
  std::uint64_t step = 0;
  run.add("state", state);
  run.restore(step);
  const double seconds = seconds_of([&] { while (step < points && run.point(step)) ++step; });
  return step == points ? 1e9 * seconds / static_cast<double>(points) : -1;
}

void print(const Times& times, double point_nanoseconds, std::size_t bytes) {
  const auto rate = [&](double seconds) { return static_cast<double>(bytes) / seconds / 1e9; };
  const auto row = [&](const char* what, double ours, double theirs, const char* against) {
    std::printf("%-34s %8.3f GB/s   %8.3f GB/s %-24s %5.2f x\n", what, rate(ours), rate(theirs), against,
                theirs / ours);
  };
  std::printf("%zu MiB of float32, median of %zu rounds\n\n", bytes >> 20, times.copy.size());
  std::printf("%-34s %8.1f ns\n", "safe point, nothing due", point_nanoseconds);
  row("stall of the first save", times.stall[0], median(times.copy), "memcpy, touched memory");
  row("stall of a save", median(times.stall), median(times.copy), "memcpy, touched memory");
  row("save until durable", median(times.durable), median(times.write_and_sync), "write + fsync");
  row("restore, file in the page cache", median(times.restore), median(times.read), "read, page cache");
}

std::size_t number_after(int argc, char** argv, const char* option, std::size_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], option) == 0) return std::strtoul(argv[i + 1], nullptr, 10);
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t bytes = std::max<std::size_t>(1, number_after(argc, argv, "--size", 512)) << 20;
  const int rounds = static_cast<int>(std::max<std::size_t>(1, number_after(argc, argv, "--rounds", 5)));
  char folder[] = "ckpt-bench-XXXXXX";
  must(::mkdtemp(folder) != nullptr, "a folder in the current one");
  int code = 0;
  try {
    const std::filesystem::path work = std::filesystem::absolute(folder);
    std::vector<float> state = make_state(bytes);
    Times times;
    measure_saves(work, state, rounds, times);
    measure_restores(work, state, rounds, times);
    print(times, nanoseconds_of_a_point(work), bytes);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ckpt_bench: %s\n", error.what());
    code = 1;
  }
  std::filesystem::remove_all(folder);
  return code;
}
