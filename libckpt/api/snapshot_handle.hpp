// SPDX-License-Identifier: Apache-2.0
// What a ckpt_snapshot is: a reader that it owns, or one that is lent for the time of a callback.
#pragma once

#include <memory>

#include "include/ckpt/ckpt.h"
#include "snapshot/reader.hpp"

struct ckpt_snapshot {
  std::unique_ptr<ckpt::snapshot::Reader> owned;
  ckpt::snapshot::Reader& reader;
};
