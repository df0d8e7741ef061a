"""The LSTM over a whole sequence: TensorFlow's block kernel forward, our own ways back."""

from collections.abc import Callable
from typing import Any

from seqlab._fused import at_ends, time_first, until_ends
from seqlab._tensorflow import tf

__all__ = ["lstm"]

# The kernel's own gradient forms the weight gradient anew at each step. That is cheap for small
# weights only: from this many on, ours is quicker (docs/results/train_step.md).
LARGE = 2**15


def lstm(
    inputs: Any, states: Any, lengths: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, list[Any]]:
    """Run an LSTM over a batch of sequences by one operation.

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
    hs, cs = _block(time_first(inputs), *states, weights, tf.convert_to_tensor(bias))
    ends = [at_ends(v, before, lengths) for v, before in zip((hs, cs), states, strict=True)]
    return until_ends(hs, lengths), ends


@tf.custom_gradient
def _block(x: Any, h: Any, c: Any, weights: Any, bias: Any) -> tuple[Any, Callable[..., Any]]:
    """The kernel, over ``[T, B, D]``, with a gradient that is right.

    The second version of the kernel takes gates in Keras' order. The gradient that TensorFlow
    registers for it is the first version's, which reads i, g, f, o: the values are right and the
    gradients wrong (a test shows it on TensorFlow 2.21). So that gradient is not used.
    """
    known = {"x": x, "cs_prev": c, "h_prev": h, **_peepholes(bias)}
    made = tf.raw_ops.BlockLSTMV2(
        **known, seq_len_max=_steps(x), w=weights, b=bias, cell_clip=0.0, use_peephole=False
    )
    back = _by_step if weights.shape.num_elements() >= LARGE else _at_once

    def gradient(h_grad: Any, c_grad: Any) -> tuple[Any, ...]:
        *grads, w_grad, b_grad = back(
            known, made, _f_and_g_swapped(weights), _f_and_g_swapped(bias), h_grad, c_grad
        )
        return *grads, _f_and_g_swapped(w_grad), _f_and_g_swapped(b_grad)

    return (made.h, made.cs), gradient


def _at_once(
    known: dict[str, Any], made: Any, weights: Any, bias: Any, h_grad: Any, c_grad: Any
) -> tuple[Any, ...]:
    """The first version's gradient kernel, for the whole sequence."""
    kept = {name: getattr(made, name) for name in ("i", "cs", "f", "o", "ci", "co", "h")}
    grads = tf.raw_ops.BlockLSTMGrad(
        **known,
        **kept,
        seq_len_max=_steps(known["x"]),
        w=weights,
        b=bias,
        h_grad=h_grad,
        cs_grad=c_grad,
        use_peephole=False,
    )
    return grads.x_grad, grads.h_prev_grad, grads.cs_prev_grad, grads.w_grad, grads.b_grad


def _by_step(
    known: dict[str, Any], made: Any, weights: Any, bias: Any, h_grad: Any, c_grad: Any
) -> tuple[Any, ...]:
    """Back step by step, with one product at each; the weights' products at the end, over all steps."""
    x, before = known["x"], (known["h_prev"], known["cs_prev"])
    features = x.shape[-1]
    back = tf.transpose(weights[features:])  # [4 H, H]
    same = {**known, "x": x[0], "w": weights, "b": bias, "use_peephole": False}

    def step(t: Any, c_before: Any, dh: Any, dc: Any) -> tuple[Any, Any]:
        kept = {name: getattr(made, name)[t] for name in ("i", "cs", "f", "o", "ci", "co")}
        inner = {"h_grad": h_grad[t] + dh, "cs_grad": c_grad[t] + dc}
        grads = tf.raw_ops.LSTMBlockCellGrad(**{**same, "cs_prev": c_before}, **kept, **inner)
        return grads.dicfo, grads.cs_prev_grad

    def body(t: Any, dh: Any, dc: Any, gates: Any) -> tuple[Any, ...]:
        gate, dc = step(t, made.cs[t - 1], dh, dc)
        return t - 1, gate @ back, dc, gates.write(t, gate)

    steps = tf.shape(x)[0]
    gates = tf.TensorArray(x.dtype, steps, element_shape=(x.shape[1], bias.shape[0]))
    zeros = [tf.zeros_like(part) for part in before]
    _, dh, dc, gates = tf.while_loop(
        lambda t, *_: t > 0, body, (steps - 1, *zeros, gates), maximum_iterations=steps - 1
    )
    first, dc = step(0, before[1], dh, dc)
    gates = gates.write(0, first).stack()  # [T, B, 4 H]
    w_grad = tf.concat(
        [
            _product(x, gates),
            _product(made.h[:-1], gates[1:]) + tf.matmul(before[0], first, transpose_a=True),
        ],
        axis=0,
    )
    x_grad = tf.tensordot(gates, weights[:features], [[2], [1]])
    return x_grad, first @ back, dc, w_grad, tf.reduce_sum(gates, [0, 1])


def _product(values: Any, gates: Any) -> Any:
    """``[T, B, D]`` and ``[T, B, 4 H]`` to ``[D, 4 H]``: summed over steps and sequences."""
    flat = [tf.reshape(v, [-1, v.shape[-1]]) for v in (values, gates)]
    return tf.matmul(*flat, transpose_a=True)


def _peepholes(bias: Any) -> dict[str, Any]:
    """The kernels ask for them even where they are not used."""
    return dict.fromkeys(("wci", "wcf", "wco"), tf.zeros(bias.shape[0] // 4))


def _steps(x: Any) -> Any:
    return tf.shape(x, out_type=tf.int64)[0]


def _f_and_g_swapped(columns: Any) -> Any:
    """Gates i, f, g, o as i, g, f, o; and back."""
    i, f, g, o = tf.split(columns, 4, axis=-1)
    return tf.concat([i, g, f, o], axis=-1)
