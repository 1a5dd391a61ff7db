# SPDX-License-Identifier: Apache-2.0
"""How a script is stopped, and how it ends."""
import json
import os
import signal
import subprocess
import sys
import time

import libckpt
import numpy as np
import pytest
from waiting import PATIENCE_SECONDS, wait_for


TRAINING = """
import sys, time
import numpy as np
from libckpt import Run
weights = np.zeros(1000)
run = Run(weights=weights)
try:
    for epoch in run.epochs(int(sys.argv[1])):
        for i in run.batches(range(20)):
            weights += np.random.rand(1000) * (i + 1)
            time.sleep(float(sys.argv[3]))
finally:
    print("finally", run.step, flush=True)
np.save(sys.argv[2], weights)
print("after the loop", flush=True)
"""


SEEDED = "import numpy; numpy.random.seed(1)\n"


def outcome(folder, run="ckpt-runs/script"):
    ends = sorted((folder / run / "blocks").glob("*.end.json"))
    return [json.loads(path.read_text())["outcome"] for path in ends]


def test_a_deadline_stops_every_block_in_time_and_changes_nothing(script, tmp_path):
    straight = script(SEEDED + TRAINING, 70, "straight.npy", 0)
    assert straight.returncode == 0, straight.stderr
    chain = script(SEEDED + TRAINING, 70, "chain.npy", 0.004, under=["ckptrun", "--allow-volatile", "--block-time", "5s", "--"])
    assert chain.returncode == 0, chain.stderr
    assert (tmp_path / "chain.npy").read_bytes() == (tmp_path / "straight.npy").read_bytes()
    ends = outcome(tmp_path)
    assert len(ends) >= 2 and set(ends[:-1]) == {"stopped"} and ends[-1] == "finished"
    assert chain.stdout.count("finally") == len(ends) and chain.stdout.count("after the loop") == 1


KILLED = """
import glob, os, random, signal, threading, time
import numpy; numpy.random.seed(1)
def kill_once_a_snapshot_is_there():
    mine = f"{os.environ['CKPT_RUN_DIR']}/snapshots/step-*-b{int(os.environ['CKPT_BLOCK']):04}.h5"
    while not glob.glob(mine): time.sleep(0.01)
    time.sleep(random.SystemRandom().random() * 0.1)
    os.kill(os.getpid(), signal.SIGALRM if os.environ["CKPT_BLOCK"] == "2" else signal.SIGKILL)     # else it is the same crash
if os.environ["CKPT_BLOCK"] < "4":
    threading.Thread(target=kill_once_a_snapshot_is_there, daemon=True).start()
"""


def test_a_kill_at_any_moment_loses_no_more_than_since_the_last_snapshot(script, tmp_path):
    straight = script(SEEDED + TRAINING, 12, "straight.npy", 0)
    assert straight.returncode == 0
    chain = script(KILLED + TRAINING, 12, "chain.npy", 0.004,
                   under=["ckptrun", "--allow-volatile", "--block-time", "10s", "--save-interval", "100ms", "--"])
    assert chain.returncode == 0, chain.stderr
    assert chain.stderr.count("SIGKILL") >= 2 and "SIGALRM" in chain.stderr
    assert (tmp_path / "chain.npy").read_bytes() == (tmp_path / "straight.npy").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_at_the_next_safe_point(number, tmp_path, environment):
    (tmp_path / "script.py").write_text(TRAINING)
    process = subprocess.Popen([sys.executable, "script.py", "1000", "x.npy", "0.004"], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment | {"CKPT_RUN_DIR": str(tmp_path / "run")})
    snapshots = tmp_path / "run/snapshots"
    wait_for(process, lambda: list((tmp_path / "run/blocks").glob("*.program-*.json")))
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 85, err
    assert "finally" in out and "after the loop" not in out and "Traceback" not in err
    assert len(list(snapshots.glob("step-*"))) == 1


