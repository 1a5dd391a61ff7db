// SPDX-License-Identifier: Apache-2.0
#include "dataset/archive.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/error.hpp"
#include "base/working_directory.hpp"
#include "block/child.hpp"

namespace ckpt::supervisor {
namespace {

namespace stdfs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::size_t looked_at_bytes = 512;

struct Packing {
  std::string_view mark;
  const char* packer;       // that tar calls
  const char* tar_option;
};
constexpr Packing packings[] = {{"\x1f\x8b"sv, "gzip", "-z"},
                                {"\x28\xb5\x2f\xfd"sv, "zstd", "--zstd"},
                                {"\xfd" "7zXZ"sv, "xz", "-J"},
                                {"BZh"sv, "bzip2", "-j"}};
constexpr std::string_view zip_mark = "PK"sv;

bool is_there(const std::string& program) { return find_program(program).error_exit_code == 0; }

void require_program(const std::string& program, const std::string& path) {
  if (!is_there(program))
    fail(CKPT_ERR_CONFIG, "{} is needed to unpack {}, and is not in PATH: install it or load its module, or pack the data otherwise",
         program, path);
}

std::string beginning_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(looked_at_bytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (bytes.empty()) fail(CKPT_ERR_CONFIG, "--stage-data: {} cannot be read, or is empty", path);
  return bytes;
}

// By the checksum of its head (tar(5)), the sum of all bytes with spaces in its own field: also one from before POSIX, which has
// no mark.
bool is_tar(const std::string& bytes) {
  constexpr std::size_t field_at = 148, field_bytes = 8;
  if (bytes.size() < looked_at_bytes) return false;
  std::string head = bytes;
  head.replace(field_at, field_bytes, field_bytes, ' ');
  unsigned long sum = 0;
  for (const char byte : head) sum += static_cast<unsigned char>(byte);
  return std::strtoul(bytes.substr(field_at, field_bytes).c_str(), nullptr, 8) == sum;
}

// Of the file that a head (tar(5)) tells of, with the maps of a sparse one left to the caller.
std::uint64_t bytes_of_member(const std::string& head) {
  constexpr std::size_t size_at = 124, size_bytes = 12, type_at = 156;
  const bool has_no_content = head[type_at] >= '1' && head[type_at] <= '6';    // links, devices, folders
  if (has_no_content) return 0;
  if ((head[size_at] & 0x80) == 0) return std::strtoull(head.substr(size_at, size_bytes).c_str(), nullptr, 8);
  std::uint64_t bytes = 0;                                                     // of GNU tar, above 8 GiB
  for (std::size_t i = size_at + 4; i < size_at + size_bytes; ++i) bytes = bytes << 8 | static_cast<unsigned char>(head[i]);
  return bytes;
}

// tar(1) takes one that was cut short between two of its files for whole: from head to head to the zeros that end it. What is no head
// is left to tar(1). The end of what is packed is checked by its packer.
void require_end_of_tar(const std::string& path) {
  constexpr std::size_t map_goes_on_at = 482, further_map_goes_on_at = 504, type_at = 156;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::uint64_t>(file.tellg());
  std::string block(looked_at_bytes, '\0');
  const auto read_at = [&](std::uint64_t at) {
    file.seekg(static_cast<std::streamoff>(at));
    return at + looked_at_bytes <= size && file.read(block.data(), static_cast<std::streamsize>(block.size()));
  };
  for (std::uint64_t at = 0; read_at(at);) {
    if (block.find_first_not_of('\0') == std::string::npos || !is_tar(block)) return;
    const std::uint64_t bytes = bytes_of_member(block);
    bool has_map = block[type_at] == 'S' && block[map_goes_on_at] != 0;
    at += looked_at_bytes;
    for (; has_map && read_at(at); at += looked_at_bytes) has_map = block[further_map_goes_on_at] != 0;
    at += (bytes + looked_at_bytes - 1) / looked_at_bytes * looked_at_bytes;
  }
  fail(CKPT_ERR_CONFIG, "--stage-data: {} ends without the zeros that end a tar archive: it was cut short, or is still being written; pack it "
       "anew", path);
}

std::vector<std::string> tar(const std::string& path, const Packing* packing) {
  require_program("tar", path);
  if (!packing) return {"tar", "-x", "-f", path, "-C"};
  require_program(packing->packer, path);
  return {"tar", "-x", packing->tar_option, "-f", path, "-C"};
}

std::vector<std::string> unzip(const std::string& path) {
  if (is_there("unzip")) return {"unzip", "-q", "-o", path, "-d"};
  if (is_there("python3")) return {"python3", "-m", "zipfile", "-e", path};
  fail(CKPT_ERR_CONFIG, "unzip or python3 is needed to unpack {}, and neither is in PATH", path);
}

std::vector<std::string> unpacker_of(const std::string& path) {
  const std::string bytes = beginning_of(path);
  if (bytes.starts_with(zip_mark)) return unzip(path);
  for (const Packing& packing : packings)
    if (bytes.starts_with(packing.mark)) return tar(path, &packing);
  if (is_tar(bytes)) {
    require_end_of_tar(path);
    return tar(path, nullptr);
  }
  fail(CKPT_ERR_CONFIG, "--stage-data: {} is no archive: tar (plain, .gz, .zst, .xz, .bz2) and zip are unpacked", path);
}

bool leads_out(const stdfs::path& folder) {
  const stdfs::path normal = folder.lexically_normal();
  return folder.is_absolute() || (!normal.empty() && *normal.begin() == "..");
}

}  // namespace

std::string Archive::name() const { return stdfs::path(path).filename(); }

// A file may have a ':' in its name: then it is that file.
Archive open_archive(const std::string& given) {
  Archive archive;
  std::error_code ignored;
  const std::size_t colon = stdfs::exists(given, ignored) ? std::string::npos : given.rfind(':');
  const std::string path = given.substr(0, colon);
  if (colon != std::string::npos) archive.folder = given.substr(colon + 1);
  if (leads_out(archive.folder))
    fail(CKPT_ERR_CONFIG, "--stage-data {}: '{}' is to be a folder within that of the data", given, archive.folder);
  if (!stdfs::is_regular_file(path, ignored))
    fail(CKPT_ERR_CONFIG, "--stage-data: {} {}", path,
         stdfs::exists(path, ignored) ? "is no file; data is staged from an archive, which is read at full speed" : "is not there");
  archive.path = absolute_path(path);
  archive.size_bytes = stdfs::file_size(path);
  archive.unpacker = unpacker_of(archive.path);
  return archive;
}

}  // namespace ckpt::supervisor
