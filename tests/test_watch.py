"""The evaluator beside a training: what it scores, what it leaves out, and how it ends."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest
from small import SMALL, StopAt, series

from seqlab import checkpoints, cli, metrics, runs, train, weights
from seqlab import watch as watcher
from seqlab.config import Config, ImageConfig, NetworkConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError
from seqlab.tasks import task


class After(keras.callbacks.Callback):
    """Call something at the end of each stretch between two evaluations."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        self.act(epoch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run, a training that died at step 30, and copies of all seven checkpoints."""
    path = tmp_path_factory.mktemp("work")
    before = os.getcwd()
    os.chdir(path)
    kept = path / "all"
    kept.mkdir()

    def keep(_):
        for file in Path("done/checkpoints").glob("*.npz"):
            (kept / file.name).write_bytes(file.read_bytes())

    data = split(series(), SMALL.data)
    train.start(SMALL, Path("done"), [After(keep)], data)
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, Path("died"), [StopAt(2)], data)
    os.chdir(before)
    return path


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture
def run(tmp_path, folder):
    """The finished run as it was before its first checkpoint."""
    to = tmp_path / "run"
    (to / "checkpoints").mkdir(parents=True)
    for name in ("config.json", "series.npz"):
        (to / name).write_bytes((folder / "done" / name).read_bytes())
    return runs.load(to)


def give(run, step):
    """Put a checkpoint into the folder, as a training does."""
    name = f"step-{step:08}.npz"
    with runs.written(run.path / "checkpoints" / name) as temporary:
        temporary.write_bytes(Path("all", name).read_bytes())


def finish(run):
    (run.path / "model.keras").write_bytes(Path("done/model.keras").read_bytes())


@pytest.fixture
def later(monkeypatch):
    """Give it what happens in each sleep; the clock then goes on by what was slept."""
    acts, slept, now = [], [], [1000.0]

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds
        if acts:
            acts.pop(0)()

    monkeypatch.setattr(watcher.time, "sleep", sleep)
    monkeypatch.setattr(watcher.time, "monotonic", lambda: now[0])
    return acts, slept


def test_each_checkpoint_is_scored_once_and_the_end_is_seen(run, later):
    acts, slept = later
    acts += [lambda: give(run, 0), lambda: give(run, 20), lambda: None, lambda: give(run, 30)]
    acts += [lambda: (give(run, 60), finish(run))]  # the last one must not slip through
    found = islice(watcher.watch(run, every=3), 9)  # if it did not end
    assert [seen.step for seen in found] == [0, 20, 30, 60]
    assert slept == [3] * 5


def test_a_checkpoint_that_was_written_anew_is_scored_anew(run, later):
    """A signal came in the evaluation, so that the first did not say that it is the best."""
    path = run.path / "checkpoints/step-00000030.npz"

    def left():
        give(run, 30)
        with np.load(path) as file:
            arrays = dict(file)
        progress = json.loads(str(arrays["progress"]))
        progress |= {"best_step": 20, "rows": progress["rows"][:-1]}
        np.savez(path, **arrays | {"progress": np.array(json.dumps(progress))})

    later[0].extend([left, lambda: None, lambda: give(run, 30), lambda: None, lambda: finish(run)])
    found = list(watcher.watch(run))
    assert [(seen.step, seen.best) for seen in found] == [(30, False), (30, True)]
    assert found[0].scores == found[1].scores


def test_a_training_that_ends_during_a_look_is_not_left_early(run, later, monkeypatch):
    give(run, 50)
    newest = checkpoints.newest

    def slow(folder):
        found = newest(folder)
        if found and not run.finished and later[1]:  # in the second look
            give(run, 60)
            finish(run)
        return found

    monkeypatch.setattr(checkpoints, "newest", slow)
    assert [seen.step for seen in watcher.watch(run)] == [50, 60]


def test_scores_are_those_of_the_training_itself(run, later):
    history = runs.load("done").history
    for step in (0, 20, 60):
        later[0].append(lambda step=step: give(run, step))
    later[0].append(lambda: finish(run))
    found = {seen.step: seen for seen in watcher.watch(run)}
    losses = dict(zip(history["step"], history["val_loss"], strict=True))
    for step, seen in found.items():
        assert seen.scores["loss"] == pytest.approx(losses[step], rel=1e-6)
    # in the units of the series: the network of step 60 in its place
    model = task(run.config, run.split, 60).model
    checkpoints.restore(Path("all/step-00000060.npz"), checkpoints.state_of(model))
    part = run.split.validation
    forecast = part.restore(slice(None), model.predict(part.given(slice(None)), verbose=0))
    rmse = metrics.rmse(part.raw()[1].astype(float), forecast)
    assert found[60].scores["rmse"] == pytest.approx(rmse, rel=1e-5)


def test_it_says_which_checkpoint_is_the_best_so_far(run):
    with np.load("all/step-00000030.npz") as file:
        arrays = dict(file)
    for step, best in ((30, True), (20, False)):
        progress = json.loads(str(arrays["progress"])) | {"best_step": step}
        arrays["progress"] = np.array(json.dumps(progress))
        np.savez(run.path / "checkpoints/step-00000030.npz", **arrays)
        assert next(watcher.watch(run)).best == best


