"""L1 and L2 on the kernels of any network: by hand, apart from the loss of the data, or not there."""

import dataclasses
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from small import SMALL, StopAt, series

from seqlab import cli, cnn, losses, models, train
from seqlab._penalties import Penalty, penalty
from seqlab._sides import Sides
from seqlab._tensorflow import tf
from seqlab.config import Config, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.datasets import split
from seqlab.errors import SeqlabError
from seqlab.options import make_config, train_command
from seqlab.tasks import Task
from seqlab.trainer import make_trainer

WEIGHTS = np.array([[1, -2], [-3, 4]], "float32")
RATE, L1, L2 = 0.1, 0.02, 0.3


@pytest.mark.parametrize(
    ("l1", "l2", "expected"), [(0.5, None, 5.0), (None, 0.5, 7.5), (0.5, 0.5, 12.5)]
)
def test_the_worked_example(l1, l2, expected):
    """Row F3 of the chapters."""
    assert float(Penalty(l1, l2, (keras.Variable(WEIGHTS),))()) == expected


def taken(spread=None, model=None, **options):
    """A trainer, its weights before and after one step, and what was measured in it."""
    keras.utils.set_random_seed(1)
    model = model or models.build(ModelConfig(layers=1, hidden=3, cell="gru"), (5, 2), 2)
    settings = {"optimizer": "sgd", "learning_rate": RATE, "schedule": "constant", "clip": None}
    config = TrainConfig(batch=4, **settings, **options)
    made = make_trainer(Task(model, losses.head("mse")[1]), config, 1)
    made.spread = spread or made.spread
    draw = np.random.default_rng(0)
    x, y = (
        draw.normal(size=(1, 4, *shape[1:])) for shape in (model.input_shape, model.output_shape)
    )
    before = model.get_weights()
    chunks = tf.data.Dataset.from_tensors((x.astype("float32"), y.astype("float32")))
    seen = made.fit(chunks, shuffle=False, verbose=0).history
    return made, before, model.get_weights(), seen


def test_a_step_by_hand():
    """One step with penalties is one without, and the gradient of each penalty at the weights before."""
    _, before, plain, data = taken()
    made, same, weights, seen = taken(l1=L1, l2=L2)
    names, total = [v.path.split("/", 1)[-1] for v in made.trainable_variables], 0.0
    for name, old, one, other in zip(names, before, plain, weights, strict=True):
        kernel = name.endswith("kernel")
        pull = RATE * (L1 * np.sign(old) + L2 * old) if kernel else 0.0
        np.testing.assert_allclose(other, one - pull, atol=1e-6, err_msg=name)
        total += kernel * (L1 * np.abs(old).sum() + L2 * np.square(old).sum() / 2)
    assert all(np.array_equal(old, new) for old, new in zip(before, same, strict=True))
    assert seen["penalty"][0] == pytest.approx(total, rel=1e-5)
    assert seen["loss"][0] == pytest.approx(data["loss"][0], rel=1e-4)
    assert {name.rsplit("/")[-1] for name in names} == {"kernel", "recurrent_kernel", "bias"}


def test_parts_of_a_batch_count_it_once():
    _, _, whole, seen = taken(l1=L1, l2=L2)
    _, _, weights, measured = taken(Sides(2), l1=L1, l2=L2)
    for one, other in zip(whole, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert measured["penalty"] == pytest.approx(seen["penalty"], rel=1e-6)


def test_what_is_no_kernel_is_left_alone():
    model = cnn.build("baseline", (16, 16, 3), 4)
    found = penalty(model, TrainConfig(l2=1.0)).weights
    assert {len(v.shape) for v in found} == {2, 4}
    ends = {v.name for v in model.trainable_variables} - {v.name for v in found}
    assert ends == {"bias", "gamma", "beta"}
    inputs = keras.Input((3,), dtype="int32")
    names = keras.Model(inputs, keras.layers.Embedding(5, 2)(inputs))
    with pytest.raises(SeqlabError, match="this model has none that learn"):
        penalty(names, TrainConfig(l1=1.0))


def test_a_plain_training_computes_nothing_of_it():
    """Its graph has one square per gradient, for the norm, and no more."""

    def operations(**options):
        made = taken(**options)[0]
        names = [op.type for f in graphs(made) for op in f.get_operations()]
        return names.count("L2Loss") - len(made.trainable_variables), names.count("Abs")

    def graphs(made):
        spec = [
            tf.TensorSpec((1, 4, *shape[1:])) for shape in (made.input_shape, made.output_shape)
        ]
        step = tf.function(made.train_step).get_concrete_function(tuple(spec)).graph
        return [step, *(f.graph for f in step._functions.values())]

    assert taken()[0].losses == [] and taken()[0].penalty is None
    assert operations() == (0, 0)
    squares, absolutes = operations(l1=L1, l2=L2)
    assert squares > 0 and absolutes > 0


def test_of_a_run_it_is_apart_and_resumes_with_the_same_bits(tmp_path):
    config = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, l1=0.01, l2=0.1))
    data = split(series(), config.data)
    whole = train.start(config, tmp_path / "whole", data=data)
    with pytest.raises(KeyboardInterrupt):
        train.start(config, tmp_path / "cut", [StopAt(1)], data)
    resumed = train.resume(train.load_run(tmp_path / "cut"))
    assert whole.history == resumed.history
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    begin = whole.history["penalty"]
    assert 0 < begin[-1] < begin[0]
    x, y = data.validation.batch(np.arange(len(data.validation)))[:2]
    best = min(whole.history["val_loss"])
    assert np.mean(np.square(whole.model.predict(x, verbose=0) - y)) == pytest.approx(best, 1e-4)


def parsed(words):
    return make_config(cli.parser().parse_args(shlex.split(words)))


def test_options():
    plain, asked = parsed("train sin"), parsed("train sin --l1 0.001 --l2 0.5")
    assert (plain.train.l1, plain.train.l2) == (None, None)
    assert (asked.train.l1, asked.train.l2) == (0.001, 0.5)
    assert parsed(train_command(asked).removeprefix("seqlab ")) == asked
    images = parsed("train digits --model mlp --recipe best --l2 0.5")
    assert images.train.l2 == 0.5 and images.train.epochs == 15
    with pytest.raises(SeqlabError, match="`l2` must be a positive number"):
        TrainConfig(l2=-1.0)


def test_it_comes_on_top_of_what_a_network_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = []
    for own, l2 in ((0.2, None), (0.0, 0.2), (0.2, 0.2)):
        few = TrainConfig(steps=2, batch=16, evaluations=1, l2=l2)
        network = NetworkConfig("mlp", {"hidden": 7, "l2": own})
        run = train.start(Config(ImageConfig("digits"), network, few), Path(f"{own}-{l2}"))
        begin.append(run.history["penalty"][0])
    assert begin[0] == pytest.approx(begin[1], rel=1e-6)
    assert begin[2] == pytest.approx(2 * begin[0], rel=1e-6)
