"""The path to cuDNN on a machine without: what it is given, by a stand-in that reads it as cuDNN does.

The stand-in is held to Keras, whose layers call the same operation: what Keras hands over must give what
its loop gives. Only the kernel itself is not tested here.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import initial, make, normal

from seqlab import _cudnn, _parts, cells
from seqlab.errors import SeqlabError

KINDS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def lstm_step(x, h, c, w, r, b, q):
    i, f, g, o = (x @ w[k] + h @ r[k] + b[k] + q[k] for k in range(4))
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru_step(x, h, c, w, r, b, q):
    reset, update = (tf.sigmoid(x @ w[k] + h @ r[k] + b[k] + q[k]) for k in range(2))
    g = tf.tanh(x @ w[2] + b[2] + reset * (h @ r[2] + q[2]))
    return (1 - update) * g + update * h, c


def stand_in(
    *, input, input_h, input_c, params, sequence_lengths, rnn_mode, is_training, time_major
):
    """`tf.raw_ops.CudnnRNNV3`, batch first: NVIDIA's order of weights, sequences of one step and more."""
    assert is_training and not time_major and min(sequence_lengths) > 0
    step, gates = {"lstm": (lstm_step, 4), "gru": (gru_step, 3)}[rnn_mode]
    features, units = input.shape[-1], input_h.shape[-1]
    shapes = [(units, features), (units, units)]
    sizes = [gates * a * b for a, b in shapes] + [gates * units] * 2
    w, r, b, q = tf.split(params, sizes)
    w, r = (
        tf.transpose(tf.reshape(values, (gates, *shape)), (0, 2, 1))
        for values, shape in zip((w, r), shapes, strict=True)
    )
    b, q = (tf.reshape(values, (gates, units)) for values in (b, q))
    h, c, outputs = input_h[:, 0], input_c[:, 0] if rnn_mode == "lstm" else input_c, []
    for t, x in enumerate(tf.unstack(input, axis=1)):
        going = (t < sequence_lengths)[:, None]
        new_h, new_c = step(x, h, c, w, r, b, q)
        outputs.append(tf.where(going, new_h, 0.0))
        h = tf.where(going, new_h, h)
        c = tf.where(going, new_c, c) if rnn_mode == "lstm" else c
    ends = [values[:, None] for values in (h, c)] if rnn_mode == "lstm" else [h[:, None], c]
    return tf.stack(outputs, axis=1), *ends, None, None


@pytest.fixture
def with_gpu(monkeypatch):
    """As if there were a GPU: for us, and for Keras."""
    for name in ("get_visible_devices", "list_logical_devices"):
        monkeypatch.setattr(tf.config, name, lambda kind: [kind])
    info = {**tf.sysconfig.get_build_info(), "is_cuda_build": True, "is_rocm_build": False}
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: info)


@pytest.fixture
def with_cudnn(with_gpu, monkeypatch):
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", stand_in)


