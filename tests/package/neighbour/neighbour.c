/* SPDX-License-Identifier: Apache-2.0
   A program with an HDF5 of its own and with libckpt: each writes and reads while the other has files open, and both
   read the snapshot. neighbour RUN_DIRECTORY FILE prints the version of the program's HDF5. */
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#include "use_ckpt.h"

enum { elements = 1000 };
static int values[elements], read_back[elements];

static int write_values(hid_t file, const char *name) {
  const hsize_t shape = elements, chunk = 100;
  const hid_t space = H5Screate_simple(1, &shape, NULL), list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(list, 1, &chunk);
  H5Pset_shuffle(list);
  H5Pset_fletcher32(list);
  const hid_t set = H5Dcreate2(file, name, H5T_NATIVE_INT, space, H5P_DEFAULT, list, H5P_DEFAULT);
  const herr_t written = H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  H5Dclose(set);
  H5Pclose(list);
  H5Sclose(space);
  return written < 0;
}

static int read_values(hid_t file, const char *name) {
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  memset(read_back, 0, sizeof read_back);
  const herr_t read = H5Dread(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, read_back);
  H5Dclose(set);
  return read < 0 || memcmp(values, read_back, sizeof values) != 0;
}

/* The newest snapshot is an ordinary file to any HDF5. */
static int read_step(const char *path) {
  unsigned long long step = 0;
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(file, "step", H5P_DEFAULT);
  H5Aread(attribute, H5T_NATIVE_ULLONG, &step);
  H5Aclose(attribute);
  H5Fclose(file);
  return step != 7;
}

static int wrong(const char *what) {
  fprintf(stderr, "%s failed\n", what);
  return 1;
}

int main(int argc, char **argv) {
  unsigned major, minor, release;
  char path[4096];
  if (argc != 3 || H5get_libversion(&major, &minor, &release) < 0) return 2;
  printf("%u.%u.%u\n", major, minor, release);
  for (int i = 0; i < elements; ++i) values[i] = 3 * i;

  const hid_t file = H5Fcreate(argv[2], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  if (write_values(file, "before")) return wrong("writing before");
  if (use_ckpt(argv[1])) return wrong("libckpt");
  if (write_values(file, "after")) return wrong("writing after");
  if (read_values(file, "before") || read_values(file, "after")) return wrong("reading");
  if (H5Fclose(file) < 0) return wrong("closing");

  snprintf(path, sizeof path, "%s/snapshots/step-000000000007-b0001.h5", argv[1]);
  if (read_step(path)) return wrong("reading the snapshot");
  H5close();                                     /* of the program's HDF5: libckpt's goes on */
  snprintf(path, sizeof path, "%s-2", argv[1]);
  return use_ckpt(path) ? wrong("libckpt after H5close") : 0;
}
