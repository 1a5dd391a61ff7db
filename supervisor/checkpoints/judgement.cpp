// SPDX-License-Identifier: Apache-2.0
#include "checkpoints/judgement.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoints/crc.hpp"
#include "io/publish.hpp"
#include "rundir/json_fields.hpp"

namespace ckpt::checkpoints {
namespace {

using nlohmann::json;

constexpr int lower_priority = 5;
constexpr rlim_t shortest_limit_seconds = 120, slowest_bytes_per_second = 2'000'000;  // which may be compressed

constexpr std::string_view state_names[] = {"whole", "broken", "unknown"};

std::uint32_t crc_of(io::FileSystem& fs, const std::string& path, std::uint32_t before) {
  io::FileInfo info;
  if (fs.info(path, info) != 0) return before;
  if (info.kind != io::FileKind::directory) {
    Bytes file(fs, path);
    const std::uint32_t crc = crc32c().of(file, 0, file.size());
    return crc32c().of(std::string_view(reinterpret_cast<const char*>(&crc), sizeof crc), before);
  }
  std::vector<std::string> names;
  if (const int error = fs.list(path, names)) fail_io(error, "cannot read '{}'", path);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) before = crc_of(fs, path + '/' + name, crc32c().of(name, before));
  return before;
}

// Of all files of a TensorFlow checkpoint, whose prefix is no file.
std::uint32_t crc_of_checkpoint(io::FileSystem& fs, const std::string& path) {
  io::FileInfo info;
  if (fs.info(path, info) == 0) return crc_of(fs, path, 0);
  const std::string directory = io::parent_directory(path), beginning = io::base_name(path) + ".";
  std::vector<std::string> names;
  if (const int error = fs.list(directory, names)) fail_io(error, "cannot read '{}'", directory);
  std::sort(names.begin(), names.end());
  std::uint32_t crc = 0;
  for (const std::string& name : names)
    if (name.starts_with(beginning)) crc = crc_of(fs, directory + '/' + name, crc);
  return crc;
}

struct Copy {
  std::string path;  // empty: there is none
  std::string why_none;
};

// A full disk must not make a whole version a broken one.
Copy try_to_copy(io::FileSystem& fs, const Candidate& candidate, const KeepRule& rule) try {
  if (!io::is_file(fs, candidate.path)) return {"", "it is more than one file"};
  return {copy_aside(fs, candidate.path, rule), ""};
} catch (const Error& error) {
  return {"", error.what()};
}

Copy try_to_publish(io::FileSystem& fs, const std::string& copy, const Candidate& candidate, const KeepRule& rule) try {
  return {publish_copy(fs, copy, candidate.path, rule), ""};
} catch (const Error& error) {
  static_cast<void>(fs.remove(copy));
  return {"", error.what()};
}

bool is_another_version_now(io::FileSystem& fs, const Candidate& candidate) {
  io::FileInfo info;
  return fs.info(candidate.path, info) != 0 || info.modified != candidate.modified || info.size_bytes != candidate.bytes;
}

// The copy is not being written. But it was made while its original may have been: without checksums half of one version and
// half of the next look whole.
Finding examine_copy(io::FileSystem& fs, const std::string& copy, const Candidate& candidate) {
  const Finding finding = examine(fs, copy);
  if (finding.state == Wholeness::broken || finding.by_checksum || !is_another_version_now(fs, candidate)) return finding;
  return {Wholeness::broken, "", "it was written anew while it was copied"};
}

std::string newest_copy(io::FileSystem& fs, const Candidate& candidate, const KeepRule& rule) {
  const auto copies = list_copies(fs, rule.directory, candidate.path);
  return copies.empty() ? "" : copies.front().path;
}

bool may_be_copied(const Finding& finding, const KeepRule& rule) {
  if (finding.state == Wholeness::unknown) return rule.even_if_unknown;
  return finding.state == Wholeness::whole && (finding.by_checksum || !rule.is_open);
}

json judge(io::FileSystem& fs, const Candidate& candidate, const std::optional<KeepRule>& keep, bool is_by_trainer) {
  Finding finding = examine(fs, candidate.path, is_by_trainer);
  Copy copy;
  if (keep && may_be_copied(finding, *keep)) copy = try_to_copy(fs, candidate, *keep);
  if (!copy.path.empty()) finding = examine_copy(fs, copy.path, candidate);
  const bool is_broken = finding.state == Wholeness::broken;
  const std::uint32_t crc = is_broken ? 0 : crc_of_checkpoint(fs, copy.path.empty() ? candidate.path : copy.path);
  if (!copy.path.empty() && is_broken)
    static_cast<void>(fs.remove(copy.path));
  else if (!copy.path.empty())
    copy = try_to_publish(fs, copy.path, candidate, *keep);
  return {{"state", state_names[static_cast<std::size_t>(finding.state)]},
          {"format", finding.format},
          {"reason", finding.reason},
          {"by_checksum", finding.by_checksum},
          {"crc32c", crc},
          {"copy", is_broken ? "" : copy.path},
          {"why_no_copy", copy.why_none},
          {"older_copy", copy.why_none.empty() ? "" : newest_copy(fs, candidate, *keep)}};
}

// In the child; it may be ended at any moment.
void become_examiner(std::uint64_t bytes) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  for (const int number : {SIGTERM, SIGINT, SIGPIPE}) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit no_core{0, 0}, time{shortest_limit_seconds + bytes / slowest_bytes_per_second, RLIM_INFINITY};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::setrlimit(RLIMIT_CPU, &time);
  ::setpriority(PRIO_PROCESS, 0, lower_priority);
}

