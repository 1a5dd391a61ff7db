#!/bin/bash
# Written by ckptplan for the run /scratch/alice/ckpt-runs/fashion.
#SBATCH --account=physics
#SBATCH --partition=gpu
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --constraint=a100
#SBATCH --job-name=fashion
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=/scratch/alice/ckpt-runs/fashion/logs/%A_%a.log
#SBATCH --chdir=/home/alice/project
#SBATCH --array=1-4%1

type module >/dev/null 2>&1 || source /opt/lmod/lmod/init/bash
module load gcc/12 cuda/12.1
source /home/alice/venv/bin/activate

exec ckptrun -r /scratch/alice/ckpt-runs/fashion -- python train.py --name 'it'\''s new'
