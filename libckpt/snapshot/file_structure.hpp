// SPDX-License-Identifier: Apache-2.0
// The structure of a snapshot that is being written: root attributes, groups, datasets and their frames.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "snapshot/datatypes.hpp"
#include "snapshot/file_driver.hpp"
#include "snapshot/slabs.hpp"
#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot {

// Every member, the destructor too, inside Hdf5Scope.
class FileStructure {
 public:
  FileStructure(Connection& connection, const Header& header, std::size_t datasets_to_come);

  // The dataset of the small values; then the arrays, in the order of their names.
  Hid create_meta(const ArrayInfo& info, const Slabs& slabs);
  Hid create_array(const ArrayInfo& info, const Slabs& slabs);
  void finish(const std::string& digest);

 private:
  struct Group {
    std::string name;
    Hid id;
  };

  void write_header(const Header& header);
  void make_creation_lists();
  hid_t enter_group_of(const std::string& name);
  Hid create_dataset(hid_t group, const std::string& leaf, const ArrayInfo& info, const Slabs& slabs);
  hid_t creation_list(const Slabs& slabs, const std::vector<std::uint64_t>& dimensions);

  DriverAccess access_;
  Hid file_, state_;
  Hid chunked_list_, empty_list_;   // kept: making one costs as much as making a dataset
  Datatypes datatypes_;
  std::vector<Group> groups_;       // on the way to the array created last
};

// Chunk `chunk` of a dataset cut into `slabs`.
void write_frame(hid_t dataset, const ArrayInfo& info, const Slabs& slabs, std::uint64_t chunk,
                 std::span<const std::byte> frame);

}  // namespace ckpt::snapshot
