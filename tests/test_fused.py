"""Each whole-sequence kernel, and a batch in parts, against the plain loop: values and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import initial, make, normal

from seqlab import _fused, _fused_lstm, _parts, cells

KERNELS = [("lstm", "at once"), ("lstm", "by step"), ("gru", "by step")]


def gradients(cell, x, lengths, state, implementation, steps=None):
    """Outputs, end states, and gradients of a loss that weighs each of their elements."""

    @tf.function(input_signature=[tf.TensorSpec((None, steps, x.shape[2]))])
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch([x, *(state or [])])
            made = cells.dynamic_rnn(cell, x, lengths, state, implementation=implementation)
            parts = keras.tree.flatten(made)
            drawn = [normal(5 + i, *part.shape) for i, part in enumerate(eager)]
            loss = sum(tf.reduce_sum(p * w) for p, w in zip(parts, drawn, strict=True))
        return *parts, *tape.gradient(loss, [x, *(state or []), *(v.value for v in cell.weights)])

    eager = keras.tree.flatten(cells.dynamic_rnn(cell, x, lengths, state, implementation="loop"))
    return run(x)


def way_back(cell, x):
    """Gradients of the weights; the kinds of operations in their graph, with the types of these."""

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            outputs, _ = cells.dynamic_rnn(cell, x, implementation="fused")
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
        return tape.gradient(loss, [v.value for v in cell.weights])

    graph = run.get_concrete_function(tf.TensorSpec(x.shape)).graph.as_graph_def()
    kinds = {}
    for node in [*graph.node, *(node for part in graph.library.function for node in part.node_def)]:
        kinds.setdefault(node.op, set()).add(node.attr["T"].type)
    return run(x), kinds


def check_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "way"), KERNELS)
@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, n) for n in (5, 19, 4, 7))),
    data=st.data(),
    started=st.booleans(),
    known=st.booleans(),
)
def test_a_kernel_equals_the_loop(name, way, shape, data, started, known):
    batch, steps, features, units = shape
    ragged = st.lists(st.integers(0, steps), min_size=batch, max_size=batch).map(np.array)
    lengths = data.draw(st.one_of(st.none(), ragged, st.just(np.full(batch, steps))))
    cell, x = make(name, features, units), normal(1, batch, steps, features)
    state = [tf.constant(part) for part in initial(cell, batch)] if started else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fused_lstm, "LARGE", 0 if way == "by step" else 10**9)
        found = gradients(cell, x, lengths, state, "fused", steps if known else None)
    check_equal(found, gradients(cell, x, lengths, state, "loop", steps))


@pytest.mark.parametrize(("name", "way"), KERNELS)
@pytest.mark.parametrize(("steps", "lengths"), [(14, None), (None, np.array([14, 0, 13, 6]))])
def test_chunks_with_a_rest_of_several_steps_equal_the_loop(monkeypatch, name, way, steps, lengths):
    cell, x = make(name, 3, 2), normal(1, 4, 14, 3)
    state = [tf.constant(part) for part in initial(cell, 4)]
    monkeypatch.setattr(_fused_lstm, "LARGE", 0 if way == "by step" else 10**9)
    found = gradients(cell, x, lengths, state, "fused", steps)
    check_equal(found, gradients(cell, x, lengths, state, "loop", steps))


def test_each_way_back_of_the_lstm_is_taken_when_it_is_its_turn(monkeypatch):
    cell, x = make("lstm", 3, 2), normal(1, 4, 14, 3)
    for large, step in ((10**9, False), (0, True)):
        monkeypatch.setattr(_fused_lstm, "LARGE", large)
        _, kinds = way_back(cell, x)
        assert ("LSTMBlockCellGrad" in kinds, "BlockLSTMGrad" in kinds) == (step, not step)


@pytest.mark.parametrize(
    ("dtype", "able", "low"),
    [
        ("mixed_bfloat16", True, True),
        ("mixed_bfloat16", False, False),
        ("mixed_float16", True, False),
        ("float32", True, False),
    ],
)
def test_a_large_lstm_goes_back_in_bfloat16_if_asked_and_able(monkeypatch, dtype, able, low):
    x = normal(1, 6, 14, 5)
    exact, _ = way_back(make("lstm", 5, 8), x)  # by the kernel's own gradient
    monkeypatch.setattr(_fused, "has_amx", lambda: able)
    monkeypatch.setattr(_fused_lstm, "LARGE", 0)
    found, kinds = way_back(make("lstm", 5, 8, dtype=dtype), x)
    types = tf.bfloat16 if low else tf.float32
    assert kinds["MatMul"] == {types.as_datatype_enum}
    for one, other in zip(found, exact, strict=True):
        off = np.abs(one - other).max() / np.abs(other).max()
        assert off < (1e-5 if dtype == "float32" else 0.03)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_kernels_run_outside_of_graphs(name):
    cell, x = make(name, 3, 4), tf.constant(normal(1, 3, 6, 3))
    made = []
    for way in ("fused", "loop"):
        with tf.GradientTape() as tape:
            outputs, _ = cells.dynamic_rnn(cell, x, implementation=way)
            loss = tf.reduce_sum(outputs**2)
        made.append([outputs, *tape.gradient(loss, [v.value for v in cell.weights])])
    check_equal(*made)


@pytest.mark.parametrize("rows", [None, 37])
@pytest.mark.parametrize("lengths", [None, np.arange(37) % 6])
def test_a_batch_in_parts_equals_the_whole(monkeypatch, rows, lengths):
    stack = cells.StackedRNNCells([make("lstm", 3, 4, 1), make("gru", 4, 2, 2)])
    x, w = normal(1, 37, 5, 3), tf.constant(normal(2, 37, 5, 2))
    made, calls = [], []
    counted = lambda *given: calls.append(1) or sequence(*given)  # noqa: E731
    sequence = _parts.sequence
    monkeypatch.setattr(_parts, "sequence", counted)
    for cores in (1, 2):
        monkeypatch.setattr(_parts, "WEIGHTS", 0)
        monkeypatch.setattr(_parts, "cores", lambda cores=cores: cores)

        @tf.function(input_signature=[tf.TensorSpec((rows, 5, 3))])
        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs, states = cells.dynamic_rnn(stack, x, lengths)
                loss = tf.reduce_sum(outputs * w[: tf.shape(x)[0]])
                loss += tf.reduce_sum(states[0][1])
            weights = [v.value for v in stack.weights]
            return outputs, *keras.tree.flatten(states), *tape.gradient(loss, [x, *weights])

        made.append(run(x))
        if rows is None:
            assert run(x[:0] if lengths is None else x)[0].shape[0] == (
                0 if lengths is None else 37
            )
    check_equal(*made)
    assert len(calls) >= 3  # whole, then two parts


def test_small_cells_and_small_batches_stay_whole():
    small, large = make("lstm", 2, 3), cells.LSTMCell(80)
    large.build((None, 2))
    with tf.Graph().as_default():
        assert _parts._parts(small, 1000) == 1
        assert _parts._parts(large, 2 * _parts.ROWS - 1) == 1
        assert _parts._parts(large, 1000) == min(_parts.cores(), _parts.MOST)
    assert _parts._parts(large, 1000) == 1  # eagerly
