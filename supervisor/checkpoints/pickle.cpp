// SPDX-License-Identifier: Apache-2.0
// Pickles, which are programs: read over, opcode by opcode, to the STOP that each one ends with; never run.
#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "checkpoints/formats.hpp"

namespace ckpt::checkpoints {
namespace {

constexpr std::uint64_t window_bytes = 64u << 10;
constexpr std::string_view torch_magic("\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);  // LONG1 of ten bytes
constexpr std::string_view joblib_mark = "joblib.numpy_pickle";
constexpr int torch_pickles = 5;  // magic number, version, machine, objects, names of the storages

// What follows an opcode.
enum class Operand : char {
  unknown,
  none,
  fixed1,
  fixed2,
  fixed4,
  fixed8,
  counted1,
  counted4,
  counted8,
  line,
  two_lines
};

constexpr std::array<Operand, 256> operands = [] {
  std::array<Operand, 256> table{};
  const auto set = [&](std::string_view opcodes, Operand operand) {
    for (const char opcode : opcodes) table[static_cast<unsigned char>(opcode)] = operand;
  };
  set("(.012NRQabd}elo]st)u\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", Operand::none);
  set("Kqh\x80\x82", Operand::fixed1);
  set("M\x83", Operand::fixed2);
  set("Jrj\x84", Operand::fixed4);
  set("G\x95", Operand::fixed8);
  set("UC\x8c\x8a", Operand::counted1);
  set("TBX\x8b", Operand::counted4);
  set("\x8d\x8e\x96", Operand::counted8);
  set("ILFSVpgP", Operand::line);
  set("ci", Operand::two_lines);
  return table;
}();

enum class End { complete, foreign, joblib };  // foreign: no pickle goes on so

class Reader {
 public:
  explicit Reader(Bytes& file) : file_(file) {}

  std::uint64_t position() const { return position_; }

  // joblib puts arrays between the opcodes, as they are: behind the first one nothing can be read.
  End skip_pickle() {
    while (!has_joblib_) {
      const char opcode = next();
      if (opcode == '.') return End::complete;
      const Operand operand = operands[static_cast<unsigned char>(opcode)];
      if (operand == Operand::unknown) return End::foreign;
      skip_operand(operand);
    }
    return End::joblib;
  }

 private:
  char next() {
    if (position_ < window_at_ || position_ >= window_at_ + window_.size()) {
      if (position_ >= file_.size()) throw Broken{"it ends in the middle of a pickle"};
      window_at_ = position_;
      window_ = file_.read(position_, std::min(window_bytes, file_.size() - position_), "pickle");
    }
    return window_[position_++ - window_at_];
  }
  std::uint64_t count(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(next())} << 8 * i;
    return value;
  }
  void skip(std::uint64_t bytes) {
    if (bytes > file_.size() - position_) throw Broken{"it ends in the middle of a pickle"};
    position_ += bytes;
  }
  void skip_text(std::uint64_t bytes) {
    const std::uint64_t at = position_;
    skip(bytes);
    note_text(at, bytes);
  }
  void skip_line() {
    const std::uint64_t at = position_;
    while (next() != '\n') {}
    note_text(at, position_ - 1 - at);
  }
  void note_text(std::uint64_t at, std::uint64_t bytes) {
    has_joblib_ = has_joblib_ || (bytes == joblib_mark.size() && file_.read(at, bytes, "pickle") == joblib_mark);
  }
  void skip_operand(Operand operand) {
    switch (operand) {
      case Operand::none: return;
      case Operand::fixed1: return skip(1);
      case Operand::fixed2: return skip(2);
      case Operand::fixed4: return skip(4);
      case Operand::fixed8: return skip(8);
      case Operand::counted1: return skip_text(count(1));
      case Operand::counted4: return skip_text(count(4));
      case Operand::counted8: return skip(count(8));
      case Operand::two_lines: skip_line(); [[fallthrough]];
      case Operand::line: return skip_line();
      case Operand::unknown: return;
    }
  }

  Bytes& file_;
  std::uint64_t position_ = 0, window_at_ = 0;
  std::string window_;
  bool has_joblib_ = false;
};

// Of its arrays nothing tells, but it ends as every pickle.
Finding examine_joblib(Bytes& file) {
  if (file.read(file.size() - 1, 1, "end") != ".") throw Broken{"it ends in the middle of a pickle"};
  return {Wholeness::unknown, "joblib", ""};
}

}  // namespace

bool is_pickle(std::string_view head) { return head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5; }

void read_over_pickle(Bytes& file) {
  Reader reader(file);
  if (reader.skip_pickle() == End::foreign)
    throw Broken{fmt::format("no pickle continues as this one does at byte {}", reader.position() - 1)};
}

// PyTorch's old format ends with bare arrays whose lengths only running it would tell. What begins as a pickle and goes on
// otherwise may be anybody's format.
Finding examine_pickle(Bytes& file) {
  Reader reader(file);
  if (file.head(2 + torch_magic.size()).substr(2) == torch_magic) {
    for (int pickle = 0; pickle < torch_pickles; ++pickle)
      if (reader.skip_pickle() == End::foreign) throw Broken{"its head is damaged"};
    return {Wholeness::unknown, "old PyTorch", ""};
  }
  const End end = reader.skip_pickle();
  if (end == End::joblib) return examine_joblib(file);
  if (end == End::complete && reader.position() == file.size()) return {Wholeness::whole, "pickle", ""};
  return {Wholeness::unknown, "pickle", ""};  // more than one, or something else behind it
}

}  // namespace ckpt::checkpoints
