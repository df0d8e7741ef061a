"""Makes tests/goldens/tf1: checkpoints of real TensorFlow 1 cells, with what they compute.

The cells and `dynamic_rnn` of TensorFlow 1 still run, in graph mode, where Keras 2 is installed beside
TensorFlow. That is not so in the environment of the tests, so the results are kept as files:

    python -m venv tf1 && tf1/bin/pip install tensorflow==2.21.0 tf_keras==2.21.0
    TF_USE_LEGACY_KERAS=1 tf1/bin/python tests/goldens/make_tf1.py

Each folder holds a checkpoint as `Saver` writes it, and `golden.npz`: inputs ``x`` ``[B, T, D]``,
``lengths``, and what `Session.run` gave: ``outputs`` (or ``outputs_fw``, ``outputs_bw``) and the final
states in TensorFlow 1's order, ``state_0``, ``state_1``, ... (c before h).
"""

import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1"
warnings.simplefilter("ignore")

import tensorflow as tf  # noqa: E402  (after the setting that it reads)

v1 = tf.compat.v1
v1.disable_v2_behavior()
v1.logging.set_verbosity(v1.logging.ERROR)
rnn_cell, dynamic_rnn = v1.nn.rnn_cell, v1.nn.dynamic_rnn

FOLDER = Path(__file__).parent / "tf1"
BATCH, STEPS, FEATURES, UNITS = 2, 4, 2, 3
LENGTHS = [4, 2]


def one(cell):
    """A network of one cell, as `dynamic_rnn` names its variables."""

    def build(x, lengths):
        outputs, state = dynamic_rnn(cell(), x, sequence_length=lengths, dtype=tf.float32)
        return {"outputs": outputs}, state

    return build


def trained(x, lengths):
    """A cell in a scope of its own, a dense head, an optimizer with slots, and averages."""
    with v1.variable_scope("model"):
        outputs, state = dynamic_rnn(rnn_cell.BasicLSTMCell(UNITS), x, lengths, dtype=tf.float32)
    with v1.variable_scope("dense"):
        kernel, bias = v1.get_variable("kernel", (UNITS, 1)), v1.get_variable("bias", (1,))
    head = outputs[:, -1] @ kernel + bias
    step = v1.train.get_or_create_global_step()
    v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(head), global_step=step)
    tf.train.ExponentialMovingAverage(0.9).apply(v1.trainable_variables())
    return {"outputs": outputs, "head": head}, state


def two_layers():
    low = rnn_cell.LSTMCell(UNITS, use_peepholes=True, num_proj=2)
    high = rnn_cell.DropoutWrapper(rnn_cell.GRUCell(UNITS))
    return rnn_cell.MultiRNNCell([low, high])


def both_ways(x, lengths):
    cells = [rnn_cell.BasicLSTMCell(UNITS), rnn_cell.LSTMCell(2)]
    with v1.variable_scope("encoder"):
        (fw, bw), states = v1.nn.bidirectional_dynamic_rnn(*cells, x, lengths, dtype=tf.float32)
    return {"outputs_fw": fw, "outputs_bw": bw}, states


def encoder_and_decoder(x, lengths):
    with v1.variable_scope("encoder"):
        _, state = dynamic_rnn(rnn_cell.GRUCell(UNITS), x, lengths, dtype=tf.float32)
    with v1.variable_scope("decoder"):
        outputs, end = dynamic_rnn(rnn_cell.GRUCell(UNITS), x, lengths, initial_state=state)
    return {"outputs": outputs}, end


CASES = {
    "basic_lstm": trained,
    "lstm": one(
        lambda: rnn_cell.LSTMCell(
            UNITS, use_peepholes=True, num_proj=2, cell_clip=0.4, proj_clip=0.15, forget_bias=0.5
        )
    ),
    "gru": one(lambda: rnn_cell.GRUCell(UNITS)),
    "rnn": one(lambda: rnn_cell.BasicRNNCell(UNITS)),
    "stack": one(two_layers),
    "bidirectional": both_ways,
    "two_networks": encoder_and_decoder,
}


def make(name, build, seed):
    rng = np.random.default_rng(seed)
    folder = FOLDER / name
    folder.mkdir(parents=True)
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        outputs, state = build(tf.constant(x), tf.constant(LENGTHS))
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():  # asymmetric, biases, too
            values = rng.normal(0.1, 0.6, variable.shape)
            session.run(v1.assign(variable, values.astype(np.float32)))
        states = {f"state_{i}": part for i, part in enumerate(tf.nest.flatten(state))}
        found = session.run({**outputs, **states})
        saver = v1.train.Saver(save_relative_paths=True)
        saver.save(session, str(folder / "model.ckpt"), global_step=7, write_meta_graph=False)
    np.savez(folder / "golden.npz", x=x, lengths=np.int32(LENGTHS), **found)
    print(name, {key: value.shape for key, value in found.items()}, file=sys.stderr)


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    for seed, (name, build) in enumerate(CASES.items()):
        make(name, build, seed)
