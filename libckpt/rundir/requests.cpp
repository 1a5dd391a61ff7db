// SPDX-License-Identifier: Apache-2.0
// What people ask of a run: one small file each in control/, taken by removing it.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/process_identity.hpp"
#include "base/quantity.hpp"
#include "io/publish.hpp"
#include "rundir/listing.hpp"
#include "rundir/records.hpp"
#include "rundir/run_record.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::uint64_t request_limit_bytes = 64u << 10;

const char* name_of(RequestKind kind) { return kind == RequestKind::stop ? "stop" : "save"; }

std::optional<RequestKind> kind_of(const std::string& file_name) {
  for (const RequestKind kind : {RequestKind::stop, RequestKind::save}) {
    if (file_name.starts_with(std::string(name_of(kind)) + '-') && file_name.ends_with(".json")) return kind;
  }
  return std::nullopt;
}

struct Waiting {
  double made = 0;   // wall seconds
  std::string file_name;
  auto operator<=>(const Waiting&) const = default;
};

std::vector<Waiting> waiting_requests(io::FileSystem& fs, const std::string& folder) {
  std::vector<Waiting> waiting;
  for (const std::string& name : list_names(fs, folder)) {
    if (const auto info = info_if_there(fs, folder + '/' + name)) waiting.push_back({info->modified, name});
  }
  std::sort(waiting.begin(), waiting.end());
  return waiting;
}

// The name alone is the request: a text that cannot be read (cut short by a crash) only hides who made it.
std::string read_sender(io::FileSystem& fs, const std::string& path) {
  try {
    const auto text = read_if_there(fs, path, request_limit_bytes);
    return nlohmann::json::parse(text.value_or("")).at("from");
  } catch (const std::exception&) {
    log_warning("'{}' does not say who asked for it", path);
    return "somebody";
  }
}

// Requests are looked for every second: the same trouble is told once.
template <class... Args>
void warn_once(std::atomic<bool>& said, fmt::format_string<Args...> format, Args&&... args) {
  if (!said.exchange(true)) log_warning(format, std::forward<Args>(args)...);
}

// True when it was this call that removed it: only then the request is ours to act on.
bool take(io::FileSystem& fs, const std::string& path) {
  static std::atomic<bool> said{false};
  const int error = fs.remove(path);
  if (error != 0 && !is_gone(error))
    warn_once(said, "cannot take the request '{}' ({}), so it is ignored; remove it by hand", path, errno_text(error));
  return error == 0;
}

// Or a power loss would bring back what was removed.
void make_removal_durable(io::FileSystem& fs, const std::string& folder) {
  try {
    io::sync_directory(fs, folder);
  } catch (const Error& error) {
    log_warning("a request may be acted on twice: {}", error.what());
  }
}

std::vector<Request> take_all(io::FileSystem& fs, const std::string& folder) {
  std::vector<Request> requests;
  bool removed = false;
  for (const Waiting& waiting : waiting_requests(fs, folder)) {
    const std::string path = folder + '/' + waiting.file_name;
    const auto kind = kind_of(waiting.file_name);
    const std::string sender = kind ? read_sender(fs, path) : "";
    if (!take(fs, path)) continue;
    removed = true;
    if (kind) requests.push_back({*kind, sender, path});
    else log_warning("'{}' is no request that this version knows; it was removed", path);
  }
  if (removed) make_removal_durable(fs, folder);
  return requests;
}

}  // namespace

std::string send_request(io::FileSystem& fs, const Layout& layout, RequestKind kind, Permissions permissions) {
  const ProcessIdentity self = identify_self();
  const double now = system_clock().wall_seconds();
  const std::string from = fmt::format("{}, {}", self.user, describe(self));
  const std::string text = pretty({{"from", from}, {"made", format_time(now)}});
  for (std::uint64_t number = static_cast<std::uint64_t>(now * 1e6);; ++number) {
    const std::string path = fmt::format("{}/{}-{}-{}.json", layout.control(), name_of(kind), number, self.pid);
    if (io::create_once(fs, path, text, permissions.file)) return path;
  }
}

std::vector<Request> take_requests(io::FileSystem& fs, const Layout& layout) noexcept try {
  return take_all(fs, layout.control());
} catch (const std::exception& error) {
  static std::atomic<bool> said{false};
  warn_once(said, "cannot look for requests: {}", error.what());
  return {};
}

}  // namespace ckpt::rundir
