// SPDX-License-Identifier: Apache-2.0
// The C ABI of a run: each entry forwards one call.
#include <cstdlib>

#include "engine/run.hpp"

#include "api/copy_text.hpp"
#include "api/guard.hpp"
#include "api/snapshot_handle.hpp"

using ckpt::api::guard;
using ckpt::api::require;
using ckpt::engine::Run;

struct ckpt_config {
  ckpt::engine::ConfigMap values;
};

namespace {

ckpt_run* handle(Run* run) { return reinterpret_cast<ckpt_run*>(run); }
Run& engine(ckpt_run* run) { return *reinterpret_cast<Run*>(require(run, "the run")); }
const Run& engine(const ckpt_run* run) { return *reinterpret_cast<const Run*>(require(run, "the run")); }

// In a forked child its threads are not there to be joined.
void let_go(Run* run) {
  if (!run->in_forked_child()) delete run;
}

void close_at_exit(int status, void* run) {
  constexpr int status_mask = 0377;   // what the parent process sees of it, by exit(3)
  Run* closing = static_cast<Run*>(run);
  closing->close_at_exit(status & status_mask);
  let_go(closing);
}

}  // namespace

ckpt_status ckpt_config_create(ckpt_config** config, ckpt_error* error) noexcept {
  return guard(error, [&] {
    require(config, "config");
    *config = new ckpt_config;
  });
}

ckpt_status ckpt_config_set(ckpt_config* config, const char* key, const char* value, ckpt_error* error) noexcept {
  return guard(error, [&] {
    require(config, "config");
    ckpt::engine::check_option(require(key, "the key"), require(value, "the value"));
    config->values[key] = value;
  });
}

void ckpt_config_free(ckpt_config** config) noexcept {
  if (!config) return;
  delete *config;
  *config = nullptr;
}

ckpt_status ckpt_open(const ckpt_config* config, ckpt_run** run, ckpt_error* error) noexcept {
  return guard(error, [&] {
    *require(run, "run") = nullptr;
    *run = handle(Run::open(config ? config->values : ckpt::engine::ConfigMap{}).release());
  });
}

const char* ckpt_directory(const ckpt_run* run) noexcept {
  return run ? reinterpret_cast<const Run*>(run)->directory() : nullptr;
}

uint64_t ckpt_block(const ckpt_run* run) noexcept { return run ? reinterpret_cast<const Run*>(run)->block() : 0; }

ckpt_status ckpt_add(ckpt_run* run, const char* name, const ckpt_array* array, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).add(name, array); });
}

ckpt_status ckpt_add_packed(ckpt_run* run, const char* name, ckpt_pack pack, ckpt_unpack unpack, void* user,
                            ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).add_packed(name, pack, unpack, user); });
}

ckpt_status ckpt_update(ckpt_run* run, const char* name, const ckpt_array* array, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).update(name, array); });
}

ckpt_status ckpt_remove(ckpt_run* run, const char* name, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).remove(require(name, "the name")); });
}

ckpt_status ckpt_set(ckpt_run* run, const char* key, const char* json, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).set_value(require(key, "the key"), require(json, "the value")); });
}

ckpt_status ckpt_get(ckpt_run* run, const char* key, char* json, size_t capacity, size_t* length,
                     ckpt_error* error) noexcept {
  return guard(error, [&] {
    ckpt::api::copy_text(engine(run).value(require(key, "the key")), key, json, capacity, length);
  });
}

ckpt_status ckpt_on_prepare(ckpt_run* run, ckpt_prepare prepare, void* user, ckpt_error* error) noexcept {
  return guard(error, [&] {
    if (!prepare) return engine(run).on_prepare({});
    engine(run).on_prepare([prepare, user](ckpt::snapshot::Reader* reader) {
      if (!reader) return prepare(user, nullptr) == 0;
      ckpt_snapshot lent{nullptr, *reader};
      return prepare(user, &lent) == 0;
    });
  });
}

ckpt_status ckpt_find(ckpt_run* run, const char* name, ckpt_array* out, ckpt_error* error) noexcept {
  return guard(error, [&] { return engine(run).find(require(name, "the name"), *require(out, "out")); });
}

ckpt_status ckpt_restore(ckpt_run* run, uint64_t* step, ckpt_error* error) noexcept {
  return guard(error, [&] {
    uint64_t unused = 0;
    return engine(run).restore(step ? *step : unused);
  });
}

ckpt_verdict ckpt_point(ckpt_run* run, uint64_t step) noexcept {
  return run ? reinterpret_cast<Run*>(run)->point(step) : CKPT_STOP;
}

ckpt_status ckpt_save(ckpt_run* run, uint64_t step, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).save(step); });
}

ckpt_status ckpt_wait(ckpt_run* run, double seconds, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).wait(seconds); });
}

int ckpt_stop_due(const ckpt_run* run) noexcept {
  return !run || reinterpret_cast<const Run*>(run)->stop_due();
}

double ckpt_time_left(const ckpt_run* run) noexcept {
  return run ? reinterpret_cast<const Run*>(run)->time_left() : 0;
}

ckpt_status ckpt_stop(ckpt_run* run, const char* reason, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).stop(require(reason, "the reason")); });
}

ckpt_status ckpt_leave(ckpt_run* run, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).leave(); });
}

ckpt_status ckpt_progress(ckpt_run* run, double done, double total, const char* unit, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).progress(done, total, require(unit, "the unit")); });
}

ckpt_status ckpt_keep(ckpt_run* run, uint64_t step, const char* name, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).keep(step, require(name, "the name")); });
}

ckpt_status ckpt_finish(ckpt_run* run, uint64_t step, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).finish(step); });
}

ckpt_status ckpt_finish_at_exit(ckpt_run* run, uint64_t step, ckpt_error* error) noexcept {
  return guard(error, [&] { engine(run).finish_at_exit(step); });
}

ckpt_status ckpt_last_error(const ckpt_run* run, ckpt_error* error) noexcept {
  return guard(error, [&] {
    if (const auto last = engine(run).last_error()) throw *last;
  });
}

int ckpt_close(ckpt_run** run) noexcept {
  if (!run || !*run) return 1;
  Run* closing = reinterpret_cast<Run*>(*run);
  *run = nullptr;
  if (closing->ends_with_process() && ::on_exit(close_at_exit, closing) == 0) return 0;
  const int code = closing->close();
  let_go(closing);
  return code;
}
