/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Saves into the new run directory, restores from it, verifies it. 0, or 1 after saying on stderr what failed. */
int use_ckpt(const char *directory);
