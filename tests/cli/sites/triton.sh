#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Written by ckptplan for the run /home/alice/fashion/ckpt-runs/train.
# Site: Aalto Triton, as of 2026-08-20.
#SBATCH --gpus=h200:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=32G
#SBATCH --job-name=train
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@1008
#SBATCH --open-mode=append
#SBATCH --output=/home/alice/fashion/ckpt-runs/train/logs/%A_%a.log
#SBATCH --chdir=/home/alice/fashion
#SBATCH --array=1-4%1

exec /opt/libckpt/bin/ckptrun -r /home/alice/fashion/ckpt-runs/train -- python train.py
