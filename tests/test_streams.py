"""State carried on: stateful layers over consecutive chunks, steps of a stream, states on disk."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqlab import cells, streams
from seqlab.chunks import consecutive
from seqlab.errors import SeqlabError


def make(name, features, units, seed=0, **kwargs):
    cell = cells.CELLS[name](units, **kwargs)
    cell.build((None, features))
    cell.set_weights(reference.weights(name, features, units, seed))
    return cell


def stack():
    low, high = make("lstm", 3, 5, 1), make("gru", 5, 4, 2)
    return cells.StackedRNNCells([cells.DropoutWrapper(low, output_keep_prob=0.9), high])


CELLS = {
    **{name: lambda name=name: make(name, 3, 4) for name in cells.CELLS},
    "stack": stack,
    "keras": lambda: keras.layers.LSTMCell(4),
}


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_equal(one, two, atol=1e-6):
    for own, other in zip(*map(keras.tree.flatten, (one, two)), strict=True):
        np.testing.assert_allclose(own, other, atol=atol)


@pytest.mark.parametrize("name", CELLS)
def test_chunks_run_statefully_equal_one_long_run(name):
    cell, x = CELLS[name](), normal(1, 2, 12, 3)
    layer = cells.DynamicRNN(cell, stateful=True)
    chunks = [x[:, :5], x[:, 5:6], x[:, 6:]]
    first = [layer(chunk) for chunk in chunks]
    outputs, end = cells.dynamic_rnn(cell, x)
    assert_equal(np.concatenate([found for found, _ in first], axis=1), outputs)
    assert_equal(first[-1][1], end)
    assert_equal(layer.state, end)
    assert np.abs(layer(chunks[0])[0] - first[0][0]).max() > 1e-3
    layer.reset_state()
    assert_equal(layer(chunks[0]), first[0], atol=0)


def test_each_row_of_a_ragged_chunk_carries_its_own_state():
    cell, x, y = make("lstm", 3, 4), normal(1, 3, 5, 3), normal(2, 3, 4, 3)
    layer, lengths = cells.DynamicRNN(cell, stateful=True), np.array([0, 5, 2])
    layer(x, lengths)
    outputs, _ = layer(y)
    for row, length in enumerate(lengths):
        joined = np.concatenate([x[row : row + 1, :length], y[row : row + 1]], axis=1)
        assert_equal(outputs[row], cells.dynamic_rnn(cell, joined)[0][0, length:])


def test_gradients_stop_where_a_chunk_begins():
    cell, x = make("gru", 3, 4), normal(1, 2, 6, 3)
    layer = cells.DynamicRNN(cell, stateful=True)
    with tf.GradientTape() as tape:
        layer(x[:, :3])
        loss = tf.reduce_sum(layer(x[:, 3:])[0] * normal(2, 2, 3, 4))
    found = tape.gradient(loss, [v.value for v in cell.weights])
    start = keras.tree.map_structure(tf.constant, cells.dynamic_rnn(cell, x[:, :3])[1])
    with tf.GradientTape() as tape:
        outputs, _ = cells.dynamic_rnn(cell, x[:, 3:], None, start)
        loss = tf.reduce_sum(outputs * normal(2, 2, 3, 4))
    assert_equal(found, tape.gradient(loss, [v.value for v in cell.weights]))


def test_fit_carries_the_state_from_step_to_step():
    """Two epochs of `fit` equal a loop that hands each chunk the state after the last one."""
    cell, chunks = make("lstm", 1, 4), consecutive(np.sin(np.arange(50.0))[:, None], 2, 6)
    weights = cell.get_weights()
    symbol = keras.Input((6, 1), batch_size=2)
    layer = cells.DynamicRNN(cell, stateful=True)
    model = keras.Model(symbol, layer(symbol)[0][:, :, :1])
    model.compile(keras.optimizers.SGD(0.3), "mse")
    restart = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: cells.reset_state(model))
    model.fit(chunks.dataset(), epochs=2, shuffle=False, verbose=0, callbacks=[restart])
    fitted = cell.get_weights()
    cell.set_weights(weights)
    for _ in range(2):
        state = None
        for x, y in chunks:
            with tf.GradientTape() as tape:
                outputs, end = cells.dynamic_rnn(cell, x.astype("float32"), None, state)
                loss = tf.reduce_mean(tf.square(outputs[:, :, :1] - y.astype("float32")))
            values = [v.value for v in cell.weights]
            for value, gradient in zip(values, tape.gradient(loss, values), strict=True):
                value.assign_sub(0.3 * gradient)
            state = keras.tree.map_structure(tf.stop_gradient, end)
    assert_equal(fitted, cell.get_weights(), atol=1e-5)
    assert np.abs(np.subtract(fitted[0], weights[0])).max() > 0.01


def test_a_model_carries_state_resets_it_and_keeps_the_option(tmp_path):
    inner_in, outer_in = keras.Input((3, 3), batch_size=2), keras.Input((3, 3), batch_size=2)
    layer = cells.DynamicRNN(make("gru", 3, 4), stateful=True)
    inner = keras.Model(inner_in, layer(inner_in)[0])
    model = keras.Model(outer_in, inner(outer_in))
    x = normal(1, 4, 3, 3)
    both = model.predict(x, batch_size=2, verbose=0)  # whose batch size the graph does not know
    one_run, _ = cells.dynamic_rnn(layer.cell, np.concatenate([x[:2], x[2:]], axis=1))
    assert_equal(np.concatenate([both[:2], both[2:]], axis=1), one_run)
    assert len(model.weights) == 3  # the state is none of them: it depends on the batch size
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal(loaded(x[:2]), both[:2])
    assert_equal(loaded(x[2:]), both[2:])
    cells.reset_state(loaded)
    assert_equal(loaded(x[:2]), both[:2])


def test_a_model_exports_the_state_that_it_carries(tmp_path):
    symbol = keras.Input((3, 3), batch_size=2)
    model = keras.Model(symbol, cells.DynamicRNN(make("gru", 3, 4), stateful=True)(symbol)[0])
    x = normal(1, 2, 6, 3)
    model.export(tmp_path / "model", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "model"))
    found = [served.serve(x[:, :3]), served.serve(x[:, 3:])]
    outputs, _ = cells.dynamic_rnn(make("gru", 3, 4), x)
    assert_equal(np.concatenate(found, axis=1), outputs)


def test_batch_sizes_that_cannot_be_carried_are_refused():
    layer = cells.DynamicRNN(make("gru", 3, 4), stateful=True)
    with pytest.raises(SeqlabError, match="batch_size=32"):
        layer(keras.Input((5, 3)))
    layer(normal(1, 2, 5, 3))
    with pytest.raises(SeqlabError, match=r"carries the state of 2 sequences. Received: 3"):
        layer(normal(1, 3, 5, 3))
    compiled = tf.function(lambda x: layer(x)[0], input_signature=[tf.TensorSpec((None, None, 3))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="carries the state of 2 sequences"):
        compiled(normal(1, 1, 5, 3))
    with pytest.raises(SeqlabError, match="both directions cannot be stateful"):
        cells.BidirectionalDynamicRNN(make("gru", 3, 4), make("gru", 3, 4), stateful=True)


class Delay(keras.layers.Layer):
    """A cell whose output is its last input, so nothing but the state says how large a batch is."""

    state_size, output_size = [1], 1

    def get_initial_state(self, batch_size):
        return [tf.zeros((batch_size, 1))]

    def call(self, inputs, states, training=False):
        return states[0], [inputs]


def test_a_compiled_function_need_not_know_the_batch_size():
    layer, x = cells.DynamicRNN(Delay(), stateful=True), np.arange(12.0).reshape(2, 6, 1)
    layer(np.zeros((2, 1, 1)))
    compiled = tf.function(lambda x: layer(x)[0], input_signature=[tf.TensorSpec((None, None, 1))])
    found = [compiled(x[:, :4])[:, :, 0], compiled(x[:, 4:])[:, :, 0]]
    assert np.concatenate(found, 1).tolist() == [[0, 0, 1, 2, 3, 4], [0, 6, 7, 8, 9, 10]]


@keras.saving.register_keras_serializable("seqlab_tests")
class Learned(cells.GRUCell):
    """A cell whose initial state is a weight."""

    def build(self, input_shape):
        super().build(input_shape)
        self.start = self.add_weight(name="start", shape=(self.units,), initializer="ones")

    def get_initial_state(self, batch_size):
        return [tf.tile(self.start[None], (batch_size, 1))]


def test_a_trainable_initial_state_learns_after_a_reset_only():
    layer, x = cells.DynamicRNN(Learned(4), stateful=True), normal(1, 2, 3, 3)
    assert layer(keras.Input((3, 3), batch_size=2))[0].shape == (2, 3, 4)

    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x)[0])
        return tape.gradient(loss, layer.cell.start.value).numpy()

    assert gradient().all()
    assert not gradient().any()
    layer.reset_state()
    layer.cell.start.assign(tf.fill((4,), 7.0))
    np.testing.assert_array_equal(layer.state[0], np.full((2, 4), 7.0))
    assert gradient().all()
    assert_equal(
        cells.dynamic_rnn(layer.cell, x, None, [np.ones((2, 4))])[1],
        layer.cell(x[:, 2], layer.cell(x[:, 1], layer.cell(x[:, 0], [tf.ones((2, 4))])[1])[1])[1],
    )


@pytest.mark.parametrize("name", CELLS)
def test_steps_equal_the_sequence(name):
    cell, x = CELLS[name](), normal(1, 2, 5, 3)
    layer, state, found = cells.DynamicRNN(cell), None, []
    for t in range(5):
        inputs = [x[:, t], x[:, t].tolist(), x[:, t].astype("float64"), tf.constant(x[:, t])][t % 4]
        output, state = layer.step(inputs, state)
        found.append(output)
    outputs, end = cells.dynamic_rnn(cell, x)
    assert_equal(np.stack(found, axis=1), outputs)
    assert_equal(state, end)
    keras.tree.assert_same_structure(state, end)


class Traced(cells.GRUCell):
    """Counts how often Python runs its step."""

    calls = 0

    def call(self, inputs, states, training=False):
        Traced.calls += 1
        return super().call(inputs, states, training)


def test_steps_are_compiled_once_and_leave_the_carried_state():
    layer = cells.DynamicRNN(Traced(4), stateful=True)
    layer(normal(1, 2, 5, 3))
    carried, Traced.calls = layer.state, 0
    for batch in (1, 1, 2, 7):
        output, state = layer.step(normal(1, batch, 3))
        assert layer.step(tf.constant(output[:, :3]), state)[0].shape == (batch, 4)
    assert Traced.calls == 1
    assert_equal(layer.state, carried, atol=0)
    layer.cell.set_weights([weight * 0 for weight in layer.cell.get_weights()])
    assert not layer.step(normal(1, 2, 3))[0].numpy().any()  # weights are not compiled in


@pytest.mark.parametrize(
    ("inputs", "state", "words"),
    [
        (np.zeros((1, 1, 3)), None, r"`inputs` must be \[B, D\]"),
        (np.zeros((1, 2)), None, "must have 3 features. Received: 2"),
        (np.zeros((2, 3)), [np.zeros((1, 4))], r"float \(2, 4\). Received: float \(1, 4\)"),
        (np.zeros((2, 3)), np.zeros((2, 5)), r"Received: float \(2, 5\)"),
    ],
)
def test_bad_steps_are_refused(inputs, state, words):
    layer = cells.DynamicRNN(make("gru", 3, 4))
    layer.step(np.zeros((1, 3)))
    with pytest.raises(SeqlabError, match=words):
        layer.step(inputs, state)


@pytest.mark.parametrize("name", CELLS)
def test_a_stream_goes_on_from_disk(name, tmp_path):
    cell, x = CELLS[name](), normal(1, 2, 5, 3)
    layer = cells.DynamicRNN(cell)
    _, state = layer.step(x[:, 0])
    streams.save_state(tmp_path / "state.npz", state)
    restored = streams.load_state(str(tmp_path / "state.npz"), cell)
    keras.tree.assert_same_structure(restored, state)
    assert_equal(layer.step(x[:, 1], restored), layer.step(x[:, 1], state), atol=0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_states_keep_their_precision_on_disk(dtype, tmp_path):
    cell = cells.LSTMCell(4, dtype=dtype)
    state = [tf.cast(normal(i, 2, 4), dtype) for i in range(2)]
    streams.save_state(tmp_path / "state", tuple(state))
    restored = streams.load_state(tmp_path / "state", cell)
    assert [part.dtype for part in restored] == [dtype, dtype]
    assert all(bool(tf.reduce_all(a == b)) for a, b in zip(restored, state, strict=True))


def test_states_of_other_cells_and_damaged_files_are_refused(tmp_path):
    path, cell = tmp_path / "state.npz", cells.LSTMCell(4)
    streams.save_state(path, cell.get_initial_state(2))
    for other in (cells.GRUCell(4), cells.LSTMCell(5)):
        with pytest.raises(SeqlabError, match=r"state.npz.* Received: float \(2, 4\), float"):
            streams.load_state(path, other)
    pair = cells.StackedRNNCells([cells.GRUCell(4), cells.GRUCell(4)])  # the same shapes
    with pytest.raises(SeqlabError, match=r"nested as \[0, 0\], not as \[\[0\], \[0\]\]"):
        streams.load_state(path, pair)
    path.write_bytes(path.read_bytes()[:100])
    for damaged in (path, tmp_path / "none.npz", tmp_path):
        with pytest.raises(SeqlabError, match="no state could be read"):
            streams.load_state(damaged, cell)
    np.savez(path, structure=np.array("[0, 0]"), part_0=np.array([{}], object), part_1=1)
    with pytest.raises(SeqlabError, match="only a pickle"):
        streams.load_state(path, cell)


def test_a_file_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    path, cell = tmp_path / "state.npz", cells.GRUCell(4)
    streams.save_state(path, [np.ones((2, 4))])

    def fail(stream, **_):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(SeqlabError, match=r"state\.npz: cannot be written: disk full"):
        streams.save_state(path, cell.get_initial_state(2))
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]
    np.testing.assert_array_equal(streams.load_state(path, cell)[0], np.ones((2, 4)))


def test_chunks_go_on_where_the_last_ended():
    values = np.arange(2 * 3 * 4 + 5)  # three chunks of 2 rows and 4 steps, and 5 more
    chunks = consecutive(values, 2, 4)
    assert (len(chunks), chunks.dropped) == (3, 4)  # the last value is a target only
    inputs, targets = (np.concatenate(parts, axis=1) for parts in zip(*chunks, strict=True))
    assert inputs.tolist() == [list(range(12)), list(range(12, 24))]
    np.testing.assert_array_equal(targets, inputs + 1)
    assert all(x.shape == y.shape == (2, 4) for x, y in chunks)


def test_chunks_as_a_dataset():
    values, targets = normal(1, 20, 3), np.arange(20) % 3
    chunks = consecutive(values, 3, 2, targets)
    assert (len(chunks), chunks.dropped) == (3, 2)
    dataset = chunks.dataset()
    assert [tuple(spec.shape) for spec in dataset.element_spec] == [(3, 2, 3), (3, 2)]
    assert len(dataset) == 3
    for (x, y), (own_x, own_y) in zip(dataset, chunks, strict=True):
        np.testing.assert_array_equal(x, own_x)
        np.testing.assert_array_equal(y, own_y)
    np.testing.assert_array_equal(own_x[1], values[10:12])
    np.testing.assert_array_equal(own_y[1], targets[10:12])


def test_sequences_too_short_for_a_chunk_are_refused():
    assert len(consecutive(np.arange(9), 2, 4)) == 1
    with pytest.raises(SeqlabError, match=r"8 in all. Received: 7 steps with a target"):
        consecutive(np.arange(8), 2, 4)
    with pytest.raises(
        SeqlabError, match=r"`targets` must be 8, one per value. Received: shape \(7,\)"
    ):
        consecutive(np.arange(8), 2, 4, np.arange(7))
    with pytest.raises(SeqlabError, match="`steps` must be a positive integer"):
        consecutive(np.arange(8), 2, 0)
