// SPDX-License-Identifier: Apache-2.0
#include "rundir/run_record.hpp"

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/publish.hpp"
#include "rundir/listing.hpp"
#include "rundir/records.hpp"

namespace ckpt::rundir {
namespace {

using nlohmann::json;

// Atomic for readers, but not synced: a status that a power loss takes is written again a second later.
int replace_unsynced(io::FileSystem& fs, const std::string& temporary, const std::string& path, const std::string& text,
                     std::uint32_t permissions) {
  std::unique_ptr<io::File> file;
  if (int error = fs.open(temporary, io::OpenMode::create_new, permissions, file)) return error;
  if (int error = file->write_at(0, std::as_bytes(std::span(text)))) return error;
  if (int error = file->close()) return error;
  return fs.rename_replacing(temporary, path);
}

void say_once(const std::string& path, const std::string& reason) {
  static std::atomic<bool> said{false};
  if (!said.exchange(true)) log_warning("cannot write '{}' ({}); dashboards will show old values", path, reason);
}

}  // namespace

std::optional<RunRecord> read_run_record(io::FileSystem& fs, const Layout& layout) {
  const auto text = read_if_there(fs, layout.run_json(), record_limit_bytes);
  if (!text) return std::nullopt;
  try {
    const json value = json::parse(*text);
    RunRecord record;
    record.name = value.at("name");
    record.command = words_from_json(value.at("command"));
    record.working_directory = word_from_json(value.at("working_directory"));
    record.user = value.at("user");
    record.created = value.at("created");
    return record;
  } catch (const std::exception& error) {
    fail(CKPT_ERR_DAMAGED, "'{}' is no record of a run ({}); remove it to have it written anew", layout.run_json(),
         error.what());
  }
}

void write_run_record(io::FileSystem& fs, const Layout& layout, const RunRecord& record, Permissions permissions) {
  const json value = {{"name", record.name},
                      {"command", words_to_json(record.command)},
                      {"working_directory", word_to_json(record.working_directory)},
                      {"user", record.user},
                      {"created", record.created}};
  io::replace_file(fs, layout.run_json(), pretty(value), permissions.file);
}

std::optional<json> read_status(io::FileSystem& fs, const Layout& layout) try {
  const auto text = read_if_there(fs, layout.status_json(), record_limit_bytes);
  if (!text) return std::nullopt;
  auto status = json::parse(*text, nullptr, false);
  if (!status.is_object()) return std::nullopt;
  return status;
} catch (const Error&) {   // unreadable
  return std::nullopt;
}

void write_status(io::FileSystem& fs, const Layout& layout, const json& status, Permissions permissions) noexcept try {
  const std::string temporary = io::temporary_name(layout.status_json());
  const int error = replace_unsynced(fs, temporary, layout.status_json(), pretty(status), permissions.file);
  if (error == 0) return;
  static_cast<void>(fs.remove(temporary));
  say_once(layout.status_json(), errno_text(error));
} catch (const std::exception& error) {
  say_once(layout.status_json(), error.what());
}

}  // namespace ckpt::rundir
