// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt::plan {

// The path of one of our own programs ("ckptrun"): as PATH has it, else beside this program. A job may have another
// PATH than we, or none. CKPT_ERR_CONFIG: there is none.
std::string program_word(const std::string& name);

}  // namespace ckpt::plan
