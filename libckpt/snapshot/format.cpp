// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace ckpt::snapshot::format {
namespace {

constexpr std::size_t longest_name = 255;

struct Range {
  unsigned low, high;
};

// How many bytes follow a UTF-8 lead byte, and what the first of them may be: no overlong forms, no surrogates.
int following_bytes(unsigned lead, Range& first) noexcept {
  first = {0x80, 0xbf};
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (lead == 0xe0) first.low = 0xa0;
    if (lead == 0xed) first.high = 0x9f;
    return 2;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (lead == 0xf0) first.low = 0x90;
    if (lead == 0xf4) first.high = 0x8f;
    return 3;
  }
  return -1;
}

bool valid_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead == 0) return false;
    if (lead < 0x80) continue;
    Range range{};
    for (int left = following_bytes(lead, range); left != 0; --left, range = {0x80, 0xbf}) {
      if (left < 0 || ++at == text.size()) return false;
      const auto next = static_cast<unsigned char>(text[at]);
      if (next < range.low || next > range.high) return false;
    }
  }
  return true;
}

bool valid_part(std::string_view part) noexcept { return !part.empty() && part != "." && part != ".."; }

void check_groups(std::string_view name, std::span<const std::string_view> sorted_names) {
  for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1)) {
    const auto group = name.substr(0, slash);
    if (std::binary_search(sorted_names.begin(), sorted_names.end(), group))
      fail(CKPT_ERR_NAME, "'{}' is an array and cannot be the group of '{}' as well", group, name);
  }
}

}  // namespace

Kind kind_of(const ArrayInfo& array) noexcept {
  if (array.packed) return Kind::packed;
  return array.shape.empty() ? Kind::scalar : Kind::array;
}

std::vector<std::uint64_t> dataset_dimensions(const ArrayInfo& array) {
  return array.shape.empty() ? std::vector<std::uint64_t>{1} : array.shape;
}

std::string meta_path() { return std::string("/") + meta_dataset; }

std::string path_of(const ArrayInfo& array) { return std::string("/") + state_group + "/" + array.name; }

bool valid_name(std::string_view name) noexcept {
  if (name.size() > longest_name || !valid_utf8(name)) return false;
  for (auto slash = name.find('/'); slash != name.npos; slash = name.find('/')) {
    if (!valid_part(name.substr(0, slash))) return false;
    name.remove_prefix(slash + 1);
  }
  return valid_part(name);
}

void check_names(std::span<const std::string_view> sorted_names) {
  for (std::size_t i = 0; i < sorted_names.size(); ++i) {
    const auto name = sorted_names[i];
    if (!valid_name(name))
      fail(CKPT_ERR_NAME, "'{}' is no name for an array: UTF-8, 1 to 255 bytes, no empty, '.' or '..' part", name);
    if (i > 0 && name == sorted_names[i - 1]) fail(CKPT_ERR_NAME, "the name '{}' is there twice", name);
    check_groups(name, sorted_names);
  }
}

}  // namespace ckpt::snapshot::format
