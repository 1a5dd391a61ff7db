// SPDX-License-Identifier: Apache-2.0
// What the other files of this room share: reading directories and small files that others change meanwhile.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace ckpt::rundir {

// The file is not there (any more): ENOENT, or on NFS a handle that went stale.
bool is_gone(int os_errno) noexcept;

// Names in a directory without temporaries. A directory that is not there is empty; NFS may claim that wrongly for a
// moment, so it is asked again a few times. Throws on other errors.
std::vector<std::string> list_names(io::FileSystem& fs, const std::string& directory);
std::vector<std::string> list_temporaries(io::FileSystem& fs, const std::string& directory);

constexpr std::uint64_t record_limit_bytes = 4u << 20;   // of one record: a command line may be long
// nullopt: not there. Throws on other errors.
std::optional<std::string> read_if_there(io::FileSystem& fs, const std::string& path, std::uint64_t limit_bytes);
std::optional<io::FileInfo> info_if_there(io::FileSystem& fs, const std::string& path);

}  // namespace ckpt::rundir
