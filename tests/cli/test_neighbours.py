# SPDX-License-Identifier: Apache-2.0
"""What the environment of a program tells experiment trackers and frameworks, and what gets into a container."""
import re

import pytest

TWO_BLOCKS = 'env >"env-$CKPT_BLOCK"; [ "$CKPT_BLOCK" != 1 ] || exit 85'
TRACKERS = ["WANDB_RUN_ID", "WANDB_RESUME", "COMET_EXPERIMENT_KEY"]
DETERMINISM = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "0", "TF_DETERMINISTIC_OPS": "1",
               "TF_CUDNN_DETERMINISTIC": "1"}

# What the real one does to its program's environment with --cleanenv, and how it stands above it. It cannot be installed
# where the tests run: whether the real one does the same, and what its processes are called, is not tested here.
APPTAINER = r"""#!/bin/bash
trap '' TERM USR1
[ "$1" = exec ] && [ "$2" = --cleanenv ] || exit 9
shift 3
taken=()
while IFS= read -r line; do taken+=("${line#APPTAINERENV_}"); done < <(env | grep ^APPTAINERENV_)
(trap - TERM USR1; exec env -i PATH="$PATH" "${taken[@]}" "$@") &
wait $!
code=$?
exit $code
"""


@pytest.fixture(autouse=True)
def nobody_has_set_them(monkeypatch):
    for name in [*TRACKERS, *DETERMINISM]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def environments(tool, work):
    """Of the two blocks of a run."""
    def run(*options, **environment):
        result = tool("ckptrun", "-r", "a", *options, "--", "sh", "-c", TWO_BLOCKS, **environment)
        assert result.returncode == 0, result.stderr
        return [dict(line.split("=", 1) for line in (work / f"env-{block}").read_text().splitlines() if "=" in line)
                for block in (1, 2)]
    return run


def test_trackers_go_on_with_one_experiment_in_every_block_and_with_another_in_another_run(environments, tool, work):
    first, second = environments()
    assert re.fullmatch("[0-9a-z]{32}", first["WANDB_RUN_ID"])
    assert first["WANDB_RUN_ID"] == first["COMET_EXPERIMENT_KEY"] and first["WANDB_RESUME"] == "allow"
    assert [second[name] for name in TRACKERS] == [first[name] for name in TRACKERS]
    anew, _ = environments("--fresh")
    assert anew["WANDB_RUN_ID"] != first["WANDB_RUN_ID"]
    (work / "ckpt-runs/a").rename(work / "moved")
    assert tool("ckptrun", "-r", "./moved", "--accept-changes", "--", "sh", "-c", "env >env-moved").returncode == 0
    assert f"WANDB_RUN_ID={anew['WANDB_RUN_ID']}\n" in (work / "env-moved").read_text()


def test_a_fork_is_another_experiment(tool, work, bin_directory):
    def goes_on(run, epochs):
        script = f"echo $WANDB_RUN_ID >{run}; exec {bin_directory}/epoch_counter {epochs} 3 1000"
        assert tool("ckptrun", "-r", run, "--accept-changes", "--", "sh", "-c", script).returncode == 0
        return (work / run).read_text()
    first = goes_on("a", 1)
    assert tool("ckpt", "fork", "a", "b").returncode == 0
    assert goes_on("b", 2) != first and goes_on("a", 2) == first


def test_what_the_user_has_set_stays_and_what_is_set_to_nothing_is_not_set(environments):
    first, _ = environments(WANDB_RUN_ID="mine", WANDB_RESUME="must", COMET_EXPERIMENT_KEY="")
    assert first["WANDB_RUN_ID"] == "mine" and first["WANDB_RESUME"] == "must" and "COMET_EXPERIMENT_KEY" not in first


def test_a_run_inside_another_is_an_experiment_of_its_own(tool, work, bin_directory):
    inner = f"env >outer; {bin_directory}/ckptrun -r b -- sh -c 'env >inner'"
    assert tool("ckptrun", "-r", "a", "--", "sh", "-c", inner).returncode == 0
    outer, inner = (re.search("(?m)^WANDB_RUN_ID=(.*)$", (work / name).read_text())[1] for name in ("outer", "inner"))
    assert outer != inner


def test_frameworks_are_told_to_be_deterministic_when_asked(environments):
    first, _ = environments()
    assert not first.keys() & DETERMINISM.keys()
    first, _ = environments("--fresh", "--deterministic", PYTHONHASHSEED="7")
    assert {name: first[name] for name in DETERMINISM} == DETERMINISM | {"PYTHONHASHSEED": "7"}


# ---- containers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def apptainer(work, monkeypatch):
    """A fake one in PATH; see above."""
    (work / "bin").mkdir()
    (work / "bin/apptainer").write_text(APPTAINER)
    (work / "bin/apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", str(work / "bin"), prepend=":")
    return ["apptainer", "exec", "--cleanenv", "image.sif"]


def test_variables_reach_the_program_in_a_container_with_a_clean_environment(tool, work, apptainer):
    result = tool("ckptrun", "-r", "a", "--deterministic", "--", *apptainer, "sh", "-c", "env >inside", HOME="/nowhere")
    assert result.returncode == 0, result.stderr
    inside = (work / "inside").read_text()
    assert f"CKPT_RUN_DIR={work}/ckpt-runs/a\n" in inside and "CKPT_STATION=" in inside and "WANDB_RUN_ID=" in inside
    assert "PYTHONHASHSEED=0\n" in inside and "HOME=" not in inside


def test_a_program_with_libckpt_runs_its_blocks_in_a_container(tool, apptainer, bin_directory):
    result = tool("ckptrun", "-r", "a", "--", *apptainer, bin_directory / "epoch_counter", "2", "3", "1000")
    assert result.returncode == 0 and "complete" in result.stderr
    assert tool("ckpt", "done", "a").returncode == 0


@pytest.mark.parametrize("wrapped", [False, True], ids=["apptainer", "a script called python"])
def test_a_stop_reaches_the_program_in_a_container_once(start, eventually, work, apptainer, wrapped):
    program = "trap 'echo term >>got' TERM; touch up; while [ ! -e leave ]; do sleep 0.01; done; exit 85"
    (work / "program").write_text(program)
    command = [*apptainer, "bash", "program"]
    if wrapped:
        (work / "bin/python").write_text(f"#!/bin/bash\n{' '.join(command)}\n")
        (work / "bin/python").chmod(0o755)
        command = ["python"]
    chain = start("ckptrun", "-r", "a", "--", *command)
    eventually((work / "up").exists)
    chain.terminate()
    eventually((work / "got").exists)
    (work / "leave").touch()
    assert chain.wait(60) == 0
    assert (work / "got").read_text() == "term\n" and "to be continued" in chain.err.read_text()
