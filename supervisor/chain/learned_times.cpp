// SPDX-License-Identifier: Apache-2.0
#include "chain/learned_times.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "rundir/blocks.hpp"
#include "rundir/json_fields.hpp"
#include "rundir/ledger.hpp"

namespace ckpt::supervisor {
namespace {

using nlohmann::json;
using rundir::number_in;
using rundir::object_in;
using rundir::text_in;

constexpr std::uint64_t blocks_to_learn_from = 50;
constexpr double whole_unit = 0.999;  // 0.1 ten times is not quite one
constexpr double least_part_of_unit = 0.02;

// How far something had come, and when.
struct Mark {
  double time = 0, count = 0;
};

// Time per unit, from marks that become more.
class Pace {
 public:
  void begin(Mark mark) { from_ = last_ = mark; }
  void add(Mark mark) {
    if (!from_ || mark.count < last_.count) return begin(mark);  // it counts anew
    last_ = mark;
    if (mark.count - from_->count < whole_unit) return;
    note();
    from_ = mark;
  }
  // What came after the last whole unit, or instead of one.
  void note_part() {
    if (from_ && last_.count - from_->count >= least_part_of_unit) note();
  }
  void add_all(const Pace& other) {
    sample_.add_all(other.sample_);
    spanned_ += other.spanned_;
  }
  const Sample& sample() const { return sample_; }
  double spanned() const { return spanned_; }

 private:
  void note() {
    const double count = last_.count - from_->count;
    sample_.add((last_.time - from_->time) / count);
    spanned_ += count;
  }

  Sample sample_;
  double spanned_ = 0;
  std::optional<Mark> from_;
  Mark last_;
};

// Of a block whose program writes its own checkpoints: what its start is learned from.
struct OwnStart {
  double prepared_seconds = 0;                      // unpacking data, say, before it
  std::optional<double> until_first_seconds;        // from its start, a checkpoint
};

// One ledger of a program, read line by line.
class ProgramLedger {
 public:
  ProgramLedger(LearnedTimes& learned, std::optional<double> block_started)
      : learned_(learned), block_started_(block_started) {}

  void take(const json& line) {
    const std::string event = text_in(line, "event");
    if (event == "fresh")
      take_start(line, 0);
    else if (event == "restored")
      take_start(line, number_in(line, "step").value_or(0));
    else if (event == "first_point")
      take_first_point(line);
    else if (event == "progress")
      take_progress(line);
    else if (event == "staged")
      take_staged(line);
    else if (event == "durable")
      take_durable(line);
    else if (event == "started")
      take_started(line);
    else if (event == "checkpoint")
      take_checkpoint(line);
  }
  const Pace& units() const { return units_; }
  const Pace& units_from_start() const { return units_from_start_; }
  const OwnStart& own_start() const { return own_start_; }
  const Sample& own_intervals() const { return own_intervals_; }
  const Pace& steps() const { return steps_; }
  const std::optional<double>& durable_done() const { return durable_done_; }
  const std::optional<double>& durable_step() const { return durable_step_; }

 private:
  void take_start(const json& line, double step) {
    fresh_ = text_in(line, "event") == "fresh";
    first_step_ = step;
    restore_seconds_ = number_in(line, "seconds").value_or(0);
    learned_.restore.add(restore_seconds_);
  }
  // A first point behind work of its own is no start.
  void take_first_point(const json& line) {
    const double time = number_in(line, "time").value_or(0);
    if (number_in(line, "step") != first_step_) return;
    if (block_started_) learned_.startup.add(time - *block_started_ - restore_seconds_);
    if (fresh_) units_.begin({time, 0});
    steps_.begin({time, first_step_});
  }
  void take_progress(const json& line) {
    const auto done = number_in(line, "done");
    if (!done) return;
    learned_.unit = text_in(line, "unit");
    if (const auto total = number_in(line, "total"); total && *total > 0) learned_.total = total;
    const Mark mark{number_in(line, "time").value_or(0), *done};
    units_.add(mark);
    units_from_start_.add(mark);
    done_ = done;
  }
  void take_staged(const json& line) {
    learned_.between_points.add(number_in(line, "seconds_between_points").value_or(0));
    learned_.state_bytes = static_cast<std::uint64_t>(number_in(line, "state_bytes").value_or(0));
    const double step = number_in(line, "step").value_or(0);
    steps_.add({number_in(line, "time").value_or(0), step});
    if (const auto done = number_in(line, "done")) staged_done_[step] = *done;
  }
  void take_durable(const json& line) {
    learned_.stage.add(number_in(line, "stall_seconds").value_or(0));
    learned_.drain.add(number_in(line, "drain_seconds").value_or(0));
    learned_.publish.add(number_in(line, "publish_seconds").value_or(0));
    learned_.file_bytes = static_cast<std::uint64_t>(number_in(line, "file_bytes").value_or(0));
    durable_step_ = number_in(line, "step");
    if (const auto done = staged_done_.find(durable_step_.value_or(0)); done != staged_done_.end())
      durable_done_ = done->second;
  }

