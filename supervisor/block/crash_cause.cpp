// SPDX-License-Identifier: Apache-2.0
#include "block/crash_cause.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "staging/area.hpp"

namespace ckpt::supervisor {
namespace {

constexpr off_t most_bytes_read = 16384;
constexpr std::size_t most_lines_read = 60, longest_line_shown = 200;

struct Sign {
  const char* text;
  CrashKind kind;
};
// The first that a line holds counts: "CUDA out of memory" is about memory. Words of PyTorch, CUDA, NCCL, ROCm, XLA, libc.
constexpr Sign signs[] = {{"out of memory", CrashKind::memory},
                          {"OutOfMemory", CrashKind::memory},
                          {"out-of-memory", CrashKind::memory},
                          {"std::bad_alloc", CrashKind::memory},
                          {"MemoryError", CrashKind::memory},
                          {"annot allocate memory", CrashKind::memory},
                          {"can't allocate memory", CrashKind::memory},
                          {"RESOURCE_EXHAUSTED", CrashKind::memory},
                          {"CUDA error", CrashKind::device},
                          {"cudaError", CrashKind::device},
                          {"CUDA_ERROR_", CrashKind::device},
                          {"CUDNN_STATUS_", CrashKind::device},
                          {"CUBLAS_STATUS_", CrashKind::device},
                          {"NCCL error", CrashKind::device},
                          {"ncclSystemError", CrashKind::device},
                          {"ncclInternalError", CrashKind::device},
                          {"ncclUnhandledCudaError", CrashKind::device},
                          {"HIP error", CrashKind::device},
                          {"uncorrectable ECC", CrashKind::device},
                          {"No CUDA GPUs are available", CrashKind::device},
                          {"no CUDA-capable device", CrashKind::device}};

// Words of slurmstepd and srun for what the kernel did in a step, whose memory is counted in a group of its own.
constexpr std::string_view steps_killed_for_memory[] = {"oom-kill event", "oom_kill event", ": Out Of Memory"};
constexpr const char* killed_for_memory =
    "the kernel killed it because the job's memory was used up; ask for more (--mem), or use less";

std::vector<std::string_view> last_lines(std::string_view output) {
  std::vector<std::string_view> lines;   // newest first
  while (!output.empty() && lines.size() < most_lines_read) {
    if (output.back() == '\n') output.remove_suffix(1);
    const std::size_t begin = output.rfind('\n') + 1;   // npos + 1 is 0
    lines.push_back(output.substr(begin));
    output = output.substr(0, begin);
  }
  return lines;
}

bool is_ours(std::string_view line) { return line.starts_with("ckptrun:"); }

std::optional<CrashKind> kind_of(std::string_view line) {
  for (const Sign& sign : signs)
    if (line.find(sign.text) != std::string_view::npos) return sign.kind;
  return std::nullopt;
}

bool tells_of_killed_step(std::string_view line) {
  return std::ranges::any_of(steps_killed_for_memory, [&](std::string_view words) { return line.find(words) != line.npos; });
}

std::string shown(std::string_view line) {
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  std::string text(line.substr(std::min(line.find_first_not_of(" \t"), line.size())));
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  if (text.size() <= longest_line_shown) return text;
  std::size_t end = longest_line_shown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;   // not in the middle of a character
  return text.substr(0, end) + "…";
}

// Its last line: the first after the header that is not indented.
std::string exception_of_traceback(const std::vector<std::string_view>& newest_first) {
  const auto header = std::find_if(newest_first.begin(), newest_first.end(), [](std::string_view line) {
    return line.starts_with("Traceback (most recent call last)");
  });
  if (header == newest_first.end()) return {};
  for (auto line = std::make_reverse_iterator(header); line != newest_first.rend(); ++line)
    if (!line->empty() && line->front() != ' ') return shown(*line);
  return {};
}

constexpr const char* standard_error = "/proc/self/fd/2";   // our own descriptor is open for writing only

// How much is in a file; nothing when that is no regular one.
off_t size_of(const char* path) {
  struct stat info{};
  return ::stat(path, &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : 0;
}

std::string text_since(const char* path, off_t begin) {
  const off_t end = size_of(path);
  begin = std::max(begin, end - most_bytes_read);
  if (begin >= end) return {};
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  const ssize_t length = ::pread(file, text.data(), text.size(), begin);
  ::close(file);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return text;
}

struct KindName {
  CrashKind kind;
  const char* name;
};
constexpr KindName kind_names[] = {
    {CrashKind::program, "program"}, {CrashKind::memory, "memory"}, {CrashKind::device, "device"}};

}  // namespace

const char* name(CrashKind kind) noexcept { return kind_names[static_cast<std::size_t>(kind)].name; }

CrashKind parse_crash_kind(std::string_view name) noexcept {
  for (const KindName& entry : kind_names)
    if (entry.name == name) return entry.kind;
  return CrashKind::program;
}

CrashCause read_last_words(std::string_view output) {
  const std::vector<std::string_view> lines = last_lines(output);
  for (const std::string_view line : lines) {
    if (is_ours(line)) continue;
    if (tells_of_killed_step(line)) return {CrashKind::memory, killed_for_memory};
    if (const auto kind = kind_of(line)) return {*kind, shown(line)};
  }
  return {CrashKind::program, exception_of_traceback(lines)};
}

Witness::Witness() : output_size_(size_of(standard_error)), killed_for_memory_(staging::processes_killed_for_memory()) {}

// Whatever the exit code: a shell makes 137 of the kill of its child, a program that lost a worker fails in words of its own.
CrashCause Witness::cause(const std::string& log) const {
  if (staging::processes_killed_for_memory() > killed_for_memory_) return {CrashKind::memory, killed_for_memory};
  const std::string words = text_since(standard_error, output_size_);
  return read_last_words(words.empty() ? text_since(log.c_str(), 0) : words);
}

std::string explain(const std::string& reason, const CrashCause& cause, const std::string& node) {
  if (cause.words.empty() || reason.find(cause.words) != std::string::npos) return reason;
  const std::string where = cause.kind == CrashKind::device ? fmt::format(" (on node {0}: another one may do; --exclude={0} keeps away from it)", node) : "";
  return fmt::format("{}: {}{}", reason, cause.words, where);
}

}  // namespace ckpt::supervisor
