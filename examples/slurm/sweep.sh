#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Trials side by side: an array without %1 is a sweep, and each of its tasks a run of its own, ./ckpt-runs/seeds/1 and so
# on. The number of the trial is added to the command:
#   sbatch --job-name=seeds sweep.sh python train.py --seed
#   ckpt ls seeds
# Each trial has one job here. Trials that take several blocks each:
#   ckptplan --blocks 3 --sweep 50 --submit -r seeds -- python train.py --seed {SLURM_ARRAY_TASK_ID}
#SBATCH --array=1-4%2
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

exec ckptrun -- "$@" "$SLURM_ARRAY_TASK_ID"
