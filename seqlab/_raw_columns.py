"""What an exported run takes: the values of a window, or a table with what lies beside them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab import calendars
from seqlab._tensorflow import tf
from seqlab.panel import Encoding
from seqlab.runs import Run
from seqlab.series import Series

__all__ = ["RawColumns", "columns_of"]


@dataclass(frozen=True)
class RawColumns:
    """What rows ``[B, T + P, 1 + C]`` hold: the value, and what the network sees beside it in each row.

    Of the last P rows only what is known ahead is looked at, and of the column ``row`` only the first.

    Attributes:
        names: of all of them; ``day`` and ``second`` are `calendars.days_and_seconds`, ``row`` is counted
            from 0 where the series begins that the run was trained on. Where the table has a column
            of such a name, there is a ``_`` behind it.
        labels: of those that hold words, what their numbers count, from 0.
        encoding: of the run.
        past: columns that are known up to a row.
        future: columns that are known ahead; the calendar's are not among them.
        calendar: whether there is one.
        marked: whether the network is told what is padding; here nothing is.
        season: rows of it, where the network is told in which of them a window begins; else 0.
        window: T.
    """

    names: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    encoding: Encoding
    past: int
    future: int
    calendar: bool
    marked: bool
    season: int
    window: int

    def inputs(self, rows: Any) -> dict[str, Any]:
        """For the network, what there is of ``past``, ``future`` (float32) and ``phase``."""
        behind, labels = 1 + self.past, self.encoding.labels
        past = _coded(rows[:, :, 1:behind], self.encoding.past, labels[0])
        ahead = rows[:, :, behind : behind + self.future]
        future = _coded(ahead, self.encoding.future, labels[1])
        if self.calendar:
            future += _calendar(rows, behind + self.future, self.encoding.cycles)
        if self.marked:
            past.append(tf.ones_like(rows[:, :, :1]))
        made = {}
        if past or future:
            columns = [tf.cast(column[:, : self.window], tf.float32) for column in past + future]
            made["past"] = tf.concat(columns, axis=-1)
        if future:
            columns = [tf.cast(column[:, self.window :], tf.float32) for column in future]
            made["future"] = tf.concat(columns, axis=-1)
        if self.season:
            made["phase"] = tf.cast(rows[:, 0, -1], tf.int32) % self.season
        return made

    def rows(self, series: Series, values: np.ndarray, begins: np.ndarray, horizon: int) -> Any:
        """What goes in for windows ``[B, T]`` of a series that begin at these rows of it."""
        if len(self.names) == 1:
            return values
        count = len(series)
        beside = [
            columns[:count] for columns in (series.past, series.future) if columns is not None
        ]
        if self.calendar:
            beside += [column[:, None] for column in calendars.days_and_seconds(series.times)]
        if self.season:
            beside.append(np.arange(count)[:, None])
        steps = begins[:, None] + np.arange(self.window + horizon)
        made = np.zeros((*steps.shape, len(self.names)))
        made[:, : self.window, 0] = values
        made[:, :, 1:] = np.concatenate(beside, axis=1)[steps]
        return made


def columns_of(run: Run, number: int) -> RawColumns:
    """What the network of a run sees in each row of the series of this number."""
    data, part = run.config.data, run.split.parts[number]
    given, series = part.train.beside, part.series
    calendar = bool(data.calendar and part.encoding.cycles)
    season = (series.season or 1) if getattr(given, "phase", None) is not None else 0
    words = (data.past, series.past_labels), (data.future, series.future_labels)
    table = *data.past, *data.future
    others = ("day", "second") * calendar + ("row",) * bool(season)
    return RawColumns(
        (_apart("value", table), *table, *(_apart(name, table) for name in others)),
        {
            name: found
            for names, labels in words
            for name, found in zip(names, labels, strict=False)  # of numbers alone there are none
            if found
        },
        part.encoding,
        len(data.past),
        len(data.future),
        calendar,
        data.short == "pad",
        season,
        data.window,
    )


def _apart(name: str, table: tuple[str, ...]) -> str:
    """A name that no column of the table has, so that each can be found by its own."""
    while name in table:
        name += "_"
    return name


def _coded(rows: Any, about: tuple[np.ndarray, np.ndarray], known: Any) -> list[Any]:
    """As `panel.Encoding` codes columns ``[B, T + P, C]``: numbers scaled, words as 0 and 1."""
    kind, made = rows.dtype.as_numpy_dtype, []
    for j, (mean, std) in enumerate(zip(*about, strict=True)):
        column, codes = rows[:, :, j : j + 1], known[j] if known else None
        scaled = (column - kind(mean)) / kind(std) if codes is None else None
        made.append(tf.equal(column, codes.astype(kind)) if codes is not None else scaled)
    return made


def _calendar(rows: Any, at: int, cycles: tuple[str, ...]) -> list[Any]:
    """Sine and cosine of each cycle, from the columns ``day`` and ``second``."""
    day, second = (tf.cast(rows[:, :, i : i + 1], tf.int32) for i in (at, at + 1))
    made = []
    for step, steps in calendars.places(day, second, cycles):
        angle = tf.cast(step, rows.dtype) * (2 * np.pi / steps)
        made += [tf.sin(angle), tf.cos(angle)]
    return made
