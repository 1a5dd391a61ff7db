# SPDX-License-Identifier: Apache-2.0
"""A script that was changed between two blocks, and a run that begins from another's snapshot."""
import ast
import re
import subprocess

import libckpt
import numpy as np
import pytest
import torch
from torch import nn


def objects(lr=0.1, steps=10, weight_decay=0.0):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    return {"model": model, "optimizer": optimizer, "scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)}


def train(run, given, steps=2):
    for _ in range(steps):
        given["model"](torch.ones(2)).sum().backward()
        given["optimizer"].step()
        given["scheduler"].step()
        run.point()
    run._session.save(run.step)
    run.close()


def lr(given):
    return given["optimizer"].param_groups[0]["lr"]


def five_times(rate):
    return float(f"{5 * rate:.12g}")


def test_the_runs_values_count_and_the_difference_is_told_with_its_word(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    second = objects(lr=0.5, steps=20)
    open_run(**second)
    assert lr(second) == lr(first) and second["scheduler"].T_max == 10
    said = capfd.readouterr().err
    assert "optimizer.lr 0.1 -> 0.5" in said and "scheduler.T_max 10 -> 20" in said and f"override={{'optimizer.lr': {five_times(lr(first))}" in said
    assert f"ckptrun --override optimizer.lr={five_times(lr(first))} " in said     # the rate as the schedule has it by now


def test_a_changed_rate_is_told_as_what_the_schedule_would_have_made_of_it_after_a_warm_up(open_run, capfd):
    first = in_sequence(10)
    train(open_run(**first), first, 4)
    open_run(**in_sequence(10, lr=0.5))
    assert f"'optimizer.lr': {five_times(lr(first))}, 'optimizer.initial_lr': 0.5, 'scheduler._schedulers.0.base_lrs': [0.5]" in capfd.readouterr().err


@pytest.mark.parametrize("nest, key", [(lambda one: [one], "optimizers.0.lr"), (lambda one: {"a": [one]}, "optimizers.a.0.lr")])
def test_a_changed_rate_of_an_optimizer_in_a_list_or_dict_is_told_and_may_be_overridden(nest, key, open_run, capfd):
    def given(rate):
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], rate)
        return optimizer, {"optimizers": nest(optimizer)}
    run = open_run(**given(0.1)[1])
    run._session.save(run.step)
    run.close()
    open_run(**given(0.5)[1]).close()
    assert f"the script changed ({key} 0.1 -> 0.5)" in capfd.readouterr().err
    optimizer, objects = given(0.5)
    open_run(**objects, override={key: 0.5})
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_groups_that_the_script_has_split_are_told(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    second = objects()
    weight, bias = second["model"].parameters()
    second["optimizer"] = torch.optim.AdamW([{"params": [weight]}, {"params": [bias], "weight_decay": 0.0}], 0.1)
    second["scheduler"] = torch.optim.lr_scheduler.CosineAnnealingLR(second["optimizer"], 10)
    open_run(**second)
    assert "the script makes 2 param_groups in 'optimizer', the run goes on with the 1 that it has" in capfd.readouterr().err


class WarmUp(torch.optim.lr_scheduler.LRScheduler):
    """As people write them."""

    def get_lr(self):
        return [rate * min(1, (self.last_epoch + 1) / 3) for rate in self.base_lrs]


@pytest.mark.parametrize("make", [WarmUp, lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3)])
def test_a_rate_that_another_schedule_computes_anew_is_warned_of(make, open_run, capfd):
    given = objects()
    given["scheduler"] = make(given["optimizer"])
    open_run(**given, override={"optimizer.lr": 0.5})
    assert "computes the learning rate anew, so that optimizer.lr lasts until its next step; override scheduler.base_lrs as well" in (
        capfd.readouterr().err)


