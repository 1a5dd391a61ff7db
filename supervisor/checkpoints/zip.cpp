// SPDX-License-Identifier: Apache-2.0
// Zip archives, zip64 too (APPNOTE 6.3): the directory at the end, each entry's own head, and the CRC-32 of each entry, stored as it
// is, as PyTorch, Keras and NumPy write, or compressed, as NumPy can. PyTorch's distributed checkpoints are such files, one behind the other.
#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "checkpoints/crc.hpp"
#include "checkpoints/deflate.hpp"
#include "checkpoints/formats.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::string_view entry_mark = "PK\3\4", directory_mark = "PK\1\2", end_mark = "PK\5\6", end64_mark = "PK\6\6",
                           locator64_mark = "PK\6\7";
constexpr std::uint64_t end_bytes = 22, end64_bytes = 56, locator64_bytes = 20, entry_bytes = 30,
                        directory_entry_bytes = 46;
constexpr std::uint64_t longest_comment = 0xffff;
constexpr std::uint32_t in_zip64 = 0xffffffff;
constexpr std::uint16_t stored = 0, deflated = 8;
constexpr std::uint32_t folder_attribute = 0x10;

struct Directory {
  std::uint64_t entries = 0, bytes = 0, offset = 0;
};

struct Entry {
  std::string name;
  std::uint32_t crc = 0;
  std::uint16_t method = 0;
  std::uint64_t compressed = 0, bytes = 0, offset = 0;
  std::uint16_t flags = 0;
  bool is_folder = false;
};

std::uint64_t find_end(Bytes& file) {
  const std::uint64_t from = file.size() - std::min(file.size(), end_bytes + longest_comment);
  const std::string tail = file.read(from, file.size() - from, "end");
  for (std::size_t at = tail.rfind(end_mark); at != std::string::npos;
       at = at == 0 ? std::string::npos : tail.rfind(end_mark, at - 1))
    if (tail.size() - at >= end_bytes && at + end_bytes + number_at<std::uint16_t>(tail, at + 20) == tail.size())
      return from + at;
  throw Broken{
      "the list of its entries, which a zip file ends with, is missing: it was cut short, or is still being written"};
}

bool has_zip64(Bytes& file, std::uint64_t end) {
  return end >= locator64_bytes && file.read(end - locator64_bytes, 4, "end") == locator64_mark;
}

Directory read_end64(Bytes& file, std::uint64_t at) {
  const std::string end = file.read(at, end64_bytes, "end");
  if (!end.starts_with(end64_mark)) throw Broken{"its zip64 end is damaged"};
  return {number_at<std::uint64_t>(end, 32), number_at<std::uint64_t>(end, 40), number_at<std::uint64_t>(end, 48)};
}

Directory read_end32(Bytes& file, std::uint64_t at) {
  const std::string end = file.read(at, end_bytes, "end");
  return {number_at<std::uint16_t>(end, 10), number_at<std::uint32_t>(end, 12), number_at<std::uint32_t>(end, 16)};
}

Directory read_end(Bytes& file) {
  const std::uint64_t at = find_end(file);
  const Directory directory =
      has_zip64(file, at) ? read_end64(file, file.number<std::uint64_t>(at - locator64_bytes + 8, "end"))
                          : read_end32(file, at);
  if (directory.entries > directory.bytes / directory_entry_bytes) throw Broken{"the list of its entries is damaged"};
  return directory;
}

// Where the last one of several begins: its directory lies right before its end, with an offset that counts from there.
std::uint64_t find_last(Bytes& file) {
  const std::uint64_t end = find_end(file), ends64 = locator64_bytes + end64_bytes;
  const bool is_zip64 = has_zip64(file, end) && end >= ends64;
  const std::uint64_t directory_end = is_zip64 ? end - ends64 : end;
  const Directory directory = is_zip64 ? read_end64(file, directory_end) : read_end32(file, end);
  if (directory.bytes > directory_end || directory.offset > directory_end - directory.bytes)
    throw Broken{"the list of its entries is damaged"};
  return directory_end - directory.bytes - directory.offset;
}

// Values that did not fit stand in the extra field, in this order.
void take_zip64(std::string_view extra, Entry& entry) {
  while (extra.size() >= 4) {
    const auto id = number_at<std::uint16_t>(extra, 0), length = number_at<std::uint16_t>(extra, 2);
    std::size_t at = 4;
    for (std::uint64_t* value : {&entry.bytes, &entry.compressed, &entry.offset})
      if (id == 1 && *value == in_zip64) {
        *value = number_at<std::uint64_t>(extra, at);
        at += 8;
      }
    extra.remove_prefix(std::min<std::size_t>(4u + length, extra.size()));
  }
}

