// SPDX-License-Identifier: Apache-2.0
// Files that HDF5 itself wrote, whole and with every checksum right, but with whatever may be in an HDF5 file instead of
// what belongs into a snapshot. The fuzzer's bytes are choices: which attribute, of which type, which dataset, …
#include <hdf5.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "codec/frame.hpp"
#include "fault/fake_disk.hpp"
#include "read_anything.hpp"
#include "snapshot/file_driver.hpp"

namespace {

class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : next_(data), end_(data + size) {}
  unsigned byte() { return next_ == end_ ? 0 : *next_++; }
  unsigned below(unsigned limit) { return byte() % limit; }
  bool rarely() { return byte() > 244; }
  template <class T, std::size_t count>
  const T& of(const T (&values)[count]) { return values[below(count)]; }

 private:
  const std::uint8_t *next_, *end_;
};

constexpr const char* names[] = {"a", "w", "b/c", "b/d/e", "a/b", "c/..", ".", "ü", "\xff", "a b", "state"};
constexpr hsize_t extents[] = {1, 7, 0, 2, 17, 300, 1u << 20, 1ull << 33, 1ull << 60};
constexpr hsize_t chunk_extents[] = {1, 7, 2, 16, 64, 1u << 20, (1ull << 31) - 1};

void close(hid_t id) {
  if (id >= 0) H5Idec_ref(id);
}

hid_t text_type(std::size_t bytes) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, bytes);
  return type;
}

hid_t compound_type(hid_t part, const char* second) {
  const hid_t type = H5Tcreate(H5T_COMPOUND, 2 * H5Tget_size(part));
  H5Tinsert(type, "r", 0, part);
  H5Tinsert(type, second, H5Tget_size(part), part);
  return type;
}

hid_t choose_type(Choices& choices) {
  switch (choices.below(14)) {
    case 0: return H5Tcopy(H5T_IEEE_F32LE);
    case 1: return H5Tcopy(H5T_STD_U16LE);
    case 2: return H5Tcopy(H5T_STD_I64LE);
    case 3: return H5Tcopy(H5T_IEEE_F64BE);
    case 4: return compound_type(H5T_IEEE_F32LE, "i");
    case 5: return compound_type(H5T_IEEE_F64LE, "j");
    case 6: return text_type(1 + choices.byte());
    case 7: return text_type(H5T_VARIABLE);
    case 8: return H5Tvlen_create(H5T_STD_U8LE);
    case 9: return H5Tcreate(H5T_OPAQUE, 1 + choices.byte());
    case 10: return H5Tenum_create(H5T_STD_U8LE);
    case 11: return H5Tcopy(H5T_STD_REF_OBJ);
    case 12: {
      const hsize_t extent = 1 + choices.byte();
      return H5Tarray_create2(H5T_STD_U8LE, 1, &extent);
    }
    default: return H5Tcopy(H5T_STD_U8LE);
  }
}

hid_t choose_space(Choices& choices, int& dimensions) {
  hsize_t extent[4];
  dimensions = static_cast<int>(choices.below(5));
  for (int i = 0; i < dimensions; ++i) extent[i] = choices.of(extents);
  return dimensions == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(dimensions, extent, nullptr);
}

void put_attribute(hid_t object, const char* name, hid_t type, hid_t space, const void* value) {
  const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0 && value) H5Awrite(attribute, type, value);
  close(attribute);
}

void put_number(hid_t object, const char* name, std::uint64_t value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  put_attribute(object, name, H5T_STD_U64LE, space, &value);
  close(space);
}

void put_text(hid_t object, const char* name, std::string value) {
  const hid_t space = H5Screate(H5S_SCALAR), type = text_type(value.size());
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  put_attribute(object, name, type, space, value.data());
  close(type);
  close(space);
}

// Of any type and extent, with no value of ours.
void put_anything(hid_t object, const char* name, Choices& choices) {
  int dimensions = 0;
  const hid_t type = choose_type(choices), space = choose_space(choices, dimensions);
  if (H5Sget_simple_extent_npoints(space) <= 300) put_attribute(object, name, type, space, nullptr);
  close(space);
  close(type);
}

void write_header(hid_t file, Choices& choices) {
  for (const char* name : {"ckpt_format", "step", "block", "rank", "ranks", "run", "created", "writer", "digest"}) {
    if (choices.rarely()) put_anything(file, name, choices);
    else if (choices.rarely()) continue;
    else if (name == std::string("digest")) put_text(file, name, std::string(32, '0'));
    else if (name[0] == 'w' || name == std::string("run") || name == std::string("created")) put_text(file, name, "x");
    else put_number(file, name, choices.rarely() ? ~0ull : 1);
  }
}

hid_t layout_of_snapshots(hsize_t chunk) {
  const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
  H5Pset_chunk(list, 1, &chunk);
  H5Pset_shuffle(list);
  H5Pset_filter(list, 32015, H5Z_FLAG_OPTIONAL, 0, nullptr);
  return list;
}

hid_t choose_layout(Choices& choices, int dimensions) {
  const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_fill_time(list, H5D_FILL_TIME_NEVER);
  if (dimensions == 0 || choices.rarely()) return list;
  hsize_t chunk[4];
  for (int i = 0; i < dimensions; ++i) chunk[i] = choices.of(chunk_extents);
  H5Pset_chunk(list, dimensions, chunk);
  if (!choices.rarely()) H5Pset_shuffle(list);
  if (choices.rarely()) H5Pset_deflate(list, 1);
  if (choices.rarely()) H5Pset_fletcher32(list);
  if (!choices.rarely()) H5Pset_filter(list, 32015, choices.rarely() ? 0 : H5Z_FLAG_OPTIONAL, 0, nullptr);
  return list;
}

