// SPDX-License-Identifier: Apache-2.0
#include "block/checkpoint_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/open_files.hpp"
#include "block/process_tree.hpp"
#include "checkpoints/beside.hpp"
#include "io/publish.hpp"

namespace ckpt::supervisor {

namespace {

constexpr double rests_per_look = 20;  // a full directory on a slow file system is not looked at all the time
constexpr double rest_after_error_seconds = 60;
constexpr double rest_of_first_directory_seconds = 20, rest_of_shorter_seconds = 60;

}  // namespace

using checkpoints::Candidate;
using checkpoints::Judged;
using checkpoints::Wholeness;

CheckpointWatch::CheckpointWatch(io::FileSystem& fs, Clock& clock, const OwnCheckpoints& own)
    : fs_(fs), clock_(clock), own_(own), broken_(own.broken), whole_(own.search.remembered), last_found_(clock.monotonic_seconds()) {
  if (own.resume) whole_.insert(whole_.begin(), *own.resume);
}

bool CheckpointWatch::is_known(const Candidate& candidate) const {
  const auto same = [&](const Candidate& other) { return other.same_version(candidate); };
  return std::any_of(broken_.begin(), broken_.end(), same);
}

// What is newer than the newest that is known, also where the program has removed that one, and not known to be broken; newest
// first. What was there before a fresh start may have higher numbers.
std::vector<Candidate> CheckpointWatch::list_new() {
  const auto& known = newest_ ? newest_ : own_.resume;
  const auto there = own_.search.pattern.list(fs_);
  has_matched_ = has_matched_ || !there.empty();
  note_lower_numbers(there);
  std::vector<Candidate> all;
  for (const Candidate& candidate : there) {
    if (known && !comes_after(candidate, known->candidate)) break;
    if (candidate.modified <= own_.search.since || is_known(candidate)) continue;
    if (checkpoints::why_not_yet(fs_, candidate.path).empty()) all.push_back(candidate);
  }
  return all;
}

// One that has come to rest; else one that nobody has looked at: the newest may be written all the time, and those before it
// would never have their turn.
std::optional<Candidate> CheckpointWatch::find_new() {
  std::optional<Candidate> fresh, changed;
  for (const Candidate& candidate : list_new()) {
    const auto looked_at = std::find_if(doubtful_.begin(), doubtful_.end(), [&](const Doubtful& one) { return one.candidate.path == candidate.path; });
    if (does_not_change(candidate)) return candidate;
    if (looked_at == doubtful_.end() && !fresh) fresh = candidate;
    if (looked_at != doubtful_.end() && !looked_at->candidate.same_version(candidate) && !changed) changed = candidate;
  }
  return fresh ? fresh : changed;
}

// From one look to the next. But of a first directory nothing tells which files are still to come, and a program may take its time
// between two of them; the later ones are compared with it. Nor of one that is much smaller than the one before: who wrote it may
// have died in the middle, while a shell around it lives on.
double CheckpointWatch::rest_that_tells(const Candidate& candidate) const {
  const bool is_first = !newest_ && !own_.resume && !own_.search.pattern.names_one_file();
  const bool is_alone = is_first && io::is_directory(fs_, candidate.path) && checkpoints::checkpoints_beside(fs_, candidate.path).empty();
  return is_alone ? rest_of_first_directory_seconds : is_shorter(candidate) ? rest_of_shorter_seconds : 0;
}

bool CheckpointWatch::is_shorter(const Candidate& candidate) const {
  return checkpoints::is_short(candidate, checkpoints::bytes_of_one_like(candidate, whole_));
}

bool CheckpointWatch::does_not_change(const Candidate& candidate) const {
  const double before = clock_.monotonic_seconds() - rest_that_tells(candidate);
  const auto rests = [&](const Doubtful& one) { return one.candidate.same_version(candidate) && one.since <= before; };
  return std::any_of(doubtful_.begin(), doubtful_.end(), rests) && !is_open_for_writing(candidate.path, descendants());
}

void CheckpointWatch::note_doubtful(const Candidate& candidate, double since, bool is_open) {
  const auto found = std::find_if(doubtful_.begin(), doubtful_.end(), [&](const Doubtful& one) { return one.candidate.path == candidate.path; });
  Doubtful& doubtful = found != doubtful_.end() ? *found : doubtful_.emplace_back();
  doubtful.since = doubtful.candidate.same_version(candidate) ? std::min(doubtful.since, since) : since;
  doubtful.candidate = candidate;
  doubtful.is_open = is_open;
}

void CheckpointWatch::judge(const Candidate& candidate) {
  judged_from_ = clock_.monotonic_seconds();
  judged_open_ = is_open_for_writing(candidate.path, descendants());     // who writes it may be dead when the answer comes
  if (judged_open_)
    open_.insert(candidate.path);
  else
    open_.erase(candidate.path);
  auto keep = own_.keep;
  if (keep) keep->even_if_unknown = does_not_change(candidate);
  if (keep) keep->is_open = judged_open_;
  judgement_ = std::make_unique<checkpoints::Judgement>(fs_, candidate, keep, own_.search.is_by_trainer);
}

// One that is being written is judged again and again: never for more than half of the time.
void CheckpointWatch::tick() try {
  const double began = clock_.monotonic_seconds();
  if (judgement_ || began < rest_until_) return;
  if (const auto candidate = find_new()) judge(*candidate);
  rest_until_ = began + rests_per_look * (clock_.monotonic_seconds() - began);
} catch (const Error& error) {
  log_warning("new checkpoints cannot be looked for now: {}", error.what());
  rest_until_ = clock_.monotonic_seconds() + rest_after_error_seconds;
}

void CheckpointWatch::add_to(std::vector<pollfd>& polled) const {
  if (judgement_) polled.push_back({judgement_->fd(), POLLIN, 0});
}

bool CheckpointWatch::look() {
  if (!judgement_) return false;
  const auto judged = judgement_->look();
  if (!judged) return false;
  judgement_.reset();
  rest_until_ = 2 * clock_.monotonic_seconds() - judged_from_;
  return take(*judged);
}

bool CheckpointWatch::take(const Judged& judged) {
  const Candidate& candidate = judged.version.candidate;
  if (judged.finding.state == Wholeness::broken) {
    broken_.push_back(candidate);
    return false;
  }
  const bool tells = judged.finding.state == Wholeness::whole && (judged.finding.by_checksum || !judged_open_);
  if (!tells && !does_not_change(candidate)) {
    note_doubtful(candidate, judged_from_, judged_open_);
    return false;
  }
  note_copy(judged);
  newest_ = judged.version;
  whole_.insert(whole_.begin(), judged.version);
  const double now = clock_.monotonic_seconds();
  seconds_since_last_ = now - std::exchange(last_found_, now);
  if (until_first_)
    intervals_.add(seconds_since_last_);
  else
    until_first_ = seconds_since_last_;
  return true;
}

// Once for several in a row.
void CheckpointWatch::note_copy(const Judged& judged) {
  if (!copy_failed_) checkpoints::warn_if_no_copy(judged);
  copy_failed_ = !judged.why_no_copy.empty();
}

// What was under way has been ended with the block's processes. What looked torn, or could not be read, while the program was
// running is looked at once more. Where the program was cut off and a format does not tell, only rest does: before that, or while
// the program wrote another one.
bool CheckpointWatch::settle(Ending ending) {
  judgement_.reset();
  broken_ = own_.broken;
  std::erase_if(doubtful_, [](const Doubtful& one) { return one.is_open; });
  const std::vector<Candidate> all = list_new();
  began_again_ = lower_.size() > (newest_ || !all.empty() ? 1 : 0) && !was_only_touched(*own_.resume);
  for (const Candidate& candidate : all) {
    const bool has_followers = checkpoints::has_one_behind(candidate, all);
    const bool is_left_open = ending == Ending::cut_off && open_.contains(candidate.path) && !has_followers;
    const bool is_at_rest = ending == Ending::by_itself || (!is_shorter(candidate) && (ending == Ending::asked || has_followers));
    if (is_at_rest) note_doubtful(candidate, -engine::no_limit, false);
    judge(candidate);
    const Judged judged = judgement_->wait();
    judgement_.reset();
    if (is_left_open && !judged.finding.by_checksum)
      left_open_.push_back(candidate);
    else if (take(judged))
      return true;
  }
  return settle_for_copy();
}

// Where it begins with several of them it has begun again, whether or not it has come further since: what it went on from counted for
// nothing. A program that counts on may write its very first one anew at each start, and older ones, without their optimizers say, once
// it has written a newer one.
void CheckpointWatch::note_lower_numbers(const std::vector<Candidate>& there) {
  if (!own_.resume) return;
  const Candidate& before = own_.resume->candidate;
  std::vector<const Candidate*> lower;
  for (const Candidate& candidate : there) {
    if (!is_written_by_block(candidate)) continue;
    if (candidate.order < before.order && candidate.modified > before.modified) lower.push_back(&candidate);
    if (candidate.order > before.order) first_higher_ = std::min(first_higher_, candidate.modified);
  }
  for (const Candidate* candidate : lower)
    if (candidate->modified < first_higher_) lower_.insert(candidate->path);
}

// As by a job against the purging of old files: all have another time, and what they had.
bool CheckpointWatch::was_only_touched(const checkpoints::Version& version) const {
  const auto there = own_.search.pattern.list(fs_);
  const auto now = std::find_if(there.begin(), there.end(), [&](const Candidate& one) { return one.path == version.path(); });
  if (now == there.end() || now->same_version(version.candidate) || now->bytes != version.candidate.bytes) return false;
  return checkpoints::Judgement(fs_, *now, std::nullopt).wait().version.crc == version.crc;
}

// A directory that was there may be on its way out, which changes its time as well.
bool CheckpointWatch::is_written_by_block(const Candidate& candidate) const {
  const auto old = std::find_if(own_.there.begin(), own_.there.end(), [&](const Candidate& one) { return one.path == candidate.path; });
  return old == own_.there.end() || (!old->same_version(candidate) && !io::is_directory(fs_, candidate.path));
}

// One that was made of what has been torn since, by a judgement that did not come to tell of it.
bool CheckpointWatch::settle_for_copy() {
  if (!own_.keep) return false;
  const auto copies = checkpoints::list_copies(fs_, own_.keep->directory, own_.search.pattern.text());
  if (copies.empty() || copies.front().order.front() != own_.keep->block) return false;
  const auto is_of_it = [&](const checkpoints::Version& one) { return one.copy == copies.front().path; };
  if (std::any_of(whole_.begin(), whole_.end(), is_of_it)) return false;
  Candidate copy = copies.front();
  copy.order.clear();
  return take(checkpoints::Judgement(fs_, copy, std::nullopt).wait());
}

// The first of a block comes after its start-up, too; so that one counts where there is no other.
std::optional<double> CheckpointWatch::interval() const {
  if (intervals_.count() > 0) return intervals_.estimate();
  if (own_.intervals.count() > 0) return own_.intervals.estimate();
  return until_first_;
}

double CheckpointWatch::shortest_interval() const {
  constexpr double supplement = 1.2;
  const bool is_known = intervals_.count() + own_.intervals.count() > 0;
  return is_known ? *interval() : supplement * own_.seconds_without_second;
}

}  // namespace ckpt::supervisor