  // By ckptrun, of a program that writes its own, and is as far as the one that it goes on from says.
  void take_started(const json& line) {
    own_start_.prepared_seconds = number_in(line, "prepared_seconds").value_or(0);
    if (line.value("keeps_own", json(false)) != true) return;
    learned_.keeps_own = true;
    const json from = object_in(line, "own_from");
    const auto epoch = number_in(from, "epoch"), count = epoch ? epoch : number_in(from, "step");
    if (from.empty() || count) units_from_start_.begin({number_in(line, "time").value_or(0), count.value_or(0)});
  }
  void take_checkpoint(const json& line) {
    const double seconds = number_in(line, "seconds_since_last").value_or(0);
    if (own_start_.until_first_seconds) own_intervals_.add(seconds);
    else own_start_.until_first_seconds = seconds;
    learned_.file_bytes = static_cast<std::uint64_t>(number_in(line, "bytes").value_or(0));
    if (const auto step = number_in(line, "step")) durable_step_ = step;
    durable_done_ = number_in(line, "epoch");
    if (!durable_done_) durable_done_ = done_;
  }

  LearnedTimes& learned_;
  std::optional<double> block_started_;
  bool fresh_ = false;
  double first_step_ = 0, restore_seconds_ = 0;
  Pace units_, steps_, units_from_start_;
  OwnStart own_start_;
  Sample own_intervals_;          // between checkpoints
  std::optional<double> done_, durable_done_, durable_step_;
  std::map<double, double> staged_done_;  // step -> progress
};

// The program counts steps as long as it tells nothing better.
class Learner {
 public:
  void read_block(io::FileSystem& fs, const rundir::Layout& layout, std::uint64_t block) {
    std::optional<double> started;
    ProgramLedger own(learned_, std::nullopt);
    for (const json& line : rundir::read_ledger(fs, layout.ckptrun_ledger(block))) {
      if (text_in(line, "event") == "started")
        started = number_in(line, "time").value_or(0) - number_in(line, "prepared_seconds").value_or(0);
      own.take(line);
    }
    take(own);
    bool linked = false;
    for (const auto& attachment : rundir::Blocks(fs, layout, {}).read_attachments(block)) {
      if (!attachment.linked) continue;
      linked = true;
      ProgramLedger ledger(learned_, started);
      for (const json& line : rundir::read_ledger(fs, layout.program_ledger(block, attachment.who.pid)))
        ledger.take(line);
      take(ledger);
      started.reset();  // a second program of a block does not start with it
    }
    if (!linked) own_starts_.push_back(own.own_start());
  }
  LearnedTimes result() {
    const bool counts_steps = learned_.unit.empty() && durable_step_;
    if (counts_steps) {
      learned_.unit = "step";
      learned_.done = durable_step_;
    }
    learn_from_own_checkpoints();
    const Pace& told = units_.sample().count() > 0 ? units_ : parts_.sample().count() > 0 ? parts_ : units_from_start_;
    learned_.unit_seconds = (counts_steps ? steps_ : told).sample();
    learned_.units_observed = (counts_steps ? steps_ : told).spanned();
    return learned_;
  }

