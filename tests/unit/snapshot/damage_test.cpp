// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a file, it is restored as it was saved, or found damaged; nothing in between.
#include <catch2/catch.hpp>
#include <hdf5.h>

#include <random>

#include "sample_state.hpp"

using namespace ckpt;
using namespace ckpt::testing;
using snapshot::Reader;

namespace {

enum class Outcome { identical, damaged, wrong };

Outcome outcome(io::FileSystem& disk, const SampleState& saved) {
  SampleState read;
  std::string text;
  const ckpt_status status = status_of([&] { read = restored(disk); }, &text);
  if (status == CKPT_OK) return same(saved, read) ? Outcome::identical : Outcome::wrong;
  INFO(text);
  CHECK(status == CKPT_ERR_DAMAGED);
  CHECK(text.find(snapshot_path) != std::string::npos);
  return Outcome::damaged;
}

// A file as some other program writes it, changed by `change`, as bytes.
template <class Change>
std::string changed(const std::string& content, const Change& change) {
  const std::string path = "changed.h5.tmp-" + std::to_string(getpid());
  FILE* stream = std::fopen(path.c_str(), "wb");
  REQUIRE(stream);
  REQUIRE(std::fwrite(content.data(), 1, content.size(), stream) == content.size());
  std::fclose(stream);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(file >= 0);
  change(file);
  H5Fclose(file);
  std::string result;
  stream = std::fopen(path.c_str(), "rb");
  char buffer[4096];
  while (const std::size_t bytes = std::fread(buffer, 1, sizeof buffer, stream)) result.append(buffer, bytes);
  std::fclose(stream);
  std::remove(path.c_str());
  return result;
}

void set_number(hid_t file, const char* attribute_name, std::uint64_t value) {
  const hid_t attribute = H5Aopen(file, attribute_name, H5P_DEFAULT);
  REQUIRE(H5Awrite(attribute, H5T_NATIVE_UINT64, &value) >= 0);
  H5Aclose(attribute);
}

}  // namespace

TEST_CASE("a flipped bit in any byte of a snapshot is detected, or changes nothing that is restored") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  const std::size_t file_bytes = disk->content(snapshot_path).size();
  REQUIRE(file_bytes <= 16384);
  std::minstd_rand random(1);
  std::size_t detected = 0;
  for (std::size_t byte = 0; byte < file_bytes; ++byte) {
    const std::size_t bit = byte * 8 + random() / 7 % 8;
    disk->flip_bit(snapshot_path, bit);
    INFO("bit " << bit);
    const Outcome result = outcome(*disk, state);
    CHECK(result != Outcome::wrong);
    detected += result == Outcome::damaged;
    disk->flip_bit(snapshot_path, bit);
  }
  CHECK(detected > file_bytes / 2);   // most bytes matter: the flips do reach what is read
  CHECK(outcome(*disk, state) == Outcome::identical);
}

TEST_CASE("a snapshot cut short at any length is detected") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  const std::size_t file_bytes = disk->content(snapshot_path).size();
  for (std::size_t size = 0; size < file_bytes; ++size) {
    const auto shorter = disk->clone();
    shorter->cut(snapshot_path, size);
    INFO("length " << size);
    CHECK(outcome(*shorter, state) == Outcome::damaged);
  }
}

TEST_CASE("a page of zeros or of something else in the place of a page is detected, or was never used") {
  SampleState state = small_state();
  state.add({.name = "more", .dtype = CKPT_F32, .shape = {4000}});
  const auto disk = disk_with(state);
  const std::string content = disk->content(snapshot_path);
  constexpr std::size_t page = 512;
  for (std::size_t at = 0; at < content.size(); at += page)
    for (const char filling : {'\0', '\xff', 'x'}) {
      std::string torn = content;
      const std::size_t bytes = std::min(page, content.size() - at);
      torn.replace(at, bytes, bytes, filling);
      disk->put(snapshot_path, torn);
      INFO("page at " << at);
      CHECK(outcome(*disk, state) != Outcome::wrong);
    }
}

