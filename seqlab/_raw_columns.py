"""Numbers beside the values, as an exported run takes them: one table of raw rows for each window."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError
from seqlab.runs import Run
from seqlab.series import Series

__all__ = ["RawColumns", "columns_of"]


@dataclass(frozen=True)
class RawColumns:
    """What rows ``[B, T + P, 1 + C + F]`` hold: value, past columns, columns that are known ahead.

    Of the last P rows only the latter are looked at.

    Attributes:
        names: of all of them.
        past: C.
        mean: of the columns, ``[C + F]``, as their scaling has it.
        std: likewise.
        window: T.
        horizon: P.
    """

    names: tuple[str, ...]
    past: int
    mean: np.ndarray
    std: np.ndarray
    window: int
    horizon: int

    def scaled(self, rows: Any) -> dict[str, Any]:
        """For the network, float32: ``past`` ``[B, T, C + F]``, and if F > 0 ``future`` ``[B, P, F]``."""
        kind = rows.dtype.as_numpy_dtype
        columns = (rows[:, :, 1:] - self.mean.astype(kind)) / self.std.astype(kind)
        columns = tf.cast(columns, tf.float32)
        made = {"past": columns[:, : self.window]}
        if len(self.mean) > self.past:
            made["future"] = columns[:, self.window :, self.past :]
        return made

    def rows(self, series: Series, values: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """The table for windows ``[B, T]`` of a series that begin at these rows of it."""
        made = np.zeros((len(values), self.window + self.horizon, len(self.names)))
        made[:, : self.window, 0] = values
        steps = begins[:, None] + np.arange(self.window + self.horizon)
        if series.past is not None:
            made[:, : self.window, 1 : 1 + self.past] = series.past[steps[:, : self.window]]
        if series.future is not None:
            made[:, :, 1 + self.past :] = series.future[steps]
        return made


def columns_of(run: Run, window: int, horizon: int) -> RawColumns | None:
    """The columns that a run's network sees beside the values; None if there are none.

    Raises:
        SeqlabError: it sees what a caller would have to code: a calendar, words, or what is padding.
    """
    data = run.config.data
    if not (data.past or data.future):
        return None
    if data.calendar or data.short == "pad":
        what = "the calendar" if data.calendar else "which rows are padding"
        raise SeqlabError(
            f"the network is given {what} beside its columns, which an export cannot take. Use seqlab"
            " forecast"
        )
    encoding = run.split.encoding
    if any(codes is not None for known in encoding.labels for codes in known):
        raise SeqlabError(
            "some columns hold words, which an export cannot take. Use seqlab forecast, or train with"
            " columns of numbers, one for each word"
        )
    mean, std = (
        np.concatenate([one[i] for one in (encoding.past, encoding.future)]) for i in range(2)
    )
    names = ("value", *data.past, *data.future)
    return RawColumns(names, len(data.past), mean, std, window, horizon)
