// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace ckpt::testing {

// Any bytes at all as a snapshot: the reader says what is wrong with them, or reads them, twice the same. Aborts when it
// does anything else; that it takes no memory the file does not account for is checked by libFuzzer's limits.
void read_anything(std::string_view content);

}  // namespace ckpt::testing
