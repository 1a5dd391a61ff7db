// SPDX-License-Identifier: Apache-2.0
#include "engine/state.hpp"

#include <algorithm>
#include <string_view>

#include "base/error.hpp"
#include "device/memory.hpp"
#include "snapshot/format.hpp"

namespace ckpt::engine {
namespace {

constexpr std::uint64_t alignment_bytes = 64;   // a cache line: copies into the area start aligned

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes; }

void check_name(std::string_view name) {
  if (!snapshot::format::valid_name(name))
    fail(CKPT_ERR_NAME, "'{}' ({} bytes) is no name: UTF-8 text of 1 to 255 bytes, no empty, '.' or '..' part between "
         "slashes", name, name.size());
}

constexpr const char* remedy = "run the program that wrote it, or start a new run (ckptrun --fresh or --run NAME)";

std::string where_it_differs(const snapshot::ArrayInfo& registered, const snapshot::ArrayInfo& saved) {
  return fmt::format("registered is {}, the snapshot holds {}", describe(registered), describe(saved));
}

}  // namespace

void State::insert(const char* name, Entry entry) {
  const std::string_view text = name;
  check_name(text);
  if (entries_.contains(text)) fail(CKPT_ERR_NAME, "'{}' is already registered; ckpt_update replaces it", text);
  for (std::size_t slash = text.find('/'); slash != std::string_view::npos; slash = text.find('/', slash + 1))
    if (entries_.contains(text.substr(0, slash)))
      fail(CKPT_ERR_NAME, "'{}' lies inside '{}', which is an array", text, text.substr(0, slash));
  const std::string group = std::string(text) + "/";
  const auto inside = entries_.lower_bound(group);
  if (inside != entries_.end() && inside->first.starts_with(group))
    fail(CKPT_ERR_NAME, "'{}' is the group of '{}', which is registered", text, inside->first);
  entries_.emplace(text, entry);
}

void State::add(const char* name, const ckpt_array& array) {
  device::check_array(name, array);
  insert(name, Entry{.array = array});
}

void State::add_packed(const char* name, ckpt_pack pack, ckpt_unpack unpack, void* user) {
  insert(name, Entry{.pack = pack, .unpack = unpack, .user = user});
}

State::Entry& State::find(const char* name) {
  const auto found = entries_.find(std::string_view(name));
  if (found == entries_.end()) fail(CKPT_ERR_NOT_FOUND, "'{}' is not registered", name);
  return found->second;
}

void State::update(const char* name, const ckpt_array& array) {
  Entry& entry = find(name);
  if (entry.pack) fail(CKPT_ERR_ARGUMENT, "'{}' is packed state; its callbacks follow its size", name);
  device::check_array(name, array);
  entry.array = array;
}

void State::remove(const char* name) {
  find(name);
  entries_.erase(entries_.find(std::string_view(name)));
}

snapshot::ArrayInfo State::info(const std::string& name, const Entry& entry) const {
  if (entry.pack) return {name, CKPT_U8, {entry.size_bytes}, true};
  const auto& array = entry.array;
  return {name, static_cast<ckpt_dtype>(array.dtype), {array.shape, array.shape + array.ndim}, false};
}

std::uint64_t State::measure() {
  std::uint64_t total = 0;
  for (auto& [name, entry] : entries_) {
    if (entry.pack) {
      entry.size_bytes = entry.pack(entry.user, nullptr, 0);
      if (entry.size_bytes == SIZE_MAX) fail(CKPT_ERR_CALLBACK, "the pack function of '{}' failed", name);
    } else {
      entry.size_bytes = device::size_bytes(entry.array);
    }
    total += aligned(entry.size_bytes);
  }
  return total;
}

namespace {

void call_pack(const std::string& name, ckpt_pack pack, void* user, std::span<std::byte> to) {
  if (pack(user, to.data(), to.size()) != to.size())
    fail(CKPT_ERR_CALLBACK, "the pack function of '{}' failed, or wrote another size than the {} bytes it had named", name,
         to.size());
}

}  // namespace

