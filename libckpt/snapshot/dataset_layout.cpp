// SPDX-License-Identifier: Apache-2.0
#include "snapshot/dataset_layout.hpp"

#include <array>

#include "base/error.hpp"
#include "codec/frame.hpp"
#include "snapshot/attributes.hpp"
#include "snapshot/format.hpp"

namespace ckpt::snapshot {
namespace {

constexpr int most_dimensions = H5S_MAX_RANK;

ckpt_dtype dtype_of(hid_t dataset, const std::string& name, Datatypes& datatypes) {
  const Hid type(H5Dget_type(dataset), "open a datatype");
  const auto natural = datatypes.natural(type);
  if (!natural) fail(CKPT_ERR_DAMAGED, "'{}' has a datatype that no array has", name);
  const bool may_be_tagged = *natural == CKPT_U8 || *natural == CKPT_U16;
  if (!may_be_tagged || !has_attribute(dataset, format::dtype_attribute)) return *natural;
  const auto tagged = from_tag(*natural, read_text(dataset, format::dtype_attribute).value_or(""));
  if (!tagged) fail(CKPT_ERR_DAMAGED, "'{}' has an unknown '{}'", name, format::dtype_attribute);
  return *tagged;
}

std::vector<std::uint64_t> dimensions_of(hid_t dataset, const std::string& name) {
  const Hid space(H5Dget_space(dataset), "open a dataspace");
  std::array<hsize_t, most_dimensions> lengths;
  const int count = must(H5Sget_simple_extent_dims(space, lengths.data(), nullptr), "ask for a shape");
  if (count < 1 || count > CKPT_MAX_DIMS) fail(CKPT_ERR_DAMAGED, "'{}' has {} dimensions", name, count);
  return {lengths.begin(), lengths.begin() + count};
}

void check_filters(hid_t creation_list, const std::string& name) {
  const auto filter = [&](unsigned position) {
    unsigned flags = 0;
    std::size_t values = 0;
    return H5Pget_filter2(creation_list, position, &flags, &values, nullptr, 0, nullptr, nullptr);
  };
  if (H5Pget_nfilters(creation_list) != 2 || filter(0) != H5Z_FILTER_SHUFFLE ||
      filter(1) != static_cast<H5Z_filter_t>(format::zstd_filter))
    fail(CKPT_ERR_DAMAGED, "the filters of '{}' are not shuffle and zstd", name);
}

Slabs slabs_of(hid_t dataset, const std::string& name, const std::vector<std::uint64_t>& dimensions,
               std::uint64_t element_bytes) {
  const auto bytes = array_bytes(dimensions, element_bytes);
  if (!bytes) fail(CKPT_ERR_DAMAGED, "'{}' is larger than memory can be", name);
  if (*bytes == 0) return cut_into_slabs(dimensions, element_bytes, 1);
  const Hid list(H5Dget_create_plist(dataset), "open a creation list");
  if (H5Pget_layout(list) != H5D_CHUNKED)
    fail(CKPT_ERR_DAMAGED, "'{}' is not in chunks, hence without checksums", name);
  std::array<hsize_t, most_dimensions> lengths{};
  const int count = must(H5Pget_chunk(list, most_dimensions, lengths.data()), "ask for chunk dimensions");
  const std::vector<std::uint64_t> chunk(lengths.begin(), lengths.begin() + count);
  const auto slabs = slabs_from_chunk(dimensions, element_bytes, chunk);
  if (!slabs || slabs->chunk_bytes() > format::largest_chunk_bytes)
    fail(CKPT_ERR_DAMAGED, "the chunks of '{}' are not contiguous pieces of at most {} bytes", name,
         format::largest_chunk_bytes);
  check_filters(list, name);
  return *slabs;
}

[[noreturn]] void fail_lacking(const std::string& name) { fail(CKPT_ERR_DAMAGED, "'{}' lacks a chunk", name); }

}  // namespace

Listed inspect_dataset(hid_t dataset, const std::string& name, Datatypes& datatypes) {
  Listed listed;
  ArrayInfo& info = listed.info;
  info.name = name;
  info.dtype = dtype_of(dataset, name, datatypes);
  info.shape = dimensions_of(dataset, name);
  listed.slabs = slabs_of(dataset, name, info.shape, dtype_info(info.dtype).size_bytes);
  info.packed = info.dtype == CKPT_U8 && info.shape.size() == 1 && has_attribute(dataset, format::packed_attribute);
  const bool may_be_scalar = info.shape.size() == 1 && info.shape[0] == 1 && !info.packed;
  if (may_be_scalar && has_attribute(dataset, format::scalar_attribute)) info.shape.clear();
  return listed;
}

void require_all_chunks(hid_t dataset, const Listed& listed) {
  const Hid space(H5Dget_space(dataset), "open a dataspace");
  hsize_t chunks = 0;
  must(H5Dget_num_chunks(dataset, space, &chunks), "count the chunks of an array");
  if (chunks < listed.slabs.count()) fail_lacking(listed.info.name);
}

std::span<const std::byte> read_frame(hid_t dataset, const ArrayInfo& info, const Slabs& slabs, std::uint64_t chunk,
                                      std::vector<std::byte>& memory) {
  const auto dimensions = format::dataset_dimensions(info);
  std::vector<std::uint64_t> at(dimensions.size());
  slabs.chunk_offset(dimensions, chunk, at);
  const std::vector<hsize_t> offset(at.begin(), at.end());
  hsize_t bytes = 0;
  must(H5Dget_chunk_storage_size(dataset, offset.data(), &bytes), "ask for the size of a chunk");
  if (bytes == 0) fail_lacking(info.name);
  if (bytes > codec::largest_frame(slabs.chunk_bytes()))
    fail(CKPT_ERR_DAMAGED, "'{}' has a frame of {} bytes for a chunk of {}", info.name, bytes, slabs.chunk_bytes());
  if (memory.size() < bytes) memory.resize(bytes);
  std::uint32_t filters_skipped = 0;
  must(H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &filters_skipped, memory.data()), "read a chunk");
  if (filters_skipped != 0) fail(CKPT_ERR_DAMAGED, "'{}' has a chunk without a frame", info.name);
  return {memory.data(), bytes};
}

}  // namespace ckpt::snapshot
