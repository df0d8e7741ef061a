"""What was done to a series whose file had gaps, and how to look at it without looking ahead.

A line over a gap ends in a value that lies behind it. Whoever stands inside the gap does not know that
value yet. So the line is used by those who look back at the whole gap, and everyone else, the end of a
part and the end of an input window, is given the last value that was known: `held`.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Gaps", "Repair", "gaps_of", "held", "lines", "padded"]


@dataclass(frozen=True)
class Repair:
    """Which rows of a file became which rows of a series, and which values are not the file's.

    Attributes:
        filled: ``[N]`` bool, rows whose value was drawn, not read; never the first.
        file_rows: ``[N]``, each row's number in the file, counted from 1; 0 where it has no such row.
        left_out: numbers of the file's rows that the series does without.
    """

    filled: np.ndarray
    file_rows: np.ndarray
    left_out: np.ndarray


@dataclass(frozen=True)
class Gaps:
    """What was known at each row of a series, or of a stretch of one.

    Attributes:
        since: ``[N]``, rows back to the last value that was read, not drawn; 0 where this one was.
        value: ``[N]``, that value, in original units.
    """

    since: np.ndarray
    value: np.ndarray

    def __getitem__(self, rows: slice) -> "Gaps":
        return Gaps(self.since[rows], self.value[rows])

    def seen(self, values: np.ndarray, back: np.ndarray, at: np.ndarray) -> np.ndarray:
        """What someone at the rows `at` knew of `values`, which lie `back` rows behind.

        Args:
            values: ``[..., T]``, of which some were drawn.
            back: ``[T]`` or ``[..., T]``, at least 0.
            at: ``[...]``, rows of this stretch.
        """
        return np.where(back < self.since[at][..., None], self.value[at][..., None], values)


def lines(values: np.ndarray) -> np.ndarray:
    """Fill NaN in ``[N]`` by straight lines, and after the last value by that value."""
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known]).astype(values.dtype)


def gaps_of(values: np.ndarray, repair: Repair | None) -> Gaps | None:
    """What was known at each row of ``values [N]``; None where nothing was filled."""
    if repair is None or not repair.filled.any():
        return None
    rows = np.arange(len(values))
    last = np.maximum.accumulate(np.where(repair.filled, 0, rows))
    return Gaps(rows - last, values[last])


def padded(values: np.ndarray, gaps: Gaps | None, rows: int) -> tuple[np.ndarray, Gaps | None]:
    """A series with so many rows before its first, which hold the first value, and are no gap."""
    if not rows:
        return values, gaps
    longer = np.concatenate([np.full(rows, values[0], values.dtype), values])
    if gaps is None:
        return longer, None
    since = np.concatenate([np.zeros(rows, gaps.since.dtype), gaps.since])
    return longer, Gaps(since, np.concatenate([np.full(rows, values[0]), gaps.value]))


def held(values: np.ndarray, gaps: Gaps | None) -> np.ndarray:
    """A stretch ``[N]`` whose end knows nothing of what follows; a copy only if it ends in a gap."""
    open_rows = int(gaps.since[-1]) if gaps is not None and len(values) else 0
    if gaps is None or not open_rows:
        return values
    values = values.copy()
    values[-min(open_rows, len(values)) :] = gaps.value[-1]
    return values