TEST_CASE("empty files, text, zeros and directories full of them are damaged, and the reason is given") {
  const auto disk = empty_disk();
  for (const std::string& content :
       {std::string(), std::string("hello"), std::string(100000, '\0'), std::string("\x89HDF\r\n\x1a\n")}) {
    disk->put(snapshot_path, content);
    CHECK(outcome(*disk, {}) == Outcome::damaged);
  }
}

TEST_CASE("an HDF5 file of somebody else is no snapshot") {
  const auto disk = disk_with(small_state());
  disk->put(snapshot_path, changed(disk->content(snapshot_path), [](hid_t file) { H5Adelete(file, "ckpt_format"); }));
  std::string text;
  CHECK(status_of([&] { Reader(*disk, snapshot_path); }, &text) == CKPT_ERR_DAMAGED);
  CHECK(text.find("not a snapshot") != std::string::npos);
}

TEST_CASE("a snapshot of a newer format is not damaged: the message says to update") {
  const auto disk = disk_with(small_state());
  disk->put(snapshot_path,
            changed(disk->content(snapshot_path), [](hid_t file) { set_number(file, "ckpt_format", 2); }));
  std::string text;
  CHECK(status_of([&] { Reader(*disk, snapshot_path); }, &text) == CKPT_ERR_FORMAT);
  CHECK(text.find("update") != std::string::npos);
  CHECK(text.find("format 2") != std::string::npos);
}

TEST_CASE("what is changed through HDF5 itself, its checksums included, is caught by the digest") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  const std::string content = disk->content(snapshot_path);
  const auto check = [&](const auto& change) {
    disk->put(snapshot_path, changed(content, change));
    CHECK(outcome(*disk, state) == Outcome::damaged);
  };
  check([](hid_t file) { set_number(file, "step", 13); });
  check([](hid_t file) { set_number(file, "block", 4); });
  check([](hid_t file) { set_number(file, "rank", 1); });
  check([](hid_t file) { H5Ldelete(file, "state/count", H5P_DEFAULT); });
  check([](hid_t file) { H5Ldelete(file, "state/adam", H5P_DEFAULT); });
  check([](hid_t file) { H5Lmove(file, "state/weights", file, "state/other", H5P_DEFAULT, H5P_DEFAULT); });
  check([](hid_t file) { H5Lcreate_hard(file, "state/weights", file, "state/twice", H5P_DEFAULT, H5P_DEFAULT); });
  check([](hid_t file) { H5Ldelete(file, "meta", H5P_DEFAULT); });
  check([](hid_t file) { H5Adelete(file, "digest"); });
  check([](hid_t file) {
    const hid_t dataset = H5Dopen2(file, "state/count", H5P_DEFAULT);
    H5Adelete(dataset, "ckpt_scalar");
    H5Dclose(dataset);
  });
  check([](hid_t file) {
    const hid_t dataset = H5Dopen2(file, "state/adam/bias", H5P_DEFAULT);
    H5Adelete(dataset, "ckpt_dtype");
    H5Dclose(dataset);
  });
}

TEST_CASE("two chunks that changed places are caught by the digest") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  disk->put(snapshot_path, changed(disk->content(snapshot_path), [](hid_t file) {
    const hid_t dataset = H5Dopen2(file, "state/adam/moment", H5P_DEFAULT);
    const hid_t list = H5Dget_create_plist(dataset);
    hsize_t chunk = 0, bytes[2];
    H5Pget_chunk(list, 1, &chunk);
    Bytes frames[2];
    for (hsize_t i = 0; i < 2; ++i) {
      const hsize_t offset = i * chunk;
      H5Dget_chunk_storage_size(dataset, &offset, &bytes[i]);
      frames[i].resize(bytes[i]);
      std::uint32_t mask = 0;
      REQUIRE(H5Dread_chunk(dataset, H5P_DEFAULT, &offset, &mask, frames[i].data()) >= 0);
    }
    REQUIRE(frames[0] != frames[1]);
    for (hsize_t i = 0; i < 2; ++i) {
      const hsize_t offset = i * chunk;
      REQUIRE(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, &offset, frames[1 - i].size(), frames[1 - i].data()) >= 0);
    }
    H5Pclose(list);
    H5Dclose(dataset);
  }));
  CHECK(outcome(*disk, state) == Outcome::damaged);
}

