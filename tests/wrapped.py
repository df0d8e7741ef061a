"""Wrapped cells for the tests of wrappers, all with inputs and outputs of size 3."""

import keras
import numpy as np
import reference
import reference_wrappers as wrapped
import tensorflow as tf

from seqlab.cells import (
    AttentionWrapper,
    DropoutWrapper,
    GRUCell,
    HighwayWrapper,
    InitialStateWrapper,
    LSTMCell,
    ResidualWrapper,
    RNNCell,
    StackedRNNCells,
    ZoneoutWrapper,
    dynamic_rnn,
)

SIZE = 3
KEEP = {"input_keep_prob": 0.8, "output_keep_prob": 0.7}
COMBINATIONS = {
    "residual": lambda **kw: ResidualWrapper(LSTMCell(3, **kw)),
    "highway": lambda **kw: HighwayWrapper(GRUCell(3, **kw)),
    "two gates": lambda **kw: HighwayWrapper(LSTMCell(3, **kw), 0.5, couple_gates=False),
    "initial state": lambda **kw: InitialStateWrapper(LSTMCell(3, **kw)),
    "dropout": lambda **kw: DropoutWrapper(LSTMCell(3, **kw), **KEEP),
    "state dropout": lambda **kw: DropoutWrapper(LSTMCell(3, **kw), **KEEP, state_keep_prob=0.9),
    "variational": lambda **kw: DropoutWrapper(LSTMCell(3, **kw), **KEEP, variational=True),
    "variational states": lambda **kw: DropoutWrapper(
        LSTMCell(3, **kw), **KEEP, state_keep_prob=0.9, variational=True
    ),
    "zoneout": lambda **kw: ZoneoutWrapper(LSTMCell(3, **kw), 0.2, 0.3),
    "attention": lambda **kw: AttentionWrapper(RNNCell(3, **kw), 2),
    "residual of dropout": lambda **kw: ResidualWrapper(DropoutWrapper(LSTMCell(3, **kw), **KEEP)),
    "zoneout of dropout": lambda **kw: ZoneoutWrapper(DropoutWrapper(GRUCell(3, **kw), 0.8)),
    "attention of dropout": lambda **kw: AttentionWrapper(
        DropoutWrapper(GRUCell(3, **kw), **KEEP, state_keep_prob=0.9, variational=True), 3, 2
    ),
    "dropout of attention": lambda **kw: DropoutWrapper(
        AttentionWrapper(InitialStateWrapper(LSTMCell(3, **kw)), 2),
        state_keep_prob=0.8,
        drop_cell_state=True,
    ),
    "residual of a stack": lambda **kw: ResidualWrapper(
        StackedRNNCells([LSTMCell(5, **kw), GRUCell(3, **kw)])
    ),
    "a stack": lambda **kw: StackedRNNCells(
        [
            DropoutWrapper(LSTMCell(3, **kw), **KEEP, variational=True),
            ResidualWrapper(ZoneoutWrapper(GRUCell(3, **kw), 0.2)),
            HighwayWrapper(AttentionWrapper(LSTMCell(3, **kw), 2)),
        ]
    ),
    "of Keras": lambda **kw: StackedRNNCells(
        [
            ResidualWrapper(ZoneoutWrapper(keras.layers.LSTMCell(3, **kw), 0.2, 0.1)),
            InitialStateWrapper(DropoutWrapper(keras.layers.GRUCell(3, **kw), **KEEP)),
        ]
    ),
}


def make(name, seed=0, **kwargs):
    """Built, with weights of which no two are alike."""
    cell = COMBINATIONS[name](**kwargs)
    cell.build((None, SIZE))
    rng = np.random.default_rng(seed)
    cell.set_weights([rng.normal(0.1, 0.6, w.shape).astype(np.float32) for w in cell.weights])
    return cell


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def flat(nested):
    return [np.asarray(part) for part in keras.tree.flatten(nested)]


def assert_equals_numpy(cell, step, start, constants=0):
    """Values, and gradients of inputs, states and weights; the last states may be no real numbers."""
    lengths, given = [0, 4, 3], [normal(1, 3, 4, SIZE), *start]
    arrays = [a.astype(np.float64) for a in (*given, *cell.get_weights())]

    def run():
        return reference.run(step, arrays[len(given) :], arrays[0], arrays[1 : len(given)], lengths)

    def weighted(parts):
        return sum(
            (np.sin(np.arange(part.size)).reshape(part.shape) * part).sum() for part in parts
        )

    tensors = [tf.constant(part) for part in given]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        states = keras.tree.pack_sequence_as(cell.get_initial_state(3), tensors[1:])
        found = keras.tree.flatten(dynamic_rnn(cell, tensors[0], np.array(lengths), states))
        scale = [np.sin(np.arange(v.shape.num_elements())).reshape(v.shape) for v in found]
        loss = sum(tf.reduce_sum(v * s) for v, s in zip(found, scale, strict=True))
    outputs, ends = run()
    for own, other in zip(found, [outputs, *ends], strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)
    free = [*range(len(given) - constants), *range(len(given), len(arrays))]
    own = tape.gradient(loss, [*tensors, *(w.value for w in cell.weights)])
    numbers = wrapped.central_differences(
        lambda: weighted([run()[0], *run()[1]]), [arrays[i] for i in free]
    )
    for place, number in zip(free, numbers, strict=True):
        np.testing.assert_allclose(own[place], number, atol=1e-5, rtol=1e-5)
