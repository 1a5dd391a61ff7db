// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace ckpt::supervisor {

// The packages that Python finds as this program starts it, "numpy-1.26.4 torch-2.1.0": of its virtual environment or
// installation, of what that one builds on, of PYTHONPATH and the user's own. Where the program is none of Python's (a
// script of a shell, say) those of the environment that is active.
std::string python_packages(const std::filesystem::path& program);

}  // namespace ckpt::supervisor