TEST_CASE("links that lead out of the file, groups that contain themselves and huge claims are refused") {
  const SampleState state = small_state();
  const auto disk = disk_with(state, small_chunks());
  const std::string content = disk->content(snapshot_path);
  const auto check = [&](const auto& change) {
    disk->put(snapshot_path, changed(content, change));
    CHECK(outcome(*disk, state) == Outcome::damaged);
  };
  check([](hid_t file) { H5Lcreate_external("/etc/passwd", "/x", file, "state/x", H5P_DEFAULT, H5P_DEFAULT); });
  check([](hid_t file) { H5Lcreate_soft("/state/weights", file, "state/x", H5P_DEFAULT, H5P_DEFAULT); });
  check([](hid_t file) {
    H5Lcreate_hard(file, "state", file, "state/a", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "state", file, "state/b", H5P_DEFAULT, H5P_DEFAULT);
  });
}

TEST_CASE("an array that is larger than the file and was never written is refused when the file is opened") {
  const auto disk = disk_with(small_state());
  const std::string content = disk->content(snapshot_path);
  const auto check = [&](hsize_t length, hsize_t chunk, const std::string& reason) {
    disk->put(snapshot_path, changed(content, [&](hid_t file) {
      const hid_t space = H5Screate_simple(1, &length, nullptr);
      const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
      H5Pset_chunk(list, 1, &chunk);
      H5Pset_shuffle(list);
      H5Pset_filter(list, 32015, H5Z_FLAG_OPTIONAL, 0, nullptr);
      const hid_t dataset = H5Dcreate2(file, "state/huge", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
      REQUIRE(dataset >= 0);
      H5Dclose(dataset);
      H5Pclose(list);
      H5Sclose(space);
    }));
    std::string text;
    CHECK(status_of([&] { Reader(*disk, snapshot_path); }, &text) == CKPT_ERR_DAMAGED);
    CHECK(text == "snapshot '" + snapshot_path + "' is damaged: 'huge' " + reason);
  };
  check(1ull << 60, 1u << 20, "lacks a chunk");
  check(6ull << 30, 64u << 20, "lacks a chunk");
  check(1u << 20, 1u << 20, "lacks a chunk");
}

TEST_CASE("an array of zeros that is larger than its file comes back") {
  SampleState state = small_state();
  state.add({.name = "zeros", .dtype = CKPT_F32, .shape = {1u << 20}});
  std::fill(state.bytes.back().begin(), state.bytes.back().end(), std::byte{});
  const auto disk = disk_with(state);
  CHECK(disk->content(snapshot_path).size() < state.bytes.back().size());
  CHECK(outcome(*disk, state) == Outcome::identical);
}

TEST_CASE("unchecksummed or foreign datasets under /state are refused") {
  const SampleState state = small_state();
  const auto disk = disk_with(state);
  const std::string content = disk->content(snapshot_path);
  const hsize_t length = 10;
  const auto check = [&](hid_t type, hid_t list) {
    disk->put(snapshot_path, changed(content, [&](hid_t file) {
      const hid_t space = H5Screate_simple(1, &length, nullptr);
      const hid_t dataset = H5Dcreate2(file, "state/x", type, space, H5P_DEFAULT, list, H5P_DEFAULT);
      REQUIRE(dataset >= 0);
      H5Dclose(dataset);
      H5Sclose(space);
    }));
    CHECK(outcome(*disk, state) == Outcome::damaged);
  };
  check(H5T_STD_U8LE, H5P_DEFAULT);
  check(H5T_STD_U32BE, H5P_DEFAULT);
  check(H5T_C_S1, H5P_DEFAULT);
  const hid_t deflated = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(deflated, 1, &length);
  H5Pset_deflate(deflated, 1);
  check(H5T_STD_U8LE, deflated);
  H5Pclose(deflated);
}

TEST_CASE("objects outside /state that nobody of ours wrote are ignored") {
  const SampleState state = small_state();
  const auto disk = disk_with(state);
  disk->put(snapshot_path, changed(disk->content(snapshot_path), [](hid_t file) {
    H5Gclose(H5Gcreate2(file, "notes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    const hid_t space = H5Screate(H5S_SCALAR);
    H5Aclose(H5Acreate2(file, "comment", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
  }));
  CHECK(outcome(*disk, state) == Outcome::identical);
}
