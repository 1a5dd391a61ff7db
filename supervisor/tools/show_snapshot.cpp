// SPDX-License-Identifier: Apache-2.0
// ckpt show FILE: what is in a snapshot. Reads its header and list of arrays, not their content (that is verify's).
#include <fmt/ranges.h>

#include "base/dtype.hpp"
#include "base/quantity.hpp"
#include "snapshot/reader.hpp"
#include "tools/table.hpp"
#include "tools/verbs.hpp"

namespace ckpt::tools {
namespace {

// What the program said with ckpt_set.
Json values_of(const snapshot::Header& header) {
  const Json meta = Json::parse(header.meta, nullptr, false);
  return meta.is_object() && meta.contains("values") ? meta["values"] : Json::object();
}

void print_header(const snapshot::Reader& reader) {
  const snapshot::Header& header = reader.header();
  const double ratio = static_cast<double>(reader.state_bytes()) / static_cast<double>(reader.file_bytes());
  fmt::print("{}\n\n", paint(Tone::bold, printable(reader.path())));
  Table table({{""}, {""}});
  table.add({"run", header.run});
  table.add({"step", fmt::format("{}", header.step)});
  table.add({"block", fmt::format("{}", header.block)});
  table.add({"created", fmt::format("{} by {}", header.created, header.writer)});
  table.add({"state", fmt::format("{} in {}", format_size(reader.state_bytes()), count_of(reader.arrays().size(), "array"))});
  table.add({"file", fmt::format("{} (ratio {:.2f})", format_size(reader.file_bytes()), ratio)});
  const Json values = values_of(header);
  for (const auto& [key, value] : values.items()) table.add({"value " + key, value.dump()});
  table.print();
}

void print_arrays(const snapshot::Reader& reader) {
  Table table({{"array"}, {"type"}, {"shape"}, {"size", Align::right}});
  for (const snapshot::ArrayInfo& array : reader.arrays()) {
    const std::string shape = array.shape.empty() ? "scalar" : fmt::format("{}", fmt::join(array.shape, " x "));
    table.add({array.name, array.packed ? "packed" : std::string(dtype_info(array.dtype).name), shape,
               format_size(array.size_bytes())});
  }
  fmt::print("\n");
  table.print();
}

Json to_json(const snapshot::Reader& reader) {
  const snapshot::Header& header = reader.header();
  Json arrays = Json::array();
  for (const snapshot::ArrayInfo& array : reader.arrays()) {
    arrays.push_back({{"name", array.name}, {"dtype", std::string(dtype_info(array.dtype).name)},
                      {"shape", array.shape}, {"bytes", array.size_bytes()}, {"packed", array.packed}});
  }
  return {{"file", reader.path()},
          {"run", header.run},
          {"step", header.step},
          {"block", header.block},
          {"created", header.created},
          {"writer", header.writer},
          {"rank", header.rank},
          {"ranks", header.ranks},
          {"state_bytes", reader.state_bytes()},
          {"file_bytes", reader.file_bytes()},
          {"values", values_of(header)},
          {"arrays", arrays}};
}

}  // namespace

int show_snapshot(const std::string& path, Format format) {
  const snapshot::Reader reader(io::file_system(), path);
  if (format == Format::json) {
    print_json(to_json(reader));
    return 0;
  }
  print_header(reader);
  print_arrays(reader);
  return 0;
}

}  // namespace ckpt::tools
