// SPDX-License-Identifier: Apache-2.0
#include "slurm/shared_array.hpp"

#include <catch2/catch.hpp>

using namespace ckpt::supervisor::slurm;
using Runs = std::vector<std::string>;

TEST_CASE("the runs of a job script are those that it names with ckptrun") {
  CHECK(runs_named_in("#!/bin/bash\nexec ckptrun -- python train.py -r no\n") == Runs{});
  CHECK(runs_named_in("ckptrun -r a -- x\nckptrun --run b -- y\n/opt/bin/ckptrun --run=sub/c -- z -r no") == Runs{"a", "b", "sub/c"});
  CHECK(runs_named_in("cd there && ckptrun --fresh -r 'a' -- x; ckptrun -rb -- y") == Runs{"a", "b"});
  CHECK(runs_named_in("ckptrun \\\n  -r a \\\n  -- x\n") == Runs{"a"});
  CHECK(runs_named_in("# ckptrun -r a -- x\necho ckptrun\nckptrun -r") == Runs{});
}

TEST_CASE("a run that only the shell can name is left out") {
  CHECK(runs_named_in("for r in a b; do ckptrun -r \"$r\" -- x; done\nckptrun -r `date` -- x") == Runs{});
  CHECK(runs_named_in("ckptrun -r sweep/{SLURM_ARRAY_TASK_ID} -- x") == Runs{"sweep/{SLURM_ARRAY_TASK_ID}"});
}
