// SPDX-License-Identifier: Apache-2.0
// A state to save in tests: arrays that own their bytes.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "fault/fake_disk.hpp"
#include "snapshot/reader.hpp"
#include "snapshot/writer.hpp"

namespace ckpt::testing {

using Bytes = std::vector<std::byte>;

struct SampleState {
  snapshot::Header header;
  std::vector<snapshot::ArrayInfo> infos;
  std::vector<Bytes> bytes;

  // Content: like measured numbers (noise in the low bytes), the same for the same name.
  SampleState& add(snapshot::ArrayInfo info);
  std::vector<snapshot::ArraySource> sources() const;   // contiguous; valid as long as this
};

SampleState every_dtype();      // one small array each; a scalar, an empty and a packed one; groups
SampleState small_state();      // a few arrays of some hundred bytes, several chunks with small_chunks()

snapshot::WriteOptions small_chunks();   // 64 bytes: small arrays get many

inline const std::string snapshot_path = "/run/snapshot.h5";
std::unique_ptr<FakeDisk> empty_disk();  // with the directory of snapshot_path
std::unique_ptr<FakeDisk> disk_with(const SampleState& state, const snapshot::WriteOptions& options = {});

// Everything read back, into memory filled with another pattern before; sorted as the reader sorts it.
SampleState restored(io::FileSystem& disk, unsigned threads = 1, const std::string& path = snapshot_path);
bool same(const SampleState& saved, const SampleState& restored);

// The status of what `act` throws, CKPT_OK if nothing; the text goes to *text.
template <class Act>
ckpt_status status_of(const Act& act, std::string* text = nullptr) {
  try {
    act();
    return CKPT_OK;
  } catch (const Error& error) {
    if (text) *text = error.what();
    return error.status();
  }
}

}  // namespace ckpt::testing
