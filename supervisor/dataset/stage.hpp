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

// A command of it, once on every node.
class OnNodes {
 public:
  OnNodes(const Preparation& preparation, SignalInbox& signals) : preparation_(preparation), signals_(signals) {}
  // `what` names it for people, `data` becomes CKPT_DATA. Throws Error where it fails, unless a stop was asked.
  void run(const Words& words, const std::string& what, const std::string& data, const std::function<void()>& look = {}) const;
  // The same; "exit code 1" where it fails.
  std::string try_to_run(const Words& words, const std::string& what, const std::string& data,
                         const std::function<void()>& look = {}) const;

 private:
  const Preparation& preparation_;
  SignalInbox& signals_;
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
  // Unpacks and runs it all, in this order, each once on every node; told on the way. A stop that is asked meanwhile ends
  // it (SignalInbox::stop_reason). Throws Error: something could not be done, and so the program must not start.
  Stage(const Preparation& preparation, const std::string& run_directory, SignalInbox& signals, Clock& clock);

  const std::string& directory() const noexcept { return folder_.path(); }
  double seconds() const noexcept { return seconds_; }   // that it took
  // "{data}" in it replaced.
  std::string expand(std::string word) const;

 private:
  void unpack(const Archive& archive);
  void set_up(const std::string& command);
  void require_space() const;

  const Preparation& preparation_;
  SignalInbox& signals_;
  Clock& clock_;
  OnNodes nodes_;
  NodeFolder folder_;
  double seconds_ = 0;
};

}  // namespace ckpt::supervisor
