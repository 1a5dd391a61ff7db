// SPDX-License-Identifier: Apache-2.0
//
// libckpt for C++ (11 and later): the C ABI of ckpt.h with types, exceptions and RAII; header only, adds no policy.
//
//   int main() {
//     std::vector<float> weights(n);
//     std::uint64_t step = 0;
//     ckpt::run run;
//     run.add("weights", weights);
//     run.restore(step);
//     while (step < total && run.point(step)) { train_one_step(); ++step; }
//     if (step == total) run.finish(step);
//     return run.close();
//   }
//
// Every call that fails throws ckpt::error. Rules, units, ownership and threads are those of ckpt.h.
#ifndef CKPT_HPP
#define CKPT_HPP

#include <ckpt/ckpt.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ckpt {

class error : public std::runtime_error {
 public:
  explicit error(const ckpt_error& e)
      : std::runtime_error(e.text), status_(static_cast<ckpt_status>(e.status)), os_errno_(e.os_errno) {}
  ckpt_status status() const noexcept { return status_; }
  int os_errno() const noexcept { return os_errno_; }

 private:
  ckpt_status status_;
  int os_errno_;
};

namespace detail {

// Throws unless the call succeeded or said CKPT_FRESH.
inline ckpt_status check(ckpt_status status, const ckpt_error& e) {
  if (status != CKPT_OK && status != CKPT_FRESH) throw error(e);
  return status;
}

template <class T, class Enable = void> struct dtype_of;   // no definition: not a type that can be saved as it is
template <> struct dtype_of<float> : std::integral_constant<ckpt_dtype, CKPT_F32> {};
template <> struct dtype_of<double> : std::integral_constant<ckpt_dtype, CKPT_F64> {};
template <> struct dtype_of<std::complex<float>> : std::integral_constant<ckpt_dtype, CKPT_C64> {};
template <> struct dtype_of<std::complex<double>> : std::integral_constant<ckpt_dtype, CKPT_C128> {};
template <> struct dtype_of<bool> : std::integral_constant<ckpt_dtype, CKPT_BOOL> {};
template <class T>
struct dtype_of<T, typename std::enable_if<std::is_integral<T>::value && !std::is_same<T, bool>::value>::type>
    : std::integral_constant<ckpt_dtype, sizeof(T) == 1   ? (std::is_signed<T>::value ? CKPT_I8 : CKPT_U8)
                                         : sizeof(T) == 2 ? (std::is_signed<T>::value ? CKPT_I16 : CKPT_U16)
                                         : sizeof(T) == 4 ? (std::is_signed<T>::value ? CKPT_I32 : CKPT_U32)
                                                          : (std::is_signed<T>::value ? CKPT_I64 : CKPT_U64)> {};

}  // namespace detail

// An array as ckpt.h wants it: contiguous, in C order.
template <class T>
ckpt_array make_array(T* data, std::initializer_list<std::uint64_t> shape) {
  if (shape.size() > CKPT_MAX_DIMS) throw std::invalid_argument("an array has at most CKPT_MAX_DIMS dimensions");
  ckpt_array array = ckpt_array();
  array.data = data;
  array.dtype = detail::dtype_of<T>::value;
  for (std::uint64_t extent : shape) array.shape[array.ndim++] = extent;
  return array;
}

class config {
 public:
  config() {
    ckpt_error e;
    detail::check(ckpt_config_create(&config_, &e), e);
  }
  ~config() { ckpt_config_free(&config_); }
  config(const config&) = delete;
  config& operator=(const config&) = delete;
  config& set(const std::string& key, const std::string& value) {
    ckpt_error e;
    detail::check(ckpt_config_set(config_, key.c_str(), value.c_str(), &e), e);
    return *this;
  }
  const ckpt_config* get() const noexcept { return config_; }

 private:
  ckpt_config* config_ = nullptr;
};

class run {
 public:
  run() : run(nullptr) {}
  explicit run(const config& c) : run(c.get()) {}
  ~run() { ckpt_close(&run_); }   // without finish: leaves the run to be continued or crashed, as ckpt_close says
  run(const run&) = delete;
  run& operator=(const run&) = delete;
  run(run&& other) noexcept : run_(other.run_) { other.run_ = nullptr; }

  std::string directory() const {   // empty: the run is inert
    const char* path = ckpt_directory(run_);
    return path ? path : "";
  }
  std::uint64_t block() const noexcept { return ckpt_block(run_); }

