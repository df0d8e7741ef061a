"""Runs of images: the same trainer, run folder and command line as for series."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cli, image_evaluate, runs, train
from seqlab.config import Config, ImageConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError

SMALL = Config(
    ImageConfig("digits", augment="shift"),
    NetworkConfig("lenet5_book", {"dropout": 0.2}),
    TrainConfig(steps=12, batch=16, learning_rate=0.002, evaluations=3, ema=0.9),
)


class StopAt(keras.callbacks.Callback):
    """A power cut."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where one run was made by the command line."""
    path = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        command = "train digits --model lenet5_book --steps 120 --batch 32 --quiet --out run"
        assert cli.main(command.split()) == 0
    return path


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def options(command):
    return cli.parser().parse_args(command.split())


def refused(capsys, command):
    """The one line that a command leaves on stderr, and nothing else anywhere."""
    before = sorted(Path().rglob("*"))
    assert cli.main(command.split()) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return said.err


def test_a_run_of_images_keeps_no_copy_of_them(folder):
    names = {path.name for path in (folder / "run").iterdir()}
    assert names == {
        "config.json",
        "checkpoints",
        "history.csv",
        "model.keras",
        "metrics.json",
        "plots",
    }
    record = json.loads((folder / "run" / "config.json").read_text())
    assert record["kind"] == "images" and len(record["data_sha256"]) == 64
    assert record["images"] == {"train": 1221, "validation": 216, "test": 360}
    assert runs.load("run").config.kind == "images"


def test_evaluate_says_how_it_stands_beside_baselines(capsys):
    assert cli.main(["evaluate", "run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["accuracy"] > 0.85
    assert found["baselines"]["most_frequent_class"]["accuracy"] == pytest.approx(0.1)
    assert found["baselines"]["nearest_mean_image"]["accuracy"] > 0.8
    assert cli.main(["evaluate", "run"]) == 0
    said = capsys.readouterr().out
    assert found["verdict"] in said.replace("\n", "")
    assert "nearest mean image" in said and "top-5" in said


def test_lists_show_the_run(capsys):
    Path("runs").mkdir(exist_ok=True)
    Path("runs/one").symlink_to(Path("run").resolve())
    assert cli.main(["runs"]) == 0
    Path("runs/one").unlink()


def test_interrupted_and_resumed_gives_the_same_bits(tmp_path):
    whole = train.start(SMALL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "cut", [StopAt()])
    resumed = train.resume(train.load_run(tmp_path / "cut"))
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history
    assert list(whole.history) == [
        *("step", "loss", "penalty", "accuracy", "val_accuracy", "val_loss", "learning_rate")
    ]


def test_other_images_are_refused(tmp_path):
    for label, name in enumerate(("a", "b")):
        for i in range(8):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            picture = np.full((12, 12, 3), 20 * i + label, "uint8")
            keras.utils.save_img(tmp_path / "set" / name / f"{i}.png", picture, scale=False)
    config = Config(
        ImageConfig(str(tmp_path / "set")),
        NetworkConfig("lenet5"),
        TrainConfig(steps=2, batch=4, evaluations=1),
    )
    train.start(config, tmp_path / "run")
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(SeqlabError, match="must be a folder"):
        _ = runs.load(tmp_path / "run").split
    moved = runs.load(tmp_path / "run").at(str(tmp_path / "moved"))
    assert 0 <= image_evaluate.evaluate(moved).accuracy <= 1
    keras.utils.save_img(tmp_path / "moved" / "a" / "0.png", np.full((12, 12, 3), 9), scale=False)
    with pytest.raises(SeqlabError, match=r"not the images that .*run was trained on.*--data-dir"):
        _ = runs.load(tmp_path / "run").at(str(tmp_path / "moved")).split
