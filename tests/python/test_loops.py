# SPDX-License-Identifier: Apache-2.0
"""The loops as people write them."""
import contextlib
import json
import shutil
import pathlib
import re

import libckpt
import numpy as np
import pytest
from torch.utils.data import DataLoader


class Interrupted:
    """One start after the other of the same small program; `stop_at` is the count of used batches at which it is asked to stop."""

    def __init__(self, open_run):
        self.open_run = open_run

    def __call__(self, body, stop_at=None, **objects):
        run = self.open_run(**objects)
        used = []

        def use(batch):
            used.append(batch)
            if len(used) == stop_at:
                run.stop("the test says so")
        try:
            body(run, use)
        except libckpt.Stopped:
            pass
        else:
            run.finish()
        run.close()
        return used, run


@pytest.fixture
def start(open_run):
    return Interrupted(open_run)


def one_loader(run, use):
    for _ in run.epochs(2):
        for batch in run.batches("abc"):
            use(batch)
        assert batch == "c", "the loop over the batches of this epoch was empty"


def test_a_stop_at_any_batch_continues_with_the_next_one(start):
    assert start(one_loader, stop_at=2)[0] == list("ab")
    assert start(one_loader, stop_at=2)[0] == list("ca")
    assert start(one_loader)[0] == list("bc")


def test_after_the_last_batch_the_next_safe_point_is_the_epochs_end(start):
    used, run = start(one_loader, stop_at=3)
    assert used == list("abc") and (run.epoch, run.step) == (1, 3)
    assert start(one_loader)[0] == list("abc")


def test_step_and_epoch_count_what_is_complete(open_run):
    run = open_run()
    seen = []
    for epoch in run.epochs(2):
        for _ in run.batches("ab"):
            seen.append((epoch, run.epoch, run.batch, run.step))
    assert seen == [(0, 0, 0, 0), (0, 0, 1, 1), (1, 1, 0, 2), (1, 1, 1, 3)]
    assert (run.epoch, run.step) == (2, 4)


def test_an_epoch_without_a_loader_is_a_step(start):
    def body(run, use):
        for epoch in run.epochs(3):
            use(epoch)
    assert start(body, stop_at=1)[0] == [0]
    assert start(body)[0] == [1, 2]


def test_with_accumulation_there_are_points_only_at_whole_groups(start):
    def body(run, use):
        for _ in run.epochs(1):
            for batch in run.batches("abcdefg", accumulate=3):
                use(batch)
    used, run = start(body, stop_at=1)
    assert used == list("abc") and run.step == 1
    used, run = start(body)
    assert used == list("defg") and run.step == 3


def test_two_loaders_without_names_in_one_epoch_are_refused_naming_the_fix(open_run):
    run = open_run()
    with pytest.raises(libckpt.Error, match=r'name="'):
        for _ in run.epochs(1):
            for _ in zip(run.batches("ab"), run.batches("cd")):
                pass


def test_loaders_one_after_the_other_go_on_in_the_second(start):
    def body(run, use):
        for _ in run.epochs(1):
            for batch in run.batches("ab", name="first"):
                use(batch)
            for batch in run.batches("cde", name="second"):
                use(batch)
    assert start(body, stop_at=3)[0] == list("abc")
    assert start(body)[0] == list("de")


def test_resume_at_epochs_makes_no_points_between(start):
    def body(run, use):
        for _ in run.epochs(2):
            for batch in run.batches("abc", resume="epoch"):
                use(batch)
    assert start(body, stop_at=1)[0] == list("abc")
    assert start(body)[0] == list("abc")


def test_steps_and_points_of_ones_own_loop_go_on(start):
    def steps(run, use):
        for step in run.steps(5):
            use(step)

    def points(run, use):
        while run.step < 8:
            use(run.step)
            run.point()
    assert start(steps, stop_at=2)[0] == [0, 1]
    assert start(points, stop_at=3)[0] == [2, 3, 4]
    assert start(points)[0] == [5, 6, 7]


def test_a_loader_in_a_loop_over_steps_begins_anew_when_it_is_through(start):
    def body(run, use):
        batches = iter(())
        for _ in run.steps(7):
            try:
                batch = next(batches)
            except StopIteration:
                batches = iter(run.batches("abc"))
                batch = next(batches)
            use(batch)
    assert start(body, stop_at=5)[0] == list("abcab")
    assert start(body)[0] == list("ca")


def test_point_inside_a_loop_that_makes_points_is_refused(open_run):
    run = open_run()
    for _ in run.batches("ab"):
        with pytest.raises(libckpt.Error, match="make the safe points themselves"):
            run.point()


