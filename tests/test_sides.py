"""A small network's batch in parts side by side: the same training, and only where it is faster."""

import numpy as np
import pytest

from seqlab import _parts, _sides, cli, cnn, rates, tasks, train, trainer
from seqlab._batch_norm import BatchNormalization, Statistics
from seqlab._replicas import ONE
from seqlab._sides import Sides, sides
from seqlab._tensorflow import keras, tf
from seqlab.config import Config, DataConfig, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError

BATCH = 35  # which two and three parts cannot share alike


def images(count, seed=0):
    draw = np.random.default_rng(seed)
    return draw.random((count, 8, 8, 1), np.float32), draw.integers(0, 10, count).astype(np.int32)


def trained(spread, name="lenet5_book", batch=BATCH, chunk=4, **options):
    """Weights, and what was measured, after four steps."""
    keras.utils.set_random_seed(3)
    model = cnn.build(name, (8, 8, 1), dropout=0.0, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    config = TrainConfig(batch=batch, optimizer="sgd", learning_rate=0.1, ema=0.9, clip=0.5)
    made = trainer.make_trainer(tasks.Task(model, loss, ("accuracy",)), config, 4)
    made.spread = spread
    x, y = (values.reshape(-1, chunk, batch, *values.shape[1:]) for values in images(4 * batch))
    chunks = tf.data.Dataset.from_tensor_slices((x, y))
    seen = made.fit(chunks, epochs=1, shuffle=False, verbose=0).history
    return made.evaluated, seen, float(made.optimizer.norms.value())


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_train_as_the_whole_batch(parts):
    weights, seen, norms = trained(ONE)
    again, measured, others = trained(Sides(parts))
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    assert measured.keys() == seen.keys() >= {"loss", "penalty", "accuracy"}
    for name, values in seen.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-5)
    assert others == pytest.approx(norms, rel=1e-5)


