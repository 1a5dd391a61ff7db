// SPDX-License-Identifier: Apache-2.0
#include "slurm/directives.hpp"

#include <catch2/catch.hpp>

using namespace ckpt::supervisor::slurm;
using Found = std::map<std::string, std::string>;

TEST_CASE("the directives of a script are read as sbatch reads them, up to its first command") {
  CHECK(directives("#!/bin/bash\n"
                   "#SBATCH --time=1-00:00:00 --partition gpu\n"
                   "# a comment\n"
                   "\n"
                   "#SBATCH -J \"my train\" -A physics   # a comment behind\n"
                   "##SBATCH --qos=long\n"
                   "#SBATCH -a1-3 --requeue\n"
                   "  #SBATCH --account=other\n"
                   "python train.py\n"
                   "#SBATCH --time=5\n") == Found{{"time", "1-00:00:00"},
                                                  {"partition", "gpu"},
                                                  {"job-name", "my train"},
                                                  {"account", "physics"},
                                                  {"array", "1-3"},
                                                  {"requeue", ""}});
}

TEST_CASE("options on a command line are read by their long names too") {
  CHECK(long_options({"--array=1-3", "-D", "/my data", "--requeue"}) ==
        Found{{"array", "1-3"}, {"chdir", "/my data"}, {"requeue", ""}});
}

TEST_CASE("of two directives the later one counts, as a short name too") {
  CHECK(directives("#SBATCH --time=5\n#SBATCH -t 10\n") == Found{{"time", "10"}});
}

TEST_CASE("a line is taken apart into its commands, and quotes hold them together") {
  using Commands = std::vector<std::vector<std::string>>;
  CHECK(shell_commands("which srun >/dev/null 2>&1 && exec ckptrun -r 'a; b' -- ./train &>log  # or not; at all") ==
        Commands{{"which", "srun", ">/dev/null", "2>&1"},
                 {"exec", "ckptrun", "-r", "a; b", "--", "./train", "&>log"}});
  CHECK(shell_commands("(cd a; ./b) | tee c#d") == Commands{{"cd", "a"}, {"./b"}, {"tee", "c#d"}});
  CHECK(shell_commands(" # nothing").empty());
  CHECK(shell_commands("").empty());
}

TEST_CASE("a launcher is a program, not the value of a variable") {
  CHECK(is_launcher("srun"));
  CHECK(is_launcher("/usr/bin/mpirun"));
  CHECK_FALSE(is_launcher("LAUNCHER=/usr/bin/srun"));
  CHECK_FALSE(is_launcher("srun.sh"));
}

TEST_CASE("a script without directives, and an empty one, ask for nothing") {
  CHECK(directives("#!/bin/bash\ndate\n").empty());
  CHECK(directives("").empty());
  CHECK(directives("#SBATCH\n#SBATCH -\n#SBATCH gpu\n").empty());
}
