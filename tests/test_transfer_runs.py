"""Transfer from the command line: a trained network, a new head, what rests, and a second phase."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from small import StopAt, commanded

from seqlab import _first_network, bases, cli, cnn, comparison, image_evaluate, images, runs, train
from seqlab.config import Config, ImageConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError

QUICK = "--steps 12 --batch 16 --quiet"


def pictures(folder, digits, count):
    """The first images of these digits, in folders of their names."""
    found = images.load("digits").train
    for digit in digits:
        place = Path(folder, f"digit {digit}")
        place.mkdir(parents=True)
        for i, image in enumerate(found.images[found.labels == digit][:count]):
            keras.utils.save_img(place / f"{i}.png", image, scale=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of 0 to 4, and the two phases in which it learns 5 to 9."""
    path = tmp_path_factory.mktemp("work")
    pictures(path / "many", range(5), 80)
    pictures(path / "few", range(5, 10), 20)
    return commanded(
        path,
        "train many --channels 1 --model baseline --steps 60 --batch 32 --quiet --out old",
        f"train few --channels 1 --from old --freeze * {QUICK} --learning-rate 0.01 --out head",
        f"train few --channels 1 --from head {QUICK} --out whole",
    )


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def moved(before, after):
    """The layers whose weights differ, and whether their statistics do."""
    pairs = zip(runs.load(before).model.weights, runs.load(after).model.weights, strict=True)
    return {new.path for old, new in pairs if not np.array_equal(old, new)}


def test_two_phases_are_two_commands(folder):
    assert runs.load("head").model.output_shape == (None, 5)
    old = {weight.path: weight for weight in runs.load("old").model.weights}
    for weight in runs.load("head").model.weights:
        if not weight.path.startswith("logits"):
            np.testing.assert_array_equal(weight, old.pop(weight.path))
    assert {path.split("/")[0] for path in old} == {"logits"}
    changed = moved("head", "whole")
    learned = {weight.path for weight in runs.load("whole").model.trainable_weights}
    assert changed == learned and {path.split("/")[1] for path in changed} == {"kernel", "bias"}
    assert any("conv" in path for path in changed)  # and no batch normalisation
    first, then = runs.load("head").history, runs.load("whole").history
    assert then["val_loss"][0] == pytest.approx(min(first["val_loss"]), rel=1e-5)
    assert cli.main(["evaluate", "whole"]) == 0


def test_the_head_is_new_where_the_classes_are(folder):
    old = runs.load("old").model
    for first, same in ((0, True), (5, False)):
        names = [f"digit {i}" for i in range(first, first + 5)]
        made = _first_network.build(config(), (8, 8, 1), names)
        assert np.array_equal(made.get_layer("hidden").kernel, old.get_layer("hidden").kernel)
        assert (
            np.array_equal(made.get_layer("logits").kernel, old.get_layer("logits").kernel) == same
        )


def test_what_it_began_with_stands_in_its_config_and_is_not_needed_again(folder, tmp_path):
    record = json.loads((folder / "head" / "config.json").read_text())["model"]
    assert record["base"] == str(folder / "old") and record["freeze"] == ["*"]
    assert record["network"] == "baseline" and len(record["base_sha256"]) == 64
    assert runs.load("head").config.model.about == "baseline from old"
    before = image_evaluate.evaluate(runs.load("head")).metrics
    (folder / "old").rename(tmp_path / "away")
    try:
        assert image_evaluate.evaluate(runs.load("head")).metrics == before
    finally:
        (tmp_path / "away").rename(folder / "old")


def config(**settings):
    return Config(
        ImageConfig("few", channels=1),
        bases.of("old", **settings),
        TrainConfig(steps=12, batch=16, evaluations=3),
    )