def test_a_finished_run_is_scored_once_and_nothing_is_written():
    before = {path: path.stat().st_mtime_ns for path in Path("done").rglob("*")}
    assert [seen.step for seen in watcher.watch(runs.load("done"))] == [60]
    assert {path: path.stat().st_mtime_ns for path in Path("done").rglob("*")} == before


def test_a_training_that_died_is_given_up_in_time(later):
    found = watcher.watch(runs.load("died"), every=7, timeout=20)
    assert next(found).step == 30
    with pytest.raises(
        SeqlabError, match=r"died: no new checkpoint after step 30 for 20 sec.*--resume"
    ):
        next(found)
    assert later[1] == [7, 7, 6]


def test_without_a_first_checkpoint_it_waits_and_says_so_at_the_end(run, later):
    with pytest.raises(SeqlabError, match="no new checkpoint at all for 25 seconds"):
        list(watcher.watch(run, every=10, timeout=25))
    assert later[1] == [10, 10, 5]


def test_new_checkpoints_move_the_end_on(run, later):
    acts, slept = later
    acts += [lambda step=step: give(run, step) for step in (0, 10, 20, 30)]
    acts += [lambda: finish(run)]
    assert len(list(watcher.watch(run, every=15, timeout=20))) == 4
    assert slept == [15] * 5


def test_a_checkpoint_deleted_before_it_was_read_is_passed_over(run, later, monkeypatch):
    give(run, 10)
    restore = checkpoints.restore

    def late(path, variables):
        if path.name == "step-00000010.npz":
            path.unlink()
            give(run, 20)
        return restore(path, variables)

    monkeypatch.setattr(checkpoints, "restore", late)
    finish(run)
    assert [seen.step for seen in watcher.watch(run)] == [20]


def test_a_damaged_checkpoint_and_a_deleted_run_are_errors(run, later):
    give(run, 10)
    found = watcher.watch(run)
    assert next(found).step == 10
    later[0].append(lambda: (run.path / "checkpoints/step-00000020.npz").write_bytes(b"no zip"))
    with pytest.raises(SeqlabError, match=r"step-00000020.npz: cannot be read"):
        next(found)
    found = watcher.watch(run)
    for file in (run.path / "checkpoints").iterdir():
        file.unlink()
    finish(run)
    with pytest.raises(SeqlabError, match=r"its checkpoints are gone. `seqlab evaluate`"):
        next(found)
    (run.path / "model.keras").unlink()
    later[0].append(lambda: run.path.rename(run.path.with_name("away")))
    with pytest.raises(SeqlabError, match="was deleted while it was watched"):
        next(watcher.watch(run))


def test_runs_without_validation_and_wrong_times_are_refused(tmp_path):
    data = dataclasses.replace(SMALL.data, validate=False)
    config = dataclasses.replace(SMALL, data=data)
    bare = runs.create(config, series(), tmp_path / "bare")
    with pytest.raises(SeqlabError, match=r"without a validation part.*`seqlab evaluate`"):
        next(watcher.watch(bare))
    with pytest.raises(SeqlabError, match=r"`timeout` must be at most 1e\+09"):
        next(watcher.watch(bare, timeout=1e10))
    with pytest.raises(SeqlabError, match="`every` must be a positive number"):
        next(watcher.watch(bare, every=0.0))


def test_several_series_are_scored_by_their_loss(tmp_path, later):
    panel = Panel("waves", tuple(Series(name, series().values) for name in ("a", "b")))
    config = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, steps=4))
    done = train.start(config, tmp_path / "panel", data=split(panel, config.data))
    (seen,) = watcher.watch(runs.load(done.path))
    assert seen.scores == {"loss": pytest.approx(done.history["val_loss"][-1], rel=1e-6)}


@pytest.mark.parametrize("kind", ["series", "images"])
def test_averaged_weights_are_scored_where_evaluation_uses_them(kind, tmp_path):
    quick = dataclasses.replace(SMALL.train, steps=12, evaluations=2, ema=0.9, learning_rate=0.05)
    config = dataclasses.replace(SMALL, train=quick)
    data = split(series(), SMALL.data)
    if kind == "images":
        config = Config(
            ImageConfig("digits"), NetworkConfig("mlp", {"hidden": 9, "l2": 0.1}), quick
        )
        data = None
    run = train.start(config, tmp_path / "run", data=data)
    (seen,) = watcher.watch(runs.load(run.path))
    last = {name: column[-1] for name, column in run.history.items()}
    for name in {"loss", "accuracy"} & set(seen.scores):
        assert seen.scores[name] == pytest.approx(last[f"val_{name}"], rel=1e-5)
    if kind == "images":
        assert {"loss", "accuracy", "penalty"} == set(seen.scores)
    else:  # the last weights are also the best, so model.keras has their average
        assert seen.best
        part = run.split.validation
        given = runs.load(run.path).model.predict(part.given(slice(None)), verbose=0)
        rmse = metrics.rmse(part.raw()[1].astype(float), part.restore(slice(None), given))
        assert seen.scores["rmse"] == pytest.approx(rmse, rel=1e-5)