def gradients(run, *given):
    """What a function gives, and the gradients of a sum that weighs each element."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        made = keras.tree.flatten(run())
        drawn = [normal(5 + i, *part.shape) for i, part in enumerate(made)]
        loss = sum(tf.reduce_sum(p * w) for p, w in zip(made, drawn, strict=True))
    return *made, *tape.gradient(loss, given)


def check_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_the_stand_in_gives_for_what_keras_hands_over_what_its_loop_gives(name, with_cudnn):
    x, made = tf.constant(normal(1, 3, 5, 2)), []
    for use in (True, False):
        layer = KINDS[name](4, return_sequences=True, return_state=True, use_cudnn=use)
        layer.build(x.shape)
        layer.set_weights(make(name, 2, 4).get_weights())
        weights = [variable.value for variable in layer.weights]
        made.append(gradients(lambda layer=layer: layer(x), x, *weights))
    check_equal(*made)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("lengths", [None, [5, 0, 2], [1, 1, 4], [5, 5, 5]])
@pytest.mark.parametrize("started", [False, True])
def test_what_cudnn_is_given_equals_the_loop(name, lengths, started, with_cudnn):
    cell, x = make(name, 2, 4), tf.constant(normal(1, 3, 5, 2))
    lengths = None if lengths is None else np.array(lengths)
    state = [tf.constant(part) for part in initial(cell, 3)] if started else None
    given = [x, *(state or []), *(variable.value for variable in cell.weights)]

    def run(way):
        return cells.dynamic_rnn(cell, x, lengths, state, implementation=way)

    found, expected = (gradients(lambda way=way: run(way), *given) for way in ("auto", "loop"))
    check_equal(found, expected)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("lengths", [None, np.array([4, 0, 2])])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_graphs_hold_the_kernel_forward_and_back(name, lengths, dtype, with_gpu):
    cell = make(name, 3, 200, dtype=dtype)  # large enough to be run in parts without a GPU

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, _ = cells.dynamic_rnn(cell, x, lengths)
        return outputs, *tape.gradient(outputs, [x, *(v.value for v in cell.weights)])

    graph = tf.function(run).get_concrete_function(tf.TensorSpec((3, 4, 3))).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("CudnnRNNV3") == kinds.count("CudnnRNNBackpropV3") == 1
    outputs, *grads = graph.structured_outputs
    assert outputs.shape == (3, 4, 200) and outputs.dtype == cell.compute_dtype
    assert [grad.shape for grad in grads[1:]] == [weight.shape for weight in cell.weights]


def ways(*given, implementation="auto"):
    return [path.implementation for cell in given for path in cells.paths(cell, implementation)]


def test_a_gpu_means_cudnn_where_it_can_do_what_the_cell_does(with_gpu):
    assert ways(cells.LSTMCell(2), cells.GRUCell(2)) == ["cudnn", "cudnn"]
    unable = [cells.LSTMCell(2, use_peepholes=True), cells.GRUCell(2, reset_after=False)]
    assert ways(*unable, cells.RNNCell(2), cells.MinGRUCell(2)) == ["loop"] * 3 + ["scan"]
    assert ways(cells.DropoutWrapper(cells.GRUCell(2), output_keep_prob=0.5)) == ["cudnn"]
    for asked in ("loop", "fused", "cudnn"):
        assert ways(cells.LSTMCell(2), cells.GRUCell(2), implementation=asked) == [asked] * 2
    (path,) = cells.paths(cells.LSTMCell(2))
    assert path.reason == "a plain LSTM, and a GPU" and not path.remedy


def test_another_makers_gpu_has_no_cudnn(with_gpu, monkeypatch):
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"is_rocm_build": True})
    assert ways(cells.LSTMCell(2), cells.GRUCell(2)) == ["fused", "fused"]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (cells.LSTMCell(2), "no cudnn kernel for .*sees no GPU"),
        (cells.RNNCell(2), "no cudnn kernel for .*RNNCell has no kernel"),
        (cells.MinGRUCell(2), "no cudnn kernel for .*do not look at the state"),
        (cells.LSTMCell(2, num_proj=3), "no cudnn kernel for .*num_proj"),
        (keras.layers.LSTMCell(2), "no cudnn kernel for .*LSTMCell has no kernel"),
    ],
)
def test_cudnn_is_refused_where_there_is_none(cell, words):
    with pytest.raises(SeqlabError, match=words):
        cells.dynamic_rnn(cell, np.ones((2, 3, 1), "float32"), implementation="cudnn")


def test_xla_is_left_out_and_a_gpu_takes_a_batch_whole(with_gpu):
    layer = cells.DynamicRNN(cells.LSTMCell(200))
    assert not layer.supports_jit
    layer.build_cells((256, 5, 3))
    with tf.Graph().as_default():
        assert _parts._parts(layer.cell, 256) == 1


def test_asking_for_a_gpu_does_not_start_tensorflow(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", None)
    assert _cudnn.gpu() is False
