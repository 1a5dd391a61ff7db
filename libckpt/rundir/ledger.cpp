// SPDX-License-Identifier: Apache-2.0
#include "rundir/ledger.hpp"

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "rundir/listing.hpp"

namespace ckpt::rundir {
namespace {

constexpr std::uint64_t ledger_limit_bytes = 256u << 20;

std::string to_line(const std::string& event, const nlohmann::json& details) {
  nlohmann::ordered_json line = {{"event", event}, {"time", system_clock().wall_seconds()}};
  for (const auto& [key, value] : details.items()) line.emplace(key, value);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

Ledger::Ledger(io::FileSystem& fs, std::string path, std::uint32_t permissions)
    : fs_(fs), path_(std::move(path)), permissions_(permissions) {}

void Ledger::append(const std::string& event, const nlohmann::json& details) noexcept try {
  std::string line = to_line(event, details);
  const std::lock_guard lock(mutex_);
  int error = file_ ? 0 : fs_.open(path_, io::OpenMode::append, permissions_, file_);
  if (torn_) line.insert(0, 1, '\n');   // ends what a failed append left
  if (error == 0) error = file_->append(std::as_bytes(std::span(line)));
  torn_ = error != 0;
  if (error == 0 || failed_) return;
  failed_ = true;
  log_warning("cannot write the ledger '{}' ({}); the run goes on without", path_, errno_text(error));
} catch (const std::exception&) {   // out of memory: the program matters more than the line
}

std::vector<nlohmann::json> read_ledger(io::FileSystem& fs, const std::string& path) {
  std::vector<nlohmann::json> lines;
  std::optional<std::string> text;
  try {
    text = read_if_there(fs, path, ledger_limit_bytes);
  } catch (const Error& error) {   // it explains and teaches; nothing may fail for want of it
    log_warning("the ledger '{}' cannot be read: {}", path, error.what());
  }
  if (!text) return lines;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text->find('\n', begin)) != std::string::npos; begin = end + 1) {
    auto line = nlohmann::json::parse(text->begin() + begin, text->begin() + end, nullptr, false);
    if (line.is_object()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace ckpt::rundir