def test_a_rate_that_a_later_schedule_of_a_sequence_will_compute_is_warned_of(open_run, capfd):
    given = in_sequence(10)
    open_run(**given, override={"optimizer.lr": 0.5})
    assert "'scheduler._schedulers.1' (CosineAnnealingLR) computes" in capfd.readouterr().err


class Reduced:
    """A rate that training has cut by hand, or a ReduceLROnPlateau has."""

    def __init__(self, optimizer, **_):
        self.optimizer = optimizer

    def step(self, *_):
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.5

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


SCHEDULES = torch.optim.lr_scheduler
REDUCING = {
    "ReduceLROnPlateau": lambda optimizer: SCHEDULES.ReduceLROnPlateau(optimizer, factor=0.5, patience=0),
    "MultiplicativeLR": lambda optimizer: SCHEDULES.MultiplicativeLR(optimizer, lambda epoch: 0.5),
    "one's own with base_lrs": WarmUp,
    "one's own": Reduced,
}


@pytest.mark.parametrize("name", REDUCING)
def test_the_word_for_a_changed_rate_is_the_rate_as_the_changed_script_would_have_it_by_now(name, open_run, capfd):
    def given(lr):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.AdamW(model.parameters(), lr)
        return {"model": model, "optimizer": optimizer, "scheduler": REDUCING[name](optimizer)}

    def step(made):
        made["optimizer"].step()
        made["scheduler"].step(*[1.0] if name == "ReduceLROnPlateau" else [])
    first, fresh, second = given(0.1), given(0.3), given(0.3)
    run = open_run(**first)
    for _ in range(3):
        step(first)
        step(fresh)
        run.point()
    run._session.save(run.step)
    run.close()
    open_run(**given(0.3)).close()
    word = ast.literal_eval(re.search(r"override=({.*?})\)", capfd.readouterr().err)[1])
    open_run(**second, override=word)
    for _ in range(3):
        assert lr(second) == pytest.approx(lr(fresh))
        step(second)
        step(fresh)


def test_a_changed_rate_of_a_script_that_has_no_schedule_any_more_is_told(open_run, capfd):
    first = objects()
    del first["scheduler"]
    second = {"model": nn.Linear(2, 2)}
    second["optimizer"] = torch.optim.AdamW(second["model"].parameters(), 0.5)
    run = open_run(**first)
    run._session.save(run.step)
    run.close()
    open_run(**second)
    assert "'optimizer.lr': 0.5" in capfd.readouterr().err


def one_cycle(steps, **options):
    made = objects()
    return made | {"scheduler": SCHEDULES.OneCycleLR(made["optimizer"], 0.1, total_steps=steps, **options)}


@pytest.mark.parametrize("changed", [{"steps": 12}, {"steps": 8, "pct_start": 0.5}, {"steps": 8, "anneal_strategy": "linear"}])
def test_a_changed_one_cycle_schedule_is_told_and_its_word_gives_what_the_changed_script_would_do(changed, open_run, capfd):
    first, fresh, second = one_cycle(8), one_cycle(**changed), one_cycle(**changed)
    train(open_run(**first), first, 3)
    for _ in range(3):
        fresh["scheduler"].step()
    open_run(**one_cycle(**changed)).close()
    word = ast.literal_eval(re.search(r"override=({.*?})\)", capfd.readouterr().err)[1])
    open_run(**second, override=word)
    for _ in range(changed["steps"] - 4):
        fresh["scheduler"].step()
        second["scheduler"].step()
        assert lr(second) == pytest.approx(lr(fresh))


def test_a_length_of_a_one_cycle_schedule_without_its_phases_is_refused_since_the_rate_would_rise_again(open_run):
    first = one_cycle(8)
    train(open_run(**first), first, 3)
    with pytest.raises(ValueError, match="the last phase of scheduler would end at step 7 of 12; override scheduler.total_steps, "
                                         r"scheduler._schedule_phases.1.end_step and"):
        open_run(**one_cycle(12), override={"scheduler.total_steps": 12})