def test_the_average_takes_in_each_step_once():
    """However many steps a chunk has: of images it is taken beside the next step."""
    (whole, *_), (single, *_) = trained(ONE), trained(ONE, chunk=1)
    for one, other in zip(whole, single, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_is_not_finite_in_one_part_stops_all(monkeypatch):
    """Of the second part, whose 18 rows are the larger half; its gradient is finite."""
    whole = trainer.Trainer.compute_loss

    def loss(self, x, y, *given, **options):
        return whole(self, x, y, *given, **options) + (np.inf if y.shape[0] == 18 else 0.0)

    monkeypatch.setattr(trainer.Trainer, "compute_loss", loss)
    with pytest.raises(tf.errors.InvalidArgumentError, match="seqlab: the loss is not finite"):
        trained(Sides(2))


def test_parts_hold_ghosts_whole():
    given = {"name": "baseline", "batch": 24, "ghost": 8}
    weights, *_ = trained(ONE, **given)
    again, *_ = trained(Sides(3), **given)
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_training_takes_parts(monkeypatch, tmp_path):
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    monkeypatch.setattr(_sides, "cores", lambda: 2)
    seen = []
    monkeypatch.setattr(Sides, "check", lambda self, *_: None)
    whole = Sides.step
    monkeypatch.setattr(
        Sides, "step", lambda self, *given: seen.append(self.parts) or whole(self, *given)
    )
    few = TrainConfig(steps=2, batch=32, evaluations=1)
    train.start(Config(ImageConfig("digits"), NetworkConfig("lenet5"), few), tmp_path / "run")
    assert set(seen) == {2}


def chosen(name, batch=64, loss="sparse_categorical_crossentropy", **options):
    return sides(cnn.build(name, **options), batch, keras.losses.get(loss))


def test_where_parts_are_taken(monkeypatch):
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    monkeypatch.setattr(_sides, "cores", lambda: 2)
    assert chosen("lenet5").parts == 2 and chosen("lenet5", 32).parts == 2
    assert chosen("lenet5", 31) is ONE  # parts of too few rows
    assert chosen("mlp") is chosen("lenet_three") is ONE  # no convolutions; many weights
    assert chosen("baseline", dropout=0.0) is ONE  # statistics of the whole batch
    ghosts = {"ghost": 32, "dropout": 0.0}
    assert chosen("baseline", **ghosts).parts == 2
    assert chosen("baseline", ghost=32) is ONE  # parts would draw other random numbers
    for batch in (32, 80, 96):  # one group; groups that are not alike; three groups in two parts
        assert chosen("baseline", batch, **ghosts) is ONE
    monkeypatch.setattr(_sides, "cores", lambda: 4)
    assert chosen("lenet5", 256).parts == _parts.MOST and chosen("lenet5", 48).parts == 3
    assert chosen("baseline", 96, **ghosts).parts == 3
    assert chosen("baseline", **ghosts).parts == 2
    summed = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    assert sides(cnn.build("lenet5"), 64, summed) is ONE
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert chosen("lenet5") is ONE  # an operation may use all cores


def test_threads_suit_the_network(monkeypatch):
    given = []
    monkeypatch.setattr(_parts, "threads", given.append)
    monkeypatch.setattr(_parts, "cores", lambda: 2)

    def threads(data, model):
        given.clear()
        tasks.set_threads(Config(data, model, TrainConfig()))
        return given

    digits = ImageConfig("digits")
    assert threads(digits, NetworkConfig("lenet5")) == [2]
    assert threads(digits, NetworkConfig("resnet18")) == []
    assert threads(digits, NetworkConfig("lenet5", base="runs/other")) == []
    assert threads(ImageConfig("pictures"), NetworkConfig("lenet5")) == []  # of any size
    assert threads(DataConfig("sin"), ModelConfig(hidden=8)) == [1]
    assert threads(DataConfig("sin"), ModelConfig(hidden=128)) == [2]


def test_commands_set_the_threads(monkeypatch, tmp_path, capsys):
    seen = []
    monkeypatch.setattr(tasks, "set_threads", lambda config: seen.append(config.model.network))
    words = ["train", "digits", "--model", "lenet5", "--steps", "1", "--quiet"]
    assert cli.main([*words, "--out", str(tmp_path / "run")]) == 0
    assert seen == ["lenet5"]

    def stop(*_):
        raise SeqlabError("far enough")

    monkeypatch.setattr(rates, "find", stop)
    assert cli.main([*words, "--find-rate", str(tmp_path / "rates.png")]) == 2
    assert "far enough" in capsys.readouterr().err and seen == ["lenet5"] * 2


@pytest.mark.parametrize("channels", [3, 16])
def test_ghosts_are_batches_of_their_own(channels):
    draw = np.random.default_rng(0)
    inputs = draw.normal(2, 3, (9, 4, 5, channels)).astype(np.float32)
    made, other = BatchNormalization(4), BatchNormalization()
    outputs = made(inputs, training=True)  # in two groups, of four rows and of five
    parts = [other(part, training=True) for part in (inputs[:4], inputs[4:])]
    np.testing.assert_array_equal(outputs, np.concatenate(parts))
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_array_equal(getattr(made, name), getattr(other, name))
    whole = BatchNormalization()(inputs, training=True)
    assert np.abs(outputs - whole).max() > 0.1
    np.testing.assert_array_equal(
        made(inputs[:7], training=True), BatchNormalization()(inputs[:7], training=True)
    )
    again = BatchNormalization.from_config(made.get_config())
    assert again.ghost == 4


def test_new_statistics_are_of_whole_batches():
    inputs = np.random.default_rng(1).normal(2, 3, (3, 1, 8, 4, 4, 3)).astype(np.float32)
    layer = BatchNormalization(4)
    model = keras.Sequential([keras.Input((4, 4, 3)), layer])
    Statistics(model, [(batch, None) for batch in inputs]).take()
    np.testing.assert_allclose(layer.moving_mean, inputs.mean((0, 1, 2, 3, 4)), rtol=1e-5)
    assert layer.ghost == 4
