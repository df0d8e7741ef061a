"""An LSTM or a GRU over a whole sequence by cuDNN, NVIDIA's library for its GPUs.

The operation is TensorFlow's, the one that Keras' own layers take. It wants all weights in one vector:
the matrices gate by gate, transposed, those for x before those for h; then the biases in the same
order. Gates are i, f, g, o and r, z, g. Source: NVIDIA's description of ``cudnnGetRNNWeightParams``.
"""

from typing import Any

from seqlab._tensorflow import tf

__all__ = ["gpu", "whole"]

GATES = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}  # where ours are, in the order of cuDNN


def gpu() -> bool:
    """Whether TensorFlow sees a GPU of NVIDIA. Asking does not start it, so threads can still be set."""
    cuda = tf.sysconfig.get_build_info().get("is_cuda_build", False)
    return bool(cuda and tf.config.get_visible_devices("GPU"))


def whole(cell: Any, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
    """All steps of ``[B, T, D]``: outputs ``[B, T, H]``, zero past the end, and final states.

    `cell.cudnn_mode` is ``lstm`` or ``gru``. All is computed in the precision of the inputs.
    """
    del training  # always: the gradient needs what is kept only then
    batch, steps, _ = tf.unstack(tf.shape(inputs))
    made = tf.raw_ops.CudnnRNNV3(
        input=inputs,
        input_h=states[0][:, None],
        input_c=states[1][:, None] if len(states) > 1 else tf.zeros([], inputs.dtype),
        params=_packed(cell, inputs.dtype),
        # It takes no empty sequences: those get one step, which is undone below.
        sequence_lengths=tf.fill([batch], steps) if lengths is None else tf.maximum(lengths, 1),
        rnn_mode=cell.cudnn_mode,
        is_training=True,
        time_major=False,
    )
    outputs, ends = made[0], [end[:, 0] for end in made[1 : 1 + len(states)]]
    if lengths is None:
        return outputs, ends
    begun = (lengths > 0)[:, None]
    ends = [tf.where(begun, end, first) for end, first in zip(ends, states, strict=True)]
    return tf.where(begun[:, None], outputs, tf.zeros_like(outputs)), ends


def _packed(cell: Any, dtype: Any) -> Any:
    """The weights of a cell, as one vector."""
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    *kernels, bias = (tf.cast(tf.convert_to_tensor(values), dtype) for values in weights)
    if cell.cudnn_mode == "lstm":  # which has one bias; cuDNN adds another to the inputs' part
        bias = tf.stack([tf.zeros_like(bias), bias])
    order = GATES[cell.cudnn_mode]
    parts = [tf.split(values, len(order), axis=-1) for values in (*kernels, *tf.unstack(bias))]
    gates = [part[i] for part in parts for i in order]
    return tf.concat([tf.reshape(tf.transpose(gate), [-1]) for gate in gates], axis=0)