WORKERS = """
import os, sys, time, torch
from torch.utils.data import DataLoader, Dataset
from libckpt import Run

class Data(Dataset):
    def __len__(self):
        return 4000
    def __getitem__(self, i):
        time.sleep(0.002)
        return torch.tensor([i])

if __name__ == "__main__":
    seen = torch.zeros(1)
    run = Run(seen=seen)
    loader = DataLoader(Data(), 4, num_workers=2, multiprocessing_context=sys.argv[1])
    for epoch in run.epochs(1):
        for batch in run.batches(loader):
            seen += batch.sum()
            print(run.step, flush=True)
            time.sleep(0.02)
"""


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_survive_a_signal_to_the_whole_group_until_the_state_is_safe(context, tmp_path, environment):
    (tmp_path / "script.py").write_text(WORKERS)
    process = subprocess.Popen([sys.executable, "script.py", context], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment | {"CKPT_RUN_DIR": str(tmp_path / "run")},
                               start_new_session=True)
    for _ in range(3):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 85, err
    assert "Traceback" not in err and "killed by signal" not in err
    wait_for_group_to_go(process.pid)


def wait_for_group_to_go(group):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError("workers were left behind")


BORN = """
import os, signal, sys, time
import torch
from torch.utils.data import DataLoader

if __name__ != "__main__":       # a worker that begins: its shield is not up yet
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)

if __name__ == "__main__":
    from libckpt import Run
    run = Run(x=[0])
    for epoch in run.epochs(1):
        loader = DataLoader(torch.arange(8), 4, num_workers=1, multiprocessing_context="spawn")
        print([batch.sum().item() for batch in run.batches(loader)])
"""


def test_a_worker_that_just_begins_survives_the_signal_too(script, tmp_path):
    result = script(BORN, CKPT_RUN_DIR=str(tmp_path / "run"))
    assert (result.returncode, result.stdout) == (0, "[6, 22]\n"), result.stderr


CHILDREN = """
import multiprocessing, os, subprocess, sys
from libckpt import Run

def worker(_):
    inner = Run(x=[1])
    steps = [step for step in inner.steps(2)]
    inner.finish()
    return inner.directory, inner.block, steps

if __name__ == "__main__":
    if sys.argv[1] == "inner":
        print(worker(0))
        sys.exit()
    run = Run(x=[0])
    for step in run.steps(3):
        if step == 1:
            for context in ("fork", "spawn"):
                with multiprocessing.get_context(context).Pool(1) as pool:
                    print(pool.map(worker, [0])[0])
            print(subprocess.run([sys.executable, __file__, "inner"], stdout=subprocess.PIPE, text=True).stdout.strip())
            if os.fork() == 0:
                run.point if False else [None for _ in run.steps(9)]
                sys.exit(3)
            print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.parametrize("under", [["ckptrun", "--allow-volatile", "-r", "run", "--"], []], ids=["ckptrun", "alone"])
def test_children_get_a_run_that_does_nothing(under, script, tmp_path):
    result = script(CHILDREN, "outer", under=under, **({} if under else {"CKPT_RUN_DIR": str(tmp_path / "run")}))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[:4] == ["(None, 0, [0, 1])"] * 3 + ["3"]
    assert outcome(tmp_path, "ckpt-runs/run" if under else "run") == ["finished"]


ENDINGS = """
import sys
from sys import exit as leave
from libckpt import Run

def train(status=None):
    run = Run(x=[0])
    for epoch in run.epochs(2):
        if sys.argv[1] == "break": break
        if sys.argv[1].startswith("raise in the loop"): raise ValueError("bad data")
    return status
if sys.argv[1] == "exit(main()), 0": sys.exit(train(0))
if sys.argv[1] == "exit(main()), 3": sys.exit(train(3))
if sys.argv[1] == "the word, 3": exit(train(3))
try:
    train()
except ValueError:
    if sys.argv[1] != "raise in the loop and catch": raise
