// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "snapshot/listing.hpp"

namespace ckpt::snapshot {

// What a dataset says of itself: dtype, shape, tags, chunks and filters, all as a writer of format 1 makes them.
// Inside Hdf5Scope; throws Hdf5Failed, or CKPT_ERR_DAMAGED naming the array.
Listed inspect_dataset(hid_t dataset, const std::string& name, Datatypes& datatypes);

// Of an array that claims more than the file has: no memory shall be taken for what was never written. Throws as above.
void require_all_chunks(hid_t dataset, const Listed& listed);

// The frame of one chunk; valid until `memory` changes. No more than a frame of that chunk can need is ever allocated.
std::span<const std::byte> read_frame(hid_t dataset, const ArrayInfo& info, const Slabs& slabs, std::uint64_t chunk,
                                      std::vector<std::byte>& memory);

}  // namespace ckpt::snapshot
