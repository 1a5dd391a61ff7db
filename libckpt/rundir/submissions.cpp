// SPDX-License-Identifier: Apache-2.0
#include "rundir/submissions.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/publish.hpp"
#include "rundir/listing.hpp"
#include "rundir/records.hpp"

namespace ckpt::rundir {
namespace {

using nlohmann::json;

constexpr std::string_view record_suffix = ".json", extended_suffix = ".extended.json";

// An array id becomes a file name.
void require_array_id(const std::string& array_id) {
  const bool plain = !array_id.empty() && array_id.find_first_not_of("0123456789") == std::string::npos;
  if (!plain) fail(CKPT_ERR_ARGUMENT, "'{}' is no number of a job array", array_id);
}

std::string folder_of(const std::string& directory) { return directory + "/submissions"; }

std::string path_of(const std::string& directory, const std::string& array_id, std::string_view suffix) {
  require_array_id(array_id);
  return fmt::format("{}/{}{}", folder_of(directory), array_id, suffix);
}

void make_folder(io::FileSystem& fs, const std::string& directory, Permissions permissions) {
  const int error = fs.make_directory(folder_of(directory), permissions.directory);
  if (error == EEXIST) return;
  if (error != 0) fail_io(error, "cannot create '{}'", folder_of(directory));
  io::sync_directory(fs, directory);
}

json to_json(const Submission& submission) {
  return {{"array_id", submission.array_id},
          {"cluster", submission.cluster},
          {"blocks", submission.blocks},
          {"planned_blocks", submission.planned_blocks},
          {"extends", submission.extends},
          {"script", word_to_json(submission.script)},
          {"options", words_to_json(submission.options)},
          {"arguments", words_to_json(submission.arguments)},
          {"working_directory", word_to_json(submission.working_directory)},
          {"sweep_arrays", submission.sweep_arrays},
          {"submitted", std::isfinite(submission.submitted) ? submission.submitted : 0}};
}

Submission from_json(const json& value) {
  Submission submission;
  submission.array_id = value.at("array_id");
  submission.cluster = value.at("cluster");
  submission.blocks = value.at("blocks");
  submission.planned_blocks = value.at("planned_blocks");
  submission.extends = value.at("extends");
  submission.script = word_from_json(value.at("script"));
  submission.options = words_from_json(value.at("options"));
  submission.arguments = words_from_json(value.at("arguments"));
  submission.working_directory = word_from_json(value.at("working_directory"));
  submission.sweep_arrays = value.at("sweep_arrays").get<std::vector<std::string>>();
  submission.submitted = value.at("submitted");
  return submission;
}

std::optional<Submission> read_one(io::FileSystem& fs, const std::string& path) try {
  const auto text = read_if_there(fs, path, record_limit_bytes);
  if (!text) return std::nullopt;
  return from_json(json::parse(*text));
} catch (const std::exception& error) {
  log_warning("'{}' is no record of a submission ({}); the chain is continued without it", path, error.what());
  return std::nullopt;
}

}  // namespace

void write_submission(io::FileSystem& fs, const std::string& directory, const Submission& submission,
                      Permissions permissions) {
  const std::string path = path_of(directory, submission.array_id, record_suffix);
  make_folder(fs, directory, permissions);
  io::replace_file(fs, path, pretty(to_json(submission)), permissions.file);
}

std::vector<Submission> read_submissions(io::FileSystem& fs, const std::string& directory) {
  std::vector<Submission> found;
  for (const std::string& name : list_names(fs, folder_of(directory))) {
    if (!name.ends_with(record_suffix) || name.ends_with(extended_suffix)) continue;
    if (auto submission = read_one(fs, folder_of(directory) + '/' + name)) found.push_back(std::move(*submission));
  }
  std::sort(found.begin(), found.end(), [](const auto& one, const auto& other) { return one.submitted < other.submitted; });
  return found;
}

bool claim_extension(io::FileSystem& fs, const std::string& directory, const std::string& array_id, const std::string& by,
                     Permissions permissions) {
  const std::string path = path_of(directory, array_id, extended_suffix);
  make_folder(fs, directory, permissions);
  return io::create_once(fs, path, pretty({{"array_id", array_id}, {"by", by}}), permissions.file);
}

}  // namespace ckpt::rundir
