"""Windows of series: cut on demand, never copied once per window, shuffled by their indices."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqlab.covariates import Covariates
from seqlab.errors import SeqlabError
from seqlab.repair import Gaps
from seqlab.scaling import Scaler

__all__ = ["Inputs", "Order", "Windows", "elements", "padding_from"]

Inputs = Any  # an array, or arrays by name


@dataclass(frozen=True)
class Windows:
    """All windows of one stretch of a series, or of stretches of several that lie end to end.

    Attributes:
        values: ``[N]``, the stretch, in original units; a view, not a copy.
        window: T, rows of input.
        horizon: P, rows of target, which follow the input at once.
        scaler: fitted on the training part.
        layout: ``steps`` gives inputs ``[B, T, D]``; ``features`` gives ``[B, D, T]``.
        first_row: the stretch's first row, counted in the whole series; below 0 where rows of padding
            stand before that.
        gaps: what was known at each row, where some values were drawn over gaps; else None.
        beside: what the network is given beside the values; None if nothing.
        starts: ``[W]``, the first row of each window; None where window w starts at row w.
        owner: ``[W]``, the series of each window, where there are several.
        weights: ``[S]``, what an error of 1 in transformed units costs in each series, in training and
            in the choice of the best weights; None where errors count as the network sees them.
        padding: ``[N]``, rows of padding from each row on, which stand before the first value; None if
            there are none.
    """

    values: np.ndarray
    window: int
    horizon: int
    scaler: Scaler
    layout: str = "steps"
    first_row: int = 0
    gaps: Gaps | None = None
    beside: Covariates | None = None
    starts: np.ndarray | None = None
    owner: np.ndarray | None = None
    weights: np.ndarray | None = None
    padding: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self) < 1:
            need = self.window + self.horizon
            raise SeqlabError(
                f"{len(self.values)} rows; window {self.window} + horizon {self.horizon} needs {need}"
            )

    @classmethod
    def joined(cls, parts: "Sequence[Windows]") -> "Windows":
        """The windows of several series as one set, in the order of the series."""
        begins = np.cumsum([0] + [len(part.values) for part in parts])[:-1]
        first, counts = parts[0], [len(part) for part in parts]
        starts = [
            begin + part.begins(slice(None)) for begin, part in zip(begins, parts, strict=True)
        ]
        return replace(
            first,
            values=np.concatenate([part.values for part in parts]),
            scaler=Scaler.stacked([part.scaler for part in parts]),
            gaps=_joined_gaps(parts),
            beside=first.beside and Covariates.joined([part.beside for part in parts]),  # type: ignore[misc]
            starts=np.concatenate(starts).astype(np.int32),
            owner=np.repeat(np.arange(len(parts), dtype=np.int32), counts),
            weights=None if first.weights is None else np.concatenate([p.weights for p in parts]),
            padding=_joined_padding(parts),
        )

    def __len__(self) -> int:
        if self.starts is not None:
            return len(self.starts)
        return max(0, len(self.values) - self.window - self.horizon + 1)

    @property
    def input_shape(self) -> Any:
        """Of one window: ``(T, D)``, or ``(D, T)`` in the layout ``features``; or shapes by name."""
        if not self.beside:
            shape = self.window - self.scaler.lag, self.scaler.features
            return shape if self.layout == "steps" else shape[::-1]
        shapes = {name: array.shape[1:] for name, array in self.given(slice(1)).items()}
        return shapes | ({"truth": (self.horizon,)} if self.beside.truth else {})

    @property
    def known(self) -> np.ndarray:
        """The stretch of one series without padding, ``[N]``."""
        return self.values[max(0, -self.first_row) :]

    def begins(self, indices: np.ndarray | slice) -> np.ndarray:
        """The first row of each of these windows, counted in `values`."""
        return np.arange(len(self))[indices] if self.starts is None else self.starts[indices]

    def raw(self, indices: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Inputs ``[..., T]`` and targets ``[..., P]`` in original units.

        A slice of the windows of one series makes no copy. An input that ends inside a gap holds the
        last known value there: the line that was drawn over the gap leads to a value behind the window.
        Such inputs are copies.
        """
        view = np.lib.stride_tricks.sliding_window_view(self.values, self.window + self.horizon)
        rows = view[indices if self.starts is None else self.starts[indices]]
        inputs, targets = rows[..., : self.window], rows[..., self.window :]
        if self.gaps is not None:
            ends = self.begins(indices) + self.window - 1
            inputs = self.gaps.seen(inputs, np.arange(self.window)[::-1], ends)
        return inputs, targets

    def scaler_of(self, indices: np.ndarray | slice) -> Scaler:
        """The scaler of these windows' series, which knows where they are padded."""
        scaler = self.scaler if self.owner is None else self.scaler.at(self.owner[indices])
        if self.padding is None:
            return scaler
        return replace(scaler, padding=self.padding[self.begins(indices)][..., None])

    def batch(self, indices: np.ndarray | slice) -> tuple[Any, ...]:
        """Scaled inputs and targets of these windows, float32; and weights ``[B]``, if they have some.

        Inputs are an array, or arrays by name if `beside` says more.
        """
        inputs, targets = self.raw(indices)
        scaled, asked, scale = self.scaler_of(indices).all_of(inputs, targets)
        given = self._with_beside(scaled, indices)
        if self.beside and self.beside.truth:
            given["truth"] = asked
        if self.weights is None:
            return given, asked
        owner = np.zeros(asked.shape[:-1], int) if self.owner is None else self.owner[indices]
        return given, asked, (self.weights[owner] * scale).astype(np.float32)

    def given(self, indices: np.ndarray | slice) -> Inputs:
        """The scaled inputs alone."""
        scaled = self.scaler_of(indices).inputs(self.raw(indices)[0])
        return self._with_beside(scaled, indices)

    def _with_beside(self, scaled: np.ndarray, indices: np.ndarray | slice) -> Inputs:
        if not self.beside:
            return scaled if self.layout == "steps" else np.swapaxes(scaled, -1, -2)
        begins = (
            self.begins(indices) + self.scaler.lag
        )  # the first season is seen through changes alone
        owner = np.zeros_like(begins) if self.owner is None else self.owner[indices]
        return self.beside.inputs(scaled, begins, owner, self.horizon)

    def copied(self, indices: np.ndarray, horizon: int) -> "Windows":
        """These windows with rows of their own, T and P, into which forecasts can be written.

        Window w begins at row ``w (T + P)``; its targets are zeros. See `seqlab.predict.Predictor`.
        """
        size = self.window + horizon
        rows = self.begins(indices)[:, None] + np.arange(size)
        rows = np.minimum(rows, len(self.values) - 1)  # none behind the end is looked at
        values = np.zeros((len(indices), size))
        values[:, : self.window] = self.raw(indices)[0]
        return replace(
            self,
            values=values.ravel(),
            horizon=horizon,
            beside=self.beside and self.beside[rows.ravel()],
            gaps=None,
            starts=np.arange(len(indices)) * size,
            owner=None if self.owner is None else self.owner[indices],
            padding=None if self.padding is None else self.padding[rows.ravel()],
        )

    def scaled(self, indices: np.ndarray | slice, values: np.ndarray) -> np.ndarray:
        """Values ``[..., P]`` in original units as the network would give them for these windows."""
        return self.scaler_of(indices).targets(self.raw(indices)[0], values)

    def restore(self, indices: np.ndarray | slice, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs ``[..., P]`` for these windows to original units."""
        return self.scaler_of(indices).restore(self.raw(indices)[0], outputs)

    def dataset(self, batch: int) -> Any:
        """Every window once and in order, as a ``tf.data.Dataset`` of batches."""
        starts = range(0, len(self), batch)
        return elements(
            len(starts), lambda i: self.batch(np.arange(i * batch, min((i + 1) * batch, len(self))))
        )

    def training(
        self, batch: int, seed: int, edges: Sequence[int], rows: slice = slice(None)
    ) -> Any:
        """Shuffled batches for training, as a ``tf.data.Dataset`` of chunks.

        Every epoch is a new permutation of the window indices that depends on the seed and the epoch
        alone, and epochs follow each other without a gap, so every batch is full. Step s therefore
        holds the same windows however often a run was interrupted before.

        Args:
            batch: B.
            seed: of the permutations.
            edges: the steps at which chunks begin, and the one where the last ends (exclusive).
            rows: of each batch, those that are given: the share of one worker.

        Returns:
            Elements (inputs ``[K, B, T, D]``, targets ``[K, B, P]``), K being the steps of the chunk.
        """
        order = Order(len(self), seed)

        def make(i: int) -> tuple[np.ndarray, np.ndarray]:
            indices = order.take(edges[i] * batch, edges[i + 1] * batch)
            return self.batch(indices.reshape(-1, batch)[:, rows])

        return elements(len(edges) - 1, make)


class Order:
    """An endless row of permutations of 0 to count - 1, read by position."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch, self._permutation = -1, np.empty(0, np.int32)

    def take(self, begin: int, end: int) -> np.ndarray:
        """The indices at the positions [begin, end)."""
        pieces = [np.empty(0, np.int32)]
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


def elements(count: int, make: Callable[[int], tuple[Any, ...]]) -> Any:
    """A tf.data set whose element i is ``make(i)``, made ahead of its use by a thread of its own.

    The arrays, which may lie in dicts, keep their types, and differ in their first axis only.
    """
    from seqlab._tensorflow import ahead, tf

    first = make(0)
    flat = tf.nest.flatten(first)
    types = [tf.as_dtype(array.dtype) for array in flat]
    # TensorFlow keeps what it calls as long as the process lives. So that the series can go with the
    # data set, that is a reference which counts for nothing; the data set has the one that counts.
    source = _Source(make)
    weak = weakref.ref(source)

    def made_at(i: int) -> Any:
        return tf.nest.flatten(weak().make(i))  # type: ignore[union-attr]

    def load(i: Any) -> Any:
        arrays = tf.numpy_function(made_at, [i], types)
        for tensor, like in zip(arrays, flat, strict=True):
            tensor.set_shape((None, *like.shape[1:]))  # only the first axis may vary
        return tf.nest.pack_sequence_as(first, arrays)

    made = tf.data.Dataset.range(count).map(tf.autograph.experimental.do_not_convert(load))
    made.source = source
    return ahead(made)


@dataclass(frozen=True)
class _Source:
    make: Callable[[int], tuple[Any, ...]]


def padding_from(rows: int, padding: int, piece: slice = slice(None)) -> np.ndarray | None:
    """Of so many rows, the first of them padding: how many of these follow, at each row of a piece."""
    if not padding:
        return None
    return np.maximum(padding - np.arange(rows, dtype=np.int32), 0)[piece]


def _joined_gaps(parts: Sequence[Windows]) -> Gaps | None:
    if all(part.gaps is None for part in parts):
        return None
    found = [part.gaps or Gaps(np.zeros(len(part.values), int), part.values) for part in parts]
    return Gaps(np.concatenate([g.since for g in found]), np.concatenate([g.value for g in found]))


def _joined_padding(parts: Sequence[Windows]) -> np.ndarray | None:
    if all(part.padding is None for part in parts):
        return None
    none = [np.zeros(len(part.values), np.int32) for part in parts]
    return np.concatenate(
        [no if p.padding is None else p.padding for p, no in zip(parts, none, strict=True)]
    )
