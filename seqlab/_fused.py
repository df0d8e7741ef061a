"""Whole-sequence kernels: one operation for all time steps of a layer."""

from collections.abc import Callable
from typing import Any

from seqlab._tensorflow import tf

__all__ = ["lstm"]


def lstm(
    inputs: Any, states: Any, lengths: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, list[Any]]:
    """Run an LSTM over a batch of sequences with TensorFlow's block kernel.

    The kernel runs past the end of short sequences. A recurrence looks back only, so that changes
    nothing before the end: the state is read off there, and the outputs behind it are made zero.

    Args:
        inputs: ``[B, T, D]``.
        states: [h, c] before the first step, each ``[B, H]``.
        lengths: int32 ``[B]``, or None for T.
        kernel: ``[D, 4 H]``, gates i, f, g, o, as in Keras.
        recurrent_kernel: ``[H, 4 H]``.
        bias: ``[4 H]``.

    Returns:
        Outputs ``[B, T, H]``, and [h, c] after each sequence's own last step.
    """
    weights = tf.concat([kernel, recurrent_kernel], axis=0)
    xs = tf.transpose(inputs, [1, 0, 2])
    hs, cs = _block_lstm(xs, *states, weights, tf.convert_to_tensor(bias))  # [T, B, H]
    if lengths is None:
        return tf.transpose(hs, [1, 0, 2]), [hs[-1], cs[-1]]
    started = (lengths > 0)[:, None]
    last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.shape(lengths)[0])], axis=1)
    pairs = zip((hs, cs), states, strict=True)
    ends = [tf.where(started, tf.gather_nd(values, last), before) for values, before in pairs]
    going = tf.sequence_mask(lengths, tf.shape(hs)[0])[:, :, None]
    outputs = tf.transpose(hs, [1, 0, 2])
    return tf.where(going, outputs, tf.zeros_like(outputs)), ends


@tf.custom_gradient
def _block_lstm(x: Any, h: Any, c: Any, weights: Any, bias: Any) -> tuple[Any, Callable[..., Any]]:
    """The kernel, over ``[T, B, D]``, with a gradient that is right.

    The second version of the kernel takes gates in Keras' order. The gradient that TensorFlow
    registers for it is the first version's, which reads i, g, f, o: the values are right and the
    gradients wrong (a test shows it on TensorFlow 2.21). So that gradient is called here, with its
    columns reordered; the kernel's other outputs do not depend on the order.
    """
    peepholes = {name: tf.zeros(tf.shape(bias)[0] // 4) for name in ("wci", "wcf", "wco")}
    known = {"seq_len_max": tf.shape(x, out_type=tf.int64)[0], "x": x, "cs_prev": c, "h_prev": h}
    made = tf.raw_ops.BlockLSTMV2(
        **known, **peepholes, w=weights, b=bias, cell_clip=0.0, use_peephole=False
    )

    def gradient(h_grad: Any, cs_grad: Any) -> tuple[Any, ...]:
        grads = tf.raw_ops.BlockLSTMGrad(
            **known,
            **peepholes,
            **made._asdict(),
            w=_f_and_g_swapped(weights),
            b=_f_and_g_swapped(bias),
            cs_grad=cs_grad,
            h_grad=h_grad,
            use_peephole=False,
        )
        state = grads.h_prev_grad, grads.cs_prev_grad
        return grads.x_grad, *state, _f_and_g_swapped(grads.w_grad), _f_and_g_swapped(grads.b_grad)

    return (made.h, made.cs), gradient


def _f_and_g_swapped(columns: Any) -> Any:
    """Gates i, f, g, o as i, g, f, o; and back."""
    shape = tf.shape(columns)
    gates = tf.reshape(columns, tf.concat([shape[:-1], [4, shape[-1] // 4]], axis=0))
    return tf.reshape(tf.gather(gates, [0, 2, 1, 3], axis=-2), shape)
