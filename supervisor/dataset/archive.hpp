// SPDX-License-Identifier: Apache-2.0
// An archive of data, and the program that unpacks it: those that everybody's archives are made with, better known and
// better kept than any code of ours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ckpt::supervisor {

struct Archive {
  std::string path;     // absolute
  std::string folder;   // where in the data's folder its content goes; empty: right there
  std::uint64_t size_bytes = 0;
  std::vector<std::string> unpacker;   // the command's words; its last one is completed by the target folder

  std::string name() const;            // for people
};

// "data.tar", "data.tar.gz:images". Told by what is in it, not by its name: tar, plain or packed by gzip, zstd, xz or
// bzip2, and zip. CKPT_ERR_CONFIG: not there, no such archive, a folder that leads out of the data's, or a program that is
// missing here.
Archive open_archive(const std::string& given);

}  // namespace ckpt::supervisor
