"""The GRU over a whole sequence, reset gate after the product: forward and back, written out."""

from collections.abc import Callable
from typing import Any

from seqlab._fused import (
    Walk,
    at_ends,
    cast,
    chunk,
    flat,
    time_first,
    until_ends,
    working_type,
)
from seqlab._tensorflow import once_per_shape, tf

__all__ = ["gru"]


def gru(
    inputs: Any,
    states: Any,
    lengths: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    training: bool = False,
) -> tuple[Any, list[Any]]:
    """Run a GRU over a batch of sequences.

    Args:
        inputs: ``[B, T, D]``.
        states: [h] before the first step, ``[B, H]``.
        lengths: int32 ``[B]``, or None for T.
        kernel: ``[D, 3 H]``, gates z, r, g, as in Keras.
        recurrent_kernel: ``[H, 3 H]``.
        bias: ``[2, 3 H]``.
        training: keep less for the way back, in a form that a SavedModel cannot hold.

    Returns:
        Outputs ``[B, T, H]``, and [h] after each sequence's own last step.
    """
    dtype = inputs.dtype
    inputs, states, *weights = cast(
        working_type(dtype), inputs, states, kernel, recurrent_kernel, bias
    )
    hs = _kernel(training, time_first(inputs), states[0], *weights)
    outputs, end = cast(dtype, until_ends(hs, lengths), at_ends(hs, states[0], lengths))
    return outputs, [end]


@once_per_shape
def _kernel(in_pieces: bool, *given: Any) -> Any:
    return tf.custom_gradient(lambda *given: _gru(in_pieces, *given))(*given)


def _gru(
    in_pieces: bool, x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, Callable[..., Any]]:
    """Over ``[T, B, D]``, with the way back written out."""
    hs, *kept = _forward(x, h, kernel, recurrent_kernel, bias)
    if not in_pieces:
        kept = [Walk(x).whole(array) for array in kept]

    def gradient(h_grad: Any) -> tuple[Any, ...]:
        return _backward(h_grad, x, kernel, recurrent_kernel, bias, hs, *kept)

    return hs[1:], gradient


def _forward(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> list[Any]:
    """H before the first step and of all steps ``[1 + T, B, H]``; z and r, and g, in pieces."""
    units = h.shape[-1]
    sizes = [2 * units, units]
    # The two biases of z and r add up to one; g's second goes with the product.
    bias_zr, bias_g = tf.split(bias[1], sizes)
    bias_x = bias[0] + tf.concat([bias_zr, tf.zeros_like(bias_g)], axis=0)

    walk = Walk(x)

    def body(start: Any, n: int, state: tuple[Any, ...]) -> tuple[Any, ...]:
        h, hs, *kept = state
        from_x = flat(chunk(x, start, n)) @ kernel + bias_x
        parts = tf.split(tf.reshape(from_x, [n, -1, 3 * units]), sizes, axis=2)
        made: list[list[Any]] = [[], [], []]
        for zr_x, g_x in zip(*(tf.unstack(part, n) for part in parts), strict=True):
            zr_h, product = tf.split(h @ recurrent_kernel, sizes, axis=1)
            zr = tf.sigmoid(zr_x + zr_h)
            z, r = tf.split(zr, 2, axis=1)
            product += bias_g
            g = tf.tanh(g_x + r * product)
            h = g + z * (h - g)
            for values, value in zip(made, (h, zr, g), strict=True):
                values.append(value)
        place = walk.place(start)
        pairs = zip([hs, *kept], [place + 1, place, place], made, strict=True)
        return h, *(walk.put(*pair) for pair in pairs)

    hs = walk.put(walk.pieces(units, 1), 0, [h])
    kept = [walk.pieces(size) for size in (2 * units, units)]
    _, hs, *kept = walk.ahead(body, (h, hs, *kept))
    return [walk.whole(hs, 1), *kept]


def _backward(
    h_grad: Any,
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    hs: Any,
    zr: Any,
    g: Any,
) -> tuple[Any, ...]:
    """Gradients of x, h, kernel, recurrent_kernel and bias."""
    units, features = hs.shape[-1], x.shape[-1]
    to_x, to_h = tf.transpose(kernel), tf.transpose(recurrent_kernel)
    kernel_g, bias_g = recurrent_kernel[:, 2 * units :], bias[1, 2 * units :]

    walk = Walk(x)

    def body(start: Any, n: int, state: tuple[Any, ...]) -> tuple[Any, ...]:
        dh, dx, *sums = state
        before, place = chunk(hs, start, n), walk.place(start)
        in_pieces = isinstance(zr, tf.TensorArray)
        gates, now = (walk.get(v, place, n) if in_pieces else chunk(v, start, n) for v in (zr, g))
        # A product for all n steps is quick to have again, and large to keep.
        product = flat(before) @ kernel_g + bias_g
        per_h, per_g = _slopes(before, gates, now, tf.reshape(product, [n, -1, units]))
        z = tf.unstack(gates[:, :, :units], n)
        slopes, dhs = tf.unstack(per_h, n), tf.unstack(chunk(h_grad, start, n), n)
        inner: list[Any] = []
        outer: list[Any] = []
        for j in reversed(range(n)):
            dh = dhs[j] + dh
            outer.insert(0, dh)
            inner.insert(0, tf.concat([dh, dh, dh], axis=1) * slopes[j])
            dh = dh * z[j] + inner[0] @ to_h
        from_h = tf.concat(inner, axis=0)  # [n B, 3 H], as it reaches h R
        from_g = tf.concat(outer, axis=0) * flat(per_g)
        from_x = tf.concat([from_h[:, : 2 * units], from_g], axis=1)  # as it reaches x K
        grads = (
            tf.matmul(flat(chunk(x, start, n)), from_x, transpose_a=True),
            tf.matmul(flat(before), from_h, transpose_a=True),
            tf.stack([tf.reduce_sum(part, axis=0) for part in (from_x, from_h)]),
        )
        dx = walk.put(dx, place, tf.reshape(from_x @ to_x, [n, -1, features]))
        return dh, dx, *(a + b for a, b in zip(sums, grads, strict=True))

    zeros = [tf.zeros_like(kernel), tf.zeros_like(recurrent_kernel)]
    zeros.append(tf.zeros([2, 3 * units], x.dtype))
    state = (tf.zeros_like(hs[0]), walk.pieces(features), *zeros)
    dh, dx, *sums = walk.back(body, state)
    return walk.whole(dx), dh, *sums


def _slopes(before: Any, zr: Any, g: Any, product: Any) -> tuple[Any, Any]:
    """What h' changes by: with z, r and g's product ``[n, B, 3 H]``; with the sum below g's tanh."""
    z, r = tf.split(zr, 2, axis=2)
    per_g = (1 - z) * (1 - g * g)
    per_z = (before - g) * z * (1 - z)
    per_r = per_g * product * r * (1 - r)
    return tf.concat([per_z, per_r, per_g * r], axis=2), per_g
