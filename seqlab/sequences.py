"""Sequences with a label each, that differ in length, and their batches.

A batch is as long as its longest sequence; the others are padded with zeros, and travel with their
lengths. Buckets put sequences of similar length together, so that little is padded.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError, check_positive

__all__ = ["LabelledSequences", "batches"]


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """N sequences, each with its own number of steps, and the class of each.

    Attributes:
        sequences: float32 ``[T, D]`` each, T its own, D the same for all.
        labels: integers ``[N]``, positions in `classes`.
        classes: the names of the classes.

    Raises:
        SeqlabError: arrays of another kind, or labels that are no positions.
    """

    sequences: tuple[np.ndarray, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.asarray(self.labels))
        if not len(self.sequences):
            raise SeqlabError("`sequences` must hold at least one sequence. Received: none")
        for i, values in enumerate(self.sequences):
            _check_sequence(i, values, self.sequences[0])
        labels, count = self.labels, len(self.classes)
        if labels.dtype.kind not in "iu" or labels.shape != (len(self),):
            raise SeqlabError(
                f"`labels` must hold one integer per sequence, shape ({len(self)},)."
                f" Received: {labels.dtype} of shape {labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= count:
            raise SeqlabError(
                f"`labels` must be positions in `classes`, 0 to {count - 1}."
                f" Received: {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def lengths(self) -> np.ndarray:
        """T of each sequence, integers ``[N]``."""
        return np.array([len(values) for values in self.sequences])

    def take(self, rows: Sequence[int] | np.ndarray) -> "LabelledSequences":
        """The sequences at these positions, in this order; or those where booleans ``[N]`` are true."""
        rows = np.arange(len(self))[np.asarray(rows, None if len(rows) else int)]
        return LabelledSequences(
            tuple(self.sequences[i] for i in rows), self.labels[rows], self.classes
        )


def batches(
    data: LabelledSequences, batch_size: int, *, seed: int | None = None, buckets: int = 1
) -> Any:
    """Every sequence once, as a ``tf.data.Dataset`` of ((inputs, lengths), labels).

    Buckets are of equal size: one holds the shortest sequences, the next the next longer ones. Batches
    are cut from one bucket after the other, and then shuffled.

    Args:
        data: the sequences.
        batch_size: B; one batch is smaller if B does not divide N.
        seed: of the order, which is another at each pass over the data set, and the same again in a data
            set made anew. None shuffles nothing: the order is that of `data`, bucket by bucket.
        buckets: how many; 1 for none. More pad less, and mix less.

    Returns:
        Elements ((inputs ``[B, T, D]``, lengths ``[B]``), labels ``[B]``), where T is the longest of
        the batch.

    Raises:
        SeqlabError: sizes that are not positive integers, a seed that is none.
    """
    check_positive("batch_size", batch_size)
    check_positive("buckets", buckets)
    if seed is not None and (not isinstance(seed, Integral) or seed < 0):
        raise SeqlabError(f"`seed` must be an integer from 0 on, or None. Received: {seed!r}")
    from seqlab._tensorflow import ahead, tf

    passes = itertools.count()

    def generate() -> Iterator[Any]:
        for rows in _order(data.lengths, batch_size, buckets, seed, next(passes)):
            yield _padded([data.sequences[i] for i in rows]), data.labels[rows].astype("int32")

    inputs = tf.TensorSpec((None, None, data.sequences[0].shape[1]), tf.float32)
    row = tf.TensorSpec((None,), tf.int32)
    dataset = tf.data.Dataset.from_generator(generate, output_signature=((inputs, row), row))
    count = -(-len(data) // batch_size)
    return ahead(dataset.apply(tf.data.experimental.assert_cardinality(count)))


def _order(
    lengths: np.ndarray, batch_size: int, buckets: int, seed: int | None, epoch: int
) -> list[np.ndarray]:
    """The positions in each batch of one pass over the data."""
    count = len(lengths)
    order, sizes = np.arange(count), _sizes(count, batch_size)
    rng = None if seed is None else np.random.default_rng((seed, epoch))
    if rng:
        rng.shuffle(order)
        rng.shuffle(sizes)  # so that the smaller batch is not always one of long sequences
    rank = np.empty(count, int)
    rank[np.argsort(lengths, kind="stable")] = np.arange(count)
    bucket = rank * buckets // count
    order = order[np.argsort(bucket[order], kind="stable")]
    rows = np.split(order, np.cumsum(sizes)[:-1])
    return [rows[i] for i in rng.permutation(len(rows))] if rng else rows


def _sizes(count: int, batch_size: int) -> np.ndarray:
    full, rest = divmod(count, batch_size)
    return np.array([batch_size] * full + [rest] * bool(rest))


def _padded(sequences: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """``[B, T, D]``, zero past the end of each, and lengths ``[B]``."""
    lengths = np.array([len(values) for values in sequences], "int32")
    inputs = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]), "float32")
    for row, values in zip(inputs, sequences, strict=True):
        row[: len(values)] = values
    return inputs, lengths


def _check_sequence(i: int, values: np.ndarray, first: np.ndarray) -> None:
    shape, dtype = np.shape(values), getattr(values, "dtype", type(values).__name__)
    if dtype != np.float32 or len(shape) != 2 or 0 in shape or shape[1] != first.shape[1]:
        raise SeqlabError(
            "`sequences` must be float32 arrays [T, D] with at least one step and one D."
            f" Received at {i}: {dtype} of shape {shape}"
        )
