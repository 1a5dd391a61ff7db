/* SPDX-License-Identifier: Apache-2.0 */
#include <ckpt/ckpt.h>
#include <stdio.h>

int main(void) {
  double state[3] = {1, 2, 3};
  ckpt_run *run;
  uint64_t step = 0;
  printf("libckpt %s\n", ckpt_version());
  ckpt_open(NULL, &run, NULL);
  ckpt_add(run, "state", &(ckpt_array){.data = state, .dtype = CKPT_F64, .ndim = 1, .shape = {3}}, NULL);
  ckpt_restore(run, &step, NULL);
  ckpt_finish(run, step + 1, NULL);
  return ckpt_close(&run);
}