# The command


def test_the_command_prints_lines_and_the_end(run, later, capsys):
    later[0].extend([lambda: give(run, 0), lambda: (give(run, 60), finish(run))])
    assert cli.main(["watch", str(run.path), "--every", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Run {run.path}" and lines[-1] == "The training has ended."
    assert lines[1].startswith("step 0  loss ") and lines[1].endswith("  best so far")
    assert lines[2].startswith("step 60  loss ") and "  rmse " in lines[2]
    assert later[1] == [5, 5] and len(lines) == 4


def test_the_command_prints_objects(capsys):
    assert cli.main(["watch", "done", "--json"]) == 0
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["step"] == 60 and set(first) == {"step", "best", "loss", "rmse"}
    assert last == {"finished": True}


def test_a_timeout_is_an_error_of_one_line(capsys):
    assert cli.main(["watch", "died", "--every", "0.1", "--timeout", "0.1", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["step"] == 30
    assert said.err.startswith("seqlab watch: error: died: no new checkpoint after step 30")


def test_scores_that_are_no_numbers_are_null():
    assert watcher.Seen(3, {"loss": float("nan")}, False).to_json()["loss"] is None


def test_a_run_that_is_about_to_begin_is_waited_for(run, later, capsys):
    away = run.path.with_name("away")
    run.path.rename(away)
    give(runs.load(away), 60)
    finish(runs.load(away))
    later[0].extend([lambda: None, lambda: away.rename(run.path)])
    assert cli.main(["watch", str(run.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Waiting for {run.path}" and lines[2].startswith("step 60")
    assert cli.main(["watch", "nowhere"]) == 2
    assert sum(later[1]) == pytest.approx(61, abs=0.6)
    assert "nowhere: no such run" in capsys.readouterr().err


def test_ctrl_c_leaves_without_an_error(folder):
    command = [sys.executable, "-m", "seqlab", "watch", "died", "--every", "60"]
    paths = {"PYTHONPATH": str(Path(watcher.__file__).parents[1])}
    watching = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **paths},
    )
    try:
        lines = [
            watching.stdout.readline() for _ in range(2)
        ]  # which come at once, into a pipe too
        assert lines[1].startswith("step 30  loss ")
        time.sleep(0.2)
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=60)
    finally:
        watching.kill()
    assert (out, err, watching.returncode) == (
        "Left. The training, if there is one, goes on.\n",
        "",
        0,
    )


# The weights of a run that is not finished


def test_weights_of_an_unfinished_run_are_those_of_its_newest_checkpoint(capsys):
    assert cli.main(["weights", "died", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    done = weights.listed(runs.load("done").model)
    assert found["step"] == 30 and found["weights"] == [one.to_json() for one in done]
    assert cli.main(["weights", "died", "--out", "died.txt"]) == 0
    assert "of step 30: its training is not finished" in capsys.readouterr().out
    with np.load("died/checkpoints/step-00000030.npz") as file:
        first = watcher.weights(runs.load("died"))[0][0]
        saved = [file[name] for name in file if name.startswith("variable_")]
    assert any(np.array_equal(first.values, one) for one in saved)


def test_weights_of_an_unfinished_run_are_its_average(tmp_path):
    config = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, ema=0.9))
    with pytest.raises(KeyboardInterrupt):
        train.start(config, tmp_path / "run", [StopAt(2)], split(series(), SMALL.data))
    found, step = watcher.weights(runs.load(tmp_path / "run"))
    with np.load(tmp_path / "run/checkpoints/step-00000030.npz") as file:
        raw = next(one for name, one in file.items() if one.shape == found[0].values.shape)
        best = [file[name] for name in file if name.startswith("best_")]
        progress = json.loads(str(file["progress"]))
    assert step == progress["best_step"] == 30
    assert any(np.array_equal(found[0].values, one) for one in best)
    assert not np.array_equal(found[0].values, raw)


def test_weights_of_a_run_without_checkpoints(run, capsys):
    assert cli.main(["weights", str(run.path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


def test_a_training_and_its_evaluator_side_by_side(tmp_path):
    """F8: two processes; the second scores what the first has written so far, and ends with it."""
    begin, small = [sys.executable, "-m", "seqlab"], ["--layers", "1", "--hidden", "8"]
    words = ["train", "sin", *small, "--steps", "3000", "--quiet", "--out", "run"]
    with subprocess.Popen([*begin, *words], cwd=tmp_path) as training:
        command = [*begin, "watch", "run", "--every", "0.2", "--json"]
        seen = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert training.wait(60) == 0
    assert seen.returncode == 0, seen.stderr
    history = runs.load(tmp_path / "run").history
    losses = dict(zip(history["step"], history["val_loss"], strict=True))
    *lines, _ = map(json.loads, seen.stdout.splitlines())
    found = {one["step"]: one["loss"] for one in lines}
    assert len(found) > 1 and max(found) == 3000
    for step, loss in found.items():
        assert loss == pytest.approx(losses[step], rel=1e-5)