// One frame that is right for a chunk of so many bytes, unless something else is chosen.
void write_chunk(hid_t dataset, const hsize_t* offset, std::size_t bytes, Choices& choices) {
  std::vector<std::byte> content(choices.rarely() ? choices.byte() : bytes, std::byte(choices.byte()));
  ckpt::codec::Encoder encoder;
  const auto frame = encoder.encode(content, 1);
  const std::uint32_t mask = choices.rarely() ? choices.byte() : 0;
  const std::size_t stored = choices.rarely() ? choices.below(unsigned(frame.size())) : frame.size();
  H5Dwrite_chunk(dataset, H5P_DEFAULT, mask, offset, stored, frame.data());
}

hid_t create_dataset(hid_t file, const std::string& path, hid_t type, hid_t space, hid_t layout) {
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  const hid_t dataset = H5Dcreate2(file, path.c_str(), type, space, links, layout, H5P_DEFAULT);
  close(links);
  return dataset;
}

// As a snapshot has it, but for its attributes and chunks.
hid_t put_array(hid_t file, const std::string& path, hid_t type, Choices& choices) {
  const hsize_t extent = 1 + choices.below(40), chunk = 1 + choices.below(static_cast<unsigned>(extent));
  const hid_t space = H5Screate_simple(1, &extent, nullptr), layout = layout_of_snapshots(chunk);
  const hid_t dataset = create_dataset(file, path, type, space, layout);
  for (hsize_t offset = 0; dataset >= 0 && offset < extent; offset += chunk)
    if (!choices.rarely()) write_chunk(dataset, &offset, chunk * H5Tget_size(type), choices);
  close(layout);
  close(space);
  return dataset;
}

hid_t put_something(hid_t file, const std::string& path, hid_t type, Choices& choices) {
  int dimensions = 0;
  const hid_t space = choose_space(choices, dimensions), layout = choose_layout(choices, dimensions);
  const hid_t dataset = create_dataset(file, path, type, space, layout);
  // HDF5 makes room for the places of all chunks when the first one is written, and crashes on one outside the extent.
  const hssize_t elements = H5Sget_simple_extent_npoints(space);
  const hsize_t offset[4] = {};
  if (dataset >= 0 && elements > 0 && elements < 100'000) write_chunk(dataset, offset, choices.byte(), choices);
  close(layout);
  close(space);
  return dataset;
}

void put_dataset(hid_t file, const std::string& path, hid_t usual_type, Choices& choices) {
  const hid_t type = choices.rarely() ? choose_type(choices) : H5Tcopy(usual_type);
  const hid_t dataset = choices.rarely() ? put_something(file, path, type, choices) : put_array(file, path, type, choices);
  if (dataset >= 0) {
    if (choices.rarely()) put_text(dataset, "ckpt_dtype", choices.rarely() ? "bf16" : "bool");
    if (choices.rarely()) put_anything(dataset, choices.rarely() ? "ckpt_scalar" : "ckpt_packed", choices);
    if (choices.rarely()) put_number(dataset, choices.rarely() ? "ckpt_scalar" : "ckpt_packed", choices.below(3));
  }
  close(dataset);
  close(type);
}

void put_link(hid_t file, const std::string& path, Choices& choices) {
  switch (choices.below(4)) {
    case 0: H5Lcreate_soft("/state/w", file, path.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
    case 1: H5Lcreate_external("other.h5", "/state/w", file, path.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
    case 2: H5Lcreate_hard(file, "/state", file, path.c_str(), H5P_DEFAULT, H5P_DEFAULT); break;
    default: {
      const hid_t type = choose_type(choices);
      H5Tcommit2(file, path.c_str(), type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      close(type);
    }
  }
}

void write_state(hid_t file, Choices& choices) {
  if (!choices.rarely()) close(H5Gcreate2(file, "state", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  put_dataset(file, "meta", H5T_STD_U8LE, choices);
  for (unsigned objects = choices.below(6); objects > 0; --objects) {
    const std::string path = std::string("state/") + choices.of(names);
    if (choices.rarely()) put_link(file, path, choices);
    else put_dataset(file, path, choices.below(2) ? H5T_IEEE_F32LE : H5T_STD_U16LE, choices);
  }
}

std::string write_file(Choices choices) {
  ckpt::testing::FakeDisk disk;
  std::unique_ptr<ckpt::io::File> disk_file;
  if (disk.open("/file", ckpt::io::OpenMode::create_new, 0600, disk_file) != 0) std::abort();
  {
    const ckpt::snapshot::Hdf5Scope scope;
    ckpt::snapshot::Connection connection{*disk_file};
    const ckpt::snapshot::DriverAccess access(connection);
    const hid_t file = H5Fcreate("file", H5F_ACC_TRUNC, H5P_DEFAULT, access.list());
    write_state(file, choices);    // first: what the choices begin with changes most
    write_header(file, choices);
    H5Fclose(file);
  }
  return disk.content("/file");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ckpt::testing::read_anything(write_file(Choices(data, size)));
  return 0;
}
