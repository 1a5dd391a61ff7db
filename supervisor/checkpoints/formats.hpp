// SPDX-License-Identifier: Apache-2.0
// One function for each format: returns what is known of a file that is as whole as the format can tell, throws Broken with
// the reason for one that is not.
#pragma once

#include <string>
#include <string_view>

#include "checkpoints/bytes.hpp"
#include "checkpoints/finding.hpp"

namespace ckpt::checkpoints {

bool is_zip(std::string_view head);
Finding examine_zip(Bytes& file, const std::string& name);  // PyTorch, Lightning, .keras, .npz
void examine_zips(Bytes& file);  // several, one behind the other

bool is_pickle(std::string_view head);
Finding examine_pickle(Bytes& file);  // also PyTorch's from before 1.6, and joblib's
void read_over_pickle(Bytes& file);   // what follows it is not looked at

bool is_numpy(std::string_view head);
Finding examine_numpy(Bytes& file, const std::string& name);  // several, too, one behind the other

bool is_safetensors(std::string_view head, const std::string& name);
Finding examine_safetensors(Bytes& file, const std::string& name);

bool is_hdf5(std::string_view head);
Finding examine_hdf5(io::FileSystem& fs, const std::string& path, Bytes& file);

bool is_ocdbt(std::string_view head);
Finding examine_ocdbt(Bytes& file);  // inside Orbax's

Finding examine_tensorflow(io::FileSystem& fs, const std::string& prefix);

extern const char* const unfinished_by_trainer;  // why one of Hugging Face's Trainer is broken
Finding examine_directory(io::FileSystem& fs, const std::string& path, int depth);
// A file or directory by its content; in a directory of depth `depth` below what was asked for.
Finding examine_at_depth(io::FileSystem& fs, const std::string& path, int depth);

}  // namespace ckpt::checkpoints
