// SPDX-License-Identifier: Apache-2.0
// What a program needs on its node before it starts: data unpacked on the node's own disk, which a training reads many
// times, and a command of the user's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "block/signal_inbox.hpp"
#include "dataset/archive.hpp"

namespace ckpt::supervisor {

using Words = std::vector<std::string>;

struct Preparation {
  std::vector<Archive> archives;
  std::string setup_command;   // for a shell; empty: none
  std::function<Words(const Words&)> on_every_node;   // the same command, as this job runs it once on each of its nodes
  bool empty() const { return archives.empty() && setup_command.empty(); }
};

// A command of it, once on every node, until then (monotonic seconds) or until a stop is asked.
class OnNodes {
 public:
  OnNodes(const Preparation& preparation, SignalInbox& signals, Clock& clock, double until)
      : preparation_(preparation), signals_(signals), clock_(clock), until_(until) {}
  // Before it was done.
  bool cut_off() const { return signals_.stop_reason() || time_is_up(); }
  bool time_is_up() const { return clock_.monotonic_seconds() >= until_; }
  // `what` names it for people, `data` becomes CKPT_DATA. Throws Error where it fails, unless it was cut off.
  void run(const Words& words, const std::string& what, const std::string& data, const std::function<void()>& look = {}) const;
  // The same, however late it is; "exit code 1" where it fails.
  std::string clean_up(const Words& words, const std::string& what, const std::string& data) const;

 private:
  std::string ending(const Words& words, const std::string& what, const std::string& data, const std::function<void()>& look,
                     double until) const;

  const Preparation& preparation_;
  SignalInbox& signals_;
  Clock& clock_;
  const double until_;
};

// An empty folder on the own disk of each node, of this job and this run alone: what {data} and CKPT_DATA mean. It goes with
// this object, unless the site clears it with the job.
class NodeFolder {
 public:
  NodeFolder(const OnNodes& nodes, const std::string& run_directory);
  ~NodeFolder();
  NodeFolder(const NodeFolder&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  const OnNodes& nodes_;
  std::string path_;
  bool cleared_by_site_ = false;
};

class Stage {
 public:
  // Unpacks and runs it all, in this order, each once on every node; told on the way. A stop that is asked meanwhile cuts it
  // off, and so does the time `until`, of the monotonic clock. Throws Error: something could not be done, and so the program
  // must not start.
  Stage(const Preparation& preparation, const std::string& run_directory, SignalInbox& signals, Clock& clock, double until);

  const std::string& directory() const noexcept { return folder_.path(); }
  double seconds() const noexcept { return seconds_; }   // that it took
  bool was_cut_off() const noexcept { return cut_off_; }
  // "{data}" in it replaced.
  std::string expand(std::string word) const;

 private:
  void unpack(const Archive& archive);
  void set_up(const std::string& command);
  void require_space() const;

  const Preparation& preparation_;
  Clock& clock_;
  OnNodes nodes_;
  NodeFolder folder_;
  double seconds_ = 0;
  bool cut_off_ = false;
};

}  // namespace ckpt::supervisor