def test_point_in_steps_of_ones_own_inside_an_epoch_is_refused_since_a_resume_would_begin_them_anew(open_run):
    run = open_run()
    for _ in run.epochs(2):
        for _ in range(3):
            with pytest.raises(libckpt.Error, match=r"steps inside an epoch are run.batches\(range\(n\)\)"):
                run.point()


def test_what_the_epochs_first_lines_set_is_not_lost_to_a_resume(start):
    def body(run, use):
        for _ in run.epochs(2):
            run.vars["sum"] = 0
            for batch in run.batches([1, 2, 3]):
                run.vars["sum"] += batch
                use(batch)
            run.vars.setdefault("sums", []).append(run.vars["sum"])
    start(body, stop_at=2)
    assert start(body)[1].vars["sums"] == [6, 6]


def test_random_numbers_before_the_batches_of_a_resumed_epoch_are_those_of_its_beginning(start):
    def body(run, use):
        for epoch in run.epochs(2):
            chosen = np.random.permutation(100).tolist()
            assert run.vars.setdefault("chosen", {}).setdefault(epoch, chosen) == chosen
            for batch in run.batches("abc"):
                use(batch)
    start(body, stop_at=2)
    np.random.seed(12345)
    start(body)


def test_a_loader_with_batches_left_is_through_when_the_epochs_lines_are(start):
    def body(run, use):
        for _ in run.epochs(2):
            batches = iter(run.batches("abcd"))
            for _ in range(run.batch, 2):
                use(next(batches))
    assert start(body, stop_at=1)[0] == ["a"]
    used, run = start(body)
    assert used == list("bab") and (run.epoch, run.step) == (2, 4)


def test_a_loop_over_epochs_of_ones_own_comes_to_its_end(start):
    def body(run, use):
        for _ in range(run.epoch, 3):
            for batch in run.batches("ab"):
                use(batch)
    assert start(body, stop_at=3)[0] == list("aba")
    assert start(body)[0] == list("bab")


def test_random_numbers_between_two_loops_are_not_taken_from_those_of_the_second(start):
    def body(run, use):
        for _ in run.epochs(1):
            pass
        np.random.rand(3)
        for _ in run.epochs(4):
            run.vars.setdefault("drawn", []).append(np.random.rand())
            use(0)
    np.random.seed(1)
    expected = start(body, directory=None)[1].vars["drawn"]
    np.random.seed(1)
    start(body, stop_at=2)
    np.random.seed(2)
    assert start(body)[1].vars["drawn"] == expected


def test_break_counts_the_epoch_and_ends_the_work(open_run):
    run = open_run()
    for _ in run.epochs(10):
        for _ in run.batches("ab"):
            pass
        if run.epoch == 2:
            break
    assert run._ended
    run.finish("good enough")
    assert (run.epoch, run.step) == (3, 6)


@pytest.mark.parametrize("leave", ["raise", "exhaust", "break", "return", "break through a wrapper", "raise through a wrapper"])
def test_how_a_loop_was_left_is_known(leave, open_run):
    def wrapper(iterable):
        for item in iterable:
            yield item

    def loop(run):
        for _ in wrapper(run.epochs(2)) if "wrapper" in leave else run.epochs(2):
            if leave.startswith("raise"):
                raise ValueError
            if leave.startswith("break"):
                break
            if leave == "return":
                return 1
    run = open_run()
    try:
        loop(run)
    except ValueError:
        pass
    assert run._ended == (not leave.startswith("raise"))


def test_more_epochs_than_before_go_on_from_the_end(open_run, tmp_path):
    run = open_run()
    for _ in run.epochs(2):
        pass
    run.finish()
    run = open_run()
    assert [epoch for epoch in run.epochs(4)] == [2, 3]


def test_the_best_state_is_kept_under_its_name(open_run, tmp_path):
    weights = np.zeros(3)
    run = open_run(weights=weights)
    for epoch in run.epochs(6):
        weights[:] = epoch
        assert run.best([1, 3, 2, 5, 4, float("nan")][epoch]) == (epoch in (0, 1, 3))
    run.finish()
    best = libckpt.open(f"{tmp_path / 'run'}@best")
    assert best["weights"].tolist() == [3, 3, 3] and best.step == 4


def test_a_longer_training_goes_on_from_the_loops_end_whatever_the_script_did_behind_it(open_run, tmp_path):
    expected = np.random.RandomState(1).random(3).tolist()
    for steps, seed in ((2, 1), (3, 5)):
        np.random.seed(seed)
        weights = np.zeros(1)
        run = open_run(drawn=(drawn := []), weights=weights)
        for step in run.steps(steps):
            drawn.append(np.random.random())
            weights += 1
            run.best(step)
        assert libckpt.open(f"{tmp_path / 'run'}@best")["weights"].tolist() == [steps]
        np.random.random(7)                    # a test
        weights[:] = -1
        run.finish()
    assert drawn == expected
    assert libckpt.open(tmp_path / "run")["weights"].tolist() == libckpt.open(f"{tmp_path / 'run'}@best")["weights"].tolist() == [3]


