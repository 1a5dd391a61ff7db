// SPDX-License-Identifier: Apache-2.0
// ckpt diff: which arrays and values of two snapshots differ, and by how much. Holds one array of each at a time.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/dtype.hpp"
#include "base/parallel.hpp"
#include "base/quantity.hpp"
#include "snapshot/reader.hpp"
#include "tools/array_difference.hpp"
#include "tools/pick_snapshot.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

constexpr std::size_t values_shown = 20;

enum class Kind { same, content, shape, only_a, only_b };

const char* name(Kind kind) {
  switch (kind) {
    case Kind::same: return "same";
    case Kind::content: return "differs";
    case Kind::shape: return "other type or shape";
    case Kind::only_a: return "only in A";
    case Kind::only_b: return "only in B";
  }
  return "";
}

struct Compared {
  std::string name;
  Kind kind = Kind::same;
  const snapshot::ArrayInfo* a = nullptr;
  const snapshot::ArrayInfo* b = nullptr;
  ArrayDifference difference;

  const snapshot::ArrayInfo& either() const { return a ? *a : *b; }
  std::uint64_t elements() const { return either().size_bytes() / dtype_info(either().dtype).size_bytes; }
};

class Snapshot {
 public:
  Snapshot(io::FileSystem& fs, const std::string& path) : reader(fs, path) {
    for (std::size_t i = 0; i < reader.arrays().size(); ++i) index_[reader.arrays()[i].name] = i;
  }
  const snapshot::ArrayInfo* find(const std::string& array) const {
    const auto found = index_.find(array);
    return found == index_.end() ? nullptr : &reader.arrays()[found->second];
  }
  std::vector<std::byte> content(const snapshot::ArrayInfo& array) {
    std::vector<std::byte> bytes(array.size_bytes());
    reader.read_array(index_.at(array.name), {bytes.data(), {}}, usable_threads());
    return bytes;
  }

  snapshot::Reader reader;

 private:
  std::map<std::string, std::size_t> index_;
};

Compared compare(Snapshot& a, Snapshot& b, const std::string& array) {
  Compared result{array, Kind::same, a.find(array), b.find(array), {}};
  if (!result.b) result.kind = Kind::only_a;
  else if (!result.a) result.kind = Kind::only_b;
  else if (*result.a != *result.b) result.kind = Kind::shape;
  if (result.kind != Kind::same) return result;
  const auto bytes_a = a.content(*result.a), bytes_b = b.content(*result.b);
  result.difference = difference(result.a->dtype, bytes_a, bytes_b);
  if (result.difference.elements > 0) result.kind = Kind::content;
  return result;
}

std::vector<Compared> compare_arrays(Snapshot& a, Snapshot& b) {
  std::set<std::string> names;
  for (const Snapshot* one : {&a, &b})
    for (const snapshot::ArrayInfo& array : one->reader.arrays()) names.insert(array.name);
  std::vector<Compared> all;
  ProgressBar bar("comparing");
  for (const std::string& array : names) {
    all.push_back(compare(a, b, array));
    bar.show(all.size(), names.size());
  }
  return all;
}

// As a JSON patch (RFC 6902) that makes b of a: [{"op": "replace", "path": "/values/lr", "value": 0.1}, …].
Json compare_values(const Snapshot& a, const Snapshot& b) {
  const auto parsed = [](const Snapshot& one) { return Json::parse(one.reader.header().meta, nullptr, false); };
  return Json::diff(parsed(a), parsed(b));
}

// "[3, 17]": the index of an element, of the whole array in C order.
std::string place(std::uint64_t element, const std::vector<std::uint64_t>& shape) {
  std::vector<std::uint64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; element /= shape[axis]) index[axis] = element % shape[axis];
  return fmt::format("[{}]", fmt::join(index, ", "));
}

std::string type_of(const snapshot::ArrayInfo& array) {
  const std::string shape = array.shape.empty() ? "scalar" : fmt::format("{}", fmt::join(array.shape, " x "));
  return fmt::format("{} {}", array.packed ? "packed" : dtype_info(array.dtype).name, shape);
}

std::string number(long double value) { return fmt::format("{:.3g}", static_cast<double>(value)); }

