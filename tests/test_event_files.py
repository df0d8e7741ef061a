"""Files for TensorBoard, written without it."""

import json
import sys

import numpy as np
import pytest

from seqlab import cli, runs
from seqlab._tensorflow import tf

QUICK = ["airline", "--window", "12", "--steps", "12", "--layers", "1", "--hidden", "4", "--quiet"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def curves(folder):
    """Name to [(step, value)], from the files as any reader finds them."""
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                point = event.step, float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append(point)
    return found


def test_curves_are_those_of_the_history(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as where it is not installed
    assert cli.main(["train", *QUICK, "--tensorboard", "--out", "run"]) == 0
    run = runs.load("run")
    history, seen = run.history, {}
    for part in ("training", "validation"):
        seen[part] = curves(run.path / "events" / part)
    assert set(seen["training"]) == {"loss", "learning_rate", "gradient_norm"}
    assert set(seen["validation"]) == {"loss"}
    for part, name, column in (
        ("training", "loss", "loss"),
        ("validation", "loss", "val_loss"),
        ("training", "learning_rate", "learning_rate"),
        ("training", "gradient_norm", "gradient_norm"),
    ):
        steps, values = zip(*seen[part][name], strict=True)
        assert list(steps) == history["step"][1:]  # the first row is of before any step
        np.testing.assert_allclose(values, history[column][1:], rtol=1e-5)


def test_without_the_option_nothing_is_written():
    assert cli.main(["train", *QUICK, "--out", "run"]) == 0
    assert not (runs.load("run").path / "events").exists()


def test_output_that_is_no_terminal_has_a_line_for_each_evaluation(capsys):
    words = [word for word in QUICK if word != "--quiet"]
    assert cli.main(["train", *words, "--json"]) == 0
    json.loads(capsys.readouterr().out)  # and nothing else
    assert cli.main(["train", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("step ") for line in lines) == 12  # evaluations, not more
    assert not any("\x1b" in line or "\r" in line for line in lines)
