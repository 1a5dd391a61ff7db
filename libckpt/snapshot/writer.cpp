// SPDX-License-Identifier: Apache-2.0
#include "snapshot/writer.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/parallel.hpp"
#include "codec/frame.hpp"
#include "snapshot/chunk_index.hpp"
#include "snapshot/digest.hpp"
#include "snapshot/file_structure.hpp"
#include "snapshot/format.hpp"
#include "snapshot/pool.hpp"

namespace ckpt::snapshot {
namespace {

struct EncodingTools {
  codec::Encoder encoder;
  std::vector<std::byte> chunk;    // of sources that are not contiguous, and of padded chunks
  std::vector<std::byte> frames;   // of a portion of tiny chunks, one behind the other
  std::vector<std::size_t> frame_bytes;
};

// One snapshot on its way into an open, empty file. Chunks are encoded by all threads; HDF5 is called by one at a time.
class SnapshotWriting {
 public:
  SnapshotWriting(io::File& file, const Header& header, std::span<const ArraySource> arrays,
                  const WriteOptions& options);
  ~SnapshotWriting();

  void write();   // all of it, up to closing the HDF5 file
  std::uint64_t state_bytes() const noexcept;

 private:
  struct Dataset {
    Hid id;                          // open from its creation to its last chunk
    std::uint64_t chunks_left = 0;
  };

  void write_everything();
  void write_portion(ChunkRange range);
  std::span<const std::byte> encode(std::uint64_t number, EncodingTools& tools);
  std::span<const std::byte> chunk_bytes(std::size_t dataset, std::uint64_t chunk,
                                         std::vector<std::byte>& memory) const;
  void put(ChunkRange range, std::span<const std::byte> frames, std::span<const std::size_t> frame_bytes);
  void put(std::uint64_t number, std::span<const std::byte> frame);
  void create_up_to(std::size_t dataset);
  void finish();
  std::string digest() const;
  void check_disk() const;

  Connection connection_;
  const Header& header_;
  const WriteOptions& options_;
  ArraySource meta_;
  std::vector<const ArraySource*> sources_;   // meta first, then sorted by name
  ChunkIndex index_;
  std::vector<std::uint32_t> checksums_;      // of every chunk's frame
  Pool<EncodingTools> tools_;

  std::optional<FileStructure> structure_;    // these three inside Hdf5Scope only
  std::vector<Dataset> datasets_;
  std::size_t created_ = 0;                   // datasets [0, created_) are in the file
};

SnapshotWriting::SnapshotWriting(io::File& file, const Header& header, std::span<const ArraySource> arrays,
                                 const WriteOptions& options)
    : connection_{file}, header_(header), options_(options) {
  meta_.info = meta_info(header.meta.size());
  meta_.contiguous = reinterpret_cast<const std::byte*>(header.meta.data());
  sources_.push_back(&meta_);
  for (const ArraySource& source : arrays) sources_.push_back(&source);
  std::sort(sources_.begin() + 1, sources_.end(),
            [](const ArraySource* a, const ArraySource* b) { return a->info.name < b->info.name; });
  const auto target = std::clamp<std::uint64_t>(options.chunk_bytes, 1, format::largest_chunk_bytes / 2);
  for (const ArraySource* source : sources_)
    index_.add(cut_into_slabs(format::dataset_dimensions(source->info), dtype_info(source->info.dtype).size_bytes,
                              target));
  checksums_.resize(index_.chunks());
  datasets_.resize(index_.datasets());
}

SnapshotWriting::~SnapshotWriting() {
  const Hdf5Scope scope;
  datasets_.clear();
  structure_.reset();
}

std::uint64_t SnapshotWriting::state_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (std::size_t i = 1; i < sources_.size(); ++i) bytes += sources_[i]->info.size_bytes();
  return bytes;
}

void SnapshotWriting::check_disk() const {
  if (const int error = connection_.error) throw Error(status_of_errno(error), error, errno_text(error));
}

void SnapshotWriting::write() try {
  write_everything();
} catch (const Hdf5Failed& failure) {
  check_disk();   // the reason behind whatever HDF5 makes of it
  fail(failure.out_of_memory() ? CKPT_ERR_MEMORY : CKPT_ERR_INTERNAL, "HDF5 cannot {}", failure.text());
}

void SnapshotWriting::write_everything() {
  {
    const Hdf5Scope scope;
    structure_.emplace(connection_, header_, sources_.size());
    check_disk();
  }
  const auto portions = index_.portions({0, index_.chunks()});
  parallel_for(portions.size(), options_.threads, [&](std::size_t i) { write_portion(portions[i]); });
  const Hdf5Scope scope;
  finish();
}

void SnapshotWriting::write_portion(ChunkRange range) {
  const Pool<EncodingTools>::Lease tools(tools_);
  tools->frame_bytes.clear();
  if (range.count() == 1) {   // large, perhaps: not copied once more
    const auto frame = encode(range.first, *tools);
    tools->frame_bytes.push_back(frame.size());
    put(range, frame, tools->frame_bytes);
    return;
  }
  tools->frames.clear();
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    const auto frame = encode(number, *tools);
    tools->frames.insert(tools->frames.end(), frame.begin(), frame.end());
    tools->frame_bytes.push_back(frame.size());
  }
  put(range, tools->frames, tools->frame_bytes);
}

