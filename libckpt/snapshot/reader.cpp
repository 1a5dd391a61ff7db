// SPDX-License-Identifier: Apache-2.0
#include "snapshot/reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <new>
#include <optional>

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "codec/frame.hpp"
#include "snapshot/digest.hpp"
#include "snapshot/format.hpp"
#include "snapshot/pool.hpp"
#include "snapshot/snapshot_file.hpp"
#include "snapshot/values.hpp"

namespace ckpt::snapshot {
namespace {

// "\211HDF\r\n\032\n" and the version of the superblock, the first whose own bytes are checksummed.
constexpr std::array<unsigned char, 9> start_of_file = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n', 3};

// ENOENT and ESTALE: removed, or replaced behind an NFS client; whoever listed the file looks again.
[[noreturn]] void fail_disk(int error, const std::string& path) {
  if (error == ENOENT || error == ESTALE)
    throw Error(CKPT_ERR_NOT_FOUND, error, fmt::format("snapshot '{}' is not there", path));
  fail_io(error, "cannot read snapshot '{}'", path);
}

std::unique_ptr<io::File> open_for_reading(io::FileSystem& fs, const std::string& path) {
  std::unique_ptr<io::File> file;
  if (const int error = fs.open(path, io::OpenMode::read, 0, file)) fail_disk(error, path);
  return file;
}

using Progress = std::function<void(std::uint64_t bytes_done)>;

}  // namespace

struct Reader::Impl {
  struct DecodingTools {
    codec::Decoder decoder;
    std::vector<std::byte> frame;    // as it comes from HDF5
    std::vector<std::byte> frames;   // of a portion of tiny chunks, one behind the other
    std::vector<std::size_t> frame_bytes;
    std::vector<std::byte> chunk;    // of targets that are not contiguous, and of padded chunks
  };

  Impl(io::FileSystem& fs, std::string of_path)
      : path(std::move(of_path)), disk(open_for_reading(fs, path)), connection{*disk} {}
  ~Impl();

  void open();
  void check_start();
  void read_meta();
  // The arrays of the datasets [first, first + targets.size()).
  void read(std::size_t first, std::span<const ArrayTarget> targets, unsigned threads, const Progress& progress);
  using TargetOf = std::function<const ArrayTarget&(std::size_t dataset)>;
  void read_portion(ChunkRange range, const TargetOf& target_of);
  std::span<const std::byte> read_frames(ChunkRange range, DecodingTools& tools);
  void decode(std::uint64_t number, std::span<const std::byte> frame, const ArrayTarget& target, DecodingTools& tools);
  void deliver(ChunkIndex::Place place, std::span<const std::byte> frame, const ArrayTarget& target,
               DecodingTools& tools);
  std::uint64_t content_bytes(ChunkRange range) const;
  void check_digest() const;
  void check_disk() const;

  // Does `work` and tells its failures apart: disk, memory, content.
  template <class Work>
  void guarded(const Work& work);

