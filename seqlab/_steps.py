"""Which time steps exist: lengths and masks, checked, and carried on to losses and metrics."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError

__all__ = [
    "MarkSteps",
    "as_array",
    "asserted",
    "check_inputs",
    "checked",
    "over_existing",
    "reverse",
]

ops = keras.ops


def as_array(name: str, values: Any) -> Any:
    """Arrays and tensors as they are; all else as an array.

    Raises:
        SeqlabError: lists of different length, which are none.
    """
    if hasattr(values, "dtype"):
        return values
    try:
        return np.asarray(values)
    except ValueError:
        raise SeqlabError(
            f"`{name}` must be an array. Received: lists of different length. Pad them with zeros, and"
            " say in `sequence_length` how long each is"
        ) from None


def checked(inputs: Any, lengths: Any, mask: Any) -> tuple[Any, Any, Any]:
    """Inputs ``[B, T, D]``, lengths ``[B]`` and mask ``[B, T]``, where lists are made arrays.

    Raises:
        SeqlabError: of another rank, shape or type; lengths that are known already and outside 0 to T.
    """
    inputs = as_array("inputs", inputs)
    check_inputs(inputs, "B, T, D")
    if lengths is not None:
        lengths = as_array("sequence_length", lengths)
        _check_lengths(lengths, *inputs.shape[:2])
    if mask is not None:
        mask = as_array("mask", mask)
        _check_mask(mask, tuple(inputs.shape[:2]))
    return inputs, lengths, mask


def check_inputs(inputs: Any, axes: str) -> None:
    """Refuse inputs of another rank, and what is no number; `axes` names the axes that there must be.

    Raises:
        SeqlabError: with the shape or type received.
    """
    if isinstance(inputs, tf.RaggedTensor):
        raise SeqlabError(
            "`inputs` must be padded. Received: a RaggedTensor. Give inputs.to_tensor(), and"
            " inputs.row_lengths() as `sequence_length`"
        )
    if tf.TensorShape(inputs.shape).rank != len(axes.split()):
        raise SeqlabError(f"`inputs` must be [{axes}]. Received: shape {inputs.shape}")
    kind = tf.as_dtype(inputs.dtype)
    if not (kind.is_floating or kind.is_integer or kind.is_bool):
        raise SeqlabError(f"`inputs` must hold real numbers. Received: {kind.name}")


def _check_lengths(lengths: Any, batch: int | None, steps: int | None) -> None:
    kind, shape = tf.as_dtype(lengths.dtype), tuple(lengths.shape)
    if not kind.is_integer or not _same(shape, (batch,)):
        raise SeqlabError(
            f"`sequence_length` must hold one integer per sequence, shape ({batch},)."
            f" Received: {kind.name} of shape {shape}"
        )
    values = _known(lengths)
    if values is not None and (values.min() < 0 or (steps is not None and values.max() > steps)):
        raise SeqlabError(
            f"`sequence_length` must lie between 0 and the {steps} steps of the input."
            f" Received: {values.min()} to {values.max()}"
        )


def _check_mask(mask: Any, wanted: tuple[int | None, ...]) -> None:
    kind, shape = tf.as_dtype(mask.dtype), tuple(mask.shape)
    if not kind.is_bool or not _same(shape, wanted):
        raise SeqlabError(
            f"`mask` must hold booleans of shape {wanted}, true where a step exists."
            f" Received: {kind.name} of shape {shape}"
        )


def _same(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether two shapes agree as far as they are known."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _known(lengths: Any) -> np.ndarray | None:
    """The values, unless they are only known at run time or there are none."""
    if isinstance(lengths, keras.KerasTensor) or not hasattr(lengths, "__array__"):
        return None
    if tf.is_tensor(lengths) and not hasattr(lengths, "numpy"):
        return None
    values = np.asarray(lengths)
    return values if values.size else None


def asserted(lengths: Any, inputs: Any) -> Any:
    """Lengths as int32, whose values a compiled function checks when it runs."""
    if lengths is None:
        return None
    if not tf.executing_eagerly():
        steps = ops.cast(ops.shape(inputs)[1], lengths.dtype)
        legal = tf.reduce_all((lengths >= 0) & (lengths <= steps))
        words = "`sequence_length` must lie between 0 and the steps of the input. Received:"
        with tf.control_dependencies([tf.debugging.Assert(legal, [words, lengths])]):
            lengths = tf.identity(lengths)
    return ops.cast(lengths, "int32")


def over_existing(
    run: Callable[[Any, Any], tuple[Any, Any]], inputs: Any, lengths: Any, mask: Any
) -> tuple[Any, Any, Any]:
    """Run over the steps that exist, wherever they lie.

    Each row's steps that exist are moved to its front, in their order, so that every cell and every
    kernel needs lengths only; the outputs are moved back, and are zero at the steps that do not exist.

    Args:
        run: ``(inputs, lengths) -> (outputs, states)``; outputs may be nested.
        inputs: ``[B, T, D]``.
        lengths: int32 ``[B]`` or None.
        mask: booleans ``[B, T]`` or None. With both, a step exists if both say so.

    Returns:
        outputs; states; which steps exist, ``[B, T]`` or None for all.
    """
    if mask is None:
        exist = None if lengths is None else _before(lengths, inputs)
        return *run(inputs, lengths), exist
    exist = mask if lengths is None else mask & _before(lengths, inputs)
    seen = tf.cumsum(tf.cast(exist, "int32"), axis=1)
    outputs, states = run(tf.gather(inputs, _places(seen), batch_dims=1), ops.sum(exist, axis=1))

    def back(values: Any) -> Any:
        values = tf.gather(values, tf.maximum(seen - 1, 0), batch_dims=1)
        return tf.where(exist[:, :, None], values, tf.zeros_like(values))

    return keras.tree.map_structure(back, outputs), states, exist


def _before(lengths: Any, inputs: Any) -> Any:
    """``[B, T]``: true before each sequence's end."""
    return ops.arange(ops.shape(inputs)[1])[None, :] < lengths[:, None]


def _places(seen: Any) -> Any:
    """``[B, T]``: where the first, second ... step that exists lies, from the counts so far."""
    steps = tf.shape(seen)[1]
    wanted = tf.broadcast_to(tf.range(1, steps + 1), tf.shape(seen))
    return tf.minimum(tf.searchsorted(seen, wanted), steps - 1)  # behind the last: any


def reverse(inputs: Any, lengths: Any) -> Any:
    """Each sequence backwards; what lies past its end stays where it is."""
    if lengths is None:
        return ops.flip(inputs, axis=1)
    lengths = lengths[:, None]
    steps = ops.arange(ops.shape(inputs)[1])[None, :]
    sources = ops.where(steps < lengths, lengths - 1 - steps, steps)
    return ops.take_along_axis(inputs, sources[:, :, None], axis=1)


class MarkSteps(keras.layers.Layer):
    """``[outputs, exist] -> outputs``, whose mask tells layers, losses and metrics which steps exist.

    A layer, because Keras takes masks from layers; and one of its own, because `compute_mask` of the
    layer above sees neither its lengths nor which of its outputs have a time axis.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: list[Any]) -> Any:
        """The outputs, as they are."""
        return inputs[0]

    def compute_mask(self, inputs: list[Any], previous_mask: Any) -> Any:
        """Which steps exist, ``[B, T]``."""
        del previous_mask
        return inputs[1]
