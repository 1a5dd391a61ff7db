// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "chain/preview.hpp"
#include "tools/json_text.hpp"

namespace ckpt::tools {

// ckptrun --check, on standard output.
void print_preview(const supervisor::Preview& preview, const supervisor::ChainOptions& options, Format format);

}  // namespace ckpt::tools
