// SPDX-License-Identifier: Apache-2.0
#include "snapshot/file_driver.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#include "snapshot/hdf5_versions.hpp"

namespace ckpt::snapshot {
namespace {

struct DriverInfo {   // copied into the access list, bytewise
  Connection* connection;
};

struct DriverFile : H5FD_t {
  Connection* connection = nullptr;
  haddr_t end_of_allocation = 0;
  haddr_t end_of_file = 0;
};

DriverFile& opened(H5FD_t* file) { return *static_cast<DriverFile*>(file); }
const DriverFile& opened(const H5FD_t* file) { return *static_cast<const DriverFile*>(file); }

bool healthy(const Connection& connection) { return connection.error == 0; }

void remember(Connection& connection, int error) {
  if (error != 0 && healthy(connection)) connection.error = error;
}

H5FD_t* open_file(const char*, unsigned, hid_t access_list, haddr_t) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access_list));
  if (!info) return nullptr;
  auto* file = new (std::nothrow) DriverFile();
  if (!file) return nullptr;
  file->connection = info->connection;
  std::uint64_t bytes = 0;
  remember(*file->connection, file->connection->file.size(bytes));
  file->end_of_file = bytes;
  return file;
}

herr_t close_file(H5FD_t* file) {
  delete &opened(file);
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* features) {
  if (features)
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA |
                H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t get_end_of_allocation(const H5FD_t* file, H5FD_mem_t) { return opened(file).end_of_allocation; }

herr_t set_end_of_allocation(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  opened(file).end_of_allocation = address;
  return 0;
}

haddr_t get_end_of_file(const H5FD_t* file, H5FD_mem_t) { return opened(file).end_of_file; }

herr_t read_file(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t bytes, void* buffer) {
  Connection& connection = *opened(file).connection;
  auto* to = static_cast<std::byte*>(buffer);
  std::size_t bytes_read = 0;
  if (healthy(connection)) remember(connection, connection.file.read_at(address, {to, bytes}, bytes_read));
  if (!healthy(connection)) bytes_read = 0;
  std::memset(to + bytes_read, 0, bytes - bytes_read);
  return 0;
}

herr_t write_file(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t bytes, const void* buffer) {
  Connection& connection = *opened(file).connection;
  if (healthy(connection))
    remember(connection, connection.file.write_at(address, {static_cast<const std::byte*>(buffer), bytes}));
  opened(file).end_of_file = std::max<haddr_t>(opened(file).end_of_file, address + bytes);
  return 0;
}

// Brings the file to its allocated length: padding at the end is never written.
herr_t truncate_file(H5FD_t* file, hid_t, hbool_t) {
  DriverFile& self = opened(file);
  if (self.end_of_file == self.end_of_allocation) return 0;
  if (healthy(*self.connection)) remember(*self.connection, self.connection->file.truncate(self.end_of_allocation));
  self.end_of_file = self.end_of_allocation;
  return 0;
}

H5FD_class_t driver_class() {
  H5FD_class_t driver = empty_driver_class();
  driver.name = "ckpt";
  driver.maxaddr = (static_cast<haddr_t>(1) << 62) - 1;
  driver.fc_degree = H5F_CLOSE_STRONG;
  driver.fapl_size = sizeof(DriverInfo);
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = get_end_of_allocation;
  driver.set_eoa = set_end_of_allocation;
  driver.get_eof = get_end_of_file;
  driver.read = read_file;
  driver.write = write_file;
  driver.truncate = truncate_file;
  const H5FD_mem_t kinds_of_space[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kinds_of_space), std::end(kinds_of_space), driver.fl_map);
  return driver;
}

// HDF5 counts bytes of the file and may keep 32 MiB of them; object headers are fifteen times as large in memory. Each
// is needed once.
void limit_metadata_cache(hid_t access_list) {
  H5AC_cache_config_t config;
  config.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  must(H5Pget_mdc_config(access_list, &config), "ask for the metadata cache");
  config.set_initial_size = true;
  config.initial_size = config.min_size = config.max_size = 1u << 20;
  must(H5Pset_mdc_config(access_list, &config), "limit the metadata cache");
}

}  // namespace

DriverAccess::DriverAccess(Connection& connection) {
  const H5FD_class_t driver = driver_class();
  driver_ = Hid(H5FDregister(&driver), "register the file driver");
  list_ = Hid(H5Pcreate(H5P_FILE_ACCESS), "make a file access list");
  const DriverInfo info{&connection};
  must(H5Pset_driver(list_, driver_, &info), "set the file driver");
  must(use_native_format(list_), "use the native file format");
  must(H5Pset_fclose_degree(list_, H5F_CLOSE_STRONG), "set how files close");
  // One version of every structure, all of them checksummed, whichever HDF5 writes.
  must(H5Pset_libver_bounds(list_, H5F_LIBVER_V110, H5F_LIBVER_V110), "pin the file format");
  // Chunks are read and written whole: a chunk cache would be allocated for every dataset, in vain.
  must(H5Pset_cache(list_, 0, 0, 0, 0.0), "switch the chunk cache off");
  limit_metadata_cache(list_);
}

}  // namespace ckpt::snapshot
