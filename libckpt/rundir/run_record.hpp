// SPDX-License-Identifier: Apache-2.0
// run.json (what this run is), status.json (what it does now) and control/ (what people ask of it).
// run.json and status.json are replaced atomically, by the newest block only.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/file_system.hpp"
#include "rundir/layout.hpp"

namespace ckpt::rundir {

struct RunRecord {
  std::string name;
  std::vector<std::string> command;   // empty: started without ckptrun
  std::string working_directory;
  std::string user;
  std::string created;                // ISO 8601
};

// nullopt when absent; CKPT_ERR_DAMAGED when it is no such record.
std::optional<RunRecord> read_run_record(io::FileSystem& fs, const Layout& layout);
void write_run_record(io::FileSystem& fs, const Layout& layout, const RunRecord& record, Permissions permissions);

// Whole JSON object as it was written last; nullopt when absent or unreadable (it is for people, it decides nothing).
std::optional<nlohmann::json> read_status(io::FileSystem& fs, const Layout& layout);
// Never throws: logged once.
void write_status(io::FileSystem& fs, const Layout& layout, const nlohmann::json& status,
                  Permissions permissions) noexcept;

enum class RequestKind { stop, save };

// A file control/<kind>-<unique>.json. Whoever owns the run takes it (removes it and acts); one request, acted on once.
struct Request {
  RequestKind kind;
  std::string from;                   // "alice, pid 4711 on login1"
  std::string path;
};
// Returns its path.
std::string send_request(io::FileSystem& fs, const Layout& layout, RequestKind kind, Permissions permissions);
// Requests in the order they were made, already removed. Errors are logged, never thrown; an absent directory is empty.
std::vector<Request> take_requests(io::FileSystem& fs, const Layout& layout) noexcept;

}  // namespace ckpt::rundir
