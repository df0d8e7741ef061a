"""Whole-sequence kernels: one operation for all time steps of a layer."""

from typing import Any

from seqlab._tensorflow import tf

__all__ = ["lstm"]


def lstm(inputs: Any, h: Any, c: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, Any]:
    """Run an LSTM over a batch of sequences with TensorFlow's block kernel.

    The kernel is the first version of two. The second takes gates in Keras' order, but its
    registered gradient is the first version's, which reads them in another: its values are right
    and its gradients wrong (a test of ours shows it on TensorFlow 2.21). So the columns are
    reordered here, from i, f, g, o to i, g, f, o.

    Args:
        inputs: ``[B, T, D]``.
        h: the state's output part before the first step, ``[B, H]``.
        c: its cell part, ``[B, H]``.
        kernel: ``[D, 4 H]``, gates i, f, g, o, as in Keras.
        recurrent_kernel: ``[H, 4 H]``.
        bias: ``[4 H]``.

    Returns:
        h ``[B, T, H]`` and c ``[B, T, H]`` after every step.
    """
    weights = _reordered(tf.concat([kernel, recurrent_kernel], axis=0))
    no_peephole = tf.zeros(tf.shape(bias)[0] // 4)
    outputs = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.shape(inputs, out_type=tf.int64)[1],
        x=tf.transpose(inputs, [1, 0, 2]),
        cs_prev=c,
        h_prev=h,
        w=weights,
        wci=no_peephole,
        wcf=no_peephole,
        wco=no_peephole,
        b=_reordered(bias),
        forget_bias=0.0,
        cell_clip=-1.0,  # none
        use_peephole=False,
    )
    return tf.transpose(outputs.h, [1, 0, 2]), tf.transpose(outputs.cs, [1, 0, 2])


def _reordered(gates: Any) -> Any:
    i, f, g, o = tf.split(gates, 4, axis=-1)
    return tf.concat([i, g, f, o], axis=-1)
