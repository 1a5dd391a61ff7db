#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program that has to be started by srun, for its binding to CPUs and GPUs for instance:
#   sbatch --job-name=fashion srun.sh ./solver case.ini
# One ckptrun starts srun, not srun several ckptruns. One task: programs of several ranks are not supported yet.
#SBATCH --array=1-10%1
#SBATCH --time=24:00:00
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

exec ckptrun -- srun --cpus-per-task="$SLURM_CPUS_PER_TASK" "$@"
