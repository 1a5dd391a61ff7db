// SPDX-License-Identifier: Apache-2.0
#include "include/ckpt/ckpt.h"

static_assert(sizeof(ckpt_error) == 1024, "the size of ckpt_error is part of the ABI");

const char* ckpt_version(void) noexcept { return CKPT_VERSION; }

const char* ckpt_status_text(int status) noexcept {
  switch (static_cast<ckpt_status>(status)) {
    case CKPT_OK: return "ok";
    case CKPT_FRESH: return "fresh start: the run never had a snapshot";
    case CKPT_ERR_ARGUMENT: return "NULL or nonsense was passed";
    case CKPT_ERR_NAME: return "malformed or taken name";
    case CKPT_ERR_STEP: return "the step went backwards";
    case CKPT_ERR_NOT_RESTORED: return "the run has snapshots and ckpt_restore was not called";
    case CKPT_ERR_MISMATCH: return "what is registered differs from the snapshot";
    case CKPT_ERR_NOT_FOUND: return "not found";
    case CKPT_ERR_FORKED: return "called in a forked child";
    case CKPT_ERR_CALLBACK: return "a pack, unpack or prepare function failed";
    case CKPT_ERR_CONFIG: return "unknown configuration key or bad value";
    case CKPT_ERR_IN_USE: return "the run is in use";
    case CKPT_ERR_SUPERSEDED: return "a newer block of the run has started";
    case CKPT_ERR_RANKS: return "several ranks are not supported";
    case CKPT_ERR_STATION: return "ckptrun is gone or does not answer";
    case CKPT_ERR_RUN_DIRECTORY: return "not usable as a run directory";
    case CKPT_ERR_DAMAGED: return "damaged content";
    case CKPT_ERR_LOST: return "the run had snapshots and none restores";
    case CKPT_ERR_FORMAT: return "snapshot of a newer format version";
    case CKPT_ERR_IO: return "I/O error";
    case CKPT_ERR_NO_SPACE: return "no space left";
    case CKPT_ERR_QUOTA: return "quota exceeded";
    case CKPT_ERR_PERMISSION: return "permission denied";
    case CKPT_ERR_MEMORY: return "out of memory";
    case CKPT_ERR_BUSY: return "the previous snapshot is still being written";
    case CKPT_ERR_TIMEOUT: return "time ran out";
    case CKPT_ERR_NO_DEVICE: return "device memory without a device";
    case CKPT_ERR_INTERNAL: return "internal error of libckpt";
  }
  return "unknown status";
}
