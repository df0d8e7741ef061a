"""Windows of a series: cut on demand, never copied once per window, shuffled by their indices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError
from seqlab.repair import Gaps
from seqlab.scaling import Scaler

__all__ = ["Order", "Windows", "elements"]


@dataclass(frozen=True)
class Windows:
    """All windows of one stretch of a series; window w starts at the stretch's row w.

    Attributes:
        values: ``[N]``, the stretch, in original units; a view, not a copy.
        window: T, rows of input.
        horizon: P, rows of target, which follow the input at once.
        scaler: fitted on the training part.
        layout: ``steps`` gives inputs ``[B, T, D]``; ``features`` gives ``[B, D, T]``.
        first_row: the stretch's first row, counted in the whole series.
        gaps: what was known at each row, where some values were drawn over gaps; else None.
    """

    values: np.ndarray
    window: int
    horizon: int
    scaler: Scaler
    layout: str = "steps"
    first_row: int = 0
    gaps: Gaps | None = None

    def __post_init__(self) -> None:
        if len(self) < 1:
            need = self.window + self.horizon
            raise SeqlabError(
                f"{len(self.values)} rows; window {self.window} + horizon {self.horizon} needs {need}"
            )

    def __len__(self) -> int:
        return max(0, len(self.values) - self.window - self.horizon + 1)

    @property
    def input_shape(self) -> tuple[int, int]:
        """Of one window: ``(T, D)``, or ``(D, T)`` in the layout ``features``."""
        shape = (self.window, self.scaler.features)
        return shape if self.layout == "steps" else shape[::-1]

    def raw(self, indices: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Inputs ``[..., T]`` and targets ``[..., P]`` in original units; a slice makes no copy.

        An input that ends inside a gap holds the last known value there: the line that was drawn over
        the gap leads to a value behind the window. Such inputs are copies.
        """
        view = np.lib.stride_tricks.sliding_window_view(self.values, self.window + self.horizon)
        rows = view[indices]
        inputs, targets = rows[..., : self.window], rows[..., self.window :]
        if self.gaps is not None:
            ends = np.arange(len(self))[indices] + self.window - 1
            inputs = self.gaps.seen(inputs, np.arange(self.window)[::-1], ends)
        return inputs, targets

    def network_inputs(self, raw_inputs: np.ndarray) -> np.ndarray:
        """``[..., T]`` in original units to what the network is given, in this layout."""
        inputs = self.scaler.inputs(raw_inputs)
        return inputs if self.layout == "steps" else np.swapaxes(inputs, -1, -2)

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scaled inputs and targets of these windows, float32."""
        inputs, targets = self.raw(indices)
        return self.network_inputs(inputs), self.scaler.targets(inputs, targets)

    def dataset(self, batch: int) -> Any:
        """Every window once and in order, as a ``tf.data.Dataset`` of batches."""
        starts = range(0, len(self), batch)
        return elements(
            len(starts), lambda i: self.batch(np.arange(i * batch, min((i + 1) * batch, len(self))))
        )

    def training(self, batch: int, seed: int, edges: Sequence[int]) -> Any:
        """Shuffled batches for training, as a ``tf.data.Dataset`` of chunks.

        Every epoch is a new permutation of the window indices that depends on the seed and the epoch
        alone, and epochs follow each other without a gap, so every batch is full. Step s therefore
        holds the same windows however often a run was interrupted before.

        Args:
            batch: B.
            seed: of the permutations.
            edges: the steps at which chunks begin, and the one where the last ends (exclusive).

        Returns:
            Elements (inputs ``[K, B, T, D]``, targets ``[K, B, P]``), K being the steps of the chunk.
        """
        order = Order(len(self), seed)

        def make(i: int) -> tuple[np.ndarray, np.ndarray]:
            indices = order.take(edges[i] * batch, edges[i + 1] * batch)
            return self.batch(indices.reshape(-1, batch))

        return elements(len(edges) - 1, make)


class Order:
    """An endless row of permutations of 0 to count - 1, read by position."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch, self._permutation = -1, np.empty(0, np.int32)

    def take(self, begin: int, end: int) -> np.ndarray:
        """The indices at the positions [begin, end)."""
        pieces = []
        while begin < end:
            epoch, offset = divmod(begin, self.count)
            piece = self._epoch_order(epoch)[offset : offset + end - begin]
            pieces.append(piece)
            begin += len(piece)
        return np.concatenate(pieces)

    def _epoch_order(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            order = np.arange(self.count, dtype=np.int32)  # in place: one copy, whatever the size
            np.random.default_rng((self.seed, epoch)).shuffle(order)
            self._epoch, self._permutation = epoch, order
        return self._permutation


def elements(count: int, make: Callable[[int], tuple[np.ndarray, ...]]) -> Any:
    """A tf.data set whose element i is ``make(i)``, made ahead of its use by a thread of its own.

    The arrays keep their types, and differ in their first axis only.
    """
    from seqlab._tensorflow import ahead, tf

    first = make(0)
    types = [array.dtype for array in first]

    def load(i: Any) -> tuple[Any, ...]:
        element = tuple(tf.numpy_function(make, [i], types))
        for tensor, like in zip(element, first, strict=True):
            tensor.set_shape((None, *like.shape[1:]))  # only the first axis may vary
        return element

    return ahead(tf.data.Dataset.range(count).map(load))
