// SPDX-License-Identifier: Apache-2.0
#include "snapshot/walk.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "snapshot/file_driver.hpp"
#include "snapshot/hdf5_versions.hpp"

namespace ckpt::snapshot {
namespace {

constexpr double most_read_at_once = 256u << 20;

struct Damage {
  std::string text;
};

struct Walk {
  std::uint64_t file_bytes;
  Walked found;
};

// Fletcher-32, or what zlib writes behind each chunk (Adler-32). What this HDF5 cannot unpack (szip, those of plugins) it cannot
// read either: that is no damage.
bool has_checksums_to_check(hid_t properties) {
  bool has_checksums = false;
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    std::size_t values = 0;
    unsigned flags = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (H5Zfilter_avail(filter) <= 0) return false;
    has_checksums = has_checksums || filter == H5Z_FILTER_FLETCHER32 || filter == H5Z_FILTER_DEFLATE;
  }
  return has_checksums;
}

struct Grid {
  std::vector<hsize_t> shape, chunk;

  double chunks() const {  // a damaged shape may claim any number
    double count = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) count *= std::ceil(static_cast<double>(shape[i]) / static_cast<double>(chunk[i]));
    return count;
  }
};

Grid grid_of(hid_t space, hid_t properties) {
  const int dimensions = must(H5Sget_simple_extent_ndims(space), "read a shape");
  Grid grid{std::vector<hsize_t>(static_cast<std::size_t>(dimensions)), std::vector<hsize_t>(static_cast<std::size_t>(dimensions))};
  H5Sget_simple_extent_dims(space, grid.shape.data(), nullptr);
  if (H5Pget_chunk(properties, dimensions, grid.chunk.data()) != dimensions) throw Hdf5Failed("read its chunks");
  return grid;
}

double stored_chunks(hid_t dataset, hid_t space) {
  hsize_t stored = 0;
  must(H5Dget_num_chunks(dataset, space, &stored), "read its chunks");
  return static_cast<double>(stored);
}

// HDF5 gives an array its place when it is first written, chunk by chunk where it has chunks. (What the library itself says of those
// depended on their compression before 1.14.)
bool is_stored(hid_t dataset, hid_t space, hid_t properties) {
  if (H5Pget_layout(properties) == H5D_CHUNKED) return stored_chunks(dataset, space) == grid_of(space, properties).chunks();
  H5D_space_status_t status = H5D_SPACE_STATUS_ERROR;
  must(H5Dget_space_status(dataset, &status), "read what of it is stored");
  return status == H5D_SPACE_STATUS_ALLOCATED || H5Sget_simple_extent_npoints(space) == 0;
}

// Of an array of which nearly all chunks are there, and each fits into memory; else nothing: going over the places where nothing was
// written would have no end.
Grid readable_grid_of(hid_t dataset, hid_t type, hid_t space, hid_t properties) {
  if (H5Sget_simple_extent_ndims(space) <= 0 || H5Tis_variable_str(type) > 0 || H5Tdetect_class(type, H5T_VLEN) > 0) return {};
  const Grid grid = grid_of(space, properties);
  double bytes = static_cast<double>(H5Tget_size(type));
  for (const hsize_t length : grid.chunk) bytes *= static_cast<double>(length);
  return grid.chunks() <= 2 * stored_chunks(dataset, space) + 1000 && bytes <= most_read_at_once ? grid : Grid{};
}

// Each chunk once; a checksum that does not match makes the read fail.
void read_all(hid_t dataset, hid_t type, hid_t space, const Grid& grid) {
  if (grid.shape.empty() || std::find(grid.shape.begin(), grid.shape.end(), 0u) != grid.shape.end()) return;
  hsize_t bytes = H5Tget_size(type);
  for (const hsize_t length : grid.chunk) bytes *= length;
  std::vector<std::byte> memory(bytes);
  std::vector<hsize_t> start(grid.shape.size(), 0), count(grid.shape.size());
  for (std::size_t dimension = 0; dimension < start.size();) {
    for (std::size_t i = 0; i < start.size(); ++i) count[i] = std::min(grid.chunk[i], grid.shape[i] - start[i]);
    const Hid here(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), "describe memory");
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    if (H5Dread(dataset, type, here, space, H5P_DEFAULT, memory.data()) < 0) throw Hdf5Failed("read an array");
    for (dimension = 0; dimension < start.size(); ++dimension) {   // as one adds 1 to a number, digit by digit
      if ((start[dimension] += grid.chunk[dimension]) < grid.shape[dimension]) break;
      start[dimension] = 0;
    }
  }
}

void look_at_dataset(hid_t dataset, Walk& walk) {
  const Hid type(H5Dget_type(dataset), "read a type"), space(H5Dget_space(dataset), "read a shape");
  const haddr_t offset = H5Dget_offset(dataset);
  const hsize_t stored = H5Dget_storage_size(dataset);
  if (stored > walk.file_bytes || (offset != HADDR_UNDEF && offset > walk.file_bytes - stored))
    throw Damage{"lies beyond the end of the file"};
  const Hid properties(H5Dget_create_plist(dataset), "read a dataset's properties");
  if (!is_stored(dataset, space, properties)) walk.found.is_all_stored = false;
  if (has_checksums_to_check(properties)) read_all(dataset, type, space, readable_grid_of(dataset, type, space, properties));
}

herr_t look_at_attribute(hid_t object, const char* name, const H5A_info_t*, void*) {
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  return H5Aclose(attribute);
}

std::string damage_of_object(hid_t file, const char* name, Walk& walk) try {
  const Hid object(H5Oopen(file, name, H5P_DEFAULT), "open it");
  if (H5Iget_type(object) == H5I_DATASET) look_at_dataset(object, walk);
  if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, look_at_attribute, nullptr) < 0)
    throw Hdf5Failed("read its attributes");
  return {};
} catch (const Damage& damage) {
  return fmt::format("'{}' {}", name, damage.text);
} catch (const Hdf5Failed& failed) {
  return fmt::format("'{}' is damaged: {}", name, failed.text());
}

// No exception may pass through HDF5's frames: noexcept ends the process, which is made for that.
herr_t look_at_object(hid_t file, const char* name, const ObjectInfo*, void* data) noexcept {
  Walk& walk = *static_cast<Walk*>(data);
  walk.found.damage = damage_of_object(file, name, walk);
  return walk.found.damage.empty() ? 0 : -1;
}

Walked walk_over(Connection& connection, std::uint64_t file_bytes) try {
  const DriverAccess access(connection);
  const Hid file(H5Fopen("ckpt", H5F_ACC_RDONLY, access.list()), "open it");
  Walk walk{file_bytes, {}};
  const int ended = visit_objects(file, look_at_object, &walk);
  if (ended < 0 && walk.found.damage.empty()) walk.found.damage = "its objects cannot be listed";
  return walk.found;
} catch (const Hdf5Failed& failed) {
  return {failed.text()};
}

}  // namespace

Walked walk_hdf5(io::FileSystem& fs, const std::string& path) {
  std::unique_ptr<io::File> file;
  std::uint64_t bytes = 0;
  int error = fs.open(path, io::OpenMode::read, 0, file);
  if (error == 0) error = file->size(bytes);
  if (error != 0) fail_io(error, "cannot read '{}'", path);
  const Hdf5Scope scope;
  Connection connection{*file};
  const Walked walked = walk_over(connection, bytes);
  if (connection.error != 0) fail_io(connection.error, "cannot read '{}'", path);
  return walked;
}

}  // namespace ckpt::snapshot