  template <class T>
  void add(const std::string& name, T* data, std::initializer_list<std::uint64_t> shape) {
    add(name, make_array(data, shape));
  }
  // The vector must not be resized or reallocated while registered; see update.
  template <class T>
  void add(const std::string& name, std::vector<T>& values) {
    add(name, make_array(values.data(), {values.size()}));
  }
  // One number.
  template <class T, class = typename std::enable_if<(detail::dtype_of<T>::value > 0)>::type>
  void add(const std::string& name, T& number) {
    add(name, make_array(&number, {}));
  }
  void add(const std::string& name, const ckpt_array& array) {
    call([&](ckpt_error* e) { return ckpt_add(run_, name.c_str(), &array, e); });
  }
  void add_packed(const std::string& name, ckpt_pack pack, ckpt_unpack unpack, void* user) {
    call([&](ckpt_error* e) { return ckpt_add_packed(run_, name.c_str(), pack, unpack, user, e); });
  }
  template <class T>
  void update(const std::string& name, std::vector<T>& values) {
    update(name, make_array(values.data(), {values.size()}));
  }
  void update(const std::string& name, const ckpt_array& array) {
    call([&](ckpt_error* e) { return ckpt_update(run_, name.c_str(), &array, e); });
  }
  void remove(const std::string& name) {
    call([&](ckpt_error* e) { return ckpt_remove(run_, name.c_str(), e); });
  }

  void on_prepare(ckpt_prepare prepare, void* user) {
    call([&](ckpt_error* e) { return ckpt_on_prepare(run_, prepare, user, e); });
  }

  void set(const std::string& key, const std::string& json) {
    call([&](ckpt_error* e) { return ckpt_set(run_, key.c_str(), json.c_str(), e); });
  }
  std::string get(const std::string& key) const {
    std::size_t length = 0;
    call([&](ckpt_error* e) { return ckpt_get(run_, key.c_str(), nullptr, 0, &length, e); });
    std::vector<char> text(length + 1);
    call([&](ckpt_error* e) { return ckpt_get(run_, key.c_str(), text.data(), text.size(), nullptr, e); });
    return std::string(text.data(), length);
  }
  // False: there is no snapshot. The shape to allocate before add.
  bool find(const std::string& name, ckpt_array& out) {
    return call([&](ckpt_error* e) { return ckpt_find(run_, name.c_str(), &out, e); }) == CKPT_OK;
  }

  // True: everything registered is filled, `step` is the snapshot's. False: a fresh start, `step` is 0.
  bool restore(std::uint64_t& step) {
    return call([&](ckpt_error* e) { return ckpt_restore(run_, &step, e); }) == CKPT_OK;
  }
  // True: go on. False: leave the loop, then close().
  bool point(std::uint64_t step) noexcept { return ckpt_point(run_, step) == CKPT_GO; }
  void save(std::uint64_t step) {
    call([&](ckpt_error* e) { return ckpt_save(run_, step, e); });
  }
  void wait(double seconds = HUGE_VAL) {
    call([&](ckpt_error* e) { return ckpt_wait(run_, seconds, e); });
  }
  bool stop_due() const noexcept { return ckpt_stop_due(run_) != 0; }
  double time_left() const noexcept { return ckpt_time_left(run_); }
  void stop(const std::string& reason) {
    call([&](ckpt_error* e) { return ckpt_stop(run_, reason.c_str(), e); });
  }
  void leave() {
    call([&](ckpt_error* e) { return ckpt_leave(run_, e); });
  }
  void progress(double done, double total, const std::string& unit) {
    call([&](ckpt_error* e) { return ckpt_progress(run_, done, total, unit.c_str(), e); });
  }
  void keep(std::uint64_t step, const std::string& name) {
    call([&](ckpt_error* e) { return ckpt_keep(run_, step, name.c_str(), e); });
  }
  void finish(std::uint64_t step) {
    call([&](ckpt_error* e) { return ckpt_finish(run_, step, e); });
  }
  int close() noexcept { return ckpt_close(&run_); }   // the exit code for main
  ckpt_run* get() const noexcept { return run_; }

 private:
  explicit run(const ckpt_config* c) {
    call([&](ckpt_error* e) { return ckpt_open(c, &run_, e); });
  }
  template <class Call>
  static ckpt_status call(Call function) {
    ckpt_error e;
    return detail::check(function(&e), e);
  }
  ckpt_run* run_ = nullptr;
};

}  // namespace ckpt

#endif
