// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/terminal.hpp"

namespace ckpt::tools {

struct Cell {
  std::string text;
  Tone tone = Tone::plain;

  Cell(std::string content, Tone colour = Tone::plain) : text(printable(content)), tone(colour) {}
  Cell(const char* content, Tone colour = Tone::plain) : Cell(std::string(content), colour) {}
};

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

// Aligned columns, two spaces between; the titles are left out when all are empty.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::vector<std::string> lines() const;
  void print() const;   // to standard output

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace ckpt::tools
