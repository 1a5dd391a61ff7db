// SPDX-License-Identifier: Apache-2.0
// The library HDF5 as this room uses it: identifiers that close themselves, one lock around every call, no printing.
#pragma once

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace ckpt::snapshot {

// While it lives this thread owns HDF5, whose error stacks are not printed; afterwards the host program's way of
// reporting HDF5 errors is what it was. Every HDF5 call of this room happens inside one, closing included.
class Hdf5Scope {
 public:
  Hdf5Scope();
  ~Hdf5Scope();
  Hdf5Scope(const Hdf5Scope&) = delete;
  Hdf5Scope& operator=(const Hdf5Scope&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
  unsigned reporting_version_ = 0;   // of the API by which the program set its handler; 0: could not be asked
  H5E_auto1_t handler1_ = nullptr;
  H5E_auto2_t handler2_ = nullptr;
  void* handler_data_ = nullptr;
};

// What an HDF5 call answered. Made from HDF5's error stack, hence inside the scope of the call.
class Hdf5Failed {
 public:
  explicit Hdf5Failed(const char* doing);
  bool out_of_memory() const noexcept { return out_of_memory_; }
  const std::string& text() const noexcept { return text_; }   // "create a dataset: unable to allocate chunk"

 private:
  std::string text_;
  bool out_of_memory_ = false;
};

// An owned identifier of any kind.
class Hid {
 public:
  Hid() = default;
  Hid(hid_t id, const char* doing) : id_(id) {
    if (id < 0) throw Hdf5Failed(doing);
  }
  ~Hid() { reset(); }
  Hid(Hid&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Hid& operator=(Hid&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }

  operator hid_t() const noexcept { return id_; }
  bool valid() const noexcept { return id_ >= 0; }
  void reset() noexcept {
    if (valid()) H5Idec_ref(std::exchange(id_, H5I_INVALID_HID));
  }
  // Where closing writes, its failure counts.
  void close(const char* doing) {
    if (valid() && H5Idec_ref(std::exchange(id_, H5I_INVALID_HID)) < 0) throw Hdf5Failed(doing);
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

// For everything that answers with a negative number when it fails.
template <class Result>
Result must(Result result, const char* doing) {
  if (result < 0) throw Hdf5Failed(doing);
  return result;
}

}  // namespace ckpt::snapshot
