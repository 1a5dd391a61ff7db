/* SPDX-License-Identifier: Apache-2.0
 *
 * libckpt: atomic, verified snapshots of a running program, so that it survives the end of its job.
 *
 * Conventions, for every function below:
 *   - Status first: 0 is success; the numbers are pinned for ever (see ckpt_status). Nothing here aborts, exits,
 *     throws, or writes to stdout. Messages for people go to stderr (CKPT_LOG_LEVEL=error|warning|info|debug).
 *   - `ckpt_error *` may be NULL. Else it is filled on failure and cleared on success. The caller owns it.
 *   - Strings are UTF-8 and NUL-terminated; they are copied. Arrays are NOT copied: a registered array must stay
 *     valid until ckpt_remove, ckpt_update or ckpt_close.
 *   - Threads: ckpt_stop, ckpt_stop_due, ckpt_time_left, ckpt_progress and ckpt_wait may be called from any
 *     thread; everything else from one thread at a time per run. Different runs are independent.
 *   - A failed ckpt_open, ckpt_add*, ckpt_update or ckpt_restore is sticky: it is printed once on stderr, from then on
 *     ckpt_point says CKPT_STOP and ckpt_close returns 1. So is a point or save before a restore in a run that has
 *     snapshots, and a step that decreases. A failed *save* is not: the older snapshot stands, the program goes on.
 *   - A NULL run is an error (CKPT_ERR_ARGUMENT, CKPT_STOP, 1), never a crash.
 *   - Without ckptrun and without a directory (CKPT_RUN_DIR, or the "directory" key) a run is inert: it says so
 *     once, ckpt_restore says CKPT_FRESH, ckpt_point says CKPT_GO, everything else CKPT_OK, ckpt_close returns 0.
 *   - In a forked child every call answers CKPT_ERR_FORKED (ckpt_point: CKPT_STOP) and ckpt_close does nothing.
 *
 * A restartable program in ten lines (m, n, w, total and train_one_step are the program's own):
 *
 *   ckpt_run *run; uint64_t step = 0;
 *   ckpt_open(NULL, &run, NULL);
 *   ckpt_add(run, "weights", &(ckpt_array){.data = w, .dtype = CKPT_F32, .ndim = 2, .shape = {n, m}}, NULL);
 *   ckpt_restore(run, &step, NULL);
 *   while (step < total && ckpt_point(run, step) == CKPT_GO) { train_one_step(); ++step; }
 *   if (step == total) ckpt_finish(run, step, NULL);
 *   return ckpt_close(&run);
 */
