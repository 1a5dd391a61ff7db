// SPDX-License-Identifier: Apache-2.0
// What a program has registered, and how it is laid out in memory for a snapshot. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "include/ckpt/ckpt.h"
#include "snapshot/reader.hpp"
#include "snapshot/writer.hpp"

namespace ckpt::engine {

class State {
 public:
  void add(const char* name, const ckpt_array& array);
  void add_packed(const char* name, ckpt_pack pack, ckpt_unpack unpack, void* user);
  void update(const char* name, const ckpt_array& array);
  void remove(const char* name);
  bool empty() const noexcept { return entries_.empty(); }

  // Asks the pack callbacks for their sizes; the two calls below use those. Returns the bytes of an area that holds
  // everything, each array on a 64-byte boundary.
  std::uint64_t measure();
  // Copies everything into `area`; the sources point there.
  std::vector<snapshot::ArraySource> copy_to(std::span<std::byte> area) const;
  // Sources that read the registered arrays themselves; packed state is packed into buffers the sources own.
  std::vector<snapshot::ArraySource> direct_sources() const;

  // Throws CKPT_ERR_MISMATCH naming both sides, unless `arrays` is what is registered.
  void require_match(const std::vector<snapshot::ArrayInfo>& arrays, const std::string& path) const;

  // Where a snapshot's arrays go: into the registered arrays; packed state into buffers until unpack() runs.
  class Targets {
   public:
    std::span<const snapshot::ArrayTarget> targets() const noexcept { return targets_; }
    void unpack() const;   // CKPT_ERR_CALLBACK

   private:
    friend class State;
    struct Unpacking {
      std::string name;
      ckpt_unpack function;
      void* user;
      std::vector<std::byte> buffer;
    };
    std::vector<snapshot::ArrayTarget> targets_;
    std::vector<Unpacking> unpackings_;
  };
  Targets targets_for(const std::vector<snapshot::ArrayInfo>& arrays) const;   // after require_match

 private:
  struct Entry {
    ckpt_array array{};
    ckpt_pack pack = nullptr;
    ckpt_unpack unpack = nullptr;
    void* user = nullptr;
    std::uint64_t size_bytes = 0;      // packed state: as measured last
  };
  snapshot::ArrayInfo info(const std::string& name, const Entry& entry) const;
  void insert(const char* name, Entry entry);
  Entry& find(const char* name);

  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace ckpt::engine
