"""Models by name: shapes, parameter counts, saving."""

import math

import keras
import numpy as np
import pytest
import reference

from seqlab import cells, config, models
from seqlab.config import ModelConfig

STACKS = ("stacked", "bidirectional")  # what else there is has tests of its own
EVERY = [(m, c) for m in STACKS for c in cells.CELLS]


def parameters(cell, features, units):
    return sum(math.prod(shape) for shape in reference.shapes(cell, features, units))


def test_parameters_are_those_of_the_books():
    """CHAPTERS R1 and R2: (n_in + n_h + 1) n_h, four times for the LSTM; Keras' GRU has two biases."""
    assert parameters("rnn", 2, 30) == 30 * (2 + 30 + 1)
    assert parameters("lstm", 2, 30) == 4 * 30 * (2 + 30 + 1)
    assert parameters("gru", 2, 30) == 3 * 30 * (2 + 30 + 2)


def test_the_light_lists_name_what_there_is():
    assert tuple(cells.CELLS) == config.CELLS
    assert tuple(models.MODELS) == config.MODELS


@pytest.mark.parametrize(("name", "cell"), EVERY)
def test_parameters_and_summary(name, cell):
    model = models.build(ModelConfig(name, cell, 2, 30), (10, 2), horizon=3)
    directions = 2 if name == "bidirectional" else 1
    layers = [parameters(cell, 2, 30), parameters(cell, 30, 30)] * directions
    expected = [*layers, 30 * directions * 3 + 3]
    assert [count for _, _, count in models.summary(model)] == expected
    assert model.count_params() == sum(expected)
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize(("name", "cell"), EVERY)
def test_save_and_load(tmp_path, name, cell):
    model = models.build(ModelConfig(name, cell, 2, 7, dropout=0.2), (10, 2), horizon=3)
    x = np.random.default_rng(0).normal(size=(4, 10, 2)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)


@pytest.mark.parametrize("name", STACKS)
def test_dropout_reaches_the_head_of_a_single_layer(name):
    model = models.build(ModelConfig(name, "gru", 1, 40, dropout=0.5), (4, 1))
    x = np.random.default_rng(0).normal(size=(1, 4, 1)).astype("float32")
    drawn = [float(model(x, training=True)[0, 0]) for _ in range(8)]
    assert len(set(drawn)) == 8 and float(model(x)[0, 0]) == float(model(x)[0, 0])


@pytest.mark.parametrize("name", STACKS)
def test_the_head_reads_what_it_should(name):
    """Forwards: the last step; both ways: also the first, read last by the other stack."""
    model = models.build(ModelConfig(name, "lstm", 2, 6), (4, 1))
    x = np.random.default_rng(0).normal(size=(1, 4, 1)).astype("float32")
    layer = model.layers[1]
    stacks = [layer.cell] if name == "stacked" else [layer.forward.cell, layer.backward.cell]
    tops = []
    for stack, inputs in zip(stacks, (x, x[:, ::-1]), strict=False):
        outputs, _ = cells.dynamic_rnn(stack, inputs)
        tops.append(outputs[:, -1])
    head = model.get_layer("head")
    np.testing.assert_allclose(head(np.concatenate(tops, axis=-1)), model(x), atol=1e-6)
