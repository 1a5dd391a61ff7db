// SPDX-License-Identifier: Apache-2.0
// The C ABI for reading: catalogs and snapshots, of any run, without owning it.
#include <algorithm>
#include <vector>

#include "api/copy_text.hpp"
#include "api/guard.hpp"
#include "api/snapshot_handle.hpp"
#include "base/parallel.hpp"
#include "rundir/catalog.hpp"
#include "snapshot/values.hpp"

using ckpt::api::guard;
using ckpt::api::require;

struct ckpt_catalog {
  std::vector<ckpt::rundir::CatalogEntry> entries;
};

namespace {

ckpt_snapshot_info info_of(const ckpt::snapshot::Reader& reader) {
  ckpt_snapshot_info info{};
  info.step = reader.header().step;
  info.block = reader.header().block;
  info.file_bytes = reader.file_bytes();
  info.state_bytes = reader.state_bytes();
  info.arrays = reader.arrays().size();
  return info;
}

std::size_t index_of(const ckpt::snapshot::Reader& reader, const char* name) {
  const auto& arrays = reader.arrays();
  const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const auto& array) { return array.name == name; });
  if (found == arrays.end()) ckpt::fail(CKPT_ERR_NOT_FOUND, "{} holds no '{}'", reader.path(), name);
  return static_cast<std::size_t>(found - arrays.begin());
}

}  // namespace

ckpt_status ckpt_catalog_open(const char* run_directory, ckpt_catalog** catalog, ckpt_error* error) noexcept {
  return guard(error, [&] {
    *require(catalog, "catalog") = nullptr;
    const ckpt::rundir::Layout layout(require(run_directory, "the run directory"));
    auto& fs = ckpt::io::file_system();
    ckpt::rundir::require_run_directory(fs, layout);
    *catalog = new ckpt_catalog{ckpt::rundir::Catalog(fs, layout, {}).list()};
  });
}

size_t ckpt_catalog_count(const ckpt_catalog* catalog) noexcept { return catalog ? catalog->entries.size() : 0; }

ckpt_status ckpt_catalog_get(const ckpt_catalog* catalog, size_t index, ckpt_snapshot_info* info, const char** path,
                             ckpt_error* error) noexcept {
  return guard(error, [&] {
    const auto& entries = require(catalog, "the catalog")->entries;
    if (index >= entries.size()) ckpt::fail(CKPT_ERR_ARGUMENT, "index {} of {} snapshots", index, entries.size());
    const auto& entry = entries[index];
    if (info) *info = {.step = entry.id.step, .block = entry.id.block, .file_bytes = entry.size_bytes, .state_bytes = 0,
                       .arrays = 0, .reserved = {}};
    if (path) *path = entry.path.c_str();
  });
}

void ckpt_catalog_close(ckpt_catalog** catalog) noexcept {
  if (!catalog) return;
  delete *catalog;
  *catalog = nullptr;
}

ckpt_status ckpt_snapshot_open(const char* path, ckpt_snapshot** snapshot, ckpt_error* error) noexcept {
  return guard(error, [&] {
    *require(snapshot, "snapshot") = nullptr;
    auto reader = std::make_unique<ckpt::snapshot::Reader>(ckpt::io::file_system(), require(path, "the path"));
    auto& opened = *reader;
    *snapshot = new ckpt_snapshot{std::move(reader), opened};
  });
}

ckpt_status ckpt_snapshot_get_info(const ckpt_snapshot* snapshot, ckpt_snapshot_info* info, ckpt_error* error) noexcept {
  return guard(error, [&] { *require(info, "info") = info_of(require(snapshot, "the snapshot")->reader); });
}

ckpt_status ckpt_snapshot_array(const ckpt_snapshot* snapshot, size_t index, const char** name, ckpt_array* array,
                                ckpt_error* error) noexcept {
  return guard(error, [&] {
    const auto& arrays = require(snapshot, "the snapshot")->reader.arrays();
    if (index >= arrays.size()) ckpt::fail(CKPT_ERR_ARGUMENT, "index {} of {} arrays", index, arrays.size());
    const auto& info = arrays[index];
    if (name) *name = info.name.c_str();
    if (!array) return;
    *array = {};
    array->dtype = info.dtype;
    array->ndim = static_cast<int32_t>(info.shape.size());
    std::copy(info.shape.begin(), info.shape.end(), array->shape);
  });
}

ckpt_status ckpt_snapshot_read(ckpt_snapshot* snapshot, const char* name, void* buffer, size_t size_bytes,
                               ckpt_error* error) noexcept {
  return guard(error, [&] {
    auto& reader = require(snapshot, "the snapshot")->reader;
    const std::size_t index = index_of(reader, require(name, "the name"));
    const std::uint64_t size = reader.arrays()[index].size_bytes();
    if (size != size_bytes) ckpt::fail(CKPT_ERR_ARGUMENT, "'{}' has {} bytes, the buffer {}", name, size, size_bytes);
    if (size > 0) require(buffer, "the buffer");
    reader.read_array(index, {static_cast<std::byte*>(buffer), {}}, ckpt::usable_threads());
  });
}

ckpt_status ckpt_snapshot_get(const ckpt_snapshot* snapshot, const char* key, char* json, size_t capacity, size_t* length,
                              ckpt_error* error) noexcept {
  return guard(error, [&] {
    const auto& reader = require(snapshot, "the snapshot")->reader;
    const auto values = ckpt::snapshot::values_of(reader.header().meta);
    const auto found = values.find(require(key, "the key"));
    if (found == values.end()) ckpt::fail(CKPT_ERR_NOT_FOUND, "{} holds no value '{}'", reader.path(), key);
    ckpt::api::copy_text(found->second, key, json, capacity, length);
  });
}

ckpt_status ckpt_snapshot_verify(ckpt_snapshot* snapshot, ckpt_error* error) noexcept {
  return guard(error, [&] { require(snapshot, "the snapshot")->reader.verify(ckpt::usable_threads()); });
}

void ckpt_snapshot_close(ckpt_snapshot** snapshot) noexcept {
  if (!snapshot) return;
  delete *snapshot;
  *snapshot = nullptr;
}
