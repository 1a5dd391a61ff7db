/* SPDX-License-Identifier: Apache-2.0
   A training without learning: EPOCHS of STEPS steps, each of some MICROSECONDS; it tells its progress after every step,
   unless there is a fifth word.
   usage: epoch_counter EPOCHS STEPS MICROSECONDS [silent | FAILING-STEP] */
#define _POSIX_C_SOURCE 200809L
#include <ckpt/ckpt.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const uint64_t epochs = strtoull(argv[1], NULL, 10), steps = strtoull(argv[2], NULL, 10);
  const long microseconds = strtol(argv[3], NULL, 10);
  const uint64_t failing_step = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
  static uint64_t count[1024];
  ckpt_run *run;
  uint64_t step = 0;
  ckpt_open(NULL, &run, NULL);
  ckpt_add(run, "count", &(ckpt_array){.data = count, .dtype = CKPT_U64, .ndim = 1, .shape = {1024}}, NULL);
  ckpt_restore(run, &step, NULL);
  while (step < epochs * steps && ckpt_point(run, step) == CKPT_GO) {
    nanosleep(&(struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000}, NULL);
    if (++step == failing_step) return 3;
    count[step % 1024] += step;
    if (argc == 4) ckpt_progress(run, (double)step / (double)steps, (double)epochs, "epoch", NULL);
  }
  if (step == epochs * steps) ckpt_finish(run, step, NULL);
  return ckpt_close(&run);
}