def test_interrupted_and_resumed_gives_the_same_bits(tmp_path, folder):
    whole = train.start(config(freeze=["conv*"]), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train.start(config(freeze=["conv*"]), tmp_path / "cut", [StopAt()])
    resumed = train.resume(train.load_run(tmp_path / "cut"))
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history
    learns = {layer.name: layer.trainable for layer in resumed.model.layers if layer.weights}
    assert learns == {"conv": False, "normal": False, "hidden": True, "logits": True}


def test_another_base_is_not_gone_on_with(tmp_path, folder):
    shutil.copytree("old", tmp_path / "base")
    begun = dataclasses.replace(config(), model=bases.of(tmp_path / "base"))
    with pytest.raises(KeyboardInterrupt):
        train.start(begun, tmp_path / "cut", [StopAt()])
    (tmp_path / "base" / "model.keras").write_bytes(b"another")
    with pytest.raises(SeqlabError, match="not the network that this training began with"):
        train.resume(train.load_run(tmp_path / "cut"))
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(SeqlabError, match="base: no such run or file to begin with"):
        train.resume(train.load_run(tmp_path / "cut"))


def test_batch_normalisation_learns_only_if_it_is_told_to(tmp_path):
    task = train.start(config(batch_norm=True), tmp_path / "free").model
    normal = [n for n in task.layers if isinstance(n, keras.layers.BatchNormalization)]
    old = runs.load("old").model.get_layer(normal[0].name)
    assert normal and not np.array_equal(old.moving_mean, normal[0].moving_mean)
    assert not np.array_equal(old.gamma, normal[0].gamma)


def test_files_of_keras_get_their_pixels_and_a_head(tmp_path, capsys, folder):
    keras.utils.set_random_seed(1)
    cnn.build("mlp", (8, 8, 1), 5, hidden=6).save("any.keras")
    command = f"train few --channels 1 --from any.keras --pixels symmetric {QUICK} --out any"
    assert cli.main(command.split()) == 0
    run = runs.load("any")
    names = [layer.name for layer in run.model.layers]
    assert names[:2] == ["images", "pixels"] and names[-1] == "logits"
    assert run.config.model.network == "any" and run.config.model.pixels == "symmetric"
    assert bases.new_head(run.config.model, [f"digit {i}" for i in range(5, 10)])


def test_the_command_says_what_becomes_of_the_network(capsys, tmp_path):
    words = ["train", "few", "--channels", "1", "--batch", "16", "--steps", "2", "--out"]
    assert cli.main([*words, str(tmp_path / "a"), "--from", "old", "--freeze", "conv*", "*d*"]) == 0
    said = capsys.readouterr().out
    assert "old: a new head for 5 classes; conv*, *d* rest; batch normalisation rests." in said
    assert "statistics of batch normalisation" not in said  # they rest, which is no fault
    assert cli.main([*words, str(tmp_path / "b"), "--from", "head", "--batch-norm"]) == 0
    assert "head: the old head; every layer learns." in capsys.readouterr().out


def test_compare_names_what_they_began_with():
    made = comparison.compare([runs.load(path) for path in ("head", "whole")])
    assert {"base", "freeze"} <= set(made.settings) and "base_sha256" not in made.settings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("few --from nowhere", ["nowhere: no such run or file"]),
        ("few --from few", ["few: not a run"]),
        ("few --from notes.txt", ["notes.txt: must be a run folder, a .keras file, or"]),
        ("few --freeze conv*", ["`--freeze` is of a trained network", "--from RUN"]),
        ("few --pixels bytes", ["`--pixels` is of a trained network"]),
        ("few --from old --model mlp", ["`--model` is of a new network", "old"]),
        ("few --from old --recipe best", ["`--recipe` is of a new network"]),
        ("few --from old --pixels bytes", ["`--pixels` is for files"]),
        ("few --from old", ["takes images of (8, 8, 1)", "(8, 8, 3)", "`channels`"]),
        ("few --channels 1 --from old --freeze dense*", ["named 'dense*'", "there are"]),
        ("few --channels 1 --from old --augment standardise", ["standardise both, or neither"]),
        ("few --channels 1 --from old --precision mixed_bfloat16", ["with --precision float32"]),
        ("sin --from old", ["`--from` is for images"]),
    ],
)
def test_what_cannot_be_is_refused_before_there_is_a_folder(options, words, capsys, folder):
    (folder / "notes.txt").write_text("nothing")
    before = sorted(Path().rglob("*"))
    assert cli.main(["train", *options.split(), *QUICK.split()]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and all(word in said.err for word in words), said.err
    assert sorted(Path().rglob("*")) == before


def test_a_config_names_a_base_or_none_of_its_options():
    with pytest.raises(SeqlabError, match="are of a network with a `base`"):
        NetworkConfig("mlp", freeze=("a",))
    with pytest.raises(SeqlabError, match="has its options already"):
        NetworkConfig("mlp", {"hidden": 3}, base="old")
    for wanted in (config(freeze=["conv*"]), config()):
        assert Config.from_json(json.dumps(wanted.to_json())) == wanted
