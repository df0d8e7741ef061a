"""What whole-sequence kernels share: time in front, and the state read off at each sequence's end."""

from typing import Any

from seqlab._tensorflow import tf

__all__ = ["at_ends", "time_first", "until_ends"]


def time_first(values: Any) -> Any:
    """``[B, T, ...]`` to ``[T, B, ...]``, and back."""
    return tf.transpose(values, [1, 0, 2])


def at_ends(values: Any, before: Any, lengths: Any) -> Any:
    """Of ``[T, B, H]``, what each sequence has at its own last step, or had before: ``[B, H]``.

    A kernel runs past the end of short sequences. A recurrence looks back only, so that changes
    nothing before the end.
    """
    if lengths is None:
        return values[-1]
    last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.shape(lengths)[0])], axis=1)
    return tf.where((lengths > 0)[:, None], tf.gather_nd(values, last), before)


def until_ends(values: Any, lengths: Any) -> Any:
    """Of ``[T, B, H]``, what lies past each sequence's end made zero, as ``[B, T, H]``."""
    outputs = time_first(values)
    if lengths is None:
        return outputs
    going = tf.range(tf.shape(outputs)[1])[None, :, None] < lengths[:, None, None]
    return tf.where(going, outputs, tf.zeros_like(outputs))