if sys.argv[1] == "raise after it, with a hook": sys.excepthook = lambda *error: print("Traceback", file=sys.stderr)
if sys.argv[1].startswith("raise after it"): raise ValueError("bad test")
if sys.argv[1] == "exit 3": sys.exit(3)
if sys.argv[1] == "a name from before, 3": leave(3)
if sys.argv[1] == "raise SystemExit(3)": raise SystemExit(3)
if sys.argv[1] == "exit 256 * 3": sys.exit(768)
if sys.argv[1] == "exit 0": sys.exit()
"""


@pytest.mark.parametrize("way, code, ended", [("fall off", 0, "finished"), ("break", 0, "finished"), ("exit 0", 0, "finished"),
                                              ("raise in the loop", 1, "crashed"),
                                              ("raise in the loop and catch", 0, "crashed"), ("raise after it", 1, "crashed"),
                                              ("raise after it, with a hook", 1, "crashed"), ("exit 3", 3, "crashed"),
                                              ("exit(main()), 0", 0, "finished"), ("exit(main()), 3", 3, "crashed"),
                                              ("the word, 3", 3, "crashed"),
                                              ("a name from before, 3", 3, "crashed"),
                                              ("raise SystemExit(3)", 3, "crashed"),
                                              ("exit 256 * 3", 0, "finished")])
def test_the_work_is_complete_when_the_loop_ended_and_the_script_ends_normally(way, code, ended, script, tmp_path):
    result = script(ENDINGS, way, CKPT_RUN_DIR=str(tmp_path / "run"))
    assert result.returncode == code, result.stderr
    assert outcome(tmp_path, "run") == [ended]
    assert ("Traceback" in result.stderr) == ("raise" in way and "catch" not in way and "Exit" not in way)


@pytest.mark.parametrize("ending, code, ended, says", [
    ("atexit.register(os.abort)", 134, "finished", "complete, although"),
    ("raise SystemExit(3)", 124, "crashed", "the program failed after its last step")])
def test_a_crash_while_python_shuts_down_is_not_the_scripts_own_failure(ending, code, ended, says, script, tmp_path):
    begins, ends = (ending, "") if "atexit" in ending else ("", ending)      # what is registered first is called last
    result = script(f"import atexit, os\n{begins}\nfrom libckpt import Run\nfor _ in Run(x=[0]).epochs(2): pass\n{ends}\n",
                    under=["ckptrun", "--allow-volatile", "-r", "run", "--"])
    assert result.returncode == code, result.stderr
    assert outcome(tmp_path, "ckpt-runs/run")[0] == ended
    assert says in result.stderr


def test_a_program_that_trains_in_a_process_of_its_own_has_its_run_there(script, tmp_path):
    result = script("""
import multiprocessing
from libckpt import Run
def train():
    run = Run(x=[0])
    for _ in run.steps(2): pass
    run.finish()
if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=train)
    worker.start()
    worker.join()
