"""The LSTM over a whole sequence: TensorFlow's block kernel forward, our own ways back."""

from collections.abc import Callable
from functools import partial
from typing import Any

from seqlab._fused import (
    Walk,
    at_ends,
    cast,
    earlier,
    flat,
    product_type,
    time_first,
    until_ends,
    working_type,
)
from seqlab._tensorflow import once_per_shape, tf

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
    dtype = inputs.dtype
    weights = tf.concat([kernel, recurrent_kernel], axis=0)
    inputs, states, weights, bias = cast(working_type(dtype), inputs, states, weights, bias)
    # Decided here, not below: a graph is kept for all calls with the same arguments.
    by_step = product_type(dtype) if weights.shape.num_elements() >= LARGE else None
    given = (time_first(inputs), *states, weights, bias)
    hs, cs = _kernel(lengths is not None, by_step, *given)
    ends = [at_ends(v, before, lengths) for v, before in zip((hs, cs), states, strict=True)]
    outputs, ends = cast(dtype, until_ends(hs, lengths), ends)
    return outputs, ends


@once_per_shape
def _kernel(every_c: bool, by_step: Any, *given: Any) -> Any:
    return tf.custom_gradient(lambda *given: _block(every_c, by_step, *given))(*given)


def _block(
    every_c: bool, by_step: Any, x: Any, h: Any, c: Any, weights: Any, bias: Any
) -> tuple[Any, Callable[..., Any]]:
    """The kernel, over ``[T, B, D]``, with a gradient that is right; c of every step, or of the last.

    `by_step` is the type of the products of our way back, or None for the kernel's own.

    The second version of the kernel takes gates in Keras' order. The gradient that TensorFlow
    registers for it is the first version's, which reads i, g, f, o: the values are right and the
    gradients wrong (a test shows it on TensorFlow 2.21). So that gradient is not used.
    """
    known = {"x": x, "cs_prev": c, "h_prev": h, **_peepholes(bias)}
    made = tf.raw_ops.BlockLSTMV2(
        **known, seq_len_max=_steps(x), w=weights, b=bias, cell_clip=0.0, use_peephole=False
    )
    way_back = partial(_by_step, by_step) if by_step else _at_once

    def gradient(h_grad: Any, c_grad: Any) -> tuple[Any, ...]:
        *grads, w_grad, b_grad = way_back(
            known, made, _f_and_g_swapped(weights), _f_and_g_swapped(bias), h_grad, c_grad
        )
        return *grads, _f_and_g_swapped(w_grad), _f_and_g_swapped(b_grad)

    return (made.h, made.cs if every_c else made.cs[-1][None]), gradient


def _at_once(
    known: dict[str, Any], made: Any, weights: Any, bias: Any, h_grad: Any, c_grad: Any
) -> tuple[Any, ...]:
    """The first version's gradient kernel, for the whole sequence."""
    kept = {name: getattr(made, name) for name in ("i", "cs", "f", "o", "ci", "co", "h")}
    if c_grad.shape[0] == 1:  # of the last step only
        c_grad = tf.concat([tf.zeros_like(h_grad[1:]), c_grad], axis=0)
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
    low: Any,
    known: dict[str, Any],
    made: Any,
    weights: Any,
    bias: Any,
    h_grad: Any,
    c_grad: Any,
) -> tuple[Any, ...]:
    """Back step by step with one product at each; the weights' products once per chunk.

    Products are in the type `low`, all else, and what is summed over steps, in that of x.
    """
    x, h, c = (known[name] for name in ("x", "h_prev", "cs_prev"))
    features = x.shape[-1]
    dtype, to_both = x.dtype, tf.cast(tf.transpose(weights), low)
    to_x, to_h = to_both[:, :features], to_both[:, features:]
    # The kernel of a step looks at the shapes of these, not at their values.
    same = {**known, "x": x[0], "w": weights, "b": bias, "use_peephole": False}

    walk = Walk(x)
    last_only = c_grad.shape[0] == 1

    def body(start: Any, n: int, state: tuple[Any, ...]) -> tuple[Any, ...]:
        dh, dc, dw, db, dx = state
        steps = slice(start, start + n)
        # tanh(c) and h are cheap to have again, and large to keep.
        co = tf.tanh(made.cs[steps])
        kept = {name: getattr(made, name)[steps] for name in ("i", "cs", "f", "o", "ci")}
        kept |= {"co": co, "cs_prev": earlier(made.cs, c, start, n), "h_grad": h_grad[steps]}
        if not last_only:
            kept["cs_grad"] = c_grad[steps]
        pieces = {name: tf.unstack(values, n) for name, values in kept.items()}
        gates: list[Any] = []
        for j in reversed(range(n)):
            now = {name: values[j] for name, values in pieces.items()}
            now["h_grad"] += dh
            now["cs_grad"] = now["cs_grad"] + dc if "cs_grad" in now else dc
            grads = tf.raw_ops.LSTMBlockCellGrad(**{**same, **now})
            gates.insert(0, tf.cast(grads.dicfo, low))
            dh, dc = tf.cast(gates[0] @ to_h, dtype), grads.cs_prev_grad
        per_gate = tf.concat(gates, axis=0)  # [n B, 4 H]
        h_before = _h_before(h, made, co, start, n)
        seen = tf.cast(tf.concat([flat(x[steps]), flat(h_before)], axis=1), low)
        dw += tf.cast(tf.matmul(seen, per_gate, transpose_a=True), dtype)
        db += tf.reduce_sum(tf.cast(per_gate, dtype), axis=0)
        dx_now = tf.cast(per_gate @ to_x, dtype)
        dx = walk.put(dx, walk.place(start), tf.reshape(dx_now, [n, -1, features]))
        return dh, dc, dw, db, dx

    zeros = [tf.zeros_like(weights), tf.zeros_like(bias)]
    begin = (tf.zeros_like(h), c_grad[0] if last_only else tf.zeros_like(c))
    dh, dc, dw, db, dx = walk.back(body, (*begin, *zeros, walk.pieces(features)))
    return walk.whole(dx), dh, dc, dw, db


def _h_before(first: Any, made: Any, co: Any, start: Any, n: int) -> Any:
    """H of the n steps that begin one before `start`, from its o and tanh(c)."""
    before = tf.maximum(start - 1, 0)
    one = tf.where(start > 0, made.o[before] * tf.tanh(made.cs[before]), first)[None]
    return tf.concat([one, made.o[start : start + n - 1] * co[:-1]], axis=0)


def _peepholes(bias: Any) -> dict[str, Any]:
    """The kernels ask for them even where they are not used."""
    return dict.fromkeys(("wci", "wcf", "wco"), tf.zeros(bias.shape[0] // 4))


def _steps(x: Any) -> Any:
    return tf.shape(x, out_type=tf.int64)[0]


def _f_and_g_swapped(columns: Any) -> Any:
    """Gates i, f, g, o as i, g, f, o; and back."""
    i, f, g, o = tf.split(columns, 4, axis=-1)
    return tf.concat([i, g, f, o], axis=-1)
