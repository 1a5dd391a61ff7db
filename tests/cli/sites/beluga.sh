#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Written by ckptplan for the run /scratch/alice/ckpt-runs/home/alice/fashion/train.
# Site: Digital Research Alliance of Canada, Béluga, as of 2026-08-07.
#SBATCH --account=def-alice
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=10
#SBATCH --mem=47000M
#SBATCH --job-name=train
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@1008
#SBATCH --open-mode=append
#SBATCH --output=/scratch/alice/ckpt-runs/home/alice/fashion/train/logs/%A_%a.log
#SBATCH --chdir=/home/alice/fashion
#SBATCH --array=1-4%1

export TMPDIR="${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"

exec /opt/libckpt/bin/ckptrun -r /scratch/alice/ckpt-runs/home/alice/fashion/train -- python train.py
