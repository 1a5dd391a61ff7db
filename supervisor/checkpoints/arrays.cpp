// SPDX-License-Identifier: Apache-2.0
// Formats of arrays whose length follows from a head: safetensors, NumPy's .npy.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "checkpoints/formats.hpp"

namespace ckpt::checkpoints {
namespace {

using nlohmann::json;

constexpr std::string_view numpy_mark("\x93NUMPY", 6), safetensors_ending = ".safetensors";

void require_size(std::uint64_t is, std::uint64_t wanted) {
  if (is != wanted) throw Broken{fmt::format("its head tells {} bytes, it has {}", wanted, is)};
}

// Text between a key of NumPy's head and what ends its value: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
std::optional<std::string_view> value_of(std::string_view head, std::string_view key, char begin, char end) {
  const std::size_t at = head.find(key);
  const std::size_t from = at == std::string_view::npos ? at : head.find_first_not_of(' ', at + key.size());
  if (from == std::string_view::npos || head[from] != begin) return std::nullopt;
  const std::size_t to = head.find(end, from + 1);
  if (to == std::string_view::npos) return std::nullopt;
  return head.substr(from + 1, to - from - 1);
}

std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) throw Broken{"its head tells more than a file can hold"};
  return product;
}

// Every number in the text, multiplied: "3, 4".
std::uint64_t product_of(std::string_view text) {
  std::uint64_t product = 1, number = 0;
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    const auto [after, error] = std::from_chars(at, end, number);
    if (error == std::errc()) product = multiply(product, number);
    at = error == std::errc() ? after : at + 1;
  }
  return product;
}

struct Span {
  std::uint64_t begin = 0, end = 0;
};

// Without gaps, each after the other, from 0 on.
std::uint64_t end_of_tensors(const json& head) {
  std::vector<Span> spans;
  for (const auto& [name, tensor] : head.items())
    if (name != "__metadata__") spans.push_back({tensor.at("data_offsets").at(0), tensor.at("data_offsets").at(1)});
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin || (a.begin == b.begin && a.end < b.end); });
  std::uint64_t end = 0;
  for (const Span& span : spans) {
    if (span.begin != end || span.end < span.begin) throw Broken{"its arrays overlap or leave gaps"};
    end = span.end;
  }
  return end;
}

// As its head tells, which is counted as well; nullopt: it is of records. Of Python objects they are all there is.
std::optional<std::uint64_t> bytes_of_array(Bytes& file) {
  const bool is_first_version = file.number<std::uint8_t>(6, "head") == 1;
  const std::uint64_t length =
      is_first_version ? file.number<std::uint16_t>(8, "head") : file.number<std::uint32_t>(8, "head");
  const std::uint64_t begin = is_first_version ? 10 : 12;
  const std::string head = file.read(begin, length, "head");
  const auto type = value_of(head, "'descr':", '\'', '\''), shape = value_of(head, "'shape':", '(', ')');
  if (!shape || head.find("'descr':") == std::string::npos) throw Broken{"its head is damaged"};
  if (type && type->ends_with('O')) {   // np.save of a dictionary, as a pickle
    Bytes objects(file, begin + length, file.size() - begin - length);
    read_over_pickle(objects);
    return file.size();
  }
  if (!type || type->size() < 3) return std::nullopt;
  const std::uint64_t element = product_of(type->substr(2, type->find('[') - 2)) * ((*type)[1] == 'U' ? 4 : 1);
  return begin + length + multiply(product_of(*shape), element);
}

}  // namespace

bool is_numpy(std::string_view head) { return head.starts_with(numpy_mark); }

Finding examine_numpy(Bytes& file, const std::string& name) {
  for (Bytes rest = file;;) {
    const auto bytes = bytes_of_array(rest);
    if (!bytes) return {Wholeness::unknown, "NumPy", ""};
    if (*bytes == rest.size()) return {Wholeness::whole, "NumPy", ""};
    if (*bytes > rest.size()) require_size(rest.size(), *bytes);
    Bytes behind(rest, *bytes, rest.size() - *bytes);
    const bool is_another = is_numpy(behind.head(numpy_mark.size()));
    if (!is_another && name.ends_with(".npy")) require_size(rest.size(), *bytes);
    if (!is_another) return {Wholeness::unknown, "NumPy", ""};
    rest = behind;
  }
}

bool is_safetensors(std::string_view head, const std::string& name) {
  return name.ends_with(safetensors_ending) ||
         (head.size() > 9 && head[8] == '{' && number_at<std::uint64_t>(head, 0) < Bytes::most_at_once);
}

// Others begin with the length of a description in JSON as well: what is not named so must be understood.
Finding examine_safetensors(Bytes& file, const std::string& name) {
  const bool is_named = name.ends_with(safetensors_ending);
  const auto length = file.number<std::uint64_t>(0, "head");
  if (!is_named && length > file.size() - 8) return {Wholeness::unknown, "unknown format", ""};
  try {
    const json head = json::parse(file.read(8, length, "head"));
    require_size(file.size(), 8 + length + end_of_tensors(head));
    return {Wholeness::whole, "safetensors", ""};
  } catch (const json::exception&) {
    if (is_named) throw Broken{"its head is damaged"};
    return {Wholeness::unknown, "unknown format", ""};
  }
}

}  // namespace ckpt::checkpoints