def test_another_number_of_phases_is_told_without_a_word_that_could_not_do_it(open_run, capfd):
    train(open_run(**(first := one_cycle(8))), first, 3)
    open_run(**one_cycle(12, three_phase=True))
    said = capfd.readouterr().err
    assert "the script makes 3 schedule_phases in 'scheduler', the run goes on with the 2 that it has" in said
    assert "override" not in said


def sequential(*makers):
    made = objects()
    schedules = [make(made["optimizer"]) for make in makers]
    return made | {"scheduler": SCHEDULES.SequentialLR(made["optimizer"], schedules, [*range(2, 2 * len(makers), 2)])}


def warm_up(optimizer):
    return SCHEDULES.LinearLR(optimizer, 0.1, total_iters=2)


def decay(optimizer):
    return SCHEDULES.ExponentialLR(optimizer, 0.9)


def constant(optimizer):
    return SCHEDULES.ConstantLR(optimizer, 1.0)


@pytest.mark.parametrize("makers, kinds", [((warm_up, constant, decay), "LinearLR, ConstantLR, ExponentialLR"),
                                           ((decay,), "ExponentialLR"), ((warm_up, constant), "LinearLR, ConstantLR")])
def test_other_schedules_in_a_row_are_refused(makers, kinds, open_run):
    train(open_run(**(first := sequential(warm_up, decay))), first, 3)
    with pytest.raises(libckpt.Error, match=re.escape(f"'scheduler' was SequentialLR(LinearLR, ExponentialLR) when the snapshot was made and is "
                                                      f"SequentialLR({kinds}) here")):
        open_run(**sequential(*makers))


@pytest.mark.parametrize("make", [
    lambda optimizer, steps: SCHEDULES.LambdaLR(optimizer, lambda epoch: min(1, (epoch + 1) / steps)),
    lambda optimizer, steps: type("WarmUp", (WarmUp,), {"get_lr": lambda self: [rate / steps for rate in self.base_lrs]})(optimizer),
])
def test_a_changed_function_of_a_schedule_is_told_to_count_at_once(make, open_run, capfd):
    def given(steps):
        made = objects()
        return made | {"scheduler": make(made["optimizer"], steps)}
    first = given(4)
    train(open_run(**first), first)
    open_run(**given(16))
    said = capfd.readouterr().err
    assert "the script changed what 'scheduler' (" in said and "(optimizer.lr 0.025 -> 0.00625 at its start)" in said
    assert "functions are in no snapshot, so that the script's count from the schedule's next step on" in said
    assert "its own values" not in said


@pytest.mark.parametrize("key, value", [("optimizer.lr", ".01"), ("optimizer.lr", True), ("optimizer.amsgrad", 1), ("optimizer.betas", 0.9)])
def test_an_override_of_another_type_is_refused(key, value, open_run):
    with pytest.raises(TypeError, match="is of another type"):
        open_run(**objects(), override={key: value})


def test_an_override_with_too_few_values_is_refused(open_run):
    with pytest.raises(ValueError, match=r"optimizer.betas has 2 values, \[0.9, 0.999\], and \[0.5\] has 1"):
        open_run(**objects(), override={"optimizer.betas": [0.5]})


