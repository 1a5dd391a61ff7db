// SPDX-License-Identifier: Apache-2.0
// The names and limits of format version 1 (docs/format.md), asserted alike by writer and reader.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "snapshot/snapshot.hpp"

namespace ckpt::snapshot::format {

constexpr std::uint64_t version = 1;

constexpr char state_group[] = "state";
constexpr char meta_dataset[] = "meta";

// Attributes of the root group.
constexpr char format_attribute[] = "ckpt_format";
constexpr char step_attribute[] = "step";
constexpr char block_attribute[] = "block";
constexpr char rank_attribute[] = "rank";
constexpr char ranks_attribute[] = "ranks";
constexpr char run_attribute[] = "run";
constexpr char created_attribute[] = "created";
constexpr char writer_attribute[] = "writer";
constexpr char digest_attribute[] = "digest";

// Attributes of a dataset.
constexpr char dtype_attribute[] = "ckpt_dtype";     // of integers that are something else: bf16, f8e4m3, f8e5m2, bool
constexpr char scalar_attribute[] = "ckpt_scalar";   // shape {1} stands for a scalar
constexpr char packed_attribute[] = "ckpt_packed";   // bytes of a pack function

constexpr unsigned zstd_filter = 32015;              // as registered with The HDF Group
constexpr std::uint64_t largest_chunk_bytes = 64u << 20;
constexpr std::uint64_t largest_meta_bytes = 64u << 20;
constexpr std::size_t longest_text = 4096;           // of a text attribute

enum class Kind : std::uint64_t { array = 0, scalar = 1, packed = 2 };

Kind kind_of(const ArrayInfo& array) noexcept;
// The dimensions of the dataset: the shape, {1} for a scalar.
std::vector<std::uint64_t> dataset_dimensions(const ArrayInfo& array);

// Where the dataset is in the file.
std::string meta_path();
std::string path_of(const ArrayInfo& array);

// UTF-8, 1 to 255 bytes, parts between '/' that are not empty, "." or "..".
bool valid_name(std::string_view name) noexcept;
// Names sorted as bytes. Throws CKPT_ERR_NAME: one malformed, twice there, or another's group.
void check_names(std::span<const std::string_view> sorted_names);

}  // namespace ckpt::snapshot::format
