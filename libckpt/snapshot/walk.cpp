// SPDX-License-Identifier: Apache-2.0
#include "snapshot/walk.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "snapshot/file_driver.hpp"
#include "snapshot/hdf5_versions.hpp"

namespace ckpt::snapshot {
namespace {

constexpr hsize_t most_read_at_once = 16u << 20;

struct Damage {
  std::string text;
};

struct Walk {
  std::uint64_t file_bytes;
  std::string damage;
};

// What this HDF5 cannot unpack (gzip, szip, those of plugins) it cannot read either: that is no damage.
bool has_checksums_to_check(hid_t dataset) {
  const Hid properties(H5Dget_create_plist(dataset), "read a dataset's properties");
  bool has_checksums = false;
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    std::size_t values = 0;
    unsigned flags = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (H5Zfilter_avail(filter) <= 0) return false;
    has_checksums = has_checksums || filter == H5Z_FILTER_FLETCHER32;
  }
  return has_checksums;
}

// By slabs along the first dimension; a checksum that does not match makes the read fail.
void read_all(hid_t dataset, hid_t type, hid_t space) {
  std::vector<hsize_t> shape(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space))));
  if (shape.empty() || H5Tis_variable_str(type) > 0 || H5Tdetect_class(type, H5T_VLEN) > 0) return;
  H5Sget_simple_extent_dims(space, shape.data(), nullptr);
  hsize_t row = H5Tget_size(type);
  for (std::size_t i = 1; i < shape.size(); ++i) row *= shape[i];
  if (row == 0 || row > most_read_at_once) return;
  std::vector<hsize_t> start(shape.size(), 0), count = shape;
  count[0] = std::min(shape[0], most_read_at_once / row);
  std::vector<std::byte> memory(count[0] * row);
  for (; start[0] < shape[0]; start[0] += count[0]) {
    count[0] = std::min(count[0], shape[0] - start[0]);
    const Hid here(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), "describe memory");
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    if (H5Dread(dataset, type, here, space, H5P_DEFAULT, memory.data()) < 0) throw Hdf5Failed("read an array");
  }
}

void look_at_dataset(hid_t dataset, std::uint64_t file_bytes) {
  const Hid type(H5Dget_type(dataset), "read a type"), space(H5Dget_space(dataset), "read a shape");
  const haddr_t offset = H5Dget_offset(dataset);
  const hsize_t stored = H5Dget_storage_size(dataset);
  if (stored > file_bytes || (offset != HADDR_UNDEF && offset > file_bytes - stored))
    throw Damage{"lies beyond the end of the file"};
  if (has_checksums_to_check(dataset)) read_all(dataset, type, space);
}

herr_t look_at_attribute(hid_t object, const char* name, const H5A_info_t*, void*) {
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  return H5Aclose(attribute);
}

std::string damage_of_object(hid_t file, const char* name, std::uint64_t file_bytes) try {
  const Hid object(H5Oopen(file, name, H5P_DEFAULT), "open it");
  if (H5Iget_type(object) == H5I_DATASET) look_at_dataset(object, file_bytes);
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
  walk.damage = damage_of_object(file, name, walk.file_bytes);
  return walk.damage.empty() ? 0 : -1;
}

std::string walk_over(Connection& connection, std::uint64_t file_bytes) try {
  const DriverAccess access(connection);
  const Hid file(H5Fopen("ckpt", H5F_ACC_RDONLY, access.list()), "open it");
  Walk walk{file_bytes, ""};
  const int ended = visit_objects(file, look_at_object, &walk);
  return ended < 0 && walk.damage.empty() ? "its objects cannot be listed" : walk.damage;
} catch (const Hdf5Failed& failed) {
  return failed.text();
}

}  // namespace

std::string damage_in_hdf5(io::FileSystem& fs, const std::string& path) {
  std::unique_ptr<io::File> file;
  std::uint64_t bytes = 0;
  int error = fs.open(path, io::OpenMode::read, 0, file);
  if (error == 0) error = file->size(bytes);
  if (error != 0) fail_io(error, "cannot read '{}'", path);
  const Hdf5Scope scope;
  Connection connection{*file};
  const std::string damage = walk_over(connection, bytes);
  if (connection.error != 0) fail_io(connection.error, "cannot read '{}'", path);
  return damage;
}

}  // namespace ckpt::snapshot
