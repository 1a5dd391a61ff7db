#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Written by ckptplan for the run /home/alice/fashion/ckpt-runs/train.
# Site: CSC Puhti, as of 2026-08-05.
#SBATCH --account=project_2001234
#SBATCH --partition=gpu
#SBATCH --gres=gpu:v100:1,nvme:100
#SBATCH --cpus-per-task=10
#SBATCH --mem=64G
#SBATCH --job-name=train
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@1008
#SBATCH --open-mode=append
#SBATCH --output=/home/alice/fashion/ckpt-runs/train/logs/%A_%a.log
#SBATCH --chdir=/home/alice/fashion
#SBATCH --array=1-4%1

export TMPDIR="${LOCAL_SCRATCH:-${TMPDIR:-/tmp}}"

exec /opt/libckpt/bin/ckptrun -r /home/alice/fashion/ckpt-runs/train -- python train.py
