# SPDX-License-Identifier: Apache-2.0
"""The job script of the cluster guides, for a training that writes its own checkpoints, made safe by one line."""
import pathlib
import shutil

TRAINER = pathlib.Path(__file__).parents[2] / "cli/programs/own_trainer.py"
# The second task finds the newest file cut short, the third one finds a bit of it flipped.
SCRIPT = """
CHECKPOINTS=$PWD/checkpoints/ml-test
mkdir -p $CHECKPOINTS
NEWEST=$(ls -t $CHECKPOINTS/*.pt 2>/dev/null | head -1)
[ $SLURM_ARRAY_TASK_ID = 2 ] && truncate --size=1000 $NEWEST
[ $SLURM_ARRAY_TASK_ID = 3 ] && printf X | dd of=$NEWEST bs=1 seek=5000 conv=notrunc status=none
{exec}ckptrun --block-time 15s --latest "$CHECKPOINTS/*.pt" --resume-args '--load-checkpoint {{resume}}' -- python train.py \
--write-checkpoints-to $CHECKPOINTS --epochs 12 --seconds 2
"""


def train(cluster, how):
    shutil.copy(TRAINER, cluster.work / "train.py")
    (cluster.work / "train.py").chmod(0o644)
    python = cluster.bin / "python"
    if not python.exists():
        python.symlink_to("/usr/bin/python3")
    job = cluster.sbatch(SCRIPT.format(exec=how), "--array=1-10%1")
    cluster.wait(job)
    log = (cluster.work / "trainer.log").read_text().splitlines()
    epochs = [int(line.split()[1]) for line in log if line.startswith("epoch")]
    begun = [int(line.split()[1]) for line in log if line.startswith("from")]
    return job, epochs, begun


def check_all_done(cluster, job, epochs, begun):
    output = cluster.output(job)
    assert sorted(set(epochs)) == list(range(1, 13))
    assert 3 <= len(begun) < 10
    assert begun[0] == 0 and begun[1] > 0
    assert output.count("is left out: ") == 2
    assert "the list of its entries, which a zip file ends with, is missing" in output
    assert "does not match its checksum (CRC-32)" in output
    assert len(epochs) == 12 + 2                        # what was in the two damaged ones, once more
    assert list(cluster.states(job).values()).count("COMPLETED") == len(begun)


def test_the_classic_script_goes_on_from_the_newest_whole_checkpoint_and_cancels_the_rest(cluster):
    job, epochs, begun = train(cluster, "exec ")
    check_all_done(cluster, job, epochs, begun)
    assert "newest checkpoint: model-12.pt" in cluster.output(job)


def test_it_does_without_exec_as_well(cluster):
    check_all_done(cluster, *train(cluster, ""))
