"""One long sequence as consecutive chunks: truncated backpropagation through time.

A stateful layer (``cells.DynamicRNN(cell, stateful=True)``) carries the state of each row from one chunk
to the next, so a chunk may be short although the network remembers longer. Source: Williams and Peng
(1990), BPTT(h; h') with h = h' = T.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError, check_positive

__all__ = ["Chunks", "consecutive"]


@dataclass(frozen=True)
class Chunks:
    """Pairs (inputs, targets) of B rows and T steps; row b of one goes on where row b of the last ended.

    Iterating gives views of the sequence; nothing is copied.

    Attributes:
        inputs: ``[B, chunks T, ...]``, the sequence cut into B stretches that follow each other.
        targets: likewise.
        steps: T.
        dropped: how many steps at the end of the sequence are in no chunk: fewer than B T.
    """

    inputs: np.ndarray
    targets: np.ndarray
    steps: int
    dropped: int

    def __len__(self) -> int:
        return self.inputs.shape[1] // self.steps

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for begin in range(0, self.inputs.shape[1], self.steps):
            part = slice(begin, begin + self.steps)
            yield self.inputs[:, part], self.targets[:, part]

    def dataset(self) -> Any:
        """The chunks in order, as a ``tf.data.Dataset`` for `fit`; its batch size is fixed at B."""
        from seqlab._tensorflow import tf

        signature = tuple(tf.TensorSpec(part.shape, part.dtype) for part in next(iter(self)))
        options = tf.data.Options()
        options.autotune.enabled = False  # as in `windows`: nothing to tune, and its thread delays
        chunks = tf.data.Dataset.from_generator(self.__iter__, output_signature=signature)
        counted = chunks.apply(tf.data.experimental.assert_cardinality(len(self)))
        return counted.prefetch(2).with_options(options)


def consecutive(values: Any, batch_size: int, steps: int, targets: Any = None) -> Chunks:
    """Cut one long sequence into consecutive chunks.

    The sequence is cut into B stretches, one per row, and these into chunks of T steps. So row b goes
    through its stretch from chunk to chunk, and the end of row b is where row b + 1 begins. What does not
    fill a chunk of all rows is dropped at the end.

    Args:
        values: ``[N]`` or ``[N, D]``, of any type: numbers, or the ids of characters.
        batch_size: B.
        steps: T, how far gradients go back.
        targets: ``[N, ...]``, one for each step; by default the value of the next step, which the last
            step has none of.

    Raises:
        SeqlabError: no sequence; too few values for one chunk; not as many targets as values.
    """
    check_positive("batch_size", batch_size)
    check_positive("steps", steps)
    inputs = np.asarray(values)
    if not inputs.ndim:
        raise SeqlabError(f"`values` must be a sequence, [N] or [N, D]. Received: {values!r}")
    if targets is None:
        inputs, targets = inputs[:-1], inputs[1:]
    targets = np.asarray(targets)
    if targets.shape[:1] != inputs.shape[:1]:
        raise SeqlabError(
            f"`targets` must be {len(inputs)}, one per value. Received: shape {targets.shape}"
        )
    count = len(inputs) // (batch_size * steps)
    if not count:
        raise SeqlabError(
            f"one chunk takes {batch_size} rows of {steps} steps, {batch_size * steps} in all."
            f" Received: {len(inputs)} steps with a target. Take fewer rows or steps"
        )
    used = count * batch_size * steps

    def rows(array: np.ndarray) -> np.ndarray:
        return array[:used].reshape(batch_size, count * steps, *array.shape[1:])

    return Chunks(rows(inputs), rows(targets), steps, len(inputs) - used)
