"""Cells, wrappers and drivers against NumPy loops and against Keras: values and gradients."""

from functools import partial

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import make, normal

from seqlab import _loop, cells
from seqlab.errors import SeqlabError

KERAS = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "gru_before": partial(keras.layers.GRU, reset_after=False),
}
WAYS = [
    ("rnn", "loop"),
    ("lstm", "loop"),
    ("lstm", "fused"),
    ("gru", "loop"),
    ("gru_before", "loop"),
]


@settings(max_examples=15, deadline=None)
@given(
    way=st.sampled_from(WAYS),
    shape=st.tuples(*(st.integers(1, n) for n in (5, 9, 4, 6))),
    data=st.data(),
    started=st.booleans(),
)
def test_dynamic_rnn_equals_a_loop_in_numpy(way, shape, data, started):
    name, implementation = way
    batch, steps, features, units = shape
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    cell, x = make(name, features, units), normal(1, batch, steps, features)
    state = [normal(2 + i, batch, units) * started for i in range(len(cell.state_size))]
    outputs, ends = cells.dynamic_rnn(
        cell, x, np.array(lengths), state if started else None, implementation=implementation
    )
    expected, expected_ends = reference.run(
        reference.STEPS[name], cell.get_weights(), x, state, lengths
    )
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    for end, expected_end in zip(ends, expected_ends, strict=True):
        np.testing.assert_allclose(end, expected_end, atol=1e-5)


