// SPDX-License-Identifier: Apache-2.0
#include "tools/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ckpt::tools {
namespace {

using Row = std::vector<Cell>;

std::vector<std::size_t> widths_of(const std::vector<Row>& rows, std::size_t columns) {
  std::vector<std::size_t> widths(columns, 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i].text));
  }
  return widths;
}

std::string line_of(const Row& row, const std::vector<Column>& columns, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::string padding(widths[i] - display_width(row[i].text), ' ');
    const std::string text = paint(row[i].tone, row[i].text);
    line += columns[i].align == Align::right ? padding + text : text + padding;
    line += "  ";
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

void Table::print() const {
  for (const std::string& line : lines()) fmt::print("{}\n", line);
}

std::vector<std::string> Table::lines() const {
  Row titles;
  bool titled = false;
  for (const Column& column : columns_) {
    titles.emplace_back(column.title, Tone::bold);
    titled = titled || !column.title.empty();
  }
  std::vector<Row> rows = rows_;
  if (titled) rows.insert(rows.begin(), titles);
  const auto widths = widths_of(rows, columns_.size());
  std::vector<std::string> lines;
  for (const Row& row : rows) lines.push_back(line_of(row, columns_, widths));
  return lines;
}

}  // namespace ckpt::tools
