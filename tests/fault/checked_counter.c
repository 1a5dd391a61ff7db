/* SPDX-License-Identifier: Apache-2.0
   A program whose state tells whether it is right: every word is a linear congruential sequence, whose value at any step
   is known in closed form; beside them a journal whose length changes with the step. It checks all of it after each
   restore and before the end, and writes one line per event:
     start PID | fresh | restored STEP exact | restored STEP WRONG | durable STEP | finished STEP exact | left STEP
   usage: checked_counter STEPS WORDS MICROSECONDS[-MICROSECONDS] LOGFILE [SAVE_EVERY]
   MICROSECONDS per step; a range: evenly distributed. STEPS 0: until there is a file LOGFILE.enough. SAVE_EVERY steps it
   saves by itself, waits until that is durable, and says so */
#define _POSIX_C_SOURCE 200809L
#include <ckpt/ckpt.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint32_t multiplier = 1664525u, increment = 1013904223u;   /* Numerical Recipes */

static int log_file = -1;

/* One write(2) per line, so that a kill leaves whole lines. */
static void say(const char *format, ...) {
  char line[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length > 0 && write(log_file, line, (size_t)length) < 0) exit(2);
}

/* Like noise, so that a snapshot is not much smaller than the state. */
static uint32_t first_word(uint64_t i) {
  uint32_t word = (uint32_t)i * 2654435761u;
  word = (word ^ (word >> 15)) * 2246822519u;
  return word ^ (word >> 13);
}

static int is_exact(const uint32_t *words, uint64_t count, uint64_t step) {
  /* step applications of x -> a x + c are one, x -> m x + b, found by squaring. */
  uint32_t m = 1, b = 0, a = multiplier, c = increment;
  for (uint64_t left = step; left > 0; left >>= 1) {
    if (left & 1) { b = a * b + c; m = a * m; }
    c = a * c + c;
    a = a * a;
  }
  for (uint64_t i = 0; i < count; ++i)
    if (words[i] != m * first_word(i) + b) return 0;
  return 1;
}

/* Where the kill campaign links it in (mortal.hpp). */
__attribute__((weak)) void mortal_filling(void);

/* The journal of a step: the step, and a number of bytes that depends on it. */
struct journal { uint64_t step; int is_exact; };

static size_t journal_bytes(uint64_t step) { return sizeof step + step % 512; }

static size_t pack_journal(void *user, void *buffer, size_t capacity) {
  const uint64_t step = ((struct journal *)user)->step;
  const size_t bytes = journal_bytes(step);
  if (!buffer || capacity < bytes) return bytes;
  if (mortal_filling) mortal_filling();
  memset(buffer, (int)(step % 251), bytes);
  memcpy(buffer, &step, sizeof step);
  return bytes;
}

static int unpack_journal(void *user, const void *data, size_t bytes) {
  struct journal *journal = user;
  const unsigned char *at = data;
  if (bytes < sizeof journal->step) return 1;
  memcpy(&journal->step, data, sizeof journal->step);
  journal->is_exact = bytes == journal_bytes(journal->step);
  for (size_t i = sizeof journal->step; i < bytes; ++i) journal->is_exact &= at[i] == journal->step % 251;
  return 0;
}

/* How many steps the work has, asked before each of them. */
static uint64_t steps_in_all(uint64_t asked, uint64_t step, const char *log_path) {
  char path[4096];
  if (asked > 0 || step % 64 != 0) return asked > 0 ? asked : step + 1;
  snprintf(path, sizeof path, "%s.enough", log_path);
  return access(path, F_OK) == 0 ? step : step + 1;
}

int main(int argc, char **argv) {
  if (argc < 5 || argc > 6) return 2;
  const uint64_t asked = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
  const uint64_t save_every = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
  long shortest = 0, longest = 0;
  if (sscanf(argv[3], "%ld-%ld", &shortest, &longest) < 2) longest = shortest;
  unsigned seed = (unsigned)getpid();
  log_file = open(argv[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
  uint32_t *words = malloc(count * sizeof *words);
  if (log_file < 0 || !words) return 2;
  for (uint64_t i = 0; i < count; ++i) words[i] = first_word(i);
  say("start %ld\n", (long)getpid());

  ckpt_run *run;
  uint64_t step = 0;
  struct journal journal = {0, 0};
  ckpt_open(NULL, &run, NULL);
  ckpt_add(run, "words", &(ckpt_array){.data = words, .dtype = CKPT_U32, .ndim = 1, .shape = {count}}, NULL);
  ckpt_add_packed(run, "journal", pack_journal, unpack_journal, &journal, NULL);
  const ckpt_status restored = ckpt_restore(run, &step, NULL);
  if (restored == CKPT_FRESH) say("fresh\n");
  else if (restored == CKPT_OK)
    say("restored %" PRIu64 " %s\n", step,
        is_exact(words, count, step) && journal.is_exact && journal.step == step ? "exact" : "WRONG");
  uint64_t total;
  while (total = steps_in_all(asked, step, argv[4]), step < total && ckpt_point(run, step) == CKPT_GO) {
    for (uint64_t i = 0; i < count; ++i) words[i] = words[i] * multiplier + increment;
    journal.step = ++step;
    const long microseconds = shortest + (longest > shortest ? rand_r(&seed) % (longest - shortest) : 0);
    nanosleep(&(struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000}, NULL);
    if (save_every == 0 || step % save_every != 0) continue;
    if (ckpt_save(run, step, NULL) == CKPT_OK && ckpt_wait(run, 60, NULL) == CKPT_OK) say("durable %" PRIu64 "\n", step);
  }
  if (step == total && ckpt_finish(run, step, NULL) == CKPT_OK)
    say("finished %" PRIu64 " %s\n", step, is_exact(words, count, step) ? "exact" : "WRONG");
  else
    say("left %" PRIu64 "\n", step);
  const int code = ckpt_close(&run);
  free(words);   /* not before: a registered array stays valid until close */
  return code;
}
