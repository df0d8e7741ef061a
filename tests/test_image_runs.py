"""Runs of images: the same trainer, run folder and command line as for series."""

import argparse
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from small import StopAt, commanded

from seqlab import cli, cnn, image_evaluate, images, runs, train, transfer
from seqlab.config import Config, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.image_config import IMAGE_SETS, NETWORKS, PIXELS
from seqlab.image_options import IMAGES_ONLY, OF_NETWORKS, SERIES_ONLY
from seqlab.options import TRAINING, make_config
from seqlab.run_data import STORES
from seqlab.train_options import add_train_options

SMALL = Config(
    ImageConfig("digits", augment="shift"),
    NetworkConfig("lenet5_book", {"dropout": 0.2}),
    TrainConfig(steps=12, batch=16, learning_rate=0.002, evaluations=3, ema=0.9),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where one run was made by the command line."""
    command = "train digits --model lenet5_book --steps 120 --batch 32 --quiet --out run"
    return commanded(tmp_path_factory.mktemp("work"), command)


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


def test_lists_show_networks_and_sets(capsys):
    assert cli.main(["data"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out
    assert cli.main(["models"]) == 0
    said = capsys.readouterr().out
    assert "1,663,370" in said and "alexnet8" in said and "21x21" in said


def test_interrupted_and_resumed_gives_the_same_bits(tmp_path):
    whole = train.start(SMALL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "cut", [StopAt()])
    resumed = train.resume(train.load_run(tmp_path / "cut"))
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history
    assert list(whole.history) == [
        *("step", "loss", "penalty", "accuracy", "val_accuracy", "val_loss", "learning_rate"),
        "gradient_norm",
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


# The command line


def test_options_reach_the_config():
    text = (
        "train mnist --model lenet_three --data-dir d --epochs 4 --augment shift --ema 0.99 --batch 100"
        " --label-smoothing 0.1 --precision mixed_bfloat16 --optimizer sgd --momentum 0.8 --seed 3"
        " --schedule exponential --decay 0.9 --staircase --weight-decay 0.01 --dropout 0.3"
        " --validation 50"
    )
    config = make_config(options(text))
    assert config.data == ImageConfig("mnist", validation=50, seed=3, augment="shift")
    assert Path(config.data.data_dir) == Path("d").resolve()
    assert config.model == NetworkConfig("lenet_three", {"dropout": 0.3}, 0.1)
    assert config.train == TrainConfig(
        *(None, 100, "sgd", 0.001, "exponential", None),
        seed=3,
        evaluations=4,
        epochs=4,
        decay=0.9,
        staircase=True,
        momentum=0.8,
        weight_decay=0.01,
        ema=0.99,
        precision="mixed_bfloat16",
    )
    assert Config.from_json(json.dumps(config.to_json())) == config


def test_the_light_lists_are_the_real_ones():
    assert tuple(images.CLASSES) == tuple(images.SETS) == IMAGE_SETS
    assert tuple(cnn.NETWORKS) == NETWORKS
    assert tuple(transfer.PIXELS) == PIXELS


def test_a_flag_is_of_series_or_of_images_or_of_both():
    flags = {flag for flag in vars(train_flags()) if flag.startswith("--")}
    assert flags >= SERIES_ONLY | IMAGES_ONLY
    assert not SERIES_ONLY & IMAGES_ONLY
    both = flags - SERIES_ONLY - IMAGES_ONLY
    used = {f"--{name.replace('_', '-')}" for name in (*TRAINING, *OF_NETWORKS)}
    assert both == used - IMAGES_ONLY | {
        *("--help", "--model", "--validation", "--no-validation", "--out", "--resume", "--quiet"),
        *("--seeds", "--find-rate", "--tensorboard", "--json", "--device"),
    }


def train_flags():
    parser = argparse.ArgumentParser()
    add_train_options(parser)
    return argparse.Namespace(**dict.fromkeys(parser._option_string_actions))


def test_configs_of_before_there_were_images_are_read():
    text = json.dumps({"data": {"source": "sin"}, "model": {"cell": "gru"}, "train": {"batch": 8}})
    assert Config.from_json(text).kind == "series"
    with pytest.raises(SeqlabError, match="ImageConfig, ModelConfig"):
        Config(ImageConfig(), ModelConfig())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train digits --target x", ["`--target` is for series", "digits"]),
        ("train digits --cell lstm", ["`--cell` is for series"]),
        ("train sin --augment shift", ["`--augment` is for images", "sin"]),
        ("train digits --model stacked", ["digits are images", "lenet5_book", "stacked"]),
        ("train sin --model mlp", ["folder, or one of digits", "'sin'"]),
        ("train digits --model alexnet8", ["from 21x21 on", "8x8", "lenet5_book"]),
        ("train digits --model lenet5 --dropout 0.2", ["activation, pooling", "dropout"]),
        ("train mnist --data-dir nowhere", ["nowhere: no such folder", "--data-dir"]),
        ("train mnist --data-dir .", ["train-images-idx3-ubyte"]),
        ("train one", ["1 class folders", "Two or more"]),
        ("evaluate run --rmse", ["`--rmse` is for series"]),
        ("forecast run", ["a run of images; this takes a run of series"]),
        ("backtest run", ["a run of images"]),
        ("audit run", ["a run of images"]),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(command, words, capsys, folder):
    (folder / "one" / "a").mkdir(parents=True, exist_ok=True)
    said = refused(capsys, command)
    assert all(word in said for word in words), said


def test_images_of_one_class_are_refused():
    part = images.load("digits").train
    same = dataclasses.replace(part, labels=np.full_like(part.labels, 7))
    split = images.ImageSplit("sevens", same, None, part)
    with pytest.raises(SeqlabError, match=r"sevens: every training image is of the class '7'"):
        STORES["images"].split(split, SMALL)