std::vector<snapshot::ArraySource> State::copy_to(std::span<std::byte> area) const {
  std::vector<snapshot::ArraySource> sources;
  sources.reserve(entries_.size());
  std::uint64_t at = 0;
  for (const auto& [name, entry] : entries_) {
    const auto place = area.subspan(at, entry.size_bytes);
    if (entry.pack) call_pack(name, entry.pack, entry.user, place);
    else device::copy_out(entry.array, 0, place);
    sources.push_back({info(name, entry), place.data(), {}});
    at += aligned(entry.size_bytes);
  }
  return sources;
}

std::vector<snapshot::ArraySource> State::direct_sources() const {
  std::vector<snapshot::ArraySource> sources;
  sources.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) {
    snapshot::ArraySource source{info(name, entry), nullptr, {}};
    if (entry.pack) {
      auto buffer = std::make_shared<std::vector<std::byte>>(entry.size_bytes);
      call_pack(name, entry.pack, entry.user, *buffer);
      source.copy_out = [buffer](std::uint64_t first, std::span<std::byte> to) {
        std::copy_n(buffer->begin() + static_cast<std::ptrdiff_t>(first), to.size(), to.begin());
      };
    } else if (device::is_contiguous(entry.array)) {
      source.contiguous = static_cast<const std::byte*>(entry.array.data);
    } else {
      source.copy_out = [array = entry.array](std::uint64_t first, std::span<std::byte> to) {
        device::copy_out(array, first, to);
      };
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

void State::require_match(const std::vector<snapshot::ArrayInfo>& arrays, const std::string& path) const {
  auto saved = arrays.begin();
  auto registered = entries_.begin();
  // Both are sorted by name: the first difference is found in one walk.
  while (saved != arrays.end() || registered != entries_.end()) {
    const bool only_saved = registered == entries_.end() || (saved != arrays.end() && saved->name < registered->first);
    if (only_saved)
      fail(CKPT_ERR_MISMATCH, "{}: holds {}, which the program did not register; {}", path, describe(*saved), remedy);
    const auto info_registered = info(registered->first, registered->second);
    if (saved == arrays.end() || registered->first < saved->name)
      fail(CKPT_ERR_MISMATCH, "{}: does not hold {}, which the program registered; {}", path, describe(info_registered),
           remedy);
    const bool same = registered->second.pack ? saved->packed : info_registered == *saved;
    if (!same) fail(CKPT_ERR_MISMATCH, "{}: {}; {}", path, where_it_differs(info_registered, *saved), remedy);
    ++saved;
    ++registered;
  }
}

State::Targets State::targets_for(const std::vector<snapshot::ArrayInfo>& arrays) const {
  Targets result;
  result.targets_.reserve(arrays.size());
  result.unpackings_.reserve(arrays.size());   // buffers must not move: targets point into them
  auto registered = entries_.begin();
  for (const auto& saved : arrays) {
    const Entry& entry = (registered++)->second;
    snapshot::ArrayTarget target;
    if (entry.pack) {
      auto& unpacking = result.unpackings_.emplace_back(
          Targets::Unpacking{saved.name, entry.unpack, entry.user, std::vector<std::byte>(saved.size_bytes())});
      target.contiguous = unpacking.buffer.data();
    } else if (device::is_contiguous(entry.array)) {
      target.contiguous = static_cast<std::byte*>(entry.array.data);
    } else {
      target.copy_in = [array = entry.array](std::uint64_t first, std::span<const std::byte> from) {
        device::copy_in(array, first, from);
      };
    }
    result.targets_.push_back(std::move(target));
  }
  return result;
}

void State::Targets::unpack() const {
  for (const auto& unpacking : unpackings_)
    if (unpacking.function(unpacking.user, unpacking.buffer.data(), unpacking.buffer.size()) != 0)
      fail(CKPT_ERR_CALLBACK, "the unpack function of '{}' refused what its pack function had written", unpacking.name);
}

}  // namespace ckpt::engine
