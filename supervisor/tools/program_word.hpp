// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ckpt::tools {

// The path of one of our own programs ("ckptrun"): as PATH has it, else beside this program. A job may have another
// PATH than we, or none. CKPT_ERR_CONFIG: there is none.
std::string program_word(const std::string& name);

// The one that was installed with this program: of the name "ckpt" there are others.
std::string program_beside(const std::string& name);

}  // namespace ckpt::tools
