#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same where something has to be done before and after: here the results are evaluated when the work is complete.
#   sbatch --job-name=fashion chain_without_exec.sh python train.py --epochs 300
# ckptrun goes by the clock, so that a block stops in time also where Slurm's signals reach the shell only. But whoever
# cancels or preempts such a job may cost it the work since its last snapshot.
#SBATCH --array=1-10%1
#SBATCH --time=24:00:00
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

ckptrun -r "$SLURM_JOB_NAME" -- "$@"
code=$?
if ckpt done "$SLURM_JOB_NAME"; then
  ckpt ls "$SLURM_JOB_NAME" > results.txt
fi
exit $code