 private:
  void take(const ProgramLedger& ledger) {
    units_.add_all(ledger.units());
    if (ledger.units().sample().count() == 0) {  // an epoch may be longer than a block
      Pace part = ledger.units();
      part.note_part();
      parts_.add_all(part);
    }
    steps_.add_all(ledger.steps());
    units_from_start_.add_all(ledger.units_from_start());
    own_intervals_.add_all(ledger.own_intervals());
    if (ledger.durable_done()) learned_.done = ledger.durable_done();
    if (ledger.durable_step()) durable_step_ = ledger.durable_step();
  }

  // The first one of a block comes after its start-up as well. Where there is no other it counts as it is, as it does in a
  // block.
  void learn_from_own_checkpoints() {
    const std::optional<double> interval = own_intervals_.p90();
    learned_.between_points.add_all(own_intervals_);
    for (const OwnStart& start : own_starts_) {
      const double until_first = start.until_first_seconds.value_or(0);
      if (!interval) learned_.between_points.add(until_first);
      learned_.startup.add(start.prepared_seconds + std::max(0.0, until_first - interval.value_or(until_first)));
    }
  }

  LearnedTimes learned_;
  Pace units_, parts_, steps_;  // parts_: where there is not one whole unit
  Pace units_from_start_;       // where no block has told of two
  std::vector<OwnStart> own_starts_;
  Sample own_intervals_;
  std::optional<double> durable_step_;
};

LearnedTimes learn_from_blocks(io::FileSystem& fs, const rundir::Layout& layout) {
  const std::uint64_t newest = rundir::Blocks(fs, layout, {}).newest();
  Learner learner;
  for (std::uint64_t block = newest > blocks_to_learn_from ? newest - blocks_to_learn_from + 1 : 1; block <= newest;
       ++block)
    learner.read_block(fs, layout, block);
  return learner.result();
}

void fill_in(LearnedTimes& learned, const LearnedTimes& rehearsed) {
  if (learned.unit_seconds.count() == 0) {
    learned.from_rehearsal = rehearsed.unit_seconds.count() > 0;
    learned.unit_seconds = rehearsed.unit_seconds;
    learned.unit = rehearsed.unit;
  }
  for (Sample LearnedTimes::*kind : {&LearnedTimes::startup, &LearnedTimes::restore, &LearnedTimes::stage,
                                     &LearnedTimes::drain, &LearnedTimes::publish, &LearnedTimes::between_points})
    if ((learned.*kind).count() == 0) learned.*kind = rehearsed.*kind;
  if (!learned.done && rehearsed.keeps_own) learned.done = rehearsed.done;
  if (!learned.total) learned.total = rehearsed.total;
  if (learned.state_bytes == 0) learned.state_bytes = rehearsed.state_bytes;
  if (learned.file_bytes == 0) learned.file_bytes = rehearsed.file_bytes;
}

}  // namespace

void Sample::add(double seconds) {
  if (seconds > 0) seconds_.push_back(seconds);
}

void Sample::add_all(const Sample& other) {
  seconds_.insert(seconds_.end(), other.seconds_.begin(), other.seconds_.end());
}

std::optional<double> Sample::p90() const {
  if (seconds_.empty()) return std::nullopt;
  std::vector<double> sorted = seconds_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[(sorted.size() * 9 + 9) / 10 - 1];
}

std::optional<double> Sample::estimate() const {
  engine::Observations observations;
  for (const double seconds : seconds_) observations.add(seconds);
  return observations.estimate();
}

engine::Costs LearnedTimes::costs() const {
  return {.between_points = between_points.estimate().value_or(0),
          .stage = stage.estimate().value_or(0),
          .drain = drain.estimate().value_or(0),
          .publish = publish.estimate().value_or(0)};
}

rundir::Layout rehearsal_of(const rundir::Layout& layout) { return rundir::Layout(layout.directory() + "/rehearsal"); }

LearnedTimes learn_times(io::FileSystem& fs, const rundir::Layout& layout) {
  LearnedTimes learned = learn_from_blocks(fs, layout);
  fill_in(learned, learn_from_blocks(fs, rehearsal_of(layout)));
  return learned;
}

}  // namespace ckpt::supervisor
