// SPDX-License-Identifier: Apache-2.0
// Whether a checkpoint that another program wrote is whole. Nothing of it is executed or unpickled.
#pragma once

#include <string>

#include "io/file_system.hpp"

namespace ckpt::checkpoints {

constexpr int deepest_folder = 6;  // in a checkpoint that is a directory

enum class Wholeness {
  whole,    // its own structure says so, and its checksums where it has any
  broken,   // proven: cut short, damaged, or still being written
  unknown,  // nothing in it tells; one that nobody writes and that does not change is taken
};

struct Finding {
  Wholeness state = Wholeness::unknown;
  std::string format;  // "PyTorch", "HDF5", …
  std::string reason;  // of what is not whole: one line for people
  bool by_checksum = false;  // whole, as checksums of all its content say
};

// A file, a directory, or the prefix of a TensorFlow checkpoint (PREFIX.index, PREFIX.data-00000-of-00001).
// What cannot be read throws Error; what is not there is CKPT_ERR_NOT_FOUND. `is_by_trainer`: directories are Hugging Face's
// Trainer's, of whose first files alone nothing tells that more will come.
Finding examine(io::FileSystem& fs, const std::string& path, bool is_by_trainer = false);

// Of a directory that is newer than the one that a tracker beside it names, as Megatron and DeepSpeed write last (empty: none
// is). It may be named later, though nothing in it changes.
std::string why_not_yet(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::checkpoints