// The next one of the directory, which is taken from its text.
Entry take_entry(std::string_view& text) {
  if (text.size() < directory_entry_bytes || !text.starts_with(directory_mark))
    throw Broken{"the list of its entries is damaged"};
  const std::size_t name = number_at<std::uint16_t>(text, 28), extra = number_at<std::uint16_t>(text, 30),
                    all = directory_entry_bytes + name + extra + number_at<std::uint16_t>(text, 32);
  if (all > text.size()) throw Broken{"the list of its entries is damaged"};
  Entry entry{std::string(text.substr(directory_entry_bytes, name)),
              number_at<std::uint32_t>(text, 16),
              number_at<std::uint16_t>(text, 10),
              number_at<std::uint32_t>(text, 20),
              number_at<std::uint32_t>(text, 24),
              number_at<std::uint32_t>(text, 42),
              number_at<std::uint16_t>(text, 8),
              (number_at<std::uint32_t>(text, 38) & folder_attribute) != 0};
  take_zip64(text.substr(directory_entry_bytes + name, extra), entry);
  text.remove_prefix(all);
  return entry;
}

// Where its content begins.
std::uint64_t check_place(Bytes& file, const Entry& entry, std::uint64_t directory_offset) {
  const std::string head = file.read(entry.offset, entry_bytes, "entry '" + entry.name + "'");
  const std::uint64_t name = number_at<std::uint16_t>(head, 26), extra = number_at<std::uint16_t>(head, 28);
  const std::uint64_t begin = entry.offset + entry_bytes + name + extra;
  const bool fits = begin <= directory_offset && entry.compressed <= directory_offset - begin;
  if (!head.starts_with(entry_mark) || !fits || file.read(entry.offset + entry_bytes, name, "entry") != entry.name)
    throw Broken{fmt::format("its entry '{}' is not where its list says", entry.name)};
  return begin;
}

// What is told of it twice; and the mark of a folder, of which PyTorch reads nothing and leaves the array as it is in memory.
void check_agrees(Bytes& file, const Entry& entry) {
  const std::string head = file.read(entry.offset, entry_bytes, "entry");
  const bool agrees = number_at<std::uint16_t>(head, 6) == entry.flags && number_at<std::uint16_t>(head, 8) == entry.method;
  if (!agrees || (entry.is_folder && entry.bytes > 0)) throw Broken{"the list of its entries is damaged"};
}

// False: compressed by a method that is not known here.
bool check_content(Bytes& file, const Entry& entry, std::uint64_t begin) {
  const std::string what = "entry '" + entry.name + "'";
  if (entry.method != stored && entry.method != deflated) return false;
  const bool fits = entry.method == deflated || entry.bytes == entry.compressed;
  const auto crc = [&] {
    return entry.method == stored ? crc32().of(file, begin, entry.bytes)
                                  : crc32_of_deflated(file, begin, entry.compressed, entry.bytes, what);
  };
  if (!fits || crc() != entry.crc) throw Broken{fmt::format("its {} does not match its checksum (CRC-32)", what)};
  return true;
}

std::string format_of(const std::string& name, const std::vector<Entry>& entries) {
  const auto has = [&](std::string_view ending) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const Entry& entry) { return entry.name.ends_with(ending); });
  };
  if (has("/data.pkl")) return "PyTorch";
  if (name.ends_with(".keras")) return "Keras";
  return has(".npy") ? "NumPy" : "zip";
}

}  // namespace

bool is_zip(std::string_view head) { return head.starts_with(entry_mark) || head.starts_with(end_mark); }

Finding examine_zip(Bytes& file, const std::string& name) {
  const Directory directory = read_end(file);
  const std::string text = file.read(directory.offset, directory.bytes, "list of entries");
  std::vector<Entry> entries;
  for (std::string_view rest = text; entries.size() < directory.entries;) entries.push_back(take_entry(rest));
  // PyTorch can be told to leave the checksums out; then all of them are zero.
  const bool has_checksums =
      std::any_of(entries.begin(), entries.end(), [](const Entry& entry) { return entry.crc != 0; });
  bool checks_all = has_checksums;
  const std::string format = format_of(name, entries);
  std::uint64_t content = 0;
  for (const Entry& entry : entries) {
    const std::uint64_t begin = check_place(file, entry, directory.offset);
    if (format != "zip") check_agrees(file, entry);   // others may be by any writer
    if ((content += entry.compressed) > file.size()) throw Broken{"its entries overlap"};
    if (has_checksums) checks_all = check_content(file, entry, begin) && checks_all;
  }
  return {Wholeness::whole, format, "", checks_all};
}

void examine_zips(Bytes& file) {
  for (std::uint64_t end = file.size(); end > 0;) {
    Bytes rest(file, 0, end);
    const std::uint64_t begin = find_last(rest);
    Bytes last(file, begin, end - begin);
    examine_zip(last, "");
    end = begin;
  }
}

}  // namespace ckpt::checkpoints