std::span<const std::byte> SnapshotWriting::encode(std::uint64_t number, EncodingTools& tools) {
  if (options_.cancel && options_.cancel->load(std::memory_order_relaxed))
    fail(CKPT_ERR_SUPERSEDED, "given up, it is no longer wanted");
  const auto [dataset, chunk] = index_.place(number);
  const auto frame = tools.encoder.encode(chunk_bytes(dataset, chunk, tools.chunk),
                                          static_cast<std::uint32_t>(index_.slabs(dataset).element_bytes));
  checksums_[number] = codec::stored_checksum(frame);
  return frame;
}

// Whole chunks of contiguous arrays are encoded from where they lie; HDF5 wants the last one padded.
std::span<const std::byte> SnapshotWriting::chunk_bytes(std::size_t dataset, std::uint64_t chunk,
                                                        std::vector<std::byte>& memory) const {
  const ArraySource& source = *sources_[dataset];
  const std::uint64_t chunk_size = index_.slabs(dataset).chunk_bytes();
  const auto piece = index_.slabs(dataset).piece(chunk);
  if (source.contiguous && piece.bytes == chunk_size) return {source.contiguous + piece.first_byte, piece.bytes};
  if (memory.size() < chunk_size) memory.resize(chunk_size);
  if (source.contiguous)
    std::memcpy(memory.data(), source.contiguous + piece.first_byte, piece.bytes);
  else
    source.copy_out(piece.first_byte, {memory.data(), piece.bytes});
  std::memset(memory.data() + piece.bytes, 0, chunk_size - piece.bytes);
  return {memory.data(), chunk_size};
}

void SnapshotWriting::put(ChunkRange range, std::span<const std::byte> frames,
                          std::span<const std::size_t> frame_bytes) {
  const Hdf5Scope scope;
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    const std::size_t bytes = frame_bytes[number - range.first];
    check_disk();
    put(number, frames.first(bytes));
    frames = frames.subspan(bytes);
  }
  check_disk();
}

void SnapshotWriting::put(std::uint64_t number, std::span<const std::byte> frame) {
  const auto [dataset, chunk] = index_.place(number);
  create_up_to(dataset);
  Dataset& target = datasets_[dataset];
  write_frame(target.id, sources_[dataset]->info, index_.slabs(dataset), chunk, frame);
  if (--target.chunks_left == 0) target.id.reset();
}

// In order, whichever thread comes first: names sorted means that no group is entered twice.
void SnapshotWriting::create_up_to(std::size_t dataset) {
  for (; created_ <= dataset; ++created_) {
    const ArrayInfo& info = sources_[created_]->info;
    const Slabs& slabs = index_.slabs(created_);
    Hid id = created_ == 0 ? structure_->create_meta(info, slabs) : structure_->create_array(info, slabs);
    if (slabs.count() > 0) datasets_[created_] = {std::move(id), slabs.count()};
  }
}

std::string SnapshotWriting::digest() const {
  Digest digest(header_);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const ArrayInfo& info = sources_[i]->info;
    const auto checksums = std::span(checksums_).subspan(index_.chunks_of(i).first, index_.slabs(i).count());
    digest.add(i == 0 ? format::meta_path() : format::path_of(info), info, index_.slabs(i), checksums);
  }
  return digest.hexadecimal();
}

void SnapshotWriting::finish() {
  create_up_to(sources_.size() - 1);
  structure_->finish(digest());
  check_disk();
}

void check_arguments(const Header& header, std::span<const ArraySource> arrays) {
  std::vector<std::string_view> names;
  for (const ArraySource& source : arrays) names.push_back(source.info.name);
  std::sort(names.begin(), names.end());
  format::check_names(names);
  if (header.meta.size() > format::largest_meta_bytes)
    fail(CKPT_ERR_ARGUMENT, "{} bytes of small values, at most {} are possible: put them into an array",
         header.meta.size(), format::largest_meta_bytes);
}

WriteResult write_into(io::File& file, const Header& header, std::span<const ArraySource> arrays,
                       const WriteOptions& options) {
  check_arguments(header, arrays);
  WriteResult result;
  {
    SnapshotWriting writing(file, header, arrays, options);
    writing.write();
    result.state_bytes = writing.state_bytes();
  }
  if (const int error = file.sync()) fail_io(error, "fsync");
  if (const int error = file.size(result.file_bytes)) fail_io(error, "asking for its size");
  if (const int error = file.close()) fail_io(error, "close");
  return result;
}

}  // namespace

WriteResult write_snapshot(io::FileSystem& fs, const std::string& path, const Header& header,
                           std::span<const ArraySource> arrays, const WriteOptions& options) {
  std::unique_ptr<io::File> file;
  if (const int error = fs.open(path, io::OpenMode::create_new, options.permissions, file))
    fail_io(error, "cannot create snapshot '{}'", path);
  const auto drop = [&] {
    file.reset();
    [[maybe_unused]] const int left_behind = fs.remove(path);   // a temporary name: a later block clears it away
  };
  try {
    return write_into(*file, header, arrays, options);
  } catch (const Error& error) {
    drop();
    throw Error(error.status(), error.os_errno(), fmt::format("cannot write snapshot '{}': {}", path, error.what()));
  } catch (const std::bad_alloc&) {
    drop();
    fail(CKPT_ERR_MEMORY, "cannot write snapshot '{}': not enough memory", path);
  } catch (...) {
    drop();
    throw;
  }
}

}  // namespace ckpt::snapshot