def test_the_best_value_survives_a_stop_and_may_be_the_least(start, tmp_path):
    losses = [5.0, 3.0, 4.0, 2.0]

    def body(run, use):
        for epoch in run.epochs(4):
            run.vars["better"] = run.vars.get("better", []) + [run.best(losses[epoch], mode="min")]
            use(epoch)
    for _ in losses:
        run = start(body, stop_at=1)[1]
    assert run.vars["better"] == [True, True, False, True]
    assert libckpt.open(f"{tmp_path / 'run'}@best").step == 4


def documented_keys():
    """Of a line of metrics.jsonl, as docs/format.md has them."""
    text = (pathlib.Path(__file__).parents[2] / "docs/format.md").read_text()
    section = text.split("## Beside the snapshots: metrics.jsonl")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), [1.0], {}, object()], ids=lambda value: type(value).__name__)
def test_a_report_that_is_no_number_is_refused_where_it_is_made(value, open_run, tmp_path):
    run = open_run()
    run.report(loss=1.0)
    with pytest.raises(TypeError, match=r"run.report\(conf=...\) takes a number"):
        run.report(conf=value)
    run.close()
    assert [row["loss"] for row in libckpt.metrics(tmp_path / "run")] == [1.0]


def test_a_line_that_was_cut_short_costs_that_line(open_run, tmp_path, monkeypatch):
    run = open_run()
    run.report(loss=1.0)
    run.point()
    run._session.save(run.step)
    run.close()
    with open(tmp_path / "run/metrics.jsonl", "a") as file:
        file.write('{"step": 2, "lo')
    run = open_run()
    run.report(loss=3.0)
    run.close()
    (tmp_path / "ckpt-runs").mkdir()
    (tmp_path / "ckpt-runs/name").symlink_to(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert [row["loss"] for row in libckpt.metrics("name")] == [1.0, 3.0]
    with pytest.raises(FileNotFoundError, match="no run 'absent'"):
        libckpt.metrics("absent")


def test_reports_are_lines_and_those_of_lost_work_are_passed_over(start, tmp_path, open_run):
    run = open_run()
    for _ in zip(range(2), run.epochs(9)):
        run.report(loss=1.0, where="first")
    run._session.save(run.step)
    for _ in zip(range(2), run.epochs(9)):
        run.report(loss=float("nan"), where="lost")
    run.close()
    run = open_run()
    for _ in run.epochs(3):
        run.report(loss=np.float32(0.5), where="second")
    run.close()
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert {line["where"] for line in lines} == {"first", "lost", "second"}
    assert all(set(line) - {"loss", "where"} == documented_keys() for line in lines)
    assert (lines[0]["step"], lines[0]["epoch"], lines[0]["block"], lines[0]["from"]) == (1, 0, 1, 0)
    assert lines[2]["loss"] == "nan" and lines[-1]["from"] > 0
    rows = libckpt.metrics(tmp_path / "run")
    assert "lost" not in {row["where"] for row in rows}
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})


@pytest.mark.parametrize("name", sorted(documented_keys()))
def test_a_metric_does_not_hide_what_a_line_says_of_itself(name, open_run, tmp_path):
    run = open_run()
    with pytest.raises(ValueError, match=f"every line has a '{name}' of its own"):
        run.report(**{name: 1})
    run.close()
    assert libckpt.metrics(tmp_path / "run") == []


def test_progress_in_epochs_is_told(open_run, tmp_path):
    run = open_run()
    for _ in zip(range(2), run.epochs(5)):
        pass
    run.close()
    ledger = next((tmp_path / "run/blocks").glob("*.program-*.jsonl")).read_text()
    assert '"unit":"epoch"' in ledger.replace(" ", "") and '"total":5' in ledger.replace(" ", "").replace("5.0", "5")


def test_an_epoch_that_is_complete_counts_at_once_also_the_last_one(script, tmp_path):
    training = "from libckpt import Run\nrun = Run(state={'x': 1})\nfor epoch in run.epochs(3):\n    pass\n"
    done = script(training, under=["ckptrun", "-r", str(tmp_path / "run"), "--"])
    assert done.returncode == 0, done.stderr
    ended = [json.loads(line) for line in (tmp_path / "run/blocks/0001.ckptrun.jsonl").read_text().splitlines()][-2]
    assert (ended["event"], ended["reached"]) == ("ended", {"done": 3, "total": 3, "unit": "epoch"})


def first_lines(run, meter, hidden, do):
    for _ in run.epochs(2):
        do()
        for x in run.batches([1, 2, 3]):
            meter["sum"] += x
            hidden += x
            if run.step == 1 and not run.resumed:
                run.stop("the test says so")


