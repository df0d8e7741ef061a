"""Statistics of batch normalisation that are taken anew before each evaluation."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from test_trainer import Kept, cross_entropy, with_train

from seqlab import train
from seqlab.config import Config, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError

ROWS, BATCH = 60, 16  # so four batches
FEW = TrainConfig(
    steps=16, batch=BATCH, learning_rate=0.02, schedule="constant", evaluations=4, clip=None,
    precise_bn=ROWS,
)  # fmt: skip
CONFIG = Config(ImageConfig("digits", augment="shift"), NetworkConfig("baseline"), FEW)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def expected(run):
    """Mean over the first batches of the mean, and of the variance, that the layer's inputs have."""
    normal = run.model.get_layer("normal")
    inputs = keras.Model(run.model.input, normal.input)
    found = [
        np.asarray(inputs(images[0], training=True), np.float64)
        for images, _ in run.split.train.training(BATCH, 0, range(5))
    ]
    assert len(found) == 4
    axes = (0, 1, 2)
    return np.mean([x.mean(axes) for x in found], 0), np.mean([x.var(axes) for x in found], 0)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}])
@pytest.mark.parametrize("validation", [None, 0])
def test_statistics_are_those_of_training_images_under_the_evaluated_weights(changes, validation):
    config = dataclasses.replace(
        CONFIG, data=dataclasses.replace(CONFIG.data, validation=validation)
    )
    run = train.start(with_train(config, **changes), Path("run"))
    normal, (mean, variance) = run.model.get_layer("normal"), expected(run)
    np.testing.assert_allclose(normal.moving_mean, mean, atol=1e-5)
    np.testing.assert_allclose(normal.moving_variance, variance, rtol=1e-4)


def test_validation_scores_with_them():
    run = train.start(CONFIG, Path("run"))
    history = run.history["val_loss"]
    assert np.argmin(history) > 0
    assert cross_entropy(run.model, run.split.validation) == pytest.approx(min(history), rel=1e-4)


def test_training_itself_does_not_change():
    found = []
    for rows in (ROWS, None):
        kept = Kept()
        config = dataclasses.replace(CONFIG, model=NetworkConfig("baseline", {"dropout": 0.0}))
        train.start(with_train(config, precise_bn=rows), Path(f"run-{rows}"), [kept])
        found.append(kept.weights[-1])
    moved = [not np.array_equal(one, other) for one, other in zip(*found, strict=True)]
    assert [i for i, different in enumerate(moved) if different] == [4, 5]  # the statistics


def test_a_training_resumes_with_the_same_bits():
    whole = train.start(with_train(CONFIG, ema=0.9), Path("whole"))
    with pytest.raises(KeyboardInterrupt):
        train.start(with_train(CONFIG, ema=0.9), Path("cut"), [Kept(2)])
    resumed = train.resume(train.load_run("cut"))
    assert whole.history == resumed.history
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(CONFIG, model=NetworkConfig("mlp")),
        Config(model=ModelConfig(layers=1, hidden=2), train=FEW),
    ],
)
def test_a_model_without_batch_normalisation_is_refused(config):
    with pytest.raises(SeqlabError, match="this model has none"):
        train.start(config, Path("run"))
