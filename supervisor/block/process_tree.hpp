// SPDX-License-Identifier: Apache-2.0
// Everything this process has started, in whatever session or process group. As a subreaper it stays the ancestor of
// descendants whose parents have died, so a walk over /proc finds them all.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

#include "base/clock.hpp"

namespace ckpt::supervisor {

void become_subreaper() noexcept;

std::vector<pid_t> descendants();   // of this process, living ones (no zombies)
std::vector<pid_t> processes_of_node();   // all that are seen from here
std::vector<pid_t> children_of(pid_t pid);

// The process that a container's launcher has started, as far down as `pid` is only that and shells around it: such a
// launcher does not always pass signals on. `pid` itself where there is no container.
pid_t program_inside(pid_t pid);

// Whether `root` or any of its descendants handles the signal, and so may do something when it comes, save its state say.
bool any_handles(pid_t root, int number);

// To `root`, or where that does not handle the signal to the first of its descendants that do, on each line of descent:
// a shell or a launcher around the program would die of it, and the workers of a data loader are no addressees. Returns
// how many got it.
std::size_t signal_those_who_handle(pid_t root, int number);

enum class TreeEnd { ended, killed, left };  // killed: some, after they had been given their time; left: some do not die

// TERM, `grace_seconds`, KILL; returns when all are gone, or when some do not die (they wait for a dead disk).
// `reap` collects the ended ones and says whether a child is left: without a child there is no descendant either.
TreeEnd end_descendants(Clock& clock, double grace_seconds, const std::function<bool()>& reap);

}  // namespace ckpt::supervisor
