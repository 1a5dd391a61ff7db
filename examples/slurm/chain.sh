#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A training as a chain of jobs, one after another, each from the newest snapshot:
#   sbatch --job-name=fashion chain.sh python train.py --epochs 300
# The run is ./ckpt-runs/fashion. What is not needed of the ten is cancelled when the work is complete. Or let ckptplan
# work out how many are needed, and send more should that be too few:
#   ckptplan --epochs 300 --epoch-time 14m --submit chain.sh python train.py --epochs 300
#SBATCH --array=1-10%1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

exec ckptrun -- "$@"