@pytest.mark.parametrize("what", ["a number", "an array", "nothing", "guarded"])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_the_first_lines_of_an_epoch_do_to_what_was_restored_is_undone_or_told(what, is_there, open_run, tmp_path, capfd):
    def lines(run, meter, hidden):
        return {"a number": lambda: meter.update(sum=0), "an array": lambda: hidden.fill(0), "nothing": lambda: None,
                "guarded": lambda: run.batch == 0 and meter.update(sum=0)}[what]
    for _ in range(2):
        meter, hidden = {"sum": 0}, np.zeros(2)
        run = open_run(meter=meter, hidden=hidden)
        if run.resumed and not is_there:
            shutil.rmtree(tmp_path / "run/snapshots")
        try:
            first_lines(run, meter, hidden, lines(run, meter, hidden))
        except libckpt.Stopped:
            capfd.readouterr()
    said = capfd.readouterr().err
    changes = {"a number": "meter", "an array": "hidden"}.get(what)
    if changes and not is_there:
        assert f"have run once more and changed {changes}: what was there is lost" in said
    else:
        assert "once more" not in said
        assert (meter["sum"], hidden[0]) == {"a number": (6, 12), "an array": (12, 6), "nothing": (12, 12), "guarded": (6, 12)}[what]


def test_an_override_outlives_what_the_first_lines_of_an_epoch_did(open_run):
    for block in range(2):
        given = {"rate": 1.0, "steps": 0}
        run = open_run(given=given, override={"given.rate": 5.0} if block else None)
        with contextlib.suppress(libckpt.Stopped):
            for _ in run.epochs(1):
                given["steps"] += 1
                for x in run.batches([1, 2, 3]):
                    if run.step == 1 and not run.resumed:
                        run.stop("the test says so")
    assert given == {"rate": 5.0, "steps": 1}


class Counting:
    def __init__(self):
        self.passes, self.name = 0, "data"

    def __iter__(self):
        self.passes += 1
        self.name = "not UTF-8: \udc80"
        return iter([self.passes])


def test_a_counter_goes_on_where_the_same_object_meets_a_second_run_as_in_a_notebook(open_run):
    seen, batches = [], Counting()
    for block in range(3):
        if block == 2:
            batches = Counting()             # the kernel was started anew
        run = open_run()
        with contextlib.suppress(libckpt.Stopped):
            for _ in run.epochs(6):
                for x in run.batches(batches):
                    seen.append(x)
                if run.epoch % 2 == 1:
                    run.stop("the test says so")
        run.close()
    assert seen == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("persistent, count", [(True, 1), (False, 0)])
def test_a_run_that_begins_says_once_that_persistent_workers_are_not_exact_where_they_draw(persistent, count, script):
    text = f"""
from torch.utils.data import DataLoader
from libckpt import Run
loader = DataLoader(range(4), num_workers=1, persistent_workers={persistent})
run = Run(x=[0])
for epoch in run.epochs(3):
    for x in run.batches(loader):
        if run.step == 5 and not run.resumed:
            run.stop()
"""
    done = script(text, under=["ckptrun", "--allow-volatile", "--"])
    assert done.returncode == 0 and done.stderr.count("the workers of the loader 'loader' are persistent") == count, done.stderr


class MadeByAsking(dict):
    """As the tables of models of Hugging Face: what is in them is imported when it is asked for."""
    def values(self):
        raise AssertionError("asked")
    __len__ = __iter__ = keys = items = values


class Importing:
    """As six's modules that are imported when they are asked for."""
    def __getattr__(self, name):
        raise ImportError(name)


class Holding:
    lazy = Importing()

    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter([1, 2])


A_TABLE = MadeByAsking()


def test_what_libraries_make_when_they_are_asked_for_it_is_left_alone(open_run):
    data = Holding()
    run = open_run(table=[])
    for _ in run.epochs(2):
        for _ in run.batches(data):
            pass
    assert data.passes == 2


def test_a_second_run_of_a_program_in_a_finished_one_is_refused_and_beside_it_is_not(script, tmp_path):
    text = """
import sys
from libckpt import Run
for fold in range(2):
    x = [fold]
    run = Run(x=x, directory=f"folds/{fold}") if len(sys.argv) > 1 else Run(x=x)
    for epoch in run.epochs(2):
        x[0] += 1
    run.finish()
    print(x)
"""
    under = ["ckptrun", "--allow-volatile", "-r", str(tmp_path / "run"), "--"]
    beside, same = script(text, "beside", under=under), script(text, under=[*under[:3], str(tmp_path / "same"), "--"])
    assert (beside.returncode, beside.stdout) == (0, "[2]\n[3]\n"), beside.stderr
    assert same.returncode != 0 and f"has finished a run in {tmp_path}/same already" in same.stderr
