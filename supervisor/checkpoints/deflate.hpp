// SPDX-License-Identifier: Apache-2.0
// Compressed entries of zip archives (np.savez_compressed): unpacked to nowhere, for their checksum.
#pragma once

#include <cstdint>
#include <string_view>

#include "checkpoints/bytes.hpp"

namespace ckpt::checkpoints {

// CRC-32 of the `bytes` that `compressed` bytes from `offset` hold by "deflate" (RFC 1951). Broken: they do not hold exactly so many.
// `what`: for people. A bounded piece is in memory at a time.
std::uint32_t crc32_of_deflated(Bytes& file, std::uint64_t offset, std::uint64_t compressed, std::uint64_t bytes, std::string_view what);

}  // namespace ckpt::checkpoints
