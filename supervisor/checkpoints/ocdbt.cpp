// SPDX-License-Identifier: Apache-2.0
// OCDBT, the tables in which Orbax keeps arrays (TensorStore, kvstore/ocdbt): records, each a mark, its length and, at its end,
// the CRC-32C of all before. Large arrays stand among them as bytes of no form: there ends what can be told.
#include "checkpoints/crc.hpp"
#include "checkpoints/formats.hpp"

namespace ckpt::checkpoints {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view marks[] = {"\x0c\xdb\x3a\x2a"sv, "\x0c\xdb\x20\xde"sv, "\x0c\xdb\x12\x34"sv};  // big endian
constexpr std::uint64_t length_at = 4, mark_and_length_bytes = 12, checksum_bytes = 4;

// Its length.
std::uint64_t check_record(Bytes& file, std::uint64_t begin) {
  const auto length = file.number<std::uint64_t>(begin + length_at, "table");
  if (length < mark_and_length_bytes + checksum_bytes || length > file.size() - begin)
    throw Broken{"its table was cut short, or is damaged"};
  const std::uint64_t checked = length - checksum_bytes;
  if (crc32c().of(file, begin, checked) != file.number<std::uint32_t>(begin + checked, "table"))
    throw Broken{"its table does not match its checksum (CRC-32C)"};
  return length;
}

}  // namespace

bool is_ocdbt(std::string_view head) {
  return std::ranges::any_of(marks, [&](std::string_view one) { return head.starts_with(one); });
}

Finding examine_ocdbt(Bytes& file) {
  std::uint64_t begin = 0;
  while (begin < file.size() && is_ocdbt(Bytes(file, begin, file.size() - begin).head(length_at)))
    begin += check_record(file, begin);
  return {begin == file.size() ? Wholeness::whole : Wholeness::unknown, "OCDBT", ""};
}

}  // namespace ckpt::checkpoints