  std::string path;
  std::unique_ptr<io::File> disk;
  std::uint64_t file_bytes = 0;
  Connection connection;
  Header header;
  std::vector<ArrayInfo> arrays;
  std::vector<std::uint32_t> checksums;   // of the frames read so far
  Pool<DecodingTools> tools;
  std::optional<SnapshotFile> file;       // touched inside Hdf5Scope only, but for its constants
};

Reader::Impl::~Impl() {
  const Hdf5Scope scope;
  file.reset();
}

void Reader::Impl::check_disk() const {
  if (const int error = connection.error) fail_disk(error, path);
}

template <class Work>
void Reader::Impl::guarded(const Work& work) try {
  check_disk();
  work();
  check_disk();
} catch (const Hdf5Failed& failure) {
  check_disk();   // HDF5 got zeros instead of what could not be read: nothing it says counts
  if (failure.out_of_memory()) fail(CKPT_ERR_MEMORY, "snapshot '{}': HDF5 has no memory to {}", path, failure.text());
  fail(CKPT_ERR_DAMAGED, "snapshot '{}' is damaged: HDF5 cannot {}", path, failure.text());
} catch (const std::bad_alloc&) {
  fail(CKPT_ERR_MEMORY, "snapshot '{}': not enough memory to read it", path);
} catch (const Error& error) {
  check_disk();
  if (error.status() != CKPT_ERR_DAMAGED && error.status() != CKPT_ERR_FORMAT) throw;
  const char* verdict = error.status() == CKPT_ERR_DAMAGED ? " is damaged" : "";
  throw Error(error.status(), 0, fmt::format("snapshot '{}'{}: {}", path, verdict, error.what()));
}

void Reader::Impl::open() {
  guarded([this] {
    check_start();
    {
      const Hdf5Scope scope;
      file.emplace(connection, file_bytes);
    }
    check_disk();
    header = file->header();
    arrays.assign(file->datasets().begin() + 1, file->datasets().end());
    checksums.resize(file->index().chunks());
    read_meta();
  });
}

void Reader::Impl::check_start() {
  if (const int error = disk->size(file_bytes)) fail_disk(error, path);
  if (file_bytes == 0) fail(CKPT_ERR_DAMAGED, "it is empty");
  std::array<std::byte, start_of_file.size()> start{};
  std::size_t bytes_read = 0;
  if (const int error = disk->read_at(0, start, bytes_read)) fail_disk(error, path);
  if (bytes_read != start.size() ||
      !std::equal(start.begin(), start.end(), start_of_file.begin(),
                  [](std::byte a, unsigned char b) { return std::to_integer<unsigned char>(a) == b; }))
    fail(CKPT_ERR_DAMAGED, "it does not begin like an HDF5 file of a snapshot");
}

void Reader::Impl::read_meta() {
  header.meta.resize(file->datasets()[0].size_bytes());
  const ArrayTarget target{.contiguous = reinterpret_cast<std::byte*>(header.meta.data()), .copy_in = {}};
  read(0, {&target, 1}, 1, {});
  constexpr std::size_t around_a_value = 2;
  const Nest nest = nest_of(header.meta);
  if (nest.containers > most_containers + around_a_value)
    fail(CKPT_ERR_DAMAGED, "its small values are {} arrays and objects, of which libckpt writes at most {}", nest.containers, most_containers);
  if (nest.depth > deepest_value + around_a_value)
    fail(CKPT_ERR_DAMAGED, "its small values are nested more than {} deep, which libckpt does not write", deepest_value);
}

void Reader::Impl::read(std::size_t first, std::span<const ArrayTarget> targets, unsigned threads,
                        const Progress& progress) {
  const ChunkIndex& index = file->index();
  const auto portions = index.portions(index.chunks_of(first, first + targets.size()));
  std::mutex progress_mutex;
  std::uint64_t bytes_done = 0;
  {
    const Hdf5Scope scope;
    file->close_datasets();
  }
  parallel_for(portions.size(), threads, [&](std::size_t i) {
    read_portion(portions[i], [&](std::size_t dataset) -> const ArrayTarget& { return targets[dataset - first]; });
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(bytes_done += content_bytes(portions[i]));
  });
}

std::uint64_t Reader::Impl::content_bytes(ChunkRange range) const {
  std::uint64_t bytes = 0;
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    const auto [dataset, chunk] = file->index().place(number);
    bytes += file->index().slabs(dataset).piece(chunk).bytes;
  }
  return bytes;
}

void Reader::Impl::read_portion(ChunkRange range, const TargetOf& target_of) {
  const Pool<DecodingTools>::Lease lease(tools);
  auto frames = read_frames(range, *lease);
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    const std::size_t bytes = lease->frame_bytes[number - range.first];
    decode(number, frames.first(bytes), target_of(file->index().place(number).dataset), *lease);
    frames = frames.subspan(bytes);
  }
}

std::span<const std::byte> Reader::Impl::read_frames(ChunkRange range, DecodingTools& of_thread) {
  const Hdf5Scope scope;
  of_thread.frames.clear();
  of_thread.frame_bytes.clear();
  std::span<const std::byte> frame;
  for (std::uint64_t number = range.first; number < range.end; ++number) {
    const auto [dataset, chunk] = file->index().place(number);
    frame = file->read_frame(dataset, chunk, of_thread.frame);
    check_disk();
    of_thread.frame_bytes.push_back(frame.size());
    if (range.count() > 1) of_thread.frames.insert(of_thread.frames.end(), frame.begin(), frame.end());
  }
  return range.count() > 1 ? of_thread.frames : frame;
}

