/* SPDX-License-Identifier: Apache-2.0
   What HDF5 sees of the environment where it is private: compiled with -Dgetenv=ckpt_hdf5_getenv, it asks here.
   Variables such as HDF5_VOL_CONNECTOR, HDF5_DRIVER or HDF5_PLUGIN_PATH are meant for the program's own HDF5; what they
   name is linked to that one, or is not there at all, and neither may touch a snapshot. */
#include <string.h>

char *ckpt_hdf5_getenv(const char *name);

char *ckpt_hdf5_getenv(const char *name) {
  static char no_plugins[] = "::";   /* HDF5's word for it: else it looks in /usr/local for filters */
  return strcmp(name, "HDF5_PLUGIN_PRELOAD") == 0 ? no_plugins : NULL;
}
