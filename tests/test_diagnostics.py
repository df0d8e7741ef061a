"""What is said of trainings that go wrong silently: once, and nothing of those that do not."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cli, diagnostics, images, losses, train
from seqlab._pixels import Pixels
from seqlab.config import TrainConfig
from seqlab.diagnostics import Diagnosis

layers = keras.layers
FEW = TrainConfig(
    steps=12, batch=32, learning_rate=0.01, schedule="constant", evaluations=4, clip=None
)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def digits():
    return images.load("digits")


def said_of(data, model, config=FEW):
    """What is said of a training."""
    lines = []
    loss = losses.SparseCrossEntropy()
    train.fit(model, data, config, Path("checkpoints"), [Diagnosis(data, lines.append)], loss)
    return lines


@keras.saving.register_keras_serializable("tests")
class Unit(layers.Layer):
    """As the chapter's file has it: obeyed here, where a functional model would overrule it."""

    def __init__(self):
        super().__init__(name="unit")
        self.normal = layers.BatchNormalization(name="normal")

    def build(self, shape):
        self.normal.build(shape)

    def call(self, x):
        return self.normal(x, training=False)


def network(middle, momentum=0.5, unit=None):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3)(inputs)
    if middle:
        normal = layers.BatchNormalization(momentum=momentum, name="normal")
        x = (unit or normal)(x)
    x = layers.Dense(32, "relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def test_nothing_is_said_of_a_training_that_goes_well(digits):
    assert said_of(digits, network(True)) == []


def test_a_loss_at_chance_level_is_said_once_with_the_remedy(digits):
    """C2: at a rate of 0.8 the loss never falls."""
    stuck = dataclasses.replace(FEW, learning_rate=1e-9, optimizer="sgd")
    (line,) = said_of(digits, network(False), stuck)
    assert line.startswith("step 12: the data loss of 2.")
    assert "no better than guessing (2.3)" in line and "--learning-rate than 1e-09" in line


def test_the_rate_that_is_named_is_that_of_the_beginning(digits):
    """At its end the cosine has come down to nothing."""
    stuck = dataclasses.replace(FEW, learning_rate=1e-9, optimizer="sgd", schedule="cosine")
    (line,) = said_of(digits, network(False), stuck)
    assert "--learning-rate than 1e-09" in line or "than 9." in line


def test_statistics_that_do_not_move_are_said(digits):
    """C11: batch normalisation that is told training=False."""
    (line,) = said_of(digits, network(True, unit=Unit()))
    assert "does not move its statistics (normal)" in line and "without training=False" in line


def test_statistics_of_a_layer_that_rests_may_rest(digits):
    model = network(True)
    model.get_layer("normal").trainable = False
    assert said_of(digits, model) == []


def test_statistics_that_trail_behind_are_said(digits):
    """C9: momentum .99 and few steps."""
    (line,) = said_of(digits, network(True, 0.99))
    assert "still 97 % those of the beginning (momentum 0.99)" in line
    assert "--precise-bn 5000, or a momentum of 0.66 or less" in line
    assert 0.66**3 < diagnostics.TRAILING < 0.68**3


def test_test_images_among_the_others_are_said(digits):
    """C14: the test set served as validation set."""
    wrong = dataclasses.replace(
        digits, validation=dataclasses.replace(digits.test, split="validation")
    )
    (line,) = diagnostics.of_data(wrong)
    assert line.startswith("360 of 360 test images are in the validation part")
    twice = dataclasses.replace(digits, test=digits.train)
    (line,) = diagnostics.of_data(twice)
    assert "1,221 of 1,221 test images are in the train part" in line
    known = dataclasses.replace(digits, validation=digits.train)
    (line,) = diagnostics.of_data(known)
    assert "1,221 of 1,221 validation images are in the train part" in line
    assert list(diagnostics.of_data(digits)) == []


def test_images_that_were_scaled_before_are_said(digits):
    """C11: scaled twice."""
    for name in ("train", "validation", "test"):
        part = getattr(digits, name)
        dark = dataclasses.replace(part, images=(part.images / 255).round().astype(np.uint8))
        (line,) = diagnostics.of_data(dataclasses.replace(digits, **{name: dark}))
        assert f"brightest pixel of the {name} images is 1 of 255" in line
        assert "from 0 to 255" in line


@pytest.mark.parametrize("inside", [False, True])
def test_a_network_that_scales_once_more_is_said(digits, inside):
    """C11, too: EfficientNet and others divide by 255 themselves."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    body = keras.Model(inputs, network(False)(x))
    model = keras.Model(inputs, body(inputs)) if inside else body
    assert any("network scales pixels itself (rescaling)" in one for one in said_of(digits, model))
    right = keras.Model(inputs, body(Pixels("bytes")(inputs)))
    assert said_of(digits, right) == []


@pytest.mark.parametrize(("deviation", "said"), [(58.0, 1), (0.22, 0)])
def test_a_network_that_normalises_bytes_is_said(deviation, said):
    """ConvNeXt: its first layer takes off the mean of bytes, and divides by their deviation."""
    inputs = keras.Input((8, 8, 1))
    normal = layers.Normalization(mean=[0.0], variance=[deviation**2], name="prestem")
    model = keras.Model(inputs, network(False)(normal(inputs)))
    lines = [one for one in diagnostics._of_network(model) if "itself (prestem)" in one]
    assert len(lines) == said
    behind = keras.Model(inputs, model(Pixels("bytes")(inputs)))
    assert not list(diagnostics._of_network(behind))


def test_the_command_line_says_it(capsys):
    command = "train digits --model baseline --steps 8 --learning-rate 1e-9"
    assert cli.main(command.split()) == 0
    said = capsys.readouterr().out
    assert said.count("guessing") == 1 and said.count("of the beginning") == 1
