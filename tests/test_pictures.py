"""Folders of pictures that stay in their files: the same batches, runs and scores as from memory."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from small import StopAt

from seqlab import _pictures, augmentation, cli, cnn, image_evaluate, images, runs, train
from seqlab._pictures import Pictures
from seqlab.config import Config, ImageConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.image_scores import baselines
from seqlab.losses import SparseCrossEntropy

SHAPE = (150, 130, 3)  # 58 500 bytes: 1 MB is 17 pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of pictures, of which half are brighter."""
    path, rng = tmp_path_factory.mktemp("work"), np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (path / "set" / name).mkdir(parents=True)
        for i in range(14):
            picture = rng.integers(60 * label, 190 + 60 * label, SHAPE, np.uint8)
            keras.utils.save_img(path / "set" / name / f"{i}.png", picture, scale=False)
    return path


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def both(**settings):
    """The folder in memory, and from its files."""
    made = [images.load("set", memory=memory, **settings) for memory in (2, 1)]
    assert isinstance(made[0].train.images, np.ndarray)
    assert isinstance(made[1].train.images, Pictures)
    return made


def same(one, other):
    pairs = list(zip(one, other, strict=True))
    assert pairs
    for (x, y), (u, v) in pairs:
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_batches_are_the_same():
    strong = augmentation.Augmentation(flip=True, shift=3, contrast=(0.5, 1.5), hue=0.1)
    kept, read = (split.augmented(strong) for split in both(seed=3))
    edges = [2, 5, 7, 11]  # of steps that go over several epochs
    same(kept.train.training(6, 1, edges), read.train.training(6, 1, edges))
    for part in ("train", "validation", "test"):
        same(getattr(kept, part).dataset(5), getattr(read, part).dataset(5))
    plain = np.concatenate([x for x, _ in read.test.dataset(5)])
    np.testing.assert_allclose(plain, np.asarray(kept.test.images) / 255, rtol=1e-6)


def test_everything_else_is_the_same(monkeypatch):
    monkeypatch.setattr(_pictures, "PIECE", 4 * 58_500)
    kept, read = both(validation=4)
    assert baselines(kept.train, kept.test) == baselines(read.train, read.test)
    assert read.train.images.shape == kept.train.images.shape and len(read.validation) == 4
    assert images.overlap(read.test, read.test).tolist() == list(range(len(read.test)))
    assert not len(images.overlap(read.train, read.test))
    np.testing.assert_array_equal(
        np.concatenate(list(_pictures.pieces(read.train.images))), kept.train.images
    )
    small = both(size=(120, 120))
    assert [split.train.input_shape for split in small] == [(120, 120, 3)] * 2
    np.testing.assert_array_equal(*(np.asarray(split.test.images) for split in small))


def test_parts_decide_by_themselves(tmp_path):
    for part, count in (("train", 10), ("test", 3)):
        for name in ("dark", "light"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                place = tmp_path / part / name / f"{i}.png"
                place.write_bytes(Path("set", name, f"{i}.png").read_bytes())
    split = images.load(tmp_path, memory=1)
    assert isinstance(split.train.images, Pictures) and isinstance(split.test.images, np.ndarray)
    assert len(split.notes) == 1
    assert split.notes[0].startswith("20 pictures of 1 MB (train, validation) are read")


SMALL = Config(
    ImageConfig("set", augment="flip-shift"),
    NetworkConfig("lenet5"),
    TrainConfig(steps=6, batch=4, evaluations=3),
)


def test_interrupted_and_resumed_gives_the_bits_of_memory(tmp_path):
    tight = dataclasses.replace(SMALL, data=dataclasses.replace(SMALL.data, memory=1))
    assert tight == SMALL  # so that either goes on with the other
    whole = train.start(SMALL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train.start(tight, tmp_path / "cut", [StopAt()])
    resumed = train.resume(train.load_run(tmp_path / "cut"))
    assert isinstance(resumed.split.train.images, Pictures)
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history
    records = [
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("whole", "cut")
    ]
    assert records[0]["data_sha256"] == records[1]["data_sha256"]
    assert image_evaluate.evaluate(runs.load(tmp_path / "cut")).metrics == (
        image_evaluate.evaluate(runs.load(tmp_path / "whole")).metrics
    )


def test_the_command_says_so_in_one_line(capsys, tmp_path):
    words = "train set --model lenet5 --memory 1 --steps 2 --batch 4 --out".split()  # noqa: SIM905
    assert cli.main([*words, str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert said.count("are read from their files for each batch") == 1
    assert (tmp_path / "run" / "plots" / "confusion.png").exists()


def test_files_that_change_or_go_are_named(tmp_path):
    for name in ("dark", "light"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(14):
            place = tmp_path / "set" / name / f"{i}.png"
            place.write_bytes(Path("set", name, f"{i}.png").read_bytes())
    part = images.load(tmp_path / "set", memory=1).train
    for file in part.images.files[:2]:
        Path(file).write_bytes(Path("set/dark/0.png").read_bytes())
    with pytest.raises(SeqlabError, match=r"\.png: was changed while it was used"):
        np.asarray(part.images)
    split = images.ImageSplit("set", part, None, part)
    model = cnn.build("lenet5", SHAPE, 2)
    with pytest.raises(SeqlabError, match=r"^.*\.png: was changed while it was used. Begin again$"):
        train.fit(model, split, SMALL.train, tmp_path, loss=SparseCrossEntropy())
    (tmp_path / "set" / "dark" / "bad.png").write_bytes(b"none")
    with pytest.raises(SeqlabError, match=r"bad\.png: no picture.*Remove or mend"):
        images.load(tmp_path / "set", memory=1)
    (tmp_path / "set" / "dark" / "bad.png").unlink()
    keras.utils.save_img(tmp_path / "set" / "dark" / "9.png", np.zeros((9, 9, 3)), scale=False)
    with pytest.raises(SeqlabError, match=r"2 sizes: 150x130 .*, 9x9 \(9\.png\)"):
        images.load(tmp_path / "set", memory=1)
