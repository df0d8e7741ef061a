"""What becomes of each row: which windows it is in, where the cuts are, and which rows go unused."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seqlab.datasets import Split
from seqlab.series import Series
from seqlab.windows import Windows

__all__ = ["Inspection", "Part", "Rows", "Unused", "Window", "inspect", "parts"]


@dataclass(frozen=True)
class Rows:
    """Neighbouring rows of a series, or rows of its file that the series leaves out.

    Attributes:
        first: number in the file, counted from 1; None for an inserted row, which the file lacks.
        last: the same, inclusive.
        begin: time of the first, or None without times.
        end: time of the last.
        count: how many.
    """

    first: int | None
    last: int | None
    begin: str | None
    end: str | None
    count: int

    @property
    def numbers(self) -> str:
        """First and last number, as a person writes them."""
        first, last = ("inserted" if n is None else str(n) for n in (self.first, self.last))
        return first if self.count == 1 else f"{first} to {last}"

    @property
    def times(self) -> str:
        """First and last time; nothing without times."""
        if self.begin is None:
            return ""
        return self.begin if self.count == 1 else f"{self.begin} to {self.end}"


@dataclass(frozen=True)
class Window:
    """One window: T rows of input, and the P rows of target that follow."""

    inputs: Rows
    targets: Rows


@dataclass(frozen=True)
class Part:
    """A part of a split: its rows, how many windows lie in it, the first and the last of them.

    Attributes:
        name: train, validation or test.
        rows: all of it.
        filled: rows of it whose value was drawn over a gap.
        windows: how many.
        first: the first window.
        last: the last window.
    """

    name: str
    rows: Rows
    filled: int
    windows: int
    first: Window
    last: Window


@dataclass(frozen=True)
class Unused:
    """Rows that no window uses in some role, and why.

    Attributes:
        rows: which.
        part: train, validation or test; None for rows that came into none.
        never: what they never are: input, target, or both.
        reason: why.
    """

    rows: Rows
    part: str | None
    never: str
    reason: str


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found in one series.

    Attributes:
        name: of the series.
        rows: all of it.
        window: T.
        horizon: P.
        parts: train, validation where there is one, and test.
        unused: rows that no window uses in some role.
    """

    name: str
    rows: Rows
    window: int
    horizon: int
    parts: list[Part]
    unused: list[Unused]

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; ``cuts`` holds the last row before each cut, and the first behind it."""
        cuts = [
            {"before": part.rows.last, "behind": after.rows.first, "time": after.rows.begin}
            for part, after in zip(self.parts, self.parts[1:], strict=False)
        ]
        return {**asdict(self), "cuts": cuts}


def parts(split: Split) -> dict[str, Windows]:
    """The parts that there are, by name, in the order of time."""
    found = {"train": split.train, "validation": split.validation, "test": split.test}
    return {name: windows for name, windows in found.items() if windows is not None}


def inspect(split: Split) -> Inspection:
    """Say what becomes of each row of a series that was split."""
    series, sizes = split.series, (split.train.window, split.train.horizon)
    found = parts(split)
    unused = [entry for name in found for entry in _one_role(series, found, name)]
    return Inspection(
        series.name,
        _rows(series, 0, len(series)),
        *sizes,
        [_part(series, name, windows) for name, windows in found.items()],
        [*_left_out(series), *_no_role(series, found), *unused],
    )


def _part(series: Series, name: str, windows: Windows) -> Part:
    first, end = windows.first_row, windows.first_row + len(windows.values)
    begin = max(0, first)  # rows of padding are none of the series
    filled = 0 if series.repair is None else int(series.repair.filled[begin:end].sum())

    def window(start: int) -> Window:
        middle = start + windows.window
        return Window(
            _rows(series, max(0, start), middle), _rows(series, middle, middle + windows.horizon)
        )

    edges = window(first), window(first + len(windows) - 1)
    return Part(name, _rows(series, begin, end), filled, len(windows), *edges)


def _used(windows: Windows) -> tuple[range, range]:
    """Rows of the series that are an input of some window, and those that are a target of some."""
    begin, steps = windows.first_row, len(windows) - 1
    middle = begin + windows.window
    return range(max(0, begin), middle + steps), range(middle, middle + steps + windows.horizon)


def _one_role(series: Series, found: dict[str, Windows], name: str) -> list[Unused]:
    """Rows of a part that are never a target, because inputs come first; or never an input."""
    windows = found[name]
    inputs, targets = _used(windows)
    following = list(found)[list(found).index(name) + 1 :]
    before = (
        "no window crosses the cut before them" if windows.first_row > 0 else "the series begins"
    )
    after = "no window crosses the cut behind them" if following else "the series ends"
    no_target = _rows(series, inputs.start, targets.start)
    no_input = _rows(series, inputs.stop, targets.stop)
    return [
        Unused(no_target, name, "target", before),
        Unused(no_input, name, "input", after),
    ]


def _no_role(series: Series, found: dict[str, Windows]) -> list[Unused]:
    """Rows of the series that are in no window at all."""
    used = np.zeros(len(series), bool)
    for windows in found.values():
        for rows in _used(windows):
            used[rows.start : rows.stop] = True
    return [
        Unused(_rows(series, begin, end), None, "both", "no part has a window there")
        for begin, end in _runs(~used)
    ]


def _left_out(series: Series) -> list[Unused]:
    """Rows of the file that did not come into the series."""
    if series.repair is None:
        return []
    rows = series.repair.left_out
    runs = _runs(np.isin(np.arange(rows.max(initial=0) + 1), rows))
    return [
        Unused(Rows(begin, end - 1, None, None, end - begin), None, "both", "no value in the file")
        for begin, end in runs
    ]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each run of True in ``[N]``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _rows(series: Series, begin: int, end: int) -> Rows:
    last = end - 1
    return Rows(
        series.file_row(begin),
        series.file_row(last),
        series.time(begin),
        series.time(last),
        end - begin,
    )
