// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/json_text.hpp"
#include "verify/cause.hpp"

namespace ckpt::verify {

// To standard output: the verdict first, then what shows it and what is likely behind it.
void print_findings(const Findings& found, tools::Format format);

}  // namespace ckpt::verify
