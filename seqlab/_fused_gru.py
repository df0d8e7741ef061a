"""The GRU over a whole sequence, reset gate after the product: forward and back in two compiled loops."""

from collections.abc import Callable
from typing import Any

from seqlab._fused import at_ends, time_first, until_ends
from seqlab._tensorflow import tf

__all__ = ["gru"]


def gru(
    inputs: Any, states: Any, lengths: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, list[Any]]:
    """Run a GRU over a batch of sequences.

    Args:
        inputs: ``[B, T, D]``.
        states: [h] before the first step, ``[B, H]``.
        lengths: int32 ``[B]``, or None for T.
        kernel: ``[D, 3 H]``, gates z, r, g, as in Keras.
        recurrent_kernel: ``[H, 3 H]``.
        bias: ``[2, 3 H]``.

    Returns:
        Outputs ``[B, T, H]``, and [h] after each sequence's own last step.
    """
    weights = (tf.convert_to_tensor(w) for w in (kernel, recurrent_kernel, bias))
    hs = _gru(time_first(inputs), states[0], *weights)
    return until_ends(hs, lengths), [at_ends(hs, states[0], lengths)]


@tf.custom_gradient
def _gru(
    x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, Callable[..., Any]]:
    """Over ``[T, B, D]``. Written out, so that each step has one product, and the rest has none."""
    # XLA compiles anew for every number of steps: worth it only where that number is fixed.
    fixed = x.shape[0] is not None
    forward, back = (_compiled_forward, _compiled_back) if fixed else (_forward, _back)
    # Outside of graphs a tape would look into a compiled function, which has no gradient of its own.
    x, h, kernel, recurrent_kernel, bias = map(
        tf.stop_gradient, (x, h, kernel, recurrent_kernel, bias)
    )
    projected = tf.tensordot(x, kernel, 1) + bias[0]  # [T, B, 3 H]
    hs, gates, products = forward(projected, h, recurrent_kernel, bias[1])

    def gradient(h_grad: Any) -> tuple[Any, ...]:
        before = tf.concat([h[None], hs[:-1]], axis=0)
        dh, dx, dr = back(h_grad, before, gates, products, recurrent_kernel)
        flat = [tf.reshape(v, [-1, v.shape[-1]]) for v in (x, dx, before, dr)]
        x_grad = tf.tensordot(dx, kernel, [[2], [1]])
        kernel_grad = tf.matmul(flat[0], flat[1], transpose_a=True)
        recurrent_grad = tf.matmul(flat[2], flat[3], transpose_a=True)
        bias_grad = tf.stack([tf.reduce_sum(flat[1], axis=0), tf.reduce_sum(flat[3], axis=0)])
        return x_grad, dh, kernel_grad, recurrent_grad, bias_grad

    return hs, gradient


def _forward(projected: Any, h: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, Any, Any]:
    """All steps: h ``[T, B, H]``, gates z, r, g ``[T, B, 3 H]``, and g's product ``[T, B, H]``."""
    units = h.shape[-1]

    def body(t: Any, h: Any, hs: Any, gates: Any, products: Any) -> tuple[Any, ...]:
        from_x, from_h = projected[t], h @ recurrent_kernel + bias
        zr = tf.sigmoid(from_x[:, : 2 * units] + from_h[:, : 2 * units])
        z, r = zr[:, :units], zr[:, units:]
        product = from_h[:, 2 * units :]
        g = tf.tanh(from_x[:, 2 * units :] + r * product)
        h = g + z * (h - g)
        return (
            t + 1,
            h,
            hs.write(t, h),
            gates.write(t, tf.concat([zr, g], axis=1)),
            products.write(t, product),
        )

    steps = tf.shape(projected)[0]
    made = [_array(projected, size) for size in (units, 3 * units, units)]
    _, _, *made = tf.while_loop(
        lambda t, *_: t < steps, body, (0, h, *made), maximum_iterations=steps
    )
    hs, gates, products = (array.stack() for array in made)
    return hs, gates, products


def _back(
    h_grad: Any, before: Any, gates: Any, products: Any, recurrent_kernel: Any
) -> tuple[Any, Any, Any]:
    """Gradients: of h before the first step, and of what comes from x and from h, ``[T, B, 3 H]``."""
    transposed = tf.transpose(recurrent_kernel)

    def body(t: Any, dh: Any, from_x: Any, from_h: Any) -> tuple[Any, ...]:
        dh = dh + h_grad[t]
        z, r, g = tf.split(gates[t], 3, axis=1)
        rest = dh - dh * z
        dg = rest * (1 - g * g)
        dz = rest * (before[t] - g) * z
        dr = dg * products[t] * r * (1 - r)
        inner = tf.concat([dz, dr, dg * r], axis=1)
        outer = tf.concat([dz, dr, dg], axis=1)
        return t - 1, dh * z + inner @ transposed, from_x.write(t, outer), from_h.write(t, inner)

    steps = tf.shape(gates)[0]
    arrays = [_array(gates, gates.shape[-1]) for _ in range(2)]
    _, dh, *arrays = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (steps - 1, tf.zeros_like(before[0]), *arrays),
        maximum_iterations=steps,
    )
    from_x, from_h = (array.stack() for array in arrays)
    return dh, from_x, from_h


def _array(like: Any, size: int) -> Any:
    """As many ``[B, size]`` as `like` has steps."""
    return tf.TensorArray(like.dtype, tf.shape(like)[0], element_shape=(like.shape[1], size))


_compiled_forward = tf.function(_forward, jit_compile=True)
_compiled_back = tf.function(_back, jit_compile=True)
