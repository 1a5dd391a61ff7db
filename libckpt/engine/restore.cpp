// SPDX-License-Identifier: Apache-2.0
#include "engine/restore.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.hpp"

namespace ckpt::engine {
namespace {

constexpr int attempts_on_io_error = 3;
constexpr double seconds_between_attempts = 1;

bool may_be_transient(const Error& error) { return error.status() == CKPT_ERR_IO && error.os_errno() != ESTALE; }

// Gone between listing and reading: pruned by an owner that is gone by now, or another view of a network file system.
bool asks_to_list_again(const Error& error) {
  return error.status() == CKPT_ERR_NOT_FOUND || error.os_errno() == ESTALE;
}

constexpr int most_listings = 3;

// An I/O error says nothing about the content: try again, then report it; never fall back because of it.
template <class Work>
void retry_io(Clock& clock, Work&& work) {
  for (int attempt = 1;; ++attempt) {
    try {
      return work();
    } catch (const Error& error) {
      if (!may_be_transient(error) || attempt == attempts_on_io_error) throw;
      log_warning("{}; trying again", error.what());
      clock.sleep_seconds(seconds_between_attempts);
    }
  }
}

}  // namespace

Restorer::Restorer(io::FileSystem& fs, Clock& clock, rundir::Blocks& blocks, rundir::Catalog& catalog,
                   std::uint64_t block, unsigned threads)
    : fs_(fs), clock_(clock), blocks_(blocks), catalog_(catalog), block_(block), threads_(threads) {}

void Restorer::list_snapshots() {
  candidates_.clear();
  for (auto& entry : catalog_.list()) candidates_.push_back({entry.id, entry.path, entry});
  kept_listed_ = false;
}

// Snapshots kept by name come last whatever their step: they may belong to a branch that was left.
void Restorer::list_kept() {
  kept_listed_ = true;
  for (const auto& entry : catalog_.kept()) {
    try {
      retry_io(clock_, [&] {
        const snapshot::Reader reader(fs_, entry.path);
        candidates_.push_back({{reader.header().block, reader.header().step}, entry.path, std::nullopt});
      });
    } catch (const Error& error) {
      if (error.status() == CKPT_ERR_DAMAGED) damaged_.push_back(error.what());
      else if (error.status() != CKPT_ERR_NOT_FOUND) throw;
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return b.id < a.id; });
}

bool Restorer::advance() {
  for (int listing = 0; !reader_ && listing < most_listings;) {
    if (!listed_) list_snapshots();
    listed_ = true;
    if (candidates_.empty() && !kept_listed_) list_kept();
    if (candidates_.empty()) return false;
    try {
      retry_io(clock_, [&] { reader_.emplace(fs_, candidates_.front().path); });
    } catch (const Error& error) {
      if (asks_to_list_again(error)) {
        listed_ = false;
        ++listing;
      } else if (error.status() == CKPT_ERR_DAMAGED) {
        pass_over(error);
      } else {
        throw;
      }
    }
  }
  return reader_.has_value();
}

void Restorer::pass_over(const Error& damage) {
  log_warning("{}; trying the next older snapshot", damage.what());
  damaged_.push_back(damage.what());
  reader_.reset();
  const Candidate damaged = candidates_.front();
  candidates_.erase(candidates_.begin());
  // Out of the way so that it does not count in retention; evidence, so renamed and not removed.
  if (damaged.entry && blocks_.is_newest(block_)) {
    try {
      catalog_.quarantine(*damaged.entry, block_);
    } catch (const Error& error) {
      log_warning("{} stays where it is: {}", damaged.path, error.what());
    }
  }
}

void Restorer::report_lost() const {
  const std::string first = damaged_.empty() ? "its files are gone" : damaged_.front();
  fail(CKPT_ERR_LOST,
       "this run had durable snapshots and none of them restores: {}; nothing was overwritten. Look at it with `ckpt ls`; "
       "to start from the beginning in a new run: ckptrun --fresh",
       first);
}

const snapshot::Reader* Restorer::newest() {
  if (advance()) return &*reader_;
  listed_ = false;   // whoever asks again looks again
  const bool had_some = catalog_.ever_had_snapshots() || !damaged_.empty() || !catalog_.damaged().empty() ||
                        !catalog_.kept().empty();
  if (had_some) report_lost();
  return nullptr;
}

// A reader remembers that its disk failed, and HDF5 may have kept what it was given instead: each attempt reads anew.
template <class Work>
void Restorer::read_patiently(Work&& work) {
  bool again = false;
  retry_io(clock_, [&] {
    if (std::exchange(again, true)) reader_ = snapshot::Reader(fs_, reader_->path());
    work();
  });
}

void Restorer::fill(const State& state, const Prepare& prepare) {
  try {
    prepare(*reader_);
    state.require_match(reader_->arrays(), reader_->path());
  } catch (const Error&) {
    // The list of names may itself be damaged in a way that still parses: only a whole snapshot proves a mismatch.
    read_patiently([&] { reader_->verify(threads_); });
    throw;
  }
  const State::Targets targets = state.targets_for(reader_->arrays());
  read_patiently([&] { reader_->read_all(targets.targets(), threads_); });
  targets.unpack();
}

std::optional<Restored> Restorer::restore(const State& state, const Prepare& prepare) {
  for (int listing = 0; newest();) {
    try {
      fill(state, prepare);
    } catch (const Error& error) {
      if (error.status() == CKPT_ERR_DAMAGED) {
        pass_over(error);
      } else if (asks_to_list_again(error) && ++listing < most_listings) {
        reader_.reset();
        listed_ = false;
      } else {
        throw;
      }
      continue;
    }
    if (!candidates_.front().entry) log_warning("no snapshot was whole but a kept one: continuing from {}", reader_->path());
    Restored restored{candidates_.front().id, reader_->path(), reader_->header().meta, damaged_};
    reader_.reset();
    listed_ = false;
    return restored;
  }
  return std::nullopt;
}

}  // namespace ckpt::engine
