// SPDX-License-Identifier: Apache-2.0
// One way from the program's descriptors to one of ours: a pipe or a terminal of our making on the program's side. What
// does not go on stays here, and nothing more is read: the program waits for its reader, as it would without us.
#pragma once

#include <poll.h>

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace ckpt::supervisor {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct Ends {
  Descriptor ours, childs;
};
Ends make_pipe();                      // throws CKPT_ERR_IO
Ends make_terminal_like(int terminal); // same modes and size, but passes bytes on as they are; throws CKPT_ERR_IO

class OutputChannel {
 public:
  using Keep = std::function<void(std::span<const std::byte>)>;

  // `targets`: the program's descriptors that lead here; what comes goes to our descriptor `sink` and to `keep`.
  OutputChannel(Ends ends, std::vector<int> targets, int sink);

  void connect_child() const noexcept;               // in the forked child
  void add_to(std::vector<pollfd>& polled) const;
  void pass_on(const Keep& keep);                    // what is there and goes on now; never blocks
  // Once nobody should write any more: takes in what is left, without looking at the sink. Bounded.
  void drain(const Keep& keep);
  bool flush();                                      // false: the sink takes no more now
  bool waits_for_reader() const noexcept { return !pending_.empty(); }
  std::size_t pending_bytes() const noexcept { return pending_.size() - passed_; }
  void follow_window() const;                        // the terminal behind the sink has another size now

 private:
  std::size_t fill(const Keep& keep);                // 0: nothing there
  bool writable() const;
  void give_up(int error);

  Ends ends_;
  std::vector<int> targets_;
  Descriptor sink_;
  bool sink_blocks_ = true, sink_gone_ = false, said_ = false;
  std::vector<std::byte> pending_;
  std::size_t passed_ = 0;                           // of pending_
};

}  // namespace ckpt::supervisor
