// SPDX-License-Identifier: Apache-2.0
#include "tools/json_text.hpp"

#include <fmt/format.h>

namespace ckpt::tools {
void print_json(const Json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print_json_line(const Json& value) {
  fmt::print("{}\n", value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace ckpt::tools
