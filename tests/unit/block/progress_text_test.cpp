// SPDX-License-Identifier: Apache-2.0
#include "block/progress_text.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

namespace {

std::optional<Progress> read(const std::string& how, const std::string& printed) {
  return ProgressText(how).take(std::as_bytes(std::span(printed)));
}

void check(const std::optional<Progress>& progress, double done, double total, const std::string& unit) {
  REQUIRE(progress);
  CHECK(progress->done == done);
  CHECK(progress->total == total);
  CHECK(progress->unit == unit);
}

}  // namespace

TEST_CASE("progress is read from what the well-known libraries print") {
  check(read("keras", "Epoch 3/10\n\r  1/32 [>.....] - loss: 2.3"), 2, 10, "epoch");
  check(read("lightning", "Epoch 4:  37%|███▋      | 347/938 [00:03<00:05, 113.22it/s, v_num=0]\r"), 4, 0, "epoch");
  check(read("lightning", "Epoch 4/9 ━━━━━━ 938/938 0:00:05\n"), 4, 10, "epoch");
  check(read("huggingface", "{'loss': 0.41, 'learning_rate': 2e-05, 'epoch': 1.25}\n"), 1.25, 0, "epoch");
  check(read("tqdm", " 12%|█▏        | 120/1000 [00:01<00:08, 101.2it/s]\r"), 120, 1000, "step");
}

TEST_CASE("progress is read by an expression of one's own") {
  check(read(R"(step (?<done>\d+) of (?P<total>\d+))", "step 7 of 9\n"), 7, 9, "");
  check(read(R"((total|all)=(?<total>\d+) \(now\) (?<done>[\d.]+))", "total=10 (now) 2.5\n"), 2.5, 10, "");
  CHECK_FALSE(read("keras", "Epoch three of ten\n"));
  CHECK_FALSE(read("keras", "Epoch 3/10"));  // the line may go on
}

TEST_CASE("the newest progress of several lines counts, and lines may come in pieces") {
  ProgressText text("keras");
  const std::string one = "Epoch 1/3\nEpoch 2/3\nEpo", other = "ch 3/3\n";
  check(text.take(std::as_bytes(std::span(one))), 1, 3, "epoch");
  check(text.take(std::as_bytes(std::span(other))), 2, 3, "epoch");
}

TEST_CASE("what is no expression, or has no number in it, is refused") {
  CHECK_THROWS_AS(ProgressText("("), Error);
  CHECK_THROWS_AS(ProgressText("(?<done>"), Error);
  CHECK_THROWS_AS(ProgressText("epoch"), Error);
}
