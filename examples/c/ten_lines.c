/* SPDX-License-Identifier: Apache-2.0
   The ten lines of ckpt.h as a whole program. It checks nothing, and is safe all the same: after a failed open, add or
   restore ckpt_point says stop and ckpt_close returns 1.
     ten_lines [steps [milliseconds per step]] */
#define _POSIX_C_SOURCE 199309L   /* nanosleep */
#include <ckpt/ckpt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { n = 256, m = 256 };

static float w[n * m];
static long step_milliseconds;

static void train_one_step(void) {
  const struct timespec pause = {step_milliseconds / 1000, step_milliseconds % 1000 * 1000000};
  for (int i = 0; i < n * m; ++i) w[i] = 0.99f * w[i] + (float)(i % 7);
  if (step_milliseconds > 0) nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
  const uint64_t total = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
  step_milliseconds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

  ckpt_run *run; uint64_t step = 0;
  ckpt_open(NULL, &run, NULL);
  ckpt_add(run, "weights", &(ckpt_array){.data = w, .dtype = CKPT_F32, .ndim = 2, .shape = {n, m}}, NULL);
  ckpt_restore(run, &step, NULL);
  while (step < total && ckpt_point(run, step) == CKPT_GO) { train_one_step(); ++step; }
  if (step == total) ckpt_finish(run, step, NULL);
  printf("step %llu, last weight %.9g\n", (unsigned long long)step, w[n * m - 1]);
  return ckpt_close(&run);
}
