"""The drivers: masks that reach losses and metrics, bad input, no steps, cells of Keras, precision."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqlab import cells
from seqlab.errors import SeqlabError

KERAS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
WAYS = [("rnn", "loop"), ("lstm", "loop"), ("lstm", "fused"), ("gru", "loop")]
# Holes at the start, in the middle and at the end; none; all; one step only.
MASK = np.array(
    [
        [0, 1, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1, 1],
        [0] * 7,
        [0, 0, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
    ],
    bool,
)


def make(name, features, units, seed=0, **kwargs):
    cell = cells.CELLS[name](units, **kwargs)
    cell.build((None, features))
    cell.set_weights(reference.weights(name, features, units, seed))
    return cell


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def parts_and_gradients(run, weights, x, mask):
    """Outputs where steps exist and states, and the gradients of a loss that weights each differently."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs, *states = keras.tree.flatten(run(x))
        parts = [outputs * mask[:, :, None], *states]
        loss = sum(tf.reduce_sum(p * normal(i, *p.shape)) for i, p in enumerate(parts))
    return [*parts, *tape.gradient(loss, [x, *(v.value for v in weights)])]


@pytest.mark.parametrize(("name", "implementation"), WAYS)
def test_masks_with_holes_equal_keras_in_value_and_gradient(name, implementation):
    cell, x = make(name, 3, 4), tf.constant(normal(3, 5, 7, 3))
    layer = KERAS[name](4, return_sequences=True, return_state=True)
    layer.build((None, 7, 3))
    layer.set_weights(cell.get_weights())

    def ours(x):
        return cells.dynamic_rnn(cell, x, mask=MASK, implementation=implementation)

    assert not ours(x)[0].numpy()[~MASK].any()
    own = parts_and_gradients(ours, cell.weights, x, MASK)
    other = parts_and_gradients(lambda x: layer(x, mask=MASK), layer.weights, x, MASK)
    for one, two in zip(own, other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_masks_in_both_directions_equal_keras():
    x, fw, bw = normal(7, 5, 7, 3), make("gru", 3, 4, 1), make("gru", 3, 4, 2)
    layer = keras.layers.Bidirectional(
        keras.layers.GRU(4, return_sequences=True), merge_mode="concat"
    )
    layer.build(x.shape)
    layer.set_weights([*fw.get_weights(), *bw.get_weights()])
    outputs, _ = cells.bidirectional_dynamic_rnn(fw, bw, x, mask=MASK)
    found = np.concatenate(outputs, axis=-1)
    np.testing.assert_allclose(found[MASK], layer(x, mask=MASK).numpy()[MASK], atol=1e-5)
    assert not found[~MASK].any()


@pytest.mark.parametrize("implementation", ["loop", "fused"])
def test_both_directions_of_ragged_sequences_equal_each_sequence_alone(implementation):
    x, lengths = normal(7, 4, 6, 3), [6, 0, 4, 1]
    fw, bw = make("lstm", 3, 4, 1), make("gru", 3, 2, 2)
    run = cells.bidirectional_dynamic_rnn
    both, ends = run(fw, bw, x, lengths, implementation=implementation)
    for row, steps in enumerate(lengths):
        alone, backwards = x[row : row + 1, :steps], x[row : row + 1, :steps][:, ::-1]
        for cell, values, turn, found, end in zip(
            (fw, bw), (alone, backwards), (1, -1), both, ends, strict=True
        ):
            outputs, states = cells.dynamic_rnn(cell, values, implementation="loop")
            np.testing.assert_allclose(found[row, :steps], outputs[0, ::turn], atol=1e-6)
            assert not found[row, steps:].numpy().any()
            for one, two in zip(end, states, strict=True):
                np.testing.assert_allclose(one[row], two[0], atol=1e-6)


def test_a_step_exists_if_mask_and_length_say_so():
    cell, x, lengths = make("lstm", 3, 4), normal(3, 5, 7, 3), np.array([3, 7, 7, 4, 0])
    both = MASK & (np.arange(7) < lengths[:, None])
    assert (both.sum(1) != MASK.sum(1)).any()
    one = cells.dynamic_rnn(cell, x, lengths, mask=MASK)
    two = cells.dynamic_rnn(cell, x, mask=both)
    for own, other in zip(keras.tree.flatten(one), keras.tree.flatten(two), strict=True):
        np.testing.assert_array_equal(own, other)


def test_what_lies_at_missing_steps_changes_nothing():
    cell, x, state = make("gru", 3, 4), normal(3, 5, 7, 3), [normal(4, 5, 4)]
    plain = cells.dynamic_rnn(cell, x, None, state, mask=MASK)
    x[~MASK] = 1e6
    for one, two in zip(plain, cells.dynamic_rnn(cell, x, None, state, mask=MASK), strict=True):
        np.testing.assert_array_equal(keras.tree.flatten(one)[0], keras.tree.flatten(two)[0])
    np.testing.assert_array_equal(plain[1][0][2], state[0][2])  # the row without a step


def padded(source):
    """A model with an output per step, its inputs, and which steps exist."""
    x, lengths = normal(5, 5, 7, 3), np.array([7, 2, 1, 5, 3], "int32")
    cell, exist = make("lstm", 3, 4), np.arange(7) < lengths[:, None]
    symbol = keras.Input((7, 3))
    if source == "lengths":
        ends = keras.Input((), dtype="int32")
        outputs, _ = cells.dynamic_rnn(cell, symbol, ends)
        symbols, inputs = [symbol, ends], [x, lengths]
    elif source == "lengths and Masking":  # of which the mask is the narrower one, in row 0
        exist[0, 2:4] = False
        x[~exist] = 0
        ends = keras.Input((), dtype="int32")
        outputs, _ = cells.dynamic_rnn(cell, keras.layers.Masking()(symbol), ends)
        symbols, inputs = [symbol, ends], [x, np.maximum(lengths, 4).astype("int32")]
    elif source == "Masking":
        exist = MASK
        symbols, inputs = symbol, np.where(exist[:, :, None], x, 0)
        outputs, _ = cells.dynamic_rnn(cell, keras.layers.Masking()(symbol))
    elif source == "Embedding":
        exist = MASK
        symbols, inputs = keras.Input((7,), dtype="int32"), np.where(exist, 1 + np.arange(7) % 4, 0)
        embedded = keras.layers.Embedding(5, 3, mask_zero=True)(symbols)
        zeros = cell.get_initial_state(5)
        outputs, _ = cells.dynamic_rnn(cell, embedded, None, zeros)
    else:
        exist = MASK
        symbols, inputs = symbol, np.where(exist[:, :, None], x, 0)
        masked = keras.layers.Masking()(symbol)
        both, _ = cells.bidirectional_dynamic_rnn(cell, make("rnn", 3, 4), masked)
        outputs = keras.layers.Concatenate()(both)
    dense = keras.layers.Dense(2)
    if source == "Masking":
        dense = keras.layers.TimeDistributed(dense)
    return keras.Model(symbols, dense(outputs)), inputs, exist


@pytest.mark.parametrize(
    "source", ["lengths", "Masking", "lengths and Masking", "Embedding", "both directions"]
)
def test_losses_and_metrics_see_existing_steps_only(source):
    model, inputs, exist = padded(source)
    targets = normal(6, 5, 7, 2)
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    error = (model(inputs).numpy() - targets)[exist]
    expected = {"loss": np.square(error).mean(), "mae": np.abs(error).mean()}
    scores = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    assert scores == pytest.approx(expected, rel=1e-5)
    weights, learned = model.get_weights(), []
    for padding in (0.0, 1e3):
        model.set_weights(weights)
        targets[~exist] = padding
        history = model.fit(inputs, targets, epochs=1, verbose=0).history
        assert {key: value[0] for key, value in history.items()} == pytest.approx(
            expected, rel=1e-5
        )
        learned.append(model.get_weights())
    for one, two in zip(*learned, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    assert any((old != new).any() for old, new in zip(weights, learned[0], strict=True))


@pytest.mark.parametrize("source", ["lengths", "Masking"])
def test_final_states_have_no_mask(source):
    model, inputs, _ = padded(source)
    layer = next(layer for layer in model.layers if isinstance(layer, cells.DynamicRNN))
    h = layer.output[1]
    model = keras.Model(model.input, keras.layers.Dense(1)(h))
    model.compile(loss="mse")
    targets = normal(6, 5, 1)
    expected = np.square(model(inputs).numpy() - targets).mean()
    assert model.evaluate(inputs, targets, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_eager_outputs_carry_their_mask():
    x, lengths, targets = normal(5, 3, 4, 2), np.array([1, 4, 2]), normal(6, 3, 4, 5)
    outputs, _ = cells.dynamic_rnn(make("gru", 2, 5), x, lengths)
    exist = np.arange(4) < lengths[:, None]
    expected = np.square(outputs.numpy() - targets)[exist].mean()
    assert float(keras.losses.MeanSquaredError()(targets, outputs)) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sequence_length": np.array([6, 1])}, "0 and the 5 steps of the input. Received: 1 to 6"),
        ({"sequence_length": [-1, 1]}, "between 0 and the 5 steps"),
        ({"sequence_length": [1.0, 2.0]}, "one integer per sequence"),
        ({"sequence_length": [1, 2, 3]}, "one integer per sequence"),
        ({"initial_state": [np.zeros((2, 4))]}, r"float \(2, 4\), float \(2, 4\). Received: float"),
        ({"initial_state": [np.zeros((2, 4)), np.zeros((2, 3))]}, r"Received: .*float \(2, 3\)"),
        ({"initial_state": [np.zeros((3, 4)), np.zeros((3, 4))]}, r"Received: float \(3, 4\)"),
        ({"initial_state": [np.zeros((2, 4), int)] * 2}, r"Received: int \(2, 4\)"),
        ({"initial_state": [np.full((2, 4), "a")] * 2}, r"Received: string \(2, 4\)"),
        ({"initial_state": []}, "Received: nothing"),
        ({"mask": np.ones((2, 4), bool)}, r"booleans of shape \(2, 5\)"),
        ({"mask": np.ones((2, 5))}, "Received: float64"),
        ({"inputs": np.zeros((2, 3))}, r"`inputs` must be \[B, T, D\]"),
    ],
)
def test_bad_input_is_refused_in_our_own_words(arguments, words):
    for run in (cells.dynamic_rnn, lambda cell, **arguments: cells.DynamicRNN(cell)(**arguments)):
        with pytest.raises(SeqlabError, match=words) as caught:
            run(make("lstm", 3, 4), **{"inputs": np.zeros((2, 5, 3), "float32"), **arguments})
        assert "Exception encountered" not in str(caught.value)


@pytest.mark.parametrize(("name", "implementation"), WAYS)
def test_no_sequences_give_no_outputs(name, implementation):
    empty, cell = np.zeros((0, 5, 3), "float32"), make(name, 3, 4)
    for lengths in (None, np.zeros(0, int)):
        outputs, states = cells.dynamic_rnn(cell, empty, lengths, implementation=implementation)
        assert outputs.shape == (0, 5, 4) and {part.shape[0] for part in states} == {0}


def test_bad_states_of_two_directions_are_refused():
    fw, bw, x = make("lstm", 3, 4), make("gru", 3, 2), np.zeros((2, 5, 3), "float32")
    run = cells.BidirectionalDynamicRNN(fw, bw)
    with pytest.raises(SeqlabError, match="must be a pair"):
        run(x, None, [np.zeros((2, 4))])
    with pytest.raises(SeqlabError, match=r"float \(2, 2\). Received: float \(1, 2\)"):
        cells.bidirectional_dynamic_rnn(fw, bw, x, None, None, [np.zeros((1, 2))])
    (_, backward), _ = cells.bidirectional_dynamic_rnn(fw, bw, x, None, None, [np.ones((2, 2))])
    assert backward[:, -1].numpy().any()


def test_a_kernel_that_there_is_none_of_is_refused_in_our_own_words():
    fw, bw, x = make("lstm", 3, 4), make("rnn", 3, 4, dtype="float64"), np.zeros((2, 5, 3))
    for run in (
        lambda: cells.dynamic_rnn(bw, x, implementation="fused"),
        lambda: cells.bidirectional_dynamic_rnn(fw, bw, x, implementation="fused"),
    ):
        with pytest.raises(SeqlabError, match=r"^no fused kernel"):
            run()


def test_symbols_are_refused_as_well():
    cell, symbol = make("lstm", 3, 4), keras.Input((5, 3), batch_size=2)
    with pytest.raises(SeqlabError, match="one integer per sequence"):
        cells.dynamic_rnn(cell, symbol, keras.Input((), batch_size=2))  # float, as Keras has it
    with pytest.raises(SeqlabError, match=r"Received: float \(B, 4\), float \(2, 5\)"):
        cells.dynamic_rnn(cell, symbol, None, [keras.Input((4,)), keras.Input((5,), batch_size=2)])


@pytest.mark.parametrize("lengths", [[3, 6], [-1, 2]])
def test_lengths_known_only_when_a_function_runs_are_checked_there(lengths):
    layer = cells.DynamicRNN(make("gru", 3, 4))
    spec = tf.TensorSpec((None, None, 3)), tf.TensorSpec((None,), tf.int64)
    run = tf.function(lambda x, lengths: layer(x, lengths), input_signature=spec)
    x = normal(1, 2, 5, 3)
    np.testing.assert_allclose(run(x, [3, 5])[0], layer(x, np.array([3, 5]))[0], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sequence_length"):
        run(x, lengths)


@pytest.mark.parametrize(("name", "implementation"), WAYS)
@pytest.mark.parametrize("compiled", [False, True])
def test_no_steps_leave_the_state(name, implementation, compiled):
    cell, other = make(name, 3, 4), make(name, 3, 4, 1)
    state = [normal(i, 2, 4) for i in range(len(cell.state_size))]
    layer = cells.BidirectionalDynamicRNN(cell, other, implementation)

    def run(x, mask):
        plain = layer(x, None, (state, state)), layer(x, np.zeros(2, int), (state, state))
        return *plain, layer(x, None, (state, state), mask=mask)

    if compiled:
        spec = tf.TensorSpec((None, None, 3)), tf.TensorSpec((None, None), tf.bool)
        run = tf.function(run, input_signature=spec)
    for outputs, states in run(np.zeros((2, 0, 3), "float32"), np.zeros((2, 0), bool)):
        assert all(part.shape == (2, 0, 4) for part in outputs)
        for one, two in zip(keras.tree.flatten(states), [*state, *state], strict=True):
            np.testing.assert_array_equal(one, two)


STACK = keras.layers.StackedRNNCells
OF_KERAS = {
    "rnn": lambda: keras.layers.SimpleRNNCell(4),
    "lstm": lambda: keras.layers.LSTMCell(4),
    "gru": lambda: keras.layers.GRUCell(4),
    "stack": lambda: STACK([keras.layers.LSTMCell(5), keras.layers.GRUCell(4)]),
    "stack of one": lambda: STACK([keras.layers.LSTMCell(4)]),
    "among ours": lambda: cells.StackedRNNCells([keras.layers.GRUCell(5), cells.LSTMCell(4)]),
}


@pytest.mark.parametrize("name", OF_KERAS)
def test_cells_of_keras_are_driven(name):
    cell, x = OF_KERAS[name](), normal(2, 3, 6, 3)
    symbol = keras.Input((6, 3))
    model = keras.Model(symbol, cells.dynamic_rnn(cell, symbol))
    outputs, states = model(x)
    assert [(None, *part.shape[1:]) for part in keras.tree.flatten((outputs, states))] == [
        part.shape for part in model.outputs
    ]
    expected, *ends = keras.layers.RNN(cell, return_sequences=True, return_state=True)(x)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    for one, two in zip(*map(keras.tree.flatten, (states, ends)), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_dropout_of_keras_cells_is_drawn_once_per_call():
    cell = keras.layers.GRUCell(16, dropout=0.5, recurrent_dropout=0.2)
    symbol = keras.Input((6, 3))
    model = keras.Model(symbol, cells.dynamic_rnn(cell, symbol)[0])
    model.compile("sgd", "mse")
    model.fit(normal(1, 8, 6, 3), normal(2, 8, 6, 16), batch_size=2, verbose=0)
    x = np.ones((4, 6, 3), "float32")
    one, two = (cells.dynamic_rnn(cell, x, training=True)[0].numpy() for _ in range(2))
    assert np.abs(one - two).max() > 0.01
    still = keras.layers.GRUCell(16, dropout=0.5)
    still.build((None, 3))
    still.recurrent_kernel.assign(tf.zeros((16, 48)))
    still.bias.assign(tf.zeros((2, 48)))
    h = cells.dynamic_rnn(still, np.ones((1, 40, 3), "float32"), training=True)[0].numpy()
    np.testing.assert_allclose(h[:, -1], h[:, -2], atol=1e-4)  # one mask, so a fixed point


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "float16"])
def test_outputs_have_the_precision_of_the_cell(policy):
    cell = make("gru", 3, 4, dtype=policy)
    layer, x = cells.DynamicRNN(cell), normal(1, 2, 5, 3)
    symbols, found = layer(keras.Input((5, 3))), layer(x, np.array([2, 5]))
    for one, two in zip(*map(keras.tree.flatten, (symbols, found)), strict=True):
        assert one.dtype == two.dtype == cell.compute_dtype
    np.testing.assert_allclose(
        keras.ops.cast(found[0], "float32"),
        cells.dynamic_rnn(make("gru", 3, 4), x, np.array([2, 5]))[0],
        atol=0.03,
    )


def test_a_layer_takes_the_precision_of_its_cell():
    cell, x = make("gru", 3, 4, dtype="float64"), np.random.default_rng(0).normal(size=(2, 5, 3))
    outputs, _ = cells.DynamicRNN(cell)(x)
    expected, _ = reference.run(reference.gru, cell.get_weights(), x, [np.zeros((2, 4))], [5, 5])
    np.testing.assert_allclose(outputs, expected, atol=1e-12)


class Clock(keras.layers.Layer):
    """A cell whose state is a whole number, and has three axes."""

    state_size, output_size = [1], 1

    def get_initial_state(self, batch_size):
        return [tf.zeros((batch_size, 2, 1), "int32")]

    def call(self, inputs, states, training=False):
        return inputs + tf.cast(states[0][:, 0], inputs.dtype), [states[0] + 1]


def test_states_have_their_own_types_and_ranks():
    layer, x = cells.DynamicRNN(Clock()), np.zeros((3, 4, 1), "float32")
    (symbol,) = layer(keras.Input((4, 1)))[1]
    assert (symbol.shape, symbol.dtype) == ((None, 2, 1), "int32")
    start = np.array([[[5], [5]]] * 3)  # of 64 bits, as NumPy makes it
    outputs, (end,) = layer(x, np.array([4, 2, 0]), [start])
    assert outputs[:, :, 0].numpy().tolist() == [[5, 6, 7, 8], [5, 6, 0, 0], [0, 0, 0, 0]]
    assert (end.dtype, end[:, 1, 0].numpy().tolist()) == ("int32", [9, 7, 5])
    with pytest.raises(SeqlabError, match=r"int \(3, 2, 1\). Received: float \(3, 2, 1\)"):
        layer(x, None, [start / 2])


def test_whole_numbers_do_as_inputs():
    cell = make("gru", 1, 4)
    one, _ = cells.dynamic_rnn(cell, [[[1], [2]]])
    two, _ = cells.dynamic_rnn(cell, np.array([[[1.0], [2.0]]], "float32"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("both_ways", [False, True])
def test_a_model_that_uses_a_cell_twice_is_saved_and_loaded(both_ways, tmp_path):
    cell, other, a, b = (
        make("lstm", 3, 4),
        make("gru", 3, 4),
        keras.Input((5, 3)),
        keras.Input((5, 3)),
    )
    if both_ways:
        made = [cells.bidirectional_dynamic_rnn(cell, other, x)[0] for x in (a, b)]
    else:
        made = [cells.dynamic_rnn(cell, x)[0] for x in (a, b)]
    model = keras.Model([a, b], keras.tree.flatten(made))
    model.save(tmp_path / "model.keras")
    inputs = [normal(1, 2, 5, 3), normal(2, 2, 5, 3)]
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights) == (6 if both_ways else 3)
    for one, two in zip(model(inputs), loaded(inputs), strict=True):
        np.testing.assert_array_equal(one, two)
