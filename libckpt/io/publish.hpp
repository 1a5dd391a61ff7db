// SPDX-License-Identifier: Apache-2.0
// How a file becomes durable under its name: temporary name in the same directory, all bytes, fsync, a name that
// never existed (or atomic replacement), fsync of the directory. All functions throw Error unless they say otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/file_system.hpp"

namespace ckpt::io {

// A name in the same directory as `path` that no other process uses: ".<name>.tmp-<host>-<pid>-<counter>"; of a long
// name only the beginning.
std::string temporary_name(const std::string& path);
bool is_temporary_name(std::string_view file_name) noexcept;   // file name without directory

// `from` (complete, synced) becomes `to`, which must be in the same directory and must not exist; the directory is
// synced. A rename that answers with an error although it happened (a lost NFS reply) counts as done. EEXIST: Error.
// After an Error `from` is removed, and so is a `to` whose directory could not be synced: it must not count as durable.
void publish_new(FileSystem& fs, const std::string& from, const std::string& to);

// Creates `path` with `content`, durable, in one step: true when this call created it, false when it was there (the
// directory is synced then too). After an Error it is absent, or there as a whole but perhaps not durable.
// link(2) decides; where links are refused O_EXCL does (then a reader may meet the file while it is still short).
bool create_once(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions);

// `path` gets `content`, durable, atomically; readers see the old or the new content whole.
void replace_file(FileSystem& fs, const std::string& path, std::string_view content, std::uint32_t permissions);

// Whole content. `limit_bytes`: a larger file is CKPT_ERR_DAMAGED, never an unbounded allocation.
std::string read_file(FileSystem& fs, const std::string& path, std::uint64_t limit_bytes = 16u << 20);

// fsync of a directory; EINVAL and ENOTSUP (file systems that cannot) are tolerated and logged once.
void sync_directory(FileSystem& fs, const std::string& directory);

std::string parent_directory(const std::string& path);
std::string base_name(const std::string& path);

}  // namespace ckpt::io