void add_row(Table& table, const Compared& one) {
  if (one.kind != Kind::content) {
    const bool both = one.kind == Kind::shape;
    table.add({one.name, both ? "" : type_of(one.either()),
               both ? fmt::format("{} in A, {} in B", type_of(*one.a), type_of(*one.b)) : name(one.kind), "", "", ""});
    return;
  }
  const ArrayDifference& found = one.difference;
  const bool numbers = !one.a->packed;
  table.add({one.name, type_of(*one.a), fmt::format("{} of {}", found.elements, one.elements()),
             numbers ? number(found.largest) : "", numbers ? number(found.largest_relative) : "",
             place(numbers ? found.largest_at : found.first, one.a->shape)});
}

void print_values(const Json& values) {
  if (values.empty()) return;
  fmt::print("\n");
  for (std::size_t i = 0; i < std::min(values.size(), values_shown); ++i) {
    const Json& change = values[i];
    const std::string what = change["op"] == "remove" ? "only in A" : change["op"] == "add" ? "only in B" : "in B";
    const std::string value = change.contains("value") ? ": " + change["value"].dump() : "";
    fmt::print("{}  {}{}\n", printable(change["path"].get<std::string>()), what, printable(value));
  }
  if (values.size() > values_shown) fmt::print("… and {} more\n", values.size() - values_shown);
}

std::string heading(const char* which, const snapshot::Reader& reader) {
  return fmt::format("{}  {}, step {}\n", which, printable(reader.path()), reader.header().step);
}

void print_text(const Snapshot& a, const Snapshot& b, const std::vector<Compared>& all, const Json& values) {
  fmt::print("{}{}", heading("A", a.reader), heading("B", b.reader));
  Table table({{"array"}, {"type"}, {"elements that differ"}, {"largest difference", Align::right},
               {"relative", Align::right}, {"at"}});
  std::size_t differ = 0;
  for (const Compared& one : all) {
    if (one.kind == Kind::same) continue;
    ++differ;
    add_row(table, one);
  }
  if (differ > 0) {
    fmt::print("\n");
    table.print();
  }
  print_values(values);
  if (differ == 0 && values.empty()) fmt::print("\n{}\n", paint(Tone::good, "the same state, byte for byte"));
  else
    fmt::print("\ndiffer: {} of {}, {}\n", differ, count_of(all.size(), "array"),
               count_of(values.size(), "small value"));
}

Json to_json(const Compared& one) {
  Json json = {{"name", one.name}, {"result", name(one.kind)}, {"type", type_of(one.either())}};
  if (one.kind != Kind::content) return json;
  const auto finite = [](long double value) {
    return std::isfinite(value) ? Json(static_cast<double>(value)) : Json();
  };
  json.update({{"elements", one.elements()},
               {"differing", one.difference.elements},
               {"first", one.difference.first},
               {"first_place", place(one.difference.first, one.a->shape)}});
  if (!one.a->packed)
    json.update({{"largest", finite(one.difference.largest)}, {"largest_at", one.difference.largest_at},
                 {"largest_relative", finite(one.difference.largest_relative)}});
  return json;
}

void print_as_json(const Snapshot& a, const Snapshot& b, const std::vector<Compared>& all, const Json& values,
                   bool same) {
  Json arrays = Json::array();
  for (const Compared& one : all) arrays.push_back(to_json(one));
  const auto side = [](const Snapshot& one) {
    return Json{{"file", one.reader.path()}, {"step", one.reader.header().step}};
  };
  print_json({{"a", side(a)}, {"b", side(b)}, {"same", same}, {"arrays", arrays}, {"values", values}});
}

}  // namespace

int diff(const std::string& first, const std::string& second, Format format) {
  io::FileSystem& fs = io::file_system();
  Snapshot a(fs, find_snapshot(fs, first)), b(fs, find_snapshot(fs, second));
  const std::vector<Compared> all = compare_arrays(a, b);
  const Json values = compare_values(a, b);
  const auto is_same = [](const Compared& one) { return one.kind == Kind::same; };
  const bool same = values.empty() && std::ranges::all_of(all, is_same);
  if (format == Format::json) print_as_json(a, b, all, values, same);
  else print_text(a, b, all, values);
  return same ? 0 : exit_no;
}

}  // namespace ckpt::tools
