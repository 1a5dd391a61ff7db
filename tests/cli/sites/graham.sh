#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Written by ckptplan for the run /scratch/alice/ckpt-runs/home/alice/fashion/train.
# Site: Digital Research Alliance of Canada, Graham, as of 2026-04-10.
#SBATCH --account=def-alice
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=16
#SBATCH --mem=63500M
#SBATCH --job-name=train
#SBATCH --time=7-00:00:00
#SBATCH --signal=B:USR1@1008
#SBATCH --open-mode=append
#SBATCH --output=/scratch/alice/ckpt-runs/home/alice/fashion/train/logs/%A_%a.log
#SBATCH --chdir=/home/alice/fashion
#SBATCH --array=1-2%1

export TMPDIR="${SLURM_TMPDIR:-${TMPDIR:-/tmp}}"

exec /opt/libckpt/bin/ckptrun -r /scratch/alice/ckpt-runs/home/alice/fashion/train -- python train.py
