// SPDX-License-Identifier: Apache-2.0
// What the name of a file tells of it.
#pragma once

#include <string>
#include <string_view>

namespace ckpt::checkpoints {

// What programs call a file until it is complete: "x.pt.tmp", "tmp.pth.tar", "x.part", "x~", ".x.swp", "tmp-checkpoint-100",
// "5.orbax-checkpoint-tmp-1700".
bool is_unfinished_name(std::string_view name) noexcept;
// Also what people and editors set aside, which in a directory of a checkpoint says nothing of the rest: "x.pt.bak", "x.old",
// "x.new", "x.part1", "#x#", "tmpab12cd_9.pt" of Python's tempfile, "x_tmp.pt".
bool is_set_aside_name(std::string_view name) noexcept;
// A file of arrays or the like, which is never empty: "model.pt", "optimizer.bin", "random_states_0.pkl".
bool holds_state(std::string_view name) noexcept;
// In a directory: what Hugging Face's Trainer, accelerate, Megatron and DeepSpeed write by torch.save.
bool is_by_torch(std::string_view name) noexcept;
// What names the newest checkpoint: of DeepSpeed, of Megatron.
bool is_tracker_name(std::string_view name) noexcept;
// What is unfinished or set aside, whatever is hidden, and lists of checkpoints (TensorFlow's file "checkpoint"), trackers.
bool is_no_checkpoint(std::string_view name) noexcept;

// "model-.pt" of "model-12.pt": what the checkpoints of one program have in common.
std::string without_digits(std::string name);
// Below, equal to or above 0, as strcmp; digits are compared as numbers: "m-10" after "m-9".
int compare_naturally(std::string_view one, std::string_view other) noexcept;

}  // namespace ckpt::checkpoints
