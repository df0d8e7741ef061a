"""A linear recurrence over time, all of its steps in parallel.

``h_t = a_t h_{t-1} + b_t`` elementwise. Two such steps in a row are one step of the same form,
``(a, b)`` then ``(a', b')`` being ``(a' a, a' b + b')``, and which two are taken together first makes no
difference. So time is cut into blocks of `BLOCK` steps, each block is composed into one step (all blocks
at once), the starts of the blocks are found by a scan over the few composed steps (Hillis and Steele,
1986: log2 of their number), and from there all blocks run side by side.

The work is about twice that of a loop; the operations in a row are ``2 BLOCK + log2(T / BLOCK)`` in
place of T. A scan that halves the sequence at every level does the same work in more operations, and
``keras.ops.associative_scan``, which is one, took several times as long on the CPU.

Source: Blelloch (1990), section 1.4, for recurrences as scans.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

from seqlab._tensorflow import keras, once_per_shape, tf

__all__ = ["filled", "linear_scan"]

BLOCK = 16
Step = tuple[Any, Any]


def filled(inputs: Any) -> Any:
    """``[B, T, D]`` with zeros behind it, up to whole blocks."""
    return tf.pad(inputs, [[0, 0], [0, -tf.shape(inputs)[1] % BLOCK], [0, 0]])


def linear_scan(
    keep: Any, add: Any, start: Any, steps: Any, lengths: Any = None
) -> tuple[Any, Any]:
    """Every ``h_t = keep_t h_{t-1} + add_t``, in float32 or wider.

    It runs past the end of the sequences, which changes nothing before the end; see `_fused.at_ends`.

    Args:
        keep: ``[B, T', H]`` for `filled` inputs; in [0, 1]: then nothing can overflow, and rounding
            errors die out.
        add: ``[B, T', H]``.
        start: h before the first step, ``[B, H]``.
        steps: T.
        lengths: int32 ``[B]``, or None for T.

    Returns:
        All h ``[B, T, H]``, zero past the end, and the one at each sequence's own end ``[B, H]``.
    """
    dtype = add.dtype
    wide = keras.backend.result_type(dtype.name, "float32")
    keep, add, start = (tf.cast(value, wide) for value in (keep, add, start))
    hs = _all_steps(keep, add, start)
    outputs = hs[:, :steps]
    if lengths is None:
        lengths = tf.fill(tf.shape(start)[:1], steps)
    else:
        going = tf.sequence_mask(lengths, steps)[:, :, None]
        outputs = tf.where(going, outputs, tf.zeros_like(outputs))
    last = tf.gather(hs, tf.maximum(lengths - 1, 0), axis=1, batch_dims=1)
    end = tf.where(lengths[:, None] > 0, last, start)
    return tf.cast(outputs, dtype), tf.cast(end, dtype)


@once_per_shape
@tf.custom_gradient
def _all_steps(keep: Any, add: Any, start: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The recurrence over whole blocks. Its gradient is one, too, backwards in time.

    What reaches h_t is its own gradient and ``keep_{t+1}`` times what reaches h_{t+1}. So nothing but
    the inputs and the outputs is kept for it.
    """
    hs = _forwards(keep, add, start)

    def gradient(grad: Any) -> tuple[Any, ...]:
        reached = _backwards(keep, grad)
        before = tf.concat([start[:, None], hs[:, :-1]], axis=1)
        return reached * before, reached, reached[:, 0] * keep[:, 0]

    return hs, gradient


def _forwards(keep: Any, add: Any, start: Any) -> Any:
    steps = list(zip(_by_step(keep), _by_step(add), strict=True))
    h = _starts(reduce(_composed, steps), start)
    hs = []
    for a, b in steps:
        h = a * h + b
        hs.append(h)
    return _by_time(hs)


def _backwards(keep: Any, grad: Any) -> Any:
    """What reaches each h: ``reached_t = grad_t + keep_{t+1} reached_{t+1}``."""
    steps = list(zip(_by_step(keep), _by_step(grad), strict=True))[::-1]
    block = reduce(_composed, [(a, a * g) for a, g in steps])  # of ``keep reached``, which goes on
    back = tuple(tf.reverse(part, [1]) for part in block)
    passed = tf.reverse(_starts(back, tf.zeros_like(grad[:, 0])), [1])
    reached = []
    for a, g in steps:
        reached.append(g + passed)
        passed = a * reached[-1]
    return _by_time(reached[::-1])


def _by_step(values: Any) -> list[Any]:
    """``[B, T, H]`` as `BLOCK` times ``[B, T / BLOCK, H]``: the same step of every block."""
    shape = tf.shape(values)
    blocks = tf.stack([shape[0], shape[1] // BLOCK, BLOCK, shape[2]])
    return tf.unstack(tf.reshape(values, blocks), BLOCK, axis=2)


def _by_time(steps: list[Any]) -> Any:
    """Undo `_by_step`."""
    shape = tf.shape(steps[0])
    return tf.reshape(tf.stack(steps, axis=2), tf.stack([shape[0], shape[1] * BLOCK, shape[2]]))


def _composed(first: Step, second: Step) -> Step:
    """Two steps as one."""
    return second[0] * first[0], second[0] * first[1] + second[1]


def _starts(block: Step, start: Any) -> Any:
    """The h before each block ``[B, blocks, H]``, of the blocks as single steps."""
    keep, add = _prefixes(block)
    ends = keep * start[:, None] + add
    return tf.concat([start[:, None], ends[:, :-1]], axis=1)


def _prefixes(step: Step) -> Step:
    """Each step with all before it as one: every round joins pieces twice as long as the last."""
    count = tf.shape(step[0])[1]
    places = tf.range(count)[None, :, None]

    def join(length: Any, keep: Any, add: Any) -> tuple[Any, Any, Any]:
        inside = places >= length  # before the first piece there is nothing to join
        before_keep = tf.where(inside, tf.roll(keep, length, axis=1), tf.ones_like(keep))
        before_add = tf.where(inside, tf.roll(add, length, axis=1), tf.zeros_like(add))
        return length * 2, *_composed((before_keep, before_add), (keep, add))

    _, keep, add = tf.while_loop(lambda length, *_: length < count, join, (1, *step))
    return keep, add
