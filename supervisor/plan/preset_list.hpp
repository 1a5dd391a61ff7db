// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/json_text.hpp"

namespace ckpt::plan {

// `ckptplan --site list`
void list_presets(tools::Format format);

}  // namespace ckpt::plan
