// SPDX-License-Identifier: Apache-2.0
#include "chain/own_checkpoints.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

#include "base/error.hpp"
#include "rundir/ledger.hpp"

using namespace ckpt;
using namespace ckpt::supervisor;

using Words = std::vector<std::string>;

TEST_CASE("words for resuming are split as a shell would") {
  CHECK(split_words("--load-checkpoint {resume}") == Words{"--load-checkpoint", "{resume}"});
  CHECK(split_words("  a 'b c' \"d 'e'\" f\\ g '' ") == Words{"a", "b c", "d 'e'", "f g", ""});
  CHECK(split_words("").empty());
  CHECK_THROWS_AS(split_words("it's"), Error);
}

TEST_CASE("a command is given the checkpoint where it asks for it, and its words only when there is one") {
  const checkpoints::Version version{{"/a b/3.pt", {}, std::nullopt, std::nullopt, 1, 100}, "PyTorch", 1, ""};
  CHECK(command_of_block({"train"}, {"--load", "{resume}"}, version) == Words{"train", "--load", "/a b/3.pt"});
  CHECK(command_of_block({"train"}, {"--load", "{resume}"}, std::nullopt) == Words{"train"});
  CHECK(command_of_block({"train", "--from={resume}", "{resume}{resume}"}, {}, version) ==
        Words{"train", "--from=/a b/3.pt", "/a b/3.pt/a b/3.pt"});
  CHECK(command_of_block({"train", "--from={resume}"}, {}, std::nullopt) == Words{"train", "--from="});
}

TEST_CASE("how long a program takes to stop is learned from blocks that were sent their signal, and at first from one that was too short") {
  char name[] = "/tmp/ckpt-stops-XXXXXX";
  const rundir::Layout layout{std::string(::mkdtemp(name))};
  rundir::prepare_run_directory(io::file_system(), layout, {.allow_volatile = true});
  rundir::Blocks blocks(io::file_system(), layout, {});
  const auto add_block = [&](double stop_seconds, bool cut_off) {
    rundir::Claim claim;
    claim.who = identify_self();
    rundir::Ledger ledger(io::file_system(), layout.ckptrun_ledger(*blocks.claim(claim)), 0600);
    ledger.append("ended", {{"stop_seconds", stop_seconds}, {"stop_cut_off", cut_off}});
    return read_seen_checkpoints(io::file_system(), layout);
  };
  CHECK(add_block(0, false).stops.count() == 0);
  SeenCheckpoints seen = add_block(150, true);
  CHECK(seen.stops.count() == 0);
  CHECK(seen.stop_cut_off_seconds == 150);
  seen = add_block(200, false);
  CHECK(seen.stops.measured() == 200);
  CHECK(seen.stop_cut_off_seconds == 0);
  CHECK(add_block(160, true).stop_cut_off_seconds == 160);
  std::filesystem::remove_all(layout.directory());
}

TEST_CASE("what a block went on from for want of another counts as whole once the block has left one that is") {
  char name[] = "/tmp/ckpt-doubt-XXXXXX";
  const rundir::Layout layout{std::string(::mkdtemp(name))};
  rundir::prepare_run_directory(io::file_system(), layout, {.allow_volatile = true});
  rundir::Blocks blocks(io::file_system(), layout, {});
  rundir::Claim claim;
  claim.who = identify_self();
  rundir::Ledger ledger(io::file_system(), layout.ckptrun_ledger(*blocks.claim(claim)), 0600);
  ledger.append("started", {{"own_from", {{"path", "last.bin"}}}, {"own_in_doubt", true}});
  const SeenCheckpoints before = read_seen_checkpoints(io::file_system(), layout);
  CHECK(before.versions.empty());
  CHECK(before.in_doubt.size() == 1);
  ledger.append("checkpoint", {{"path", "last.bin"}, {"seconds_since_last", 1}});
  const SeenCheckpoints after = read_seen_checkpoints(io::file_system(), layout);
  CHECK(after.versions.size() == 2);
  CHECK(after.in_doubt.empty());
  std::filesystem::remove_all(layout.directory());
}

TEST_CASE("how long blocks went on after their first checkpoint, and had no other, is remembered") {
  char name[] = "/tmp/ckpt-seen-XXXXXX";
  const rundir::Layout layout{std::string(::mkdtemp(name))};
  rundir::prepare_run_directory(io::file_system(), layout, {.allow_volatile = true});
  rundir::Blocks blocks(io::file_system(), layout, {});
  const auto add_block = [&](std::initializer_list<double> checkpoints, double seconds) {
    rundir::Claim claim;
    claim.who = identify_self();
    rundir::Ledger ledger(io::file_system(), layout.ckptrun_ledger(*blocks.claim(claim)), 0600);
    for (const double since_last : checkpoints) ledger.append("checkpoint", {{"path", "m.pt"}, {"seconds_since_last", since_last}});
    ledger.append("ended", {{"seconds", seconds}});
    return read_seen_checkpoints(io::file_system(), layout);
  };
  CHECK(add_block({}, 50).seconds_without_second == 0);
  CHECK(add_block({40}, 50).seconds_without_second == 10);
  CHECK(add_block({45}, 50).seconds_without_second == 10);
  const SeenCheckpoints seen = add_block({10, 25}, 50);
  CHECK(seen.seconds_without_second == 10);
  CHECK(seen.intervals.measured() == 25);
  std::filesystem::remove_all(layout.directory());
}
