// SPDX-License-Identifier: Apache-2.0
// Each call to the disk fails, HDF5's included: an error comes out, with its reason, and never damage or wrong data.
#include <catch2/catch.hpp>

#include <algorithm>

#include "fault/for_each_call.hpp"
#include "sample_state.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using Repeat = FakeDisk::Repeat;
using Effect = FakeDisk::Effect;
using snapshot::Reader;
using snapshot::write_snapshot;

namespace {

SampleState state_of_two_arrays() {
  SampleState state;
  state.add({.name = "weights", .dtype = CKPT_F32, .shape = {90}});
  state.add({.name = "group/bytes", .dtype = CKPT_U8, .shape = {2000}});
  return state;
}

// Everything that can be seen afterwards of a write that failed or not.
void check_written(FakeDisk& disk, const SampleState& state, ckpt_status status, int expected_errno,
                   const std::string& text) {
  if (status == CKPT_OK) {
    disk.clear_faults();
    CHECK(same(state, restored(disk)));
    return;
  }
  INFO(text);
  CHECK(status == status_of_errno(expected_errno));
  CHECK(text.find(snapshot_path) != std::string::npos);
  CHECK(text.find(errno_text(expected_errno)) != std::string::npos);
}

}  // namespace

TEST_CASE("when call N fails while a snapshot is written, once or for ever, no file that could be believed is left") {
  const SampleState state = state_of_two_arrays();
  for (const Repeat repeat : {Repeat::once, Repeat::for_ever})
    for (const Effect effect : {Effect::none, Effect::half, Effect::done})
      for (const int error : {EIO, ENOSPC}) {
        const std::uint64_t calls = for_each_call(
            *empty_disk(), [&](FakeDisk& disk, std::uint64_t n) { disk.fail_call(n, error, repeat, effect); },
            [&](FakeDisk& disk, std::uint64_t n) {
              INFO("call " << n);
              std::string text;
              const ckpt_status status = status_of(
                  [&] { write_snapshot(disk, snapshot_path, state.header, state.sources(), small_chunks()); }, &text);
              const bool reached = disk.calls() >= n;
              check_written(disk, state, status, error, text);
              if (reached) CHECK(status != CKPT_OK);
              const bool open_failed = n == 1;   // nothing of ours may be removed then
              if (reached && repeat == Repeat::once && !open_failed) CHECK_FALSE(disk.exists(snapshot_path));
            });
        CHECK(calls > 10);
      }
}

TEST_CASE("when call N fails while a snapshot is read, the disk is named, never damage, and nothing wrong is given") {
  SampleState tiny = state_of_two_arrays(), large;
  large.add({.name = "large", .dtype = CKPT_F32, .shape = {7, 40000}});   // chunk by chunk on all threads
  const auto check = [](const SampleState& state, const FakeDisk& disk, Repeat repeat, int error, unsigned threads) {
    for_each_call(
        disk, [&](FakeDisk& faulty, std::uint64_t n) { faulty.fail_call(n, error, repeat); },
        [&](FakeDisk& faulty, std::uint64_t n) {
          SampleState read;
          std::string text;
          const ckpt_status status = status_of([&] { read = restored(faulty, threads); }, &text);
          INFO("call " << n << ", errno " << error << ": " << text);
          if (faulty.calls() < n) {
            CHECK(status == CKPT_OK);
            CHECK(same(state, read));
            return;
          }
          CHECK(status == (error == ESTALE ? CKPT_ERR_NOT_FOUND : status_of_errno(error)));
          CHECK(text.find(snapshot_path) != std::string::npos);
        });
  };
  const auto tiny_disk = disk_with(tiny, small_chunks());
  const auto large_disk = disk_with(large, {.chunk_bytes = 160000});
  for (const Repeat repeat : {Repeat::once, Repeat::for_ever})
    for (const int error : {EIO, ESTALE, ENOMEM, EACCES}) {
      check(tiny, *tiny_disk, repeat, error, 1);
      check(large, *large_disk, repeat, error, 3);
    }
}

