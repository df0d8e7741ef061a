"""Every cell against a NumPy loop in float64: values, and gradients of every weight and input."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import VARIANTS, initial, make, normal

from seqlab import cells
from seqlab.errors import SeqlabError


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=8, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, n) for n in (5, 9, 4, 6))),
    data=st.data(),
    started=st.booleans(),
)
def test_every_cell_equals_a_loop_in_numpy(name, shape, data, started):
    batch, steps, features, units = shape
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    cell, x = make(name, features, units), normal(1, batch, steps, features)
    state = initial(cell, batch) if started else cell.get_initial_state(batch)
    state = [np.asarray(part) for part in state]
    found = cells.dynamic_rnn(cell, x, np.array(lengths), state if started else None)
    expected = reference.run(reference.STEPS[name], cell.get_weights(), x, state, lengths)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


LENGTHS = [0, 5, 2]


def weighted(seed, parts):
    """A loss in which every element of every part has a weight of its own."""
    return sum((part * normal(seed + i, *part.shape)).sum() for i, part in enumerate(parts))


def numeric_gradients(name, x, state, weights):
    """Central differences of the NumPy loop, in float64: of inputs, state and weights."""
    values = [part.astype(np.float64) for part in (x, *state, *weights)]
    gradients = [np.zeros_like(value) for value in values]

    def loss():
        x, state, weights = values[0], values[1 : 1 + count], values[1 + count :]
        outputs, ends = reference.run(reference.STEPS[name], weights, x, state, LENGTHS)
        return weighted(5, [outputs, *ends])

    count, step = len(state), 1e-6
    for value, gradient in zip(values, gradients, strict=True):
        for place in np.ndindex(value.shape):
            kept = value[place]
            value[place] = kept + step
            above = loss()
            value[place] = kept - step
            gradient[place] = (above - loss()) / (2 * step)
            value[place] = kept
    return gradients


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_equal_those_of_the_numpy_loop(name):
    cell, x = make(name, 2, 3), normal(3, 3, 5, 2)
    state = initial(cell, 3)
    with tf.GradientTape() as tape:
        given = [tf.constant(part) for part in (x, *state)]
        tape.watch(given)
        outputs, ends = cells.dynamic_rnn(cell, given[0], np.array(LENGTHS), given[1:])
        parts = [outputs, *ends]
        loss = sum(tf.reduce_sum(part * normal(5 + i, *part.shape)) for i, part in enumerate(parts))
    ours = tape.gradient(loss, [*given, *(weight.value for weight in cell.weights)])
    theirs = numeric_gradients(name, x, state, cell.get_weights())
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


def test_the_stabiliser_of_the_slstm_changes_nothing():
    """Equations 8 to 14 alone, as long as their exponentials fit into a float64."""
    cell, x = make("slstm", 2, 3), normal(1, 4, 9, 2)
    kernel, recurrent, bias = cell.get_weights()
    h, c, n = np.zeros((3, 4, 3))
    for step in x.swapaxes(0, 1):
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f, o = np.exp(i), reference.sigmoid(f), reference.sigmoid(o)
        c, n = f * c + i * np.tanh(g), f * n + i
        h = o * c / n
    outputs, _ = cells.dynamic_rnn(cell, x)
    np.testing.assert_allclose(outputs[:, -1], h, atol=1e-5)


@pytest.mark.parametrize("name", ["slstm", "slstm_exp"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_the_slstm_holds_what_would_overflow_or_vanish(name, dtype):
    cell = make(name, 1, 2, dtype=dtype)
    kernel, recurrent, bias = cell.get_weights()
    for size in (200.0, -200.0):  # exp(200) is no float32
        cell.set_weights([kernel, recurrent, bias + np.repeat([size, 0, 0, 0], 2)])
        outputs, _ = cells.dynamic_rnn(cell, normal(1, 3, 9, 1))
        assert np.isfinite(outputs).all()
        assert np.abs(outputs).max() > 0.05


def test_an_lstm_without_options_has_the_kernel_and_with_them_says_why_not():
    assert cells.paths(cells.LSTMCell(2))[0].implementation == "fused"
    for options in ({"use_peepholes": True}, {"num_proj": 2}, {"cell_clip": 1.0}):
        (path,) = cells.paths(cells.LSTMCell(2, **options))
        assert path.implementation == "loop"
        assert all(name in path.reason for name in options)


def test_the_forget_bias_is_a_weight_at_the_start():
    cell = cells.LSTMCell(2, forget_bias=-0.5)
    cell.build((None, 1))
    assert cell.bias.numpy().tolist() == [0, 0, -0.5, -0.5, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": 0}, "`units` must be a positive integer. Received: 0"),
        ({"num_proj": 0}, "`num_proj` must be a positive integer. Received: 0"),
        ({"num_proj": 1.5}, "`num_proj` must be a positive integer. Received: 1.5"),
        ({"cell_clip": 0}, "`cell_clip` must be a positive number. Received: 0"),
        ({"num_proj": 2, "proj_clip": -1.0}, "`proj_clip` must be a positive number. Received: -1"),
        ({"proj_clip": 1.0}, "give `num_proj`"),
        (
            {"forget_bias": float("nan")},
            "`forget_bias` must be a finite number within 1e.30 of zero. Received: nan",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(SeqlabError, match=words):
        cells.LSTMCell(**{"units": 2, **options})


@pytest.mark.parametrize("name", cells.CELLS)
def test_units_that_cannot_be_are_refused(name):
    with pytest.raises(SeqlabError, match="`units` must be a positive integer"):
        cells.CELLS[name](-3)


def test_words_that_cannot_be_are_refused():
    with pytest.raises(SeqlabError, match="`forget_gate` must be one of sigmoid, exp"):
        cells.SLSTMCell(2, forget_gate="tanh")
    with pytest.raises(SeqlabError, match="`epsilon` must be a positive number"):
        cells.LayerNormLSTMCell(2, epsilon=0)