void answer_and_leave(int to, const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(to, rest.data(), rest.size());
    if (written <= 0 && errno != EINTR) break;
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  ::_exit(0);
}

std::string judge_as_text(io::FileSystem& fs, const Candidate& candidate, const std::optional<KeepRule>& keep,
                          bool is_by_trainer) try {
  return judge(fs, candidate, keep, is_by_trainer).dump(-1, ' ', false, json::error_handler_t::replace);
} catch (const Broken& broken) {  // it changed since it was examined
  return json{{"error", broken.reason}}.dump(-1, ' ', false, json::error_handler_t::replace);
} catch (const std::exception& error) {  // not readable now: no proof of damage
  return json{{"error", error.what()}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

void warn_if_no_copy(const Judged& judged) {
  if (judged.why_no_copy.empty()) return;
  const std::string left = judged.older_copy.empty() ? "none" : fmt::format("only '{}', of an earlier version", judged.older_copy);
  log_warning("no copy of '{}' is kept: {}; a kill while it is written anew would leave {}", judged.version.path(), judged.why_no_copy, left);
}

Judgement::Judgement(io::FileSystem& fs, const Candidate& candidate, const std::optional<KeepRule>& keep,
                     bool is_by_trainer)
    : candidate_(candidate) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_io(errno, "cannot look at '{}'", candidate.path);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::close(ends[0]);
    become_examiner(candidate.bytes);
    answer_and_leave(ends[1], judge_as_text(fs, candidate, keep, is_by_trainer));
  }
  const int error = errno;
  ::close(ends[1]);
  fd_ = ends[0];
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  if (pid_ < 0) fail(CKPT_ERR_MEMORY, "cannot look at '{}': {}", candidate.path, errno_text(error));
}

Judgement::~Judgement() { ::close(fd_); }

std::optional<Judged> Judgement::look() {
  char piece[4096];
  for (;;) {
    const ssize_t taken = ::read(fd_, piece, sizeof piece);
    if (taken > 0)
      text_.append(piece, static_cast<std::size_t>(taken));
    else if (taken == 0)
      return answer();
    else if (errno != EINTR)
      return std::nullopt;
  }
}

Judged Judgement::wait() {
  pollfd polled{fd_, POLLIN, 0};
  std::optional<Judged> judged;
  while (!(judged = look())) ::poll(&polled, 1, -1);
  ::waitpid(pid_, nullptr, 0);
  return *judged;
}

Judged Judgement::answer() const {
  const json text = json::parse(text_, nullptr, false);
  Judged judged{{Wholeness::broken, "", "what reads it crashed: it is damaged"}, {candidate_, "", 0, ""}, "", ""};
  if (!text.is_object()) return judged;
  if (const std::string error = rundir::text_in(text, "error"); !error.empty()) {
    judged.finding.reason = error;
    return judged;
  }
  const std::string state = rundir::text_in(text, "state");
  judged.finding = {state == "whole"    ? Wholeness::whole
                    : state == "broken" ? Wholeness::broken
                                        : Wholeness::unknown,
                    rundir::text_in(text, "format"), rundir::text_in(text, "reason"), text.value("by_checksum", json(false)) == true};
  judged.version = {candidate_, judged.finding.format,
                    static_cast<std::uint32_t>(rundir::count_in(text, "crc32c").value_or(0)),
                    rundir::text_in(text, "copy")};
  judged.why_no_copy = rundir::text_in(text, "why_no_copy");
  judged.older_copy = rundir::text_in(text, "older_copy");
  return judged;
}

}  // namespace ckpt::checkpoints