void Reader::Impl::decode(std::uint64_t number, std::span<const std::byte> frame, const ArrayTarget& target,
                          DecodingTools& of_thread) {
  const auto place = file->index().place(number);
  try {
    deliver(place, frame, target, of_thread);
  } catch (const Error& error) {
    if (error.status() != CKPT_ERR_DAMAGED) throw;
    fail(CKPT_ERR_DAMAGED, "'{}', chunk {}: {}", file->datasets()[place.dataset].name, place.chunk, error.what());
  }
  checksums[number] = codec::stored_checksum(frame);
}

void Reader::Impl::deliver(ChunkIndex::Place place, std::span<const std::byte> frame, const ArrayTarget& target,
                           DecodingTools& of_thread) {
  const Slabs& slabs = file->index().slabs(place.dataset);
  const auto element_bytes = static_cast<std::uint32_t>(slabs.element_bytes);
  const auto piece = slabs.piece(place.chunk);
  if (target.contiguous && piece.bytes == slabs.chunk_bytes()) {
    of_thread.decoder.decode(frame, element_bytes, {target.contiguous + piece.first_byte, piece.bytes});
    return;
  }
  auto& memory = of_thread.chunk;
  if (memory.size() < slabs.chunk_bytes()) memory.resize(slabs.chunk_bytes());
  of_thread.decoder.decode(frame, element_bytes, {memory.data(), slabs.chunk_bytes()});
  if (target.contiguous) std::copy_n(memory.data(), piece.bytes, target.contiguous + piece.first_byte);
  if (target.copy_in) target.copy_in(piece.first_byte, {memory.data(), piece.bytes});
}

void Reader::Impl::check_digest() const {
  Digest digest(header);
  for (std::size_t i = 0; i < file->datasets().size(); ++i) {
    const ArrayInfo& info = file->datasets()[i];
    const Slabs& slabs = file->index().slabs(i);
    const auto of_chunks = std::span(checksums).subspan(file->index().chunks_of(i).first, slabs.count());
    digest.add(i == 0 ? format::meta_path() : format::path_of(info), info, slabs, of_chunks);
  }
  if (digest.hexadecimal() != file->digest()) fail(CKPT_ERR_DAMAGED, "its digest does not match what it holds");
}

Reader::Reader(io::FileSystem& fs, const std::string& path) : impl_(std::make_unique<Impl>(fs, path)) {
  impl_->open();
}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

const std::string& Reader::path() const noexcept { return impl_->path; }
const Header& Reader::header() const noexcept { return impl_->header; }
const std::vector<ArrayInfo>& Reader::arrays() const noexcept { return impl_->arrays; }
std::uint64_t Reader::file_bytes() const noexcept { return impl_->file_bytes; }

std::uint64_t Reader::state_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const ArrayInfo& array : impl_->arrays) bytes += array.size_bytes();
  return bytes;
}

void Reader::read_all(std::span<const ArrayTarget> targets, unsigned threads) {
  if (targets.size() != impl_->arrays.size())
    fail(CKPT_ERR_ARGUMENT, "{} targets for the {} arrays of snapshot '{}'", targets.size(), impl_->arrays.size(),
         impl_->path);
  impl_->guarded([&] {
    impl_->read(1, targets, threads, {});
    impl_->check_digest();
  });
}

void Reader::read_array(std::size_t index, const ArrayTarget& target, unsigned threads) {
  if (index >= impl_->arrays.size())
    fail(CKPT_ERR_NOT_FOUND, "snapshot '{}' has {} arrays, none with index {}", impl_->path, impl_->arrays.size(),
         index);
  impl_->guarded([&] { impl_->read(index + 1, {&target, 1}, threads, {}); });
}

void Reader::verify(unsigned threads, const std::function<void(std::uint64_t bytes_done)>& progress) {
  const std::vector<ArrayTarget> nowhere(impl_->arrays.size());
  impl_->guarded([&] {
    impl_->read(1, nowhere, threads, progress);
    impl_->check_digest();
  });
}

}  // namespace ckpt::snapshot