TEST_CASE("a reader whose disk failed does not come back to life with what it half knows") {
  const auto disk = disk_with(state_of_two_arrays(), small_chunks());
  Reader reader(*disk, snapshot_path);
  disk->fail_call(disk->calls() + 1, EIO);
  CHECK(status_of([&] { reader.verify(1); }) == CKPT_ERR_IO);
  CHECK(status_of([&] { reader.verify(1); }) == CKPT_ERR_IO);
  Reader(*disk, snapshot_path).verify(1);
}

TEST_CASE("a disk that is full says so, and takes nothing") {
  const SampleState state = state_of_two_arrays();
  const auto whole = disk_with(state);
  const std::uint64_t needed = whole->content(snapshot_path).size();
  for (std::uint64_t room = 0; room < needed; room += 97) {
    const auto disk = empty_disk();
    disk->set_free_bytes(room);
    CHECK(status_of([&] { write_snapshot(*disk, snapshot_path, state.header, state.sources(), {}); }) ==
          CKPT_ERR_NO_SPACE);
    CHECK(disk->files().empty());
  }
}

TEST_CASE("the seam sees every byte of the file, written and read") {
  SampleState state = state_of_two_arrays();
  state.add({.name = "large", .dtype = CKPT_F32, .shape = {300, 1000}});
  const auto disk = disk_with(state);
  const std::string content = disk->content(snapshot_path);
  CHECK(disk->bytes_written_to(snapshot_path) >= content.size() - 4096);   // all but padding
  CHECK(disk->bytes_written_to(snapshot_path) < 2 * content.size());
  const auto calls = disk->log();
  for (const auto& call : calls) CHECK(call.path == snapshot_path);   // no other file, no directory
  CHECK(calls.back().name == "close");
  CHECK(std::count_if(calls.begin(), calls.end(), [](const auto& call) { return call.name == "sync"; }) == 1);
}

TEST_CASE("after a power loss right behind the writer the whole snapshot is there") {
  const SampleState state = state_of_two_arrays();
  const auto disk = disk_with(state);
  REQUIRE(disk->sync_directory("/run") == 0);
  CHECK(same(state, restored(*disk->after_power_loss())));
}

TEST_CASE("an existing file is neither overwritten nor removed") {
  const SampleState state = state_of_two_arrays();
  const auto disk = disk_with(state);
  std::string text;
  CHECK(status_of([&] { write_snapshot(*disk, snapshot_path, {}, {}, {}); }, &text) == CKPT_ERR_IO);
  CHECK(same(state, restored(*disk)));
}

TEST_CASE("a file that is not there is not found, not damaged") {
  const auto disk = empty_disk();
  CHECK(status_of([&] { Reader(*disk, snapshot_path); }) == CKPT_ERR_NOT_FOUND);
}

TEST_CASE("a cancelled write ends soon and leaves no file") {
  const SampleState state = state_of_two_arrays();
  auto sources = state.sources();
  std::atomic<bool> cancel{false};
  std::atomic<int> copies{0};
  sources[1].contiguous = nullptr;
  sources[1].copy_out = [&](std::uint64_t, std::span<std::byte> to) {
    std::fill(to.begin(), to.end(), std::byte{1});
    if (++copies == 3) cancel = true;
  };
  snapshot::WriteOptions options = small_chunks();
  options.cancel = &cancel;
  const auto disk = empty_disk();
  CHECK(status_of([&] { write_snapshot(*disk, snapshot_path, {}, sources, options); }) == CKPT_ERR_SUPERSEDED);
  CHECK(copies == 3);
  CHECK(disk->files().empty());
}

TEST_CASE("what a source throws comes out as it is, and the file goes") {
  const SampleState state = state_of_two_arrays();
  auto sources = state.sources();
  sources[0].contiguous = nullptr;
  sources[0].copy_out = [](std::uint64_t, std::span<std::byte>) { throw std::runtime_error("device lost"); };
  const auto disk = empty_disk();
  CHECK_THROWS_WITH(write_snapshot(*disk, snapshot_path, {}, sources, {}), "device lost");
  CHECK(disk->files().empty());
}
