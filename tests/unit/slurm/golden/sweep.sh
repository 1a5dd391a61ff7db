#!/bin/bash
# Written by ckptplan for the sweep /scratch/alice/my runs/lr.
#SBATCH --job-name=fashion
#SBATCH --time=0-01:30:00
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output="/scratch/alice/my runs/lr/logs/%A_%a.log"
#SBATCH --chdir=/home/alice/project
#SBATCH --array=1-50

eval "$(/opt/conda/bin/conda shell.bash hook)"
conda activate '/opt/conda/envs/torch 2'

exec ckptrun -r '/scratch/alice/my runs/lr/'"$SLURM_ARRAY_TASK_ID" -- python train.py --seed="$SLURM_ARRAY_TASK_ID" "$SLURM_ARRAY_TASK_ID"