def test_what_the_optimizer_would_have_had_to_keep_from_the_beginning_is_told_but_not_overridden(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    second = objects()
    second["optimizer"].param_groups[0]["amsgrad"] = True
    open_run(**second).close()
    said = capfd.readouterr().err
    assert "the script changed (optimizer.amsgrad False -> True)" in said and "override" not in said
    with pytest.raises(ValueError, match="needs 'max_exp_avg_sq' of each parameter"):
        open_run(**objects(), override={"optimizer.amsgrad": True})


def test_a_number_that_run_was_given_is_told_when_the_script_changes_it_and_may_be_overridden(open_run, capfd):
    first = open_run(rate=0.5, seen=0)
    first.vars["seen"] = 7
    first._session.save(first.step)
    first.close()
    second = open_run(rate=0.1, seen=0)
    second.close()
    assert second.vars == {"rate": 0.5, "seen": 7}
    assert "the script changed (vars.rate 0.5 -> 0.1)" in capfd.readouterr().err
    assert open_run(rate=0.1, seen=0, override={"vars.rate": 0.1}).vars == {"rate": 0.1, "seen": 7}


def test_what_is_called_lr_and_is_no_rate_is_told_as_the_script_says_it(open_run, capfd):
    first = open_run(lr="high")
    for gone in (False, True):
        first.vars["lr"] = "low"
        if gone:
            del first.vars["lr"]
        first._session.save(first.step)
        first.close()
        first = open_run(lr="none")
        assert "(vars.lr 'high' -> 'none')" in (said := capfd.readouterr().err) and "override={'vars.lr': 'none'}" in said


def test_what_to_begin_from_is_named_with_the_snapshot(open_run):
    with pytest.raises(ValueError, match="init_from"):
        open_run(**objects(), only=["model"])


def test_an_unchanged_script_says_nothing_although_training_moved_its_values(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    open_run(**objects())
    assert "the script changed" not in capfd.readouterr().err


def test_the_milestones_of_a_schedule_are_told_and_may_be_overridden(open_run, capfd):
    def given(milestones):
        made = objects()
        return made | {"scheduler": torch.optim.lr_scheduler.MultiStepLR(made["optimizer"], milestones)}
    first, second, third = given([2, 20]), given([3, 30]), given([3, 30])
    train(open_run(**first), first, 1)
    open_run(**second).close()
    assert "(scheduler.milestones [2, 20] -> [3, 30])" in capfd.readouterr().err
    open_run(**third, override={"scheduler.milestones": [3, 30]})
    assert third["scheduler"].milestones == {3: 1, 30: 1}


def test_nan_is_not_another_value_than_nan(open_run, capfd):
    first = open_run(given={"rate": float("nan")})
    first._session.save(first.step)
    first.close()
    assert open_run(given={"rate": float("nan")}).resumed
    assert "changed" not in capfd.readouterr().err


def test_a_difference_that_is_overridden_is_not_told(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    open_run(**objects(weight_decay=0.5), override={"optimizer.weight_decay": 0.5})
    said = capfd.readouterr().err
    assert "override: optimizer.weight_decay = 0.5" in said and "the script changed" not in said


def test_a_changed_learning_rate_that_is_a_tensor_is_told(open_run, capfd):
    first = objects(lr=torch.tensor(0.5))
    train(open_run(**first), first)
    second = objects(lr=torch.tensor(0.25))
    open_run(**second, override={"optimizer.initial_lr": 0.25, "scheduler.base_lrs": [0.25]})
    assert "the script changed (optimizer.lr 0.5 -> 0.25)" in capfd.readouterr().err


def in_sequence(steps, lr=0.1):
    given = objects(lr)
    schedules = [torch.optim.lr_scheduler.LinearLR(given["optimizer"], 0.1, total_iters=2),
                 torch.optim.lr_scheduler.CosineAnnealingLR(given["optimizer"], steps)]
    return given | {"scheduler": torch.optim.lr_scheduler.SequentialLR(given["optimizer"], schedules, [2])}


def test_the_length_of_a_schedule_inside_another_is_told_and_may_be_overridden(open_run, capfd):
    first = in_sequence(10)
    train(open_run(**first), first)
    open_run(**in_sequence(20)).close()
    assert "(scheduler._schedulers.1.T_max 10 -> 20)" in capfd.readouterr().err
    third = in_sequence(20)
    open_run(**third, override={"scheduler._schedulers.1.T_max": 20})
    assert third["scheduler"]._schedulers[1].T_max == 20


@pytest.mark.parametrize("override, warned", [({"optimizer.lr": 0.5}, True), ({"optimizer.lr": 0.5, "scheduler.base_lrs": [0.5]}, False)])
def test_a_learning_rate_that_the_schedule_computes_anew_is_warned_of(override, warned, open_run, capfd):
    given = objects()
    given["scheduler"] = torch.optim.lr_scheduler.LambdaLR(given["optimizer"], lambda epoch: 1.0)
    open_run(**given, override=override)
    assert ("'scheduler' (LambdaLR) computes the learning rate anew" in capfd.readouterr().err) == warned


@pytest.mark.parametrize("name", ["optimizer", "scheduler"])
def test_another_kind_of_optimizer_or_schedule_is_refused_naming_both(name, open_run):
    first = objects()
    train(open_run(**first), first)
    second = objects()
    if name == "optimizer":
        second[name] = torch.optim.SGD(second["model"].parameters(), 0.1)
    else:
        second[name] = torch.optim.lr_scheduler.StepLR(second["optimizer"], 1)
    with pytest.raises(libckpt.Error, match=f"'{name}' was .* when the snapshot was made and is (SGD|StepLR) here"):
        open_run(**second)


def test_an_override_counts_once(open_run, capfd):
    first = objects()
    train(open_run(**first), first)
    override = {"optimizer.lr": 0.5, "scheduler.T_max": 20}
    second = objects(lr=0.5, steps=20)
    run = open_run(**second, override=override)
    assert lr(second) == 0.5 and second["scheduler"].T_max == 20
    assert "the script changed" in capfd.readouterr().err      # base_lrs and initial_lr, which it did not name
    train(run, second)
    third = objects(lr=0.5, steps=20)
    open_run(**third, override=override)
    assert lr(third) == lr(second) != 0.5
    assert "override:" not in capfd.readouterr().err


@pytest.mark.parametrize("key", ["optimizer.rate", "optimiser.lr", "optimizer", "scheduler.absent"])
def test_an_override_of_something_that_is_not_there_names_what_is(key, open_run):
    given = objects()
    with pytest.raises(KeyError, match="there are"):
        open_run(**given, override={"optimizer.lr": 0.5, key: 1})
    assert lr(given) == 0.1, "what else was named is not set either"


def test_a_key_that_was_mistyped_names_the_closest_ones(open_run):
    with pytest.raises(KeyError, match="did you mean optimizer.lr"):
        open_run(**objects(), override={"optimiser.lr": 1})


CHAIN = """
import numpy as np
from libckpt import Run
given, values = {"rate": 1.0, "name": "a"}, np.zeros(1)
run = Run(given=given, values=values)
print(run.block, given["rate"], given["name"])
for step in run.steps(6):
    values += given["rate"]
    given["rate"] /= 2
    if step in (1, 3) and run.block <= 2:
        run.stop()
print("sum", values[0])
"""


def chain(script, *options, text=CHAIN):
    return script(text, under=["ckptrun", "--allow-volatile", *options, "--"])


def test_a_chain_that_says_the_same_override_in_each_block_applies_it_once(script):
    done = chain(script, "--override", "given.rate=8", "--override", "given.name=b c")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 8 b c", "2 2.0 b c", "3 0.5 b c", "sum 15.75"]
    assert done.stderr.count("override: given.rate = 8") == 1


def test_an_override_by_ckptrun_counts_more_than_the_scripts_and_anew_for_another_value(script):
    text = CHAIN.replace("values=values)", "values=values, override={'given.rate': 3})").replace("run.stop()", "pass")
    assert chain(script, text=text).stdout.startswith("1 3 a\n")
    done = chain(script, "--accept-changes", "--override", "given.rate=32", text=text)
    assert done.stdout.startswith("2 32 a\n"), done.stderr


@pytest.mark.parametrize("word", ["given.rate", "=3", ""])
def test_an_override_that_is_no_key_and_value_is_a_usage_error(word, script):
    done = chain(script, "--override", word)
    assert done.returncode == 125 and "KEY=VALUE" in done.stderr and not done.stdout


def test_a_program_that_takes_no_override_says_so(bin_directory, environment, tmp_path):
    for command, said in (["ten_lines", "libckpt's Python package does"], ["/bin/true", "--override changed nothing"]):
        words = ["ckptrun", "--allow-volatile", "--override", "a.b=1", "--", str(bin_directory / command)]
        done = subprocess.run(words, cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=60)
        assert said in done.stderr and (done.returncode == 0) == (command == "/bin/true")


def test_one_group_of_several_can_be_overridden(open_run):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD([{"params": [model.weight]}, {"params": [model.bias], "lr": 0.2}], lr=0.1)
    open_run(model=model, optimizer=optimizer, override={"optimizer.1.lr": 0.3})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.3]


def test_a_run_begins_from_the_named_parts_of_another(open_run, tmp_path):
    first = objects()
    train(open_run(**first), first)
    second = objects()
    run = open_run(directory=tmp_path / "second", **second, init_from=tmp_path / "run", only=["model"])
    assert torch.equal(second["model"].weight, first["model"].weight)
    assert not run.resumed and run.step == 0 and not second["optimizer"].state and lr(second) == 0.1


def test_a_run_that_has_its_own_snapshot_goes_on_from_that(open_run, tmp_path):
    for directory in ("run", "second"):
        given = objects()
        train(open_run(directory=tmp_path / directory, **given), given)
    again = objects()
    open_run(directory=tmp_path / "second", **again, init_from=tmp_path / "run")
    assert torch.equal(again["model"].weight, given["model"].weight)


def test_beginning_from_another_shape_is_refused_naming_both(open_run, tmp_path):
    run = open_run(x=np.zeros(3))
    run.point()
    run.finish()
    with pytest.raises(libckpt.Error, match=r"'x' is float64 \(4,\) here and float64 \(3,\)"):
        open_run(directory=tmp_path / "second", x=np.zeros(4), init_from=tmp_path / "run", only=["x"])
    with pytest.raises(KeyError, match="'y'"):
        open_run(directory=tmp_path / "third", x=np.zeros(3), init_from=tmp_path / "run", only=["y"])


@pytest.mark.parametrize(("make", "override"), [
    (lambda optimizer, length: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, length), {"scheduler.T_max": 6}),
    (lambda optimizer, length: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, length), {"scheduler.total_iters": 6}),
    (lambda optimizer, length: torch.optim.lr_scheduler.PolynomialLR(optimizer, length, 2.0), {"scheduler.total_iters": 6}),
])
def test_a_schedule_that_is_made_longer_goes_on_from_where_the_longer_one_would_be(make, override, open_run):
    def made(length):
        given = objects(0.5)
        return given | {"scheduler": make(given["optimizer"], length)}

    def step(given, steps):
        for _ in range(steps):
            given["optimizer"].step()
            given["scheduler"].step()
    first, longer, whole = made(3), made(6), made(6)
    train(open_run(**first), first, 3)
    open_run(**longer, override=override)
    step(whole, 3)
    assert lr(longer) == pytest.approx(lr(whole))
    step(longer, 2), step(whole, 2)
    assert lr(longer) == pytest.approx(lr(whole)) and lr(longer) > 0


@pytest.mark.parametrize(("only", "is_told"), [(["model", "optimizer"], True), (["model"], False)])
def test_a_rate_of_the_script_that_an_optimizer_brings_another_for_is_told(only, is_told, open_run, tmp_path, capfd):
    def made(rate):
        model = nn.Linear(1, 1)
        return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), rate)}
    run = open_run(**made(0.1))
    run.point()
    run._session.save(run.step)
    run.close()
    second = made(0.5)
    open_run(**second, directory=tmp_path / "second", init_from=tmp_path / "run", only=only)
    assert lr(second) == (0.1 if is_told else 0.5)
    assert ("override={'optimizer.lr': 0.5}" in capfd.readouterr().err) == is_told
