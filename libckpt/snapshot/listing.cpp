// SPDX-License-Identifier: Apache-2.0
#include "snapshot/listing.hpp"

#include <algorithm>
#include <exception>

#include "base/error.hpp"
#include "snapshot/attributes.hpp"
#include "snapshot/dataset_layout.hpp"
#include "snapshot/format.hpp"
#include "snapshot/hdf5_versions.hpp"

namespace ckpt::snapshot {
namespace {

std::uint64_t required_number(hid_t object, const char* name) {
  const auto value = read_number(object, name);
  if (!value) fail(CKPT_ERR_DAMAGED, "attribute '{}' is missing or no integer", name);
  return *value;
}

std::string required_text(hid_t object, const char* name) {
  auto value = read_text(object, name);
  if (!value) fail(CKPT_ERR_DAMAGED, "attribute '{}' is missing or no text of fixed length", name);
  return std::move(*value);
}

void check_format(hid_t file) {
  if (!has_attribute(file, format::format_attribute))
    fail(CKPT_ERR_DAMAGED, "an HDF5 file, but not a snapshot: it has no attribute '{}'", format::format_attribute);
  const std::uint64_t found = required_number(file, format::format_attribute);
  if (found > format::version)
    fail(CKPT_ERR_FORMAT, "written by a newer libckpt in format {}; this one reads up to {}: update it", found,
         format::version);
  if (found == 0) fail(CKPT_ERR_DAMAGED, "attribute '{}' is 0", format::format_attribute);
}

// Walks the groups below /state.
class Listing {
 public:
  Listing(std::uint64_t file_bytes, Datatypes& datatypes)
      : file_bytes_(file_bytes), objects_left_(file_bytes / smallest_object_bytes), datatypes_(datatypes) {}

  void enter(hid_t group) {
    hsize_t position = 0;
    const herr_t answer = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &position, visit, this);
    if (error_) std::rethrow_exception(error_);
    must(answer, "list a group");
  }

  std::vector<Listed> take() { return std::move(found_); }

 private:
  static constexpr std::uint64_t smallest_object_bytes = 16;   // of an object header, with room to spare
  static constexpr std::uint64_t tiny_array_bytes = 1024;

  // C++ exceptions must not cross HDF5's C frames.
  static herr_t visit(hid_t group, const char* name, const H5L_info_t* link, void* self) {
    auto& listing = *static_cast<Listing*>(self);
    try {
      listing.add(group, name, *link);
      return 0;
    } catch (...) {
      listing.error_ = std::current_exception();
      return -1;
    }
  }

  void add(hid_t group, const char* leaf, const H5L_info_t& link) {
    const std::size_t parent_length = prefix_.size();
    const std::string name = prefix_ + leaf;
    if (link.type != H5L_TYPE_HARD) fail(CKPT_ERR_DAMAGED, "'{}' is a link to somewhere else", name);
    // Groups that contain each other would never end.
    if (!format::valid_name(name) || objects_left_-- == 0) fail(CKPT_ERR_DAMAGED, "'{}' is no name for an array", name);
    const Hid object(open_target(group, link), "open an array");
    switch (H5Iget_type(object)) {
      case H5I_DATASET: add_array(object, name); break;
      case H5I_GROUP:
        prefix_ = name + "/";
        enter(object);
        prefix_.resize(parent_length);
        break;
      default: fail(CKPT_ERR_DAMAGED, "'{}' is neither array nor group", name);
    }
  }

  // Opening a dataset costs more than reading a tiny one: what is tiny is read now, as long as it takes little memory.
  void add_array(hid_t dataset, const std::string& name) {
    Listed& listed = found_.emplace_back(inspect_dataset(dataset, name, datatypes_));
    if (listed.info.size_bytes() > file_bytes_) require_all_chunks(dataset, listed);
    if (listed.slabs.count() != 1 || listed.slabs.chunk_bytes() > tiny_array_bytes) return;
    const auto frame = read_frame(dataset, listed.info, listed.slabs, 0, memory_);
    if (frame.size() > bytes_to_keep_) return;
    bytes_to_keep_ -= frame.size();
    listed.frame.assign(frame.begin(), frame.end());
  }

  std::uint64_t file_bytes_;
  std::uint64_t objects_left_;
  std::uint64_t bytes_to_keep_ = 16u << 20;
  std::vector<std::byte> memory_;
  Datatypes& datatypes_;
  std::string prefix_;
  std::vector<Listed> found_;
  std::exception_ptr error_;
};

}  // namespace

Header read_header(hid_t file) {
  check_format(file);
  Header header;
  header.step = required_number(file, format::step_attribute);
  header.block = required_number(file, format::block_attribute);
  header.rank = required_number(file, format::rank_attribute);
  header.ranks = required_number(file, format::ranks_attribute);
  header.run = required_text(file, format::run_attribute);
  header.created = required_text(file, format::created_attribute);
  header.writer = required_text(file, format::writer_attribute);
  return header;
}

std::string read_digest(hid_t file) { return required_text(file, format::digest_attribute); }

Listed inspect_meta(hid_t file, Datatypes& datatypes) {
  const Hid dataset(H5Dopen2(file, format::meta_dataset, H5P_DEFAULT), "open the small values");
  Listed meta = inspect_dataset(dataset, format::meta_path(), datatypes);
  if (meta.info.dtype != CKPT_U8 || meta.info.shape.size() != 1 || meta.info.size_bytes() > format::largest_meta_bytes)
    fail(CKPT_ERR_DAMAGED, "'{}' is no text", format::meta_path());
  return meta;
}

std::vector<Listed> list_arrays(hid_t file, std::uint64_t file_bytes, Datatypes& datatypes) {
  const Hid state(H5Gopen2(file, format::state_group, H5P_DEFAULT), "open the group of the arrays");
  Listing listing(file_bytes, datatypes);
  listing.enter(state);
  auto found = listing.take();
  std::sort(found.begin(), found.end(), [](const Listed& a, const Listed& b) { return a.info.name < b.info.name; });
  return found;
}

}  // namespace ckpt::snapshot