#ifndef CKPT_H
#define CKPT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CKPT_API __attribute__((visibility("default")))
#else
#define CKPT_API
#endif
#if defined(__cplusplus)
#define CKPT_NOEXCEPT noexcept
extern "C" {
#else
#define CKPT_NOEXCEPT
#endif

/* ---- Status ---------------------------------------------------------------------------------------------------- */

/* Groups of ten say whose turn it is: 10 the program's author, 20 whoever owns the run, 30 the snapshots on disk,
   40 the storage (a retry may help), 50 resources of the machine (a retry may help), 90 us. */
typedef enum ckpt_status {
  CKPT_OK = 0,
  CKPT_FRESH = 1,               /* ckpt_restore: this run never had a snapshot; start from the beginning */

  CKPT_ERR_ARGUMENT = 10,       /* NULL or nonsense passed */
  CKPT_ERR_NAME = 11,           /* the name is malformed, taken, or another name's group */
  CKPT_ERR_STEP = 12,           /* the step went backwards */
  CKPT_ERR_NOT_RESTORED = 13,   /* the run has snapshots and ckpt_restore was not called: nothing may shadow them */
  CKPT_ERR_MISMATCH = 14,       /* what is registered differs from what the snapshot holds */
  CKPT_ERR_NOT_FOUND = 15,      /* no such array, key, snapshot or run */
  CKPT_ERR_FORKED = 16,         /* called in a forked child */
  CKPT_ERR_CALLBACK = 17,       /* a pack, unpack or prepare function of the program failed */
  CKPT_ERR_CONFIG = 18,         /* unknown configuration key, or a value that does not parse */

  CKPT_ERR_IN_USE = 20,         /* another program owns the run, or may */
  CKPT_ERR_SUPERSEDED = 21,     /* a newer block of this run has started: this one must leave */
  CKPT_ERR_RANKS = 22,          /* several ranks: not supported by this version */
  CKPT_ERR_STATION = 23,        /* the ckptrun that started this program is gone or does not answer */
  CKPT_ERR_RUN_DIRECTORY = 24,  /* not usable as a run directory */

  CKPT_ERR_DAMAGED = 30,        /* content proven wrong: checksum, structure or length */
  CKPT_ERR_LOST = 31,           /* the run had durable snapshots and none restores; never a fresh start */
  CKPT_ERR_FORMAT = 32,         /* a snapshot of a newer format version */

  CKPT_ERR_IO = 40,             /* the storage answered with an error */
  CKPT_ERR_NO_SPACE = 41,
  CKPT_ERR_QUOTA = 42,
  CKPT_ERR_PERMISSION = 43,     /* also a read-only file system */

  CKPT_ERR_MEMORY = 50,
  CKPT_ERR_BUSY = 51,           /* the previous snapshot is still being written and "wait" is off */
  CKPT_ERR_TIMEOUT = 52,
  CKPT_ERR_NO_DEVICE = 53,      /* device memory, and no driver for it */

  CKPT_ERR_INTERNAL = 90
} ckpt_status;

/* Exactly 1024 bytes, for ever. */
typedef struct ckpt_error {
  int32_t status;               /* a ckpt_status */
  int32_t os_errno;             /* errno value behind it, or 0 */
  char text[1016];              /* one line: what happened, to which file or name, why, what to do next */
} ckpt_error;

CKPT_API const char *ckpt_status_text(int status) CKPT_NOEXCEPT;  /* short and static; never NULL */
CKPT_API const char *ckpt_version(void) CKPT_NOEXCEPT;            /* "0.1.0" */

/* ---- What is registered ----------------------------------------------------------------------------------------- */

typedef enum ckpt_dtype {
  CKPT_U8 = 1, CKPT_I8 = 2, CKPT_U16 = 3, CKPT_I16 = 4, CKPT_U32 = 5, CKPT_I32 = 6, CKPT_U64 = 7, CKPT_I64 = 8,
  CKPT_F16 = 9, CKPT_F32 = 10, CKPT_F64 = 11,
  CKPT_BF16 = 12, CKPT_F8E4M3 = 13, CKPT_F8E5M2 = 14,   /* stored as integers of the same width, tagged */
  CKPT_C64 = 15, CKPT_C128 = 16,                        /* complex: two F32, two F64 */
  CKPT_BOOL = 17                                        /* one byte each, 0 or 1 */
} ckpt_dtype;

#define CKPT_MAX_DIMS 16

typedef enum ckpt_device { CKPT_HOST = 0, CKPT_CUDA = 1 } ckpt_device;

/* Zero-initialise it: every field left out has a sensible meaning. */
typedef struct ckpt_array {
  void *data;                       /* first element; may be NULL only when the array has no elements */
  int32_t dtype;                    /* a ckpt_dtype */
  int32_t ndim;                     /* 0: one scalar */
  uint64_t shape[CKPT_MAX_DIMS];    /* in elements, slowest dimension first (C order) */
  int64_t strides[CKPT_MAX_DIMS];   /* in bytes; all zero: contiguous in C order */
  int32_t device;                   /* a ckpt_device */
  int32_t device_index;
  void *stream;                     /* device stream on which the data is current */
  uint64_t reserved[4];             /* zero */
} ckpt_array;

/* State whose size changes. `pack` returns the number of bytes the state needs now; it writes them only when `buffer`
   is not NULL and `capacity` suffices; SIZE_MAX means failure. It is called twice per save, from the thread that saves.
   `unpack` gets what pack wrote (valid during the call only), returns 0 on success; it runs only after the whole
   snapshot has verified. No C++ exception leaves them: libckpt has a C++ runtime of its own. */
typedef size_t (*ckpt_pack)(void *user, void *buffer, size_t capacity);
typedef int (*ckpt_unpack)(void *user, const void *data, size_t size);

/* ---- A run ------------------------------------------------------------------------------------------------------- */

typedef struct ckpt_run ckpt_run;
typedef struct ckpt_config ckpt_config;
typedef struct ckpt_snapshot ckpt_snapshot;

typedef enum ckpt_verdict { CKPT_GO = 0, CKPT_STOP = 1 } ckpt_verdict;

/* Configuration; NULL wherever one is accepted means: all from the environment. Keys (what is set here outranks the
   environment, what ckptrun says outranks both):
     directory      run directory                        staging_size   bytes, "4GiB"; "0" writes without staging
     block_time     "24h", "1-12:00:00": time to live    keep           snapshots to keep, default 2, at least 1
     save_interval  seconds between saves, or "auto"     mtbf           mean time between failures, default "24h"
     wait           "on" (default) or "off": CKPT_ERR_BUSY instead of waiting for the previous snapshot
     signals        "on" (default): SIGTERM, SIGUSR1 and SIGUSR2 that have no handler request a stop; "off": leave them
     threads        for encoding and decoding, default: those the job's CPUs allow, at most 4
     allow_volatile "on": accept tmpfs    save_after_steps, stop_after_steps   for tests: after so many steps of this program */
CKPT_API ckpt_status ckpt_config_create(ckpt_config **, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_config_set(ckpt_config *, const char *key, const char *value, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API void ckpt_config_free(ckpt_config **) CKPT_NOEXCEPT;

/* Opens the run this program belongs to. On failure *run is NULL, which every other call accepts.
   CKPT_ERR_IN_USE: another owner is alive, or cannot be proven gone. CKPT_ERR_RANKS: launched with several ranks. */
CKPT_API ckpt_status ckpt_open(const ckpt_config *, ckpt_run **run, ckpt_error *) CKPT_NOEXCEPT;

/* The run's directory, absolute, valid until ckpt_close, and the number of this block. NULL and 0: the run is inert. */
CKPT_API const char *ckpt_directory(const ckpt_run *) CKPT_NOEXCEPT;
CKPT_API uint64_t ckpt_block(const ckpt_run *) CKPT_NOEXCEPT;

/* Registers an array under a name: UTF-8, 1 to 255 bytes, '/' makes groups; no empty, "." or ".." part. */
CKPT_API ckpt_status ckpt_add(ckpt_run *, const char *name, const ckpt_array *, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_add_packed(ckpt_run *, const char *name, ckpt_pack, ckpt_unpack, void *user,
                                     ckpt_error *) CKPT_NOEXCEPT;
/* The array moved or changed its shape: from the next save on this is what is saved under that name. */
CKPT_API ckpt_status ckpt_update(ckpt_run *, const char *name, const ckpt_array *, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_remove(ckpt_run *, const char *name, ckpt_error *) CKPT_NOEXCEPT;

/* Small values that are saved with the state: `json` is any JSON text. ckpt_get copies it, NUL-terminated, to `json`
   (capacity in bytes) and stores its length without the NUL in *length (may be NULL); json may be NULL to ask for the
   length. CKPT_ERR_NOT_FOUND: no such key (values of the snapshot are there after ckpt_restore).
   CKPT_ERR_ARGUMENT: too small a capacity; *length tells; or, setting, no JSON, or nested more than 1000 deep. */
CKPT_API ckpt_status ckpt_set(ckpt_run *, const char *key, const char *json, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_get(ckpt_run *, const char *key, char *json, size_t capacity, size_t *length,
                              ckpt_error *) CKPT_NOEXCEPT;

/* For state that is found out anew each time, as in an interpreter whose objects come, go and move: `prepare` runs before
   anything is copied, on the thread that saves or restores, and may add, update, remove and set. `snapshot` is NULL at a
   save; at a restore it is the one about to be restored, to be read and not closed, and `prepare` runs again for the next
   older one when that turns out damaged. A result other than 0 fails that save (the older snapshot stands) or that restore
   with CKPT_ERR_CALLBACK. NULL takes it away. */
typedef int (*ckpt_prepare)(void *user, ckpt_snapshot *snapshot);
CKPT_API ckpt_status ckpt_on_prepare(ckpt_run *, ckpt_prepare, void *user, ckpt_error *) CKPT_NOEXCEPT;

/* What the snapshot to be restored holds under a name, to allocate before adding: dtype, ndim, shape (data is NULL;
   packed state: CKPT_U8, its size). CKPT_FRESH: there is no snapshot. CKPT_ERR_NOT_FOUND: not in it. */
CKPT_API ckpt_status ckpt_find(ckpt_run *, const char *name, ckpt_array *out, ckpt_error *) CKPT_NOEXCEPT;

/* Fills everything registered from the newest whole snapshot and stores its step in *step (may be NULL).
   CKPT_FRESH: the run never had one; nothing is touched but *step = 0. After an error the arrays are undefined.
   A damaged snapshot is named on stderr and the next older whole one is taken; CKPT_ERR_MISMATCH and I/O errors
   never fall back; CKPT_ERR_LOST: there were snapshots and none is whole. */
CKPT_API ckpt_status ckpt_restore(ckpt_run *, uint64_t *step, ckpt_error *) CKPT_NOEXCEPT;

/* The safe point: call it where the registered state is consistent. `step` never decreases. Saves if that is due (it
   returns when the state is copied), costs nanoseconds if nothing is. CKPT_STOP: time is nearly up or somebody asked;
   the state is saved, leave the loop and call ckpt_close. */
CKPT_API ckpt_verdict ckpt_point(ckpt_run *, uint64_t step) CKPT_NOEXCEPT;

/* Stages a snapshot of everything registered, now. Returns when the state is copied; it is durable when ckpt_wait says
   so. CKPT_ERR_BUSY: the previous one is still being written and "wait" is off. */
CKPT_API ckpt_status ckpt_save(ckpt_run *, uint64_t step, ckpt_error *) CKPT_NOEXCEPT;

/* Until everything staged is durable; at most `seconds` (INFINITY: for ever). CKPT_ERR_TIMEOUT, or why it failed. */
CKPT_API ckpt_status ckpt_wait(ckpt_run *, double seconds, ckpt_error *) CKPT_NOEXCEPT;

CKPT_API int ckpt_stop_due(const ckpt_run *) CKPT_NOEXCEPT;      /* 1: leave validation or warm-up early; saves nothing */
CKPT_API double ckpt_time_left(const ckpt_run *) CKPT_NOEXCEPT;  /* seconds until the stop; INFINITY without a limit */

/* Asks for a stop, as `ckpt stop` does: the next point saves and says CKPT_STOP. Any thread. */
CKPT_API ckpt_status ckpt_stop(ckpt_run *, const char *reason, ckpt_error *) CKPT_NOEXCEPT;

/* A stop is due where no safe point is near, in a long validation: the run stops at its newest snapshot, and the next block
   does again what was done since. Waits until that is durable; then leave and call ckpt_close. CKPT_ERR_NOT_FOUND: there is
   none yet; go on to the next safe point. */
CKPT_API ckpt_status ckpt_leave(ckpt_run *, ckpt_error *) CKPT_NOEXCEPT;

/* For people and plans: ckpt_progress(run, 12, 300, "epoch", NULL). `total` <= 0: unknown. */
CKPT_API ckpt_status ckpt_progress(ckpt_run *, double done, double total, const char *unit, ckpt_error *) CKPT_NOEXCEPT;

/* Keeps the durable snapshot of `step` under a name, outside retention ("best"); an earlier one of that name goes. */
CKPT_API ckpt_status ckpt_keep(ckpt_run *, uint64_t step, const char *name, ckpt_error *) CKPT_NOEXCEPT;

/* The work is complete: saves `step` (unless just saved), waits until durable, records it. The chain ends. */
CKPT_API ckpt_status ckpt_finish(ckpt_run *, uint64_t step, ckpt_error *) CKPT_NOEXCEPT;

/* As ckpt_finish, but the work is complete only if this process then ends with exit status 0: for a runtime that saves in an
   exit handler of its own, before the status is known (Python: what follows the last step may still fail). The ckpt_close that
   follows leaves the run open and returns 0; an exit handler closes it (on_exit(3)), without a look at the arrays. A death by
   signal before that (runtimes crash while they shut down) counts as complete for ckptrun. */
CKPT_API ckpt_status ckpt_finish_at_exit(ckpt_run *, uint64_t step, ckpt_error *) CKPT_NOEXCEPT;

/* The last failed save, if any since the last durable one; CKPT_OK otherwise. */
CKPT_API ckpt_status ckpt_last_error(const ckpt_run *, ckpt_error *) CKPT_NOEXCEPT;

/* Waits for what is staged, frees everything, sets *run to NULL. The exit code for main:
   0 finished, 85 stopped with a durable snapshot (to be continued), 1 anything else. */
CKPT_API int ckpt_close(ckpt_run **run) CKPT_NOEXCEPT;

/* ---- Reading, for everybody --------------------------------------------------------------------------------------- */

typedef struct ckpt_catalog ckpt_catalog;

typedef struct ckpt_snapshot_info {
  uint64_t step;
  uint64_t block;                /* the block that wrote it; newest = highest (block, step) */
  uint64_t file_bytes;
  uint64_t state_bytes;          /* of all arrays, uncompressed; 0 in a catalog listing */
  uint64_t arrays;               /* number of arrays; 0 in a catalog listing */
  uint64_t reserved[4];
} ckpt_snapshot_info;

/* The durable snapshots of a run directory, newest first, as they were when it was opened. Owns its strings. */
CKPT_API ckpt_status ckpt_catalog_open(const char *run_directory, ckpt_catalog **, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API size_t ckpt_catalog_count(const ckpt_catalog *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_catalog_get(const ckpt_catalog *, size_t index, ckpt_snapshot_info *, const char **path,
                                      ckpt_error *) CKPT_NOEXCEPT;
CKPT_API void ckpt_catalog_close(ckpt_catalog **) CKPT_NOEXCEPT;

CKPT_API ckpt_status ckpt_snapshot_open(const char *path, ckpt_snapshot **, ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_snapshot_get_info(const ckpt_snapshot *, ckpt_snapshot_info *, ckpt_error *) CKPT_NOEXCEPT;
/* The array at `index` (sorted by name): *name lives as long as the snapshot; array->data is NULL. */
CKPT_API ckpt_status ckpt_snapshot_array(const ckpt_snapshot *, size_t index, const char **name, ckpt_array *array,
                                         ckpt_error *) CKPT_NOEXCEPT;
/* Copies one array to `buffer`, contiguous in C order; `size_bytes` must be its size. Every chunk is verified. */
CKPT_API ckpt_status ckpt_snapshot_read(ckpt_snapshot *, const char *name, void *buffer, size_t size_bytes,
                                        ckpt_error *) CKPT_NOEXCEPT;
/* A value that ckpt_set put into it; the other arguments are those of ckpt_get. */
CKPT_API ckpt_status ckpt_snapshot_get(const ckpt_snapshot *, const char *key, char *json, size_t capacity, size_t *length,
                                       ckpt_error *) CKPT_NOEXCEPT;
CKPT_API ckpt_status ckpt_snapshot_verify(ckpt_snapshot *, ckpt_error *) CKPT_NOEXCEPT;  /* every byte of it */
CKPT_API void ckpt_snapshot_close(ckpt_snapshot **) CKPT_NOEXCEPT;

#if defined(__cplusplus)
}
#endif
#endif
