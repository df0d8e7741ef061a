"""The scan over time against the plain loop: values, gradients, any length, any number of steps."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from zoo import initial, make, normal

from seqlab import _scan, cells

NAMES = ["mingru", "minlstm"]
NEAR_A_BLOCK = [1, 15, 16, 17, 40]


def values_and_gradients(cell, x, state, lengths, implementation):
    """Of a loss in which every output and state element has a weight of its own."""
    given = [tf.constant(part) for part in (x, *state)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = cells.dynamic_rnn(cell, given[0], lengths, given[1:], implementation=implementation)
        parts = keras.tree.flatten(found)
        loss = sum(tf.reduce_sum(p * normal(5 + i, *p.shape)) for i, p in enumerate(parts))
    return [*parts, *tape.gradient(loss, [*given, *(weight.value for weight in cell.weights)])]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", NEAR_A_BLOCK)
@pytest.mark.parametrize("ragged", [False, True])
def test_the_scan_equals_the_loop_in_value_and_gradient(name, steps, ragged):
    cell, x = make(name, 2, 3), normal(4, 5, steps, 2)
    lengths = np.array([0, steps, steps // 2, min(16, steps), min(17, steps)]) if ragged else None
    scan, loop = (
        values_and_gradients(cell, x, initial(cell, 5), lengths, way) for way in ("fused", "loop")
    )
    for one, other in zip(scan, loop, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("forget_bias", [-4.0, 0.0, 8.0])
def test_errors_stay_small_over_two_thousand_steps(name, forget_bias):
    cell, x = make(name, 2, 3), normal(1, 2, 2000, 2)
    column = slice(0, 3) if name == "mingru" else slice(3, 6)
    bias = cell.bias.numpy()
    bias[column] = -forget_bias if name == "mingru" else forget_bias
    cell.bias.assign(bias)
    state = initial(cell, 2)
    outputs, (h,) = cells.dynamic_rnn(cell, x, np.array([2000, 1717]), state)
    expected, (end,) = reference.run(
        reference.STEPS[name], cell.get_weights(), x, state, [2000, 1717]
    )
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(h, end, atol=1e-5)


def test_half_precision_is_scanned_in_float32():
    keep, add = (
        np.full((1, 512, 1), 0.99, "float16"),
        np.abs(normal(1, 1, 512, 1)).astype("float16"),
    )
    h, expected = 0.0, []
    for a, b in zip(keep[0, :, 0].astype(float), add[0, :, 0].astype(float), strict=True):
        expected.append(h := a * h + b)
    outputs, end = _scan.linear_scan(keep, tf.constant(add), np.zeros((1, 1), "float16"), 512)
    assert outputs.dtype == end.dtype == tf.float16
    np.testing.assert_allclose(outputs[0, :, 0], expected, rtol=6e-4)  # rounded once


@pytest.mark.parametrize("name", NAMES)
def test_one_trace_serves_every_number_of_steps(name):
    cell, traces = make(name, 2, 3), []
    layer = cells.DynamicRNN(cell)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 2])], autograph=False)
    def run(x):
        traces.append(x.shape)
        return layer(x)

    for steps in (0, 3, 16, 50):
        x = normal(1, 4, steps, 2)
        found = keras.tree.flatten(run(x))
        for one, other in zip(
            found, cells.dynamic_rnn(cell, x, implementation="loop"), strict=True
        ):
            np.testing.assert_allclose(one, np.asarray(other).reshape(one.shape), atol=1e-5)
    assert len(traces) == 1
    assert found[0].shape == (4, 50, 3)


def test_the_graph_does_not_grow_with_the_steps():
    layer = cells.DynamicRNN(make("mingru", 2, 3))

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x)[0])
        return tape.gradient(loss, x)

    sizes = []
    for steps in (32, 2048):
        graph = step.get_concrete_function(tf.TensorSpec([4, steps, 2])).graph.as_graph_def()
        inner = sum(len(function.node_def) for function in graph.library.function)
        sizes.append(len(graph.node) + inner)
    assert sizes[1] < 1.05 * sizes[0]


@pytest.mark.parametrize("name", NAMES)
def test_gates_at_their_limits_give_numbers(name):
    cell = make(name, 2, 3)
    kernel, bias = cell.get_weights()
    cell.set_weights([kernel * 1000, bias])
    for part in values_and_gradients(cell, normal(1, 2, 40, 2), initial(cell, 2), None, "fused"):
        assert np.isfinite(part).all()


def test_the_scan_is_the_way_unless_the_loop_is_asked_for():
    cell = cells.MinGRUCell(3)
    assert [cells.paths(cell, way)[0].implementation for way in ("auto", "fused", "loop")] == [
        "scan",
        "scan",
        "loop",
    ]
    assert all(path.reason for path in cells.paths(cells.MinLSTMCell(3)))


def test_the_bias_that_keeps_is_the_complement_of_the_update():
    cell = cells.MinGRUCell(2, forget_bias=1.5)
    cell.build((None, 1))
    assert cell.bias.numpy().tolist() == [-1.5, -1.5, 0, 0]