""", CKPT_RUN_DIR=str(tmp_path / "run"))
    assert result.returncode == 0, result.stderr
    assert outcome(tmp_path, "run") == ["finished"]


@pytest.mark.parametrize("loop", ["for _ in run.epochs(2): pass", "for _ in run.steps(2): pass", "run.point()"])
def test_what_cannot_be_saved_in_the_variables_is_told_where_the_loop_begins(loop, script, tmp_path):
    result = script(f"from libckpt import Run\nrun = Run(x=[0])\nrun.vars['options'] = object()\n{loop}\nprint('too late')\n",
                    CKPT_RUN_DIR=str(tmp_path / "run"))
    assert result.returncode == 1 and "'vars.options' (builtins.object) cannot be saved" in result.stderr
    assert "too late" not in result.stdout


def test_a_last_state_that_cannot_be_saved_is_the_reason_although_python_ends_with_0(script):
    result = script("from libckpt import Run\nrun = Run(x=[0])\nfor step in run.steps(2): run.vars['late'] = [0, object()][step]\n",
                    under=["ckptrun", "--allow-volatile", "-r", "run", "--"])
    assert result.returncode not in (0, 85)
    assert "exit code 0: the work is done, but its last state, step 2, was not saved" in result.stderr


def test_a_script_that_ends_without_its_loop_is_told(script, tmp_path):
    result = script("from libckpt import Run\nrun = Run(x=[0])\nrun.point()\n", CKPT_RUN_DIR=str(tmp_path / "run"))
    assert "ended without run.finish()" in result.stderr


def test_a_stop_in_a_validation_goes_back_to_the_newest_snapshot(open_run):
    weights = np.zeros(1)
    run = open_run(weights=weights)
    with pytest.raises(libckpt.Stopped) as stopped:
        for _ in run.epochs(2):
            for batch in run.batches(range(4)):
                weights += 1
                if batch == 1:
                    run._session.save(run.step)
            for item in run.eval(range(10)):
                if item == 3:
                    run._session.ask_to_stop("the test says so")
            raise AssertionError("the validation was not left")
    assert stopped.value.code == 85
    back = np.zeros(1)
    assert open_run(weights=back).resumed and back[0] == 2


def test_a_validation_is_not_left_where_nothing_was_saved_yet(open_run):
    run = open_run(x=[0])
    seen = []
    with pytest.raises(libckpt.Stopped):
        for _ in run.epochs(2):
            for item in run.eval(range(5)):
                seen.append(item)
                run._session.ask_to_stop("the test says so")
    assert seen == [0, 1, 2, 3, 4]


def test_a_script_that_stops_itself_after_an_epochs_last_batch_finishes_the_validation_and_saves(open_run):
    weights = np.zeros(1)
    run = open_run(weights=weights)
    run._session.save(run.step)             # there is one to go back to
    validated = 0
    with pytest.raises(libckpt.Stopped) as stopped:
        for _ in run.epochs(3):
            for batch in run.batches(range(4)):
                weights += 1
                if batch == 3:
                    run.stop("the test says so")
            validated += sum(1 for _ in run.eval(range(10)))
    assert (stopped.value.step, validated) == (4, 10)
    back = np.zeros(1)
    assert open_run(weights=back).epoch == 1 and back[0] == 4


def test_what_wants_to_know_is_called_after_the_state_is_durable(open_run, tmp_path):
    run = open_run(x=[0])
    durable = []
    run.on_stop(lambda: durable.append(len(list((tmp_path / "run/snapshots").glob("step-*")))))
    run.on_stop(lambda: 1 / 0)
    run.on_stop(lambda: durable.append("last"))
    with pytest.raises(libckpt.Stopped):
        for _ in run.steps(5):
            run.stop("the test says so")
    assert durable == [1, "last"]


def test_without_a_run_directory_it_is_a_plain_library(script, tmp_path):
    result = script(TRAINING, 2, "x.npy", 0)
    assert result.returncode == 0 and "after the loop" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "x.npy"]


def test_a_distributed_launch_is_refused_before_anything_is_touched(script, tmp_path):
    result = script("from libckpt import Run\nRun(x=[0])", WORLD_SIZE="2", CKPT_RUN_DIR=str(tmp_path / "run"))
    assert result.returncode == 1 and "2 ranks" in result.stderr
    assert not (tmp_path / "run").exists()


def test_in_a_notebook_the_second_run_closes_the_first_and_signals_are_left_alone(tmp_path, monkeypatch):
    class Shell:
        kernel = True
    monkeypatch.setitem(sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(Shell)}))
    before = signal.getsignal(signal.SIGINT)
    arguments = {"directory": tmp_path / "run", "settings": {"allow_volatile": "on"}}
    first = libckpt.Run(**arguments, x=[1])
    (tmp_path / "link").symlink_to(tmp_path)
    second = libckpt.Run(**{**arguments, "directory": tmp_path / f"link/../{tmp_path.name}/run"}, x=[2])
    assert first._session.is_open is False and second.block == 2
    assert signal.getsignal(signal.SIGINT) is before
    second.close()


class Interrupted:
    """Ctrl-C while it is being saved."""
    now = False

    def state_dict(self):
        if self.now:
            raise KeyboardInterrupt
        return {}

    def load_state_dict(self, state):
        pass


@pytest.mark.parametrize("saving", [lambda run: run.stop("the test says so"), lambda run: run.best(1), lambda run: run.finish()],
                         ids=["at a stop", "of the best", "at the end"])
def test_an_interrupt_during_a_save_is_not_lost(saving, open_run):
    thing = Interrupted()
    run = open_run(thing=thing)
    with pytest.raises(KeyboardInterrupt):
        for _ in run.steps(3):
            thing.now = True
            saving(run)


def test_an_object_that_can_no_longer_be_saved_costs_the_save_and_is_told(open_run, capfd, tmp_path):
    state = {}
    run = open_run(state=state)
    run.point()
    state["bad"] = object()
    run.best(1.0)           # the next safe point saves
    run.point()
    assert "'state.bad' (builtins.object) cannot be saved" in capfd.readouterr().err
    assert not list((tmp_path / "run/snapshots").glob("step-*"))
    with pytest.raises(TypeError, match="state.bad"):
        run.finish()
    del state["bad"]
    run.finish()
    assert libckpt.open(tmp_path / "run").step == 2
