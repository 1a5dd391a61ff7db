// SPDX-License-Identifier: Apache-2.0
#include "snapshot/file_structure.hpp"

#include <algorithm>

#include "snapshot/attributes.hpp"
#include "snapshot/format.hpp"

namespace ckpt::snapshot {
namespace {

// A note for readers of the file: HDF5 never runs the filters, it is given finished frames.
constexpr unsigned noted_zstd_level = 1;

std::vector<hsize_t> hsizes(const std::vector<std::uint64_t>& lengths) { return {lengths.begin(), lengths.end()}; }

// The same state gives the same bytes, whatever the second in which an object of the file was made.
void switch_time_stamps_off(hid_t creation) {
  must(H5Pset_obj_track_times(creation, false), "switch time stamps off");
}

Hid create_group(hid_t parent, const char* name) {
  const Hid creation(H5Pcreate(H5P_GROUP_CREATE), "make a creation list");
  switch_time_stamps_off(creation);
  return Hid(H5Gcreate2(parent, name, H5P_DEFAULT, creation, H5P_DEFAULT), "create a group");
}

Hid create_file(hid_t access_list) {
  const Hid creation(H5Pcreate(H5P_FILE_CREATE), "make a creation list");
  must(H5Pset_attr_phase_change(creation, 32, 16), "keep attributes in the header of the root group");
  switch_time_stamps_off(creation);
  return Hid(H5Fcreate("ckpt", H5F_ACC_TRUNC, creation, access_list), "create the file");
}

// Small snapshots stay small, and many datasets do not nibble at the file.
hsize_t metadata_block_bytes(std::size_t datasets) { return std::clamp<hsize_t>(datasets * 256, 2048, 1u << 20); }

}  // namespace

FileStructure::FileStructure(Connection& connection, const Header& header, std::size_t datasets_to_come)
    : access_(connection) {
  must(H5Pset_meta_block_size(access_.list(), metadata_block_bytes(datasets_to_come)), "set the metadata block size");
  file_ = create_file(access_.list());
  write_header(header);
  state_ = create_group(file_, format::state_group);
  make_creation_lists();
}

void FileStructure::write_header(const Header& header) {
  write_number(file_, format::format_attribute, format::version);
  write_number(file_, format::step_attribute, header.step);
  write_number(file_, format::block_attribute, header.block);
  write_number(file_, format::rank_attribute, header.rank);
  write_number(file_, format::ranks_attribute, header.ranks);
  write_text(file_, format::run_attribute, header.run);
  write_text(file_, format::created_attribute, header.created);
  write_text(file_, format::writer_attribute, header.writer);
}

void FileStructure::make_creation_lists() {
  empty_list_ = Hid(H5Pcreate(H5P_DATASET_CREATE), "make a creation list");
  switch_time_stamps_off(empty_list_);
  must(H5Pset_fill_time(empty_list_, H5D_FILL_TIME_NEVER), "switch fill values off");
  chunked_list_ = Hid(H5Pcopy(empty_list_), "make a creation list");
  must(H5Pset_shuffle(chunked_list_), "declare a filter");
  // Optional: then neither writing nor reading whole frames needs the filter to be installed.
  must(H5Pset_filter(chunked_list_, format::zstd_filter, H5Z_FLAG_OPTIONAL, 1, &noted_zstd_level), "declare a filter");
}

Hid FileStructure::create_meta(const ArrayInfo& info, const Slabs& slabs) {
  return create_dataset(file_, format::meta_dataset, info, slabs);
}

Hid FileStructure::create_array(const ArrayInfo& info, const Slabs& slabs) {
  const hid_t group = enter_group_of(info.name);
  return create_dataset(group, info.name.substr(info.name.rfind('/') + 1), info, slabs);
}

// Names come sorted: a group once left never comes back, so what is not open has to be created.
hid_t FileStructure::enter_group_of(const std::string& name) {
  std::size_t depth = 0, start = 0;
  for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/', start), ++depth) {
    const std::string part = name.substr(start, slash - start);
    start = slash + 1;
    if (depth < groups_.size() && groups_[depth].name == part) continue;
    groups_.resize(depth);
    Hid group = create_group(depth == 0 ? state_ : groups_.back().id, part.c_str());
    groups_.push_back({part, std::move(group)});
  }
  groups_.resize(depth);
  return groups_.empty() ? state_ : groups_.back().id;
}

Hid FileStructure::create_dataset(hid_t group, const std::string& leaf, const ArrayInfo& info, const Slabs& slabs) {
  const auto dimensions = format::dataset_dimensions(info);
  const Hid space(H5Screate_simple(static_cast<int>(dimensions.size()), hsizes(dimensions).data(), nullptr),
                  "make a dataspace");
  Hid dataset(H5Dcreate2(group, leaf.c_str(), datatypes_.stored(info.dtype), space, H5P_DEFAULT,
                         creation_list(slabs, dimensions), H5P_DEFAULT),
              "create a dataset");
  const auto kind = format::kind_of(info);
  if (const auto tag = tag_of(info.dtype); !tag.empty()) write_text(dataset, format::dtype_attribute, tag);
  if (kind == format::Kind::scalar) write_flag(dataset, format::scalar_attribute);
  if (kind == format::Kind::packed) write_flag(dataset, format::packed_attribute);
  return dataset;
}

hid_t FileStructure::creation_list(const Slabs& slabs, const std::vector<std::uint64_t>& dimensions) {
  if (slabs.count() == 0) return empty_list_;
  std::vector<std::uint64_t> chunk(dimensions.size());
  slabs.chunk_dimensions(dimensions, chunk);
  must(H5Pset_chunk(chunked_list_, static_cast<int>(chunk.size()), hsizes(chunk).data()), "set chunk dimensions");
  return chunked_list_;
}

void FileStructure::finish(const std::string& digest) {
  write_text(file_, format::digest_attribute, digest);
  groups_.clear();
  state_.reset();
  must(H5Fflush(file_, H5F_SCOPE_GLOBAL), "write the structure of the file");
  file_.close("close the file");
}

void write_frame(hid_t dataset, const ArrayInfo& info, const Slabs& slabs, std::uint64_t chunk,
                 std::span<const std::byte> frame) {
  const auto dimensions = format::dataset_dimensions(info);
  std::vector<std::uint64_t> offset(dimensions.size());
  slabs.chunk_offset(dimensions, chunk, offset);
  must(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, hsizes(offset).data(), frame.size(), frame.data()), "write a chunk");
}

}  // namespace ckpt::snapshot
