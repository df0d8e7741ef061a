"""The trainer's parts: moving average of weights, penalty apart, schedules, precision, and batch norm."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cnn, images, train
from seqlab._average import Average
from seqlab.config import Config, DataConfig, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.errors import SeqlabError
from seqlab.losses import SparseCrossEntropy
from seqlab.optimizers import at_plateau, count_steps, make_optimizer

FEW = TrainConfig(steps=4, batch=16, learning_rate=0.01, schedule="constant", evaluations=4)
PLAIN = Config(ImageConfig("digits"), NetworkConfig("mlp", {"hidden": 7}), FEW)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def with_train(config, **changes):
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **changes))


class Kept(keras.callbacks.Callback):
    """The weights after each stretch between two evaluations; with `to`, a power cut."""

    def __init__(self, to=None):
        super().__init__()
        self.weights, self.to = [], to

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append([np.asarray(w) for w in self.model.weights])
        if len(self.weights) == self.to:
            raise KeyboardInterrupt


def cross_entropy(model, part):
    """Of all images of a part, as they are, by hand."""
    logits = np.asarray(model(part.images.astype("float32") / 255), np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(part)), part.labels]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen))


# The moving average


def test_the_average_follows_its_rule():
    weight = keras.Variable(0.0)
    average = Average([weight], 0.99)
    found = []
    for value, steps in ((5.0, 0), (10.0, 10_000), (10.0, 10_000)):
        weight.assign(value)
        average.update(steps)
        found.append(float(average.values[0]))
    assert found == pytest.approx([4.5, 4.555, 4.60945], abs=1e-5)


def test_small_weights_share_a_variable_and_keep_their_order():
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (130, 130), (4,), ()]
    weights = [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in shapes]
    weights.insert(1, keras.Variable(7, dtype="int32", trainable=False))
    average = Average(weights, 0.5)
    before = [np.asarray(weight) for weight in weights]
    for weight in weights:
        weight.assign(np.asarray(weight) + 2)
    average.update(1000)
    for old, new, weight in zip(before, average.values, weights, strict=True):
        counts = weight.dtype == "int32"
        np.testing.assert_allclose(new, old + (2 if counts else 1), rtol=1e-6)
        assert new.shape == weight.shape
    average.follow(weights[2:4])
    followed = zip(average.values, weights, strict=True)
    same = [np.array_equal(value, np.asarray(weight)) for value, weight in followed]
    assert same == [False, True, True, True, False]


def test_in_place_gives_the_weights_back_bit_by_bit():
    weight = keras.Variable(np.float32(1 / 3))
    average = Average([weight], 0.5)
    average.variables[0].assign([2.0])
    with pytest.raises(RuntimeError), average.in_place():
        assert float(weight) == 2
        raise RuntimeError
    assert np.asarray(weight) == np.float32(1 / 3)


def test_training_takes_the_raw_weights_and_everything_else_the_average():
    """A run without the average has the same raw weights; from these its average by hand."""
    raw = Kept()
    train.start(PLAIN, Path("raw"), [raw])
    run = train.start(with_train(PLAIN, ema=0.3), Path("averaged"))
    begin = cnn_at_start(PLAIN)
    shadow = [np.asarray(w, np.float64) for w in begin.weights]
    losses = []
    for n, weights in enumerate(raw.weights, 1):
        d = min(0.3, (1 + n) / (10 + n))
        shadow = [d * s + (1 - d) * w for s, w in zip(shadow, weights, strict=True)]
        begin.set_weights(shadow)
        losses.append(cross_entropy(begin, run.split.validation))
    np.testing.assert_allclose(run.history["val_loss"][1:], losses, rtol=1e-4)
    assert np.argmin(losses) == 3  # so that the best weights are the last ones
    for weight, expected in zip(run.model.get_weights(), shadow, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)
    saved = keras.models.load_model(run.path / "model.keras", compile=False)
    np.testing.assert_array_equal(saved.get_weights()[0], run.model.get_weights()[0])
    assert np.abs(saved.get_weights()[0] - raw.weights[-1][0]).max() > 1e-3


def cnn_at_start(config):
    keras.utils.set_random_seed(config.train.seed)
    return cnn.build(config.model.network, (8, 8, 1), 10, **config.model.options)


def test_without_validation_the_last_average_is_kept():
    config = dataclasses.replace(PLAIN, data=ImageConfig("digits", validation=0))
    raw = Kept()
    run = train.start(with_train(config, ema=0.9), Path("run"), [raw])
    assert np.isnan(run.history["val_loss"]).all()
    assert np.abs(run.model.get_weights()[0] - raw.weights[-1][0]).max() > 1e-3


def test_an_average_of_series_resumes_with_the_same_bits():
    config = Config(
        DataConfig("sin", window=6),
        ModelConfig(layers=1, hidden=4, dropout=0.2),
        TrainConfig(steps=20, batch=8, evaluations=4, ema=0.9, weight_decay=0.01),
    )
    t = np.arange(300)
    data = split(Series("wave", np.sin(t / 5)), config.data)
    whole = train.start(config, Path("whole"), data=data)
    with pytest.raises(KeyboardInterrupt):
        train.start(config, Path("cut"), [Kept(2)], data)
    resumed = train.resume(train.load_run("cut"))
    assert whole.history == resumed.history
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Loss and penalty


def test_data_loss_and_penalty_are_apart():
    config = dataclasses.replace(PLAIN, model=NetworkConfig("mlp", {"hidden": 7, "l2": 0.1}))
    run = train.start(config, Path("run"))
    begin = cnn_at_start(config)
    expected = sum(0.05 * float(np.sum(np.square(w))) for w in begin.get_weights()[::2])
    assert run.history["penalty"][0] == pytest.approx(expected, rel=1e-5)
    loss = cross_entropy(begin, run.split.validation)
    assert run.history["val_loss"][0] == pytest.approx(loss, rel=1e-4)
    assert run.history["loss"][1] < loss + expected / 2  # of the training: without the penalty, too
    assert train.start(PLAIN, Path("other")).history["penalty"][0] < expected / 100


def test_the_penalty_is_trained_on():
    strong = dataclasses.replace(PLAIN, model=NetworkConfig("mlp", {"hidden": 7, "l2": 3.0}))
    history = train.start(with_train(strong, optimizer="sgd", clip=None), Path("run")).history
    assert history["penalty"][-1] < 0.9 * history["penalty"][0]


def test_labels_are_smoothed_as_by_hand():
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], "float32")
    target = 0.7 * np.eye(3)[[0, 2]] + 0.1
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -(target * log).sum(axis=1).mean()
    assert float(SparseCrossEntropy(0.3)(np.array([0, 2]), logits)) == pytest.approx(expected)
    again = keras.losses.deserialize(keras.losses.serialize(SparseCrossEntropy(0.3)))
    assert again.smoothing == 0.3


# Batch norm and augmentation: training only


@pytest.mark.parametrize(("rate", "learns"), [(0.02, True), (0.3, False)])
def test_the_best_weights_have_the_statistics_that_belong_to_them(rate, learns):
    """And validation images are neither augmented nor normalised by their own batch."""
    config = Config(
        ImageConfig("digits", augment="shift"),
        NetworkConfig("baseline", {"momentum": 0.5}),
        dataclasses.replace(FEW, steps=16, learning_rate=rate, clip=None),
    )
    last = Kept()
    run = train.start(config, Path("run"), [last])
    history, loss = run.history["val_loss"], cross_entropy(run.model, run.split.validation)
    assert loss == pytest.approx(min(history), rel=1e-4)
    assert np.argmin(history) == (4 if learns else 0), "choose another rate"
    begin = cnn_at_start(config)
    assert np.abs(last.weights[-1][4]).max() > 0.1  # the moving mean
    expected = last.weights[-1] if learns else begin.get_weights()
    for weight, other in zip(run.model.weights, expected, strict=True):
        np.testing.assert_array_equal(weight, other)


# Settings of the training


def test_epochs_are_passes_over_the_training_part():
    assert count_steps(TrainConfig(epochs=3, batch=100), 550) == 17
    with pytest.raises(SeqlabError, match="leave out one"):
        TrainConfig(epochs=3, steps=3)


def rates(steps, at, **settings):
    optimizer = make_optimizer(TrainConfig(learning_rate=0.5, **settings), steps)
    found = []
    for step in at:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


def test_the_rate_rises_first_if_it_is_told_to():
    at = (0, 50, 100, 200, 600, 1000)
    exponential = [0.5 * 0.01 ** (step / 1000) for step in at]
    expected = [rate * min(1, step / 200) for rate, step in zip(exponential, at, strict=True)]
    found = rates(1000, at, schedule="exponential", warm_up=0.2)
    assert found == pytest.approx(expected, rel=1e-5)
    found = rates(1000, at, schedule="constant", warm_up=0.2)
    assert found == pytest.approx([0, 0.125, 0.25, 0.5, 0.5, 0.5])
    found = rates(1000, at, schedule="cosine", warm_up=0.2)
    assert found == pytest.approx([0, 0.125, 0.25, 0.5, 0.25, 0], abs=1e-6)
    assert (
        rates(1000, [0], schedule="cosine", warm_up=0.0)[0] < 1e-6
    )  # its first step is of warm-up


def test_one_cycle_goes_up_and_down():
    at = (0, 150, 300, 650, 1000)
    middle, low = (0.5 + 0.02) / 2, 0.02 * 1e-4
    expected = [0.02, middle, 0.5, (0.5 + low) / 2, low]
    assert rates(1000, at, schedule="one-cycle") == pytest.approx(expected, rel=1e-3)
    assert rates(1000, [100], schedule="one-cycle", warm_up=0.1) == pytest.approx([0.5])


@pytest.mark.parametrize("schedule", ["one-cycle", "exponential", "constant"])
def test_schedules_are_written_down_and_read(schedule):
    optimizer = make_optimizer(TrainConfig(schedule=schedule, warm_up=0.4), 10)
    optimizer.iterations.assign(3)
    again = keras.optimizers.schedules.deserialize(optimizer.get_config()["learning_rate"])
    assert float(again(3)) == pytest.approx(float(optimizer.learning_rate))


def test_a_plateau_is_three_evaluations_without_a_new_low():
    config = TrainConfig(learning_rate=0.8, schedule="plateau")
    assert at_plateau(config, [5, 4, 4, 4.5, 3]) == 0.8
    assert at_plateau(config, [5, 4, 4, 4.5, 4]) == 0.4
    assert at_plateau(config, [5, 4, 4, 4.5, 4, 3, 3, 3]) == 0.4
    config = dataclasses.replace(config, decay=0.1)
    assert at_plateau(config, [5, 4, 4, 4.5, 4, 6, 6, 6]) == pytest.approx(0.008)


def test_a_rate_that_falls_at_plateaus_resumes_with_the_same_bits():
    plateau = with_train(PLAIN, schedule="plateau", optimizer="sgd", learning_rate=20.0, steps=12)
    plateau = with_train(plateau, evaluations=12, clip=0.1)
    whole = train.start(plateau, Path("whole"))
    found = whole.history["learning_rate"]
    assert found[0] == 20 and found[-1] < 20, "choose another rate"
    config = dataclasses.replace(plateau.train, steps=12)
    losses = whole.history["val_loss"]
    expected = [at_plateau(config, losses[: max(1, n)]) for n in range(13)]
    assert found == pytest.approx(expected)
    with pytest.raises(KeyboardInterrupt):
        train.start(plateau, Path("cut"), [Kept(9)])
    resumed = train.resume(train.load_run("cut"))
    assert resumed.history == whole.history
    np.testing.assert_array_equal(resumed.model.get_weights()[0], whole.model.get_weights()[0])


@pytest.mark.parametrize(("staircase", "expected"), [(True, 0.25), (False, 0.5 * 0.5**1.5)])
def test_the_rate_decays_by_epochs(staircase, expected):
    config = TrainConfig(learning_rate=0.5, schedule="exponential", decay=0.5, staircase=staircase)
    optimizer = make_optimizer(config, 1_000, 10)
    optimizer.iterations.assign(15)
    assert float(optimizer.learning_rate) == pytest.approx(expected)


def test_a_run_decays_by_its_own_epochs():
    settings = {"schedule": "exponential", "decay": 0.1, "batch": 611, "optimizer": "sgd"}
    history = train.start(with_train(PLAIN, **settings), Path("run")).history
    epochs = np.array([0, 1, 2, 3, 4]) * 611 / 1221
    np.testing.assert_allclose(history["learning_rate"], 0.01 * 0.1**epochs, rtol=1e-5)


def test_momentum_and_weight_decay_reach_the_weights():
    slow = train.start(with_train(PLAIN, optimizer="sgd"), Path("slow")).model.get_weights()
    config = with_train(PLAIN, optimizer="sgd", momentum=0.9)
    fast = train.start(config, Path("fast")).model.get_weights()
    begin = cnn_at_start(PLAIN).get_weights()
    assert np.linalg.norm(fast[0] - begin[0]) > 1.5 * np.linalg.norm(slow[0] - begin[0])
    last = dataclasses.replace(PLAIN, data=ImageConfig("digits", validation=0))
    config = with_train(last, optimizer="sgd", weight_decay=5.0, steps=1, evaluations=1)
    decayed = train.start(config, Path("decayed")).model.get_weights()
    once = train.start(with_train(config, weight_decay=None), Path("once")).model.get_weights()
    np.testing.assert_allclose(once[0] - decayed[0], 0.05 * begin[0], atol=1e-6)
    np.testing.assert_array_equal(once[1], decayed[1])  # biases are left alone


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"momentum": 0.9}, "of sgd and rmsprop. Received: adam"),
        ({"decay": 0.9}, "of the schedule exponential. Received: cosine"),
        ({"staircase": True, "schedule": "exponential"}, "needs `decay`"),
        ({"staircase": True, "decay": 0.5, "schedule": "plateau"}, "of the schedule exponential"),
        ({"warm_up": 0.1, "schedule": "plateau"}, "leave out one of them"),
        ({"warm_up": 1.0}, "`warm_up` must be at least 0 and below 1"),
        ({"ema": 1.0}, "`ema` must be at least 0 and below 1"),
        ({"precision": "float16"}, "float32, mixed_bfloat16"),
        ({"weight_decay": 0.0}, "`weight_decay` must be a positive number"),
        ({"learning_rate": 1e308}, "`learning_rate` must be at most 1e.30. Received: 1e.308"),
    ],
)
def test_settings_without_effect_are_refused(settings, words):
    with pytest.raises(SeqlabError, match=words):
        TrainConfig(**settings)


def test_mixed_precision_is_of_this_run_only():
    run = train.start(with_train(PLAIN, precision="mixed_bfloat16"), Path("run"))
    assert run.model.get_layer("hidden").compute_dtype == "bfloat16"
    assert run.model.get_layer("hidden").kernel.dtype == "float32"
    assert run.history["val_loss"][-1] < run.history["val_loss"][0]
    assert keras.config.dtype_policy().name == "float32"


def test_large_images_are_evaluated_in_small_batches():
    assert train.evaluated_rows(TrainConfig(batch=32), (28, 28, 1)) == 1024
    assert train.evaluated_rows(TrainConfig(batch=32), (227, 227, 3)) == 32
    assert images.load("digits").train.input_shape == (8, 8, 1)