def gradients(run, variables, x, seed):
    """Of a loss in which every output and state element has a weight of its own."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        parts = keras.tree.flatten(run(x))
        weights = [normal(seed + i, *part.shape) for i, part in enumerate(parts)]
        loss = sum(tf.reduce_sum(p * w) for p, w in zip(parts, weights, strict=True))
    return [*parts, *tape.gradient(loss, [x, *(v.value for v in variables)])]


@pytest.mark.parametrize(("name", "implementation"), WAYS)
def test_values_and_gradients_equal_keras(name, implementation):
    x = tf.constant(normal(3, 5, 7, 3))
    cell = make(name, 3, 4)
    layer = KERAS[name](4, return_sequences=True, return_state=True)
    layer.build((None, 7, 3))
    layer.set_weights(cell.get_weights())
    ours = gradients(
        lambda x: cells.dynamic_rnn(cell, x, implementation=implementation), cell.weights, x, 5
    )
    for own, other in zip(ours, gradients(layer, layer.weights, x, 5), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


@pytest.mark.parametrize("lengths", [[0, 3, 8, 1], [8, 8, 8, 8], None])
@pytest.mark.parametrize("started", [False, True])
def test_fused_equals_the_loop_in_value_and_gradient(lengths, started):
    cell, x = make("lstm", 2, 5), tf.constant(normal(4, 4, 8, 2))
    state = [tf.constant(normal(6 + i, 4, 5)) for i in range(2)] if started else None
    lengths = None if lengths is None else np.array(lengths)
    fused, loop = (
        gradients(
            lambda x, way=way: cells.dynamic_rnn(cell, x, lengths, state, implementation=way),
            cell.weights,
            x,
            8,
        )
        for way in ("fused", "loop")
    )
    for one, other in zip(fused, loop, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_gradient_that_tensorflow_registers_is_why_we_have_our_own():
    """When this fails, TensorFlow has mended BlockLSTMV2, and ours can go."""
    kernel, recurrent, bias = reference.weights("lstm", 3, 4)
    x, w, zero = normal(1, 6, 2, 3), tf.Variable(np.concatenate([kernel, recurrent])), tf.zeros
    with tf.GradientTape() as tape:
        made = tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.constant(6, tf.int64),
            x=x,
            cs_prev=zero([2, 4]),
            h_prev=zero([2, 4]),
            w=w,
            wci=zero([4]),
            wcf=zero([4]),
            wco=zero([4]),
            b=bias,
            cell_clip=0.0,
        )
        loss = tf.reduce_sum(made.h * normal(2, 6, 2, 4))
    theirs = tape.gradient(loss, w)
    cell = make("lstm", 3, 4)
    x = tf.transpose(tf.constant(x), [1, 0, 2])
    with tf.GradientTape() as tape:
        outputs, _ = cells.dynamic_rnn(cell, x, implementation="loop")
        np.testing.assert_allclose(made.h, tf.transpose(outputs, [1, 0, 2]), atol=1e-6)
        loss = tf.reduce_sum(tf.transpose(outputs, [1, 0, 2]) * normal(2, 6, 2, 4))
    right = tf.concat(tape.gradient(loss, [v.value for v in cell.weights[:2]]), axis=0)
    assert np.abs(theirs - right).max() > 0.01


class Counter(keras.layers.Layer):
    """A cell that counts its steps and adds its input: its answers are plain to see."""

    state_size, output_size = [1], 1

    def get_initial_state(self, batch_size):
        return [tf.zeros((batch_size, 1))]

    def call(self, inputs, states, training=False):
        return states[0] + inputs, [states[0] + 1]


def test_the_driver_alone_stops_each_sequence_at_its_end():
    x = tf.zeros((3, 4, 1))
    outputs, (count,) = cells.dynamic_rnn(Counter(), x, np.array([0, 2, 4]))
    assert outputs.numpy()[:, :, 0].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 2, 3]]
    assert count.numpy()[:, 0].tolist() == [0, 2, 4]


def test_backward_starts_at_each_sequences_own_end():
    x = tf.constant([[[10.0], [20], [30], [40]]] * 2)
    (forward, backward), _ = cells.bidirectional_dynamic_rnn(
        Counter(), Counter(), x, np.array([4, 2])
    )
    assert forward.numpy()[:, :, 0].tolist() == [[10, 21, 32, 43], [10, 21, 0, 0]]
    assert backward.numpy()[:, :, 0].tolist() == [[13, 22, 31, 40], [11, 20, 0, 0]]


def test_bidirectional_equals_keras():
    x = normal(7, 4, 6, 3)
    fw, bw = make("lstm", 3, 5, 1), make("lstm", 3, 5, 2)
    layer = keras.layers.Bidirectional(
        keras.layers.LSTM(5, return_sequences=True), merge_mode="concat"
    )
    layer.build(x.shape)
    layer.set_weights([*fw.get_weights(), *bw.get_weights()])
    outputs, _ = cells.bidirectional_dynamic_rnn(fw, bw, x)
    np.testing.assert_allclose(np.concatenate(outputs, axis=-1), layer(x), atol=1e-5)


def test_a_stack_feeds_each_cell_the_one_below():
    low, high, x = make("lstm", 3, 5, 1), make("gru", 5, 2, 2), normal(8, 4, 6, 3)
    outputs, states = cells.dynamic_rnn(cells.StackedRNNCells([low, high]), x)
    lengths = [6] * 4
    zeros = [np.zeros((4, 5))] * 2
    middle, low_end = reference.run(reference.lstm, low.get_weights(), x, zeros, lengths)
    top, high_end = reference.run(
        reference.gru, high.get_weights(), middle, [np.zeros((4, 2))], lengths
    )
    np.testing.assert_allclose(outputs, top, atol=1e-5)
    for state, end in zip(keras.tree.flatten(states), [*low_end, *high_end], strict=True):
        np.testing.assert_allclose(state, end, atol=1e-5)


def test_cells_run_under_keras_own_loop():
    cell, x = make("lstm", 3, 4), normal(9, 2, 5, 3)
    stack = cells.StackedRNNCells([cells.DropoutWrapper(cell, output_keep_prob=0.5)])
    outputs, _ = cells.dynamic_rnn(stack, x)
    np.testing.assert_allclose(keras.layers.RNN(stack)(x), outputs[:, -1], atol=1e-5)


def test_one_cell_cannot_be_two_layers():
    cell = cells.LSTMCell(3)
    for repeated in ([cell, cell], [cells.DropoutWrapper(cell), cells.DropoutWrapper(cell)]):
        with pytest.raises(SeqlabError, match="same cell twice"):
            cells.StackedRNNCells(repeated)
    with pytest.raises(SeqlabError, match="same cell"):
        cells.bidirectional_dynamic_rnn(cell, cells.DropoutWrapper(cell), tf.zeros((1, 2, 3)))


@pytest.mark.parametrize("where", ["input", "output"])
@pytest.mark.parametrize("implementation", ["fused", "loop"])
def test_dropout_keeps_its_share_only_while_training(where, implementation):
    cell, x = make("lstm", 3, 64), normal(3, 16, 10, 3)
    wrapped = cells.DropoutWrapper(cell, **{f"{where}_keep_prob": 0.7})

    def run(training):
        found = cells.dynamic_rnn(wrapped, x, training=training, implementation=implementation)
        return found[0].numpy()

    plain = cells.dynamic_rnn(cell, x)[0].numpy()
    np.testing.assert_allclose(run(False), plain, atol=1e-5)
    dropped = run(True)
    if where == "input":
        assert np.abs(dropped - plain).max() > 0.01
        return
    kept = dropped != 0
    assert abs(kept.mean() - 0.7) < 0.02
    assert not (kept[:, 0] == kept[:, 1]).all()  # another mask at every step
    np.testing.assert_allclose(dropped[kept], plain[kept] / 0.7, atol=1e-5)


def test_dropout_never_touches_the_state():
    cell, x = make("lstm", 3, 8), normal(3, 4, 6, 3)
    _, plain = cells.dynamic_rnn(cell, x)
    wrapped = cells.DropoutWrapper(cell, output_keep_prob=0.5)
    _, states = cells.dynamic_rnn(wrapped, x, training=True)
    for state, expected in zip(states, plain, strict=True):
        np.testing.assert_allclose(state, expected, atol=1e-6)


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5])
def test_keep_probabilities_outside_are_refused(keep):
    with pytest.raises(SeqlabError, match="output_keep_prob"):
        cells.DropoutWrapper(cells.RNNCell(2), output_keep_prob=keep)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, 6], "between 0 and the 5 steps"),
        ([-1, 2], "between 0 and the 5 steps"),
        ([1], "one integer per sequence"),
        ([1.5, 2], "one integer per sequence"),
    ],
)
def test_lengths_that_cannot_be_are_refused(lengths, words):
    with pytest.raises(SeqlabError, match=words):
        cells.dynamic_rnn(cells.RNNCell(2), tf.zeros((2, 5, 1)), np.array(lengths))


def test_symbolic_inputs_have_the_shapes_of_real_ones():
    stack = cells.StackedRNNCells([make("lstm", 3, 4, 1), make("gru", 4, 2, 2)])
    symbol, lengths = keras.Input((5, 3)), keras.Input((), dtype="int32")
    made = cells.dynamic_rnn(stack, symbol * 2, lengths)
    both = cells.bidirectional_dynamic_rnn(make("rnn", 3, 4, 3), make("rnn", 3, 4, 4), symbol)
    model = keras.Model([symbol, lengths], [*keras.tree.flatten(made), *keras.tree.flatten(both)])
    x, known = normal(1, 2, 5, 3), np.array([2, 5])
    found = model([x, known])
    assert [(None, *part.shape[1:]) for part in found] == [part.shape for part in model.outputs]
    np.testing.assert_allclose(found[0], cells.dynamic_rnn(stack, 2 * x, known)[0], atol=1e-6)


def test_lists_and_tuples_do_as_well():
    cell, x = make("lstm", 3, 4), normal(1, 2, 5, 3)
    state = normal(2, 2, 4), normal(3, 2, 4)
    one, _ = cells.dynamic_rnn(cell, x.tolist(), [2, 5], state)
    other, _ = cells.dynamic_rnn(cell, x, np.array([2, 5]), list(state))
    np.testing.assert_array_equal(one, other)


def test_a_cell_keeps_its_precision(monkeypatch):
    monkeypatch.setattr(_loop, "_said", set())
    cell = cells.LSTMCell(4, dtype="float64")
    with pytest.warns(cells.SlowPathWarning, match="dtype='float32'"):
        outputs, _ = cells.dynamic_rnn(cell, np.ones((2, 3, 1)))
    cells.dynamic_rnn(cells.LSTMCell(4, dtype="float64"), np.ones((2, 3, 1)))  # said once
    assert outputs.dtype == "float64"
    with pytest.raises(SeqlabError, match="float32"):
        cells.dynamic_rnn(cell, np.ones((2, 3, 1)), implementation="fused")


def test_a_state_of_another_structure_is_refused():
    with pytest.raises(SeqlabError, match="get_initial_state"):
        cells.dynamic_rnn(cells.LSTMCell(2), tf.zeros((2, 5, 1)), None, [tf.zeros((2, 2))])
    with pytest.raises(SeqlabError, match="no fused kernel"):
        cells.dynamic_rnn(cells.RNNCell(2), tf.zeros((2, 5, 1)), implementation="fused")


def test_a_new_lstm_remembers():
    cell = cells.LSTMCell(3)
    cell.build((None, 2))
    assert cell.bias.numpy().tolist() == [0] * 3 + [1] * 3 + [0] * 6
