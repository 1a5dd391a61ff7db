/* SPDX-License-Identifier: Apache-2.0
   A whole life with libckpt in one call. */
#include "use_ckpt.h"

#include <ckpt/ckpt.h>
#include <stdio.h>
#include <string.h>

enum { elements = 100000 };

static int failed(const char *doing, const ckpt_error *error) {
  fprintf(stderr, "%s: %s\n", doing, error->text);
  return 1;
}

static int open_run(const char *directory, float *state, ckpt_run **run, uint64_t *step, ckpt_error *error) {
  const ckpt_array array = {.data = state, .dtype = CKPT_F32, .ndim = 1, .shape = {elements}};
  ckpt_config *config;
  ckpt_status status = ckpt_config_create(&config, error);
  if (status == CKPT_OK) status = ckpt_config_set(config, "directory", directory, error);
  if (status == CKPT_OK) status = ckpt_open(config, run, error);
  ckpt_config_free(&config);
  if (status == CKPT_OK) status = ckpt_add(*run, "group/state", &array, error);
  if (status == CKPT_OK) status = ckpt_restore(*run, step, error);
  return status;
}

/* Leaves a snapshot of this step. */
static int save(const char *directory, float *state, uint64_t step) {
  ckpt_run *run;
  ckpt_error error;
  uint64_t restored;
  if (open_run(directory, state, &run, &restored, &error) != CKPT_FRESH) return failed("open a fresh run", &error);
  for (int i = 0; i < elements; ++i) state[i] = (float)i + (float)step;
  if (ckpt_save(run, step, &error) != CKPT_OK) return failed("save", &error);
  if (ckpt_wait(run, 60, &error) != CKPT_OK) return failed("wait", &error);
  ckpt_close(&run);
  return 0;
}

static int restore(const char *directory, float *state, uint64_t step) {
  ckpt_run *run;
  ckpt_error error;
  uint64_t restored = 0;
  memset(state, 0, elements * sizeof *state);
  if (open_run(directory, state, &run, &restored, &error) != CKPT_OK) return failed("restore", &error);
  ckpt_close(&run);
  for (int i = 0; i < elements; ++i)
    if (restored != step || state[i] != (float)i + (float)step) return fprintf(stderr, "restored something else\n"), 1;
  return 0;
}

static int verify(const char *directory) {
  ckpt_catalog *catalog;
  ckpt_snapshot *snapshot;
  ckpt_snapshot_info info;
  ckpt_error error;
  const char *path;
  if (ckpt_catalog_open(directory, &catalog, &error) != CKPT_OK) return failed("list", &error);
  if (ckpt_catalog_get(catalog, 0, &info, &path, &error) != CKPT_OK) return failed("look up", &error);
  if (ckpt_snapshot_open(path, &snapshot, &error) != CKPT_OK) return failed("open", &error);
  if (ckpt_snapshot_verify(snapshot, &error) != CKPT_OK) return failed("verify", &error);
  ckpt_snapshot_close(&snapshot);
  ckpt_catalog_close(&catalog);
  return 0;
}

int use_ckpt(const char *directory) {
  static float state[elements];
  return save(directory, state, 7) || restore(directory, state, 7) || verify(directory);
}
