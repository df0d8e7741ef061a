"""A series, and the named ones: generators with a seed, and two small real series.

Sources of the shipped numbers, which are public facts: airline passengers, Box and Jenkins (1976),
series G; monthly mean sunspot numbers 1749-1983, Andrews and Herzberg (1985), from the Zurich record.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np

from seqlab.repair import Repair

__all__ = ["NAMED", "Named", "Series", "airline", "mackey_glass", "multisine", "sin", "sunspots"]


@dataclass(frozen=True)
class Series:
    """Evenly spaced values of one quantity.

    Attributes:
        name: what plots and tables call it.
        values: ``[N]``, float32 or float64, in original units, all finite.
        times: one label per row (a pandas ``DatetimeIndex``), or None where rows are just counted.
        season: rows per season, or None where none is known.
        test_rows: rows at the end that are the test part by definition, or None to take a share.
        repair: what was filled or left out on the way from a file; None where nothing could be, and
            rows are numbered as in the file.
        past: ``[N, C]``, other columns, each known up to the row where a forecast is made; or None.
        future: ``[N + E, F]``, columns that are known ahead, E rows beyond the last value; or None.
        static: ``[C]``, numbers that belong to the series as a whole; or None.
        categories: labels that do.
        past_labels: of each past column the labels that its numbers count, from 0; none if they are
            numbers; empty if all columns are.
        future_labels: the same of the columns that are known ahead.
    """

    name: str
    values: np.ndarray
    times: Any = None
    season: int | None = None
    test_rows: int | None = None
    repair: Repair | None = None
    past: np.ndarray | None = None
    future: np.ndarray | None = None
    static: np.ndarray | None = None
    categories: tuple[str, ...] = ()
    past_labels: tuple[tuple[str, ...], ...] = ()
    future_labels: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def file_row(self, row: int) -> int | None:
        """The number, from 1, that the file gives to this row, counted from 0; None if it lacks it."""
        number = row + 1 if self.repair is None else int(self.repair.file_rows[row])
        return number or None

    def time(self, row: int) -> str | None:
        """The time of this row, counted from 0, as text; a date where the time of day says nothing."""
        if self.times is None:
            return None
        days = (self.times[:2] == self.times[:2].normalize()).all()
        return str(self.times[row].date() if days else self.times[row])

    def between(self, first: int, end: int) -> "Series":
        """The rows from `first` to before `end`; what is known ahead of the end goes on."""
        rows, repair = slice(first, end), self.repair
        if repair is not None:
            repair = replace(repair, filled=repair.filled[rows], file_rows=repair.file_rows[rows])
        return replace(
            self,
            values=self.values[rows],
            times=None if self.times is None else self.times[rows],
            test_rows=None,
            repair=repair,
            past=None if self.past is None else self.past[rows],
            future=None if self.future is None else self.future[first:],
        )

    def times_ahead(self, steps: int) -> Any:
        """The times of the next steps; None where rows are just counted or unevenly spaced."""
        if self.times is None or self.times.freq is None:
            return None
        import pandas as pd

        return pd.date_range(self.times[-1], periods=steps + 1, freq=self.times.freq)[1:]

    def label(self, row: int) -> str:
        """This row, counted from 0, as a person finds it: its number in the file and its time."""
        number, time = self.file_row(row), self.time(row)
        text = "an inserted row" if number is None else f"row {number}"
        return f"{text} ({time})" if time else text


@dataclass(frozen=True)
class Named:
    """A series that comes with the package: how to make it, and how it is usually cut."""

    make: Callable[[], Series]
    about: str
    window: int  # T, the usual one
    horizon: int = 1  # P


def sin() -> Series:
    """The sine of the book's chapter: 10 010 points on [0, 100.1], then 1 010 on [100.1, 110.2].

    The second stretch is the test part. The step is about 0.01, so that with windows of ten there are
    10 000 windows for training and 1 000 for testing.
    """
    train, test = np.linspace(0, 100.1, 10_010), np.linspace(100.1, 110.2, 1_010)
    return Series("sin", np.sin(np.concatenate([train, test])), test_rows=len(test))


def multisine(points: int = 6_000, noise: float = 0.1, seed: int = 0) -> Series:
    """Three sines of periods 50, 23 and 110 rows under Gaussian noise of this standard deviation."""
    t = np.arange(points)
    clean = (
        np.sin(2 * np.pi * t / 50)
        + 0.5 * np.sin(2 * np.pi * t / 23 + 1)
        + 0.3 * np.sin(2 * np.pi * t / 110)
    )
    return Series("multisine", clean + noise * np.random.default_rng(seed).standard_normal(points))


def mackey_glass(points: int = 5_000, tau: int = 17, every: int = 6) -> Series:
    """The chaotic delay equation ``dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)``.

    Source: Mackey and Glass (1977), equation 4b; sampled every 6 time units as is usual since
    Lapedes and Farber (1987). Integrated by fourth-order Runge-Kutta at a step of 0.1, with the
    delayed value at half steps interpolated, from x = 1.2; the first 500 time units are dropped.
    """
    per_unit, skipped = 10, 500
    h, delay = 1 / per_unit, tau * per_unit
    count = (points * every + skipped) * per_unit
    x = [1.2] * (delay + 1)
    for i in range(delay, delay + count - 1):
        start, end = (0.2 * v / (1 + v**10) for v in (x[i - delay], x[i - delay + 1]))
        middle = (start + end) / 2
        now = x[i]
        k1 = start - 0.1 * now
        k2 = middle - 0.1 * (now + h / 2 * k1)
        k3 = middle - 0.1 * (now + h / 2 * k2)
        k4 = end - 0.1 * (now + h * k3)
        x.append(now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return Series("mackey-glass", np.array(x[delay :: per_unit * every][-points:]))


def airline() -> Series:
    """International airline passengers, thousands a month, 1949-1960: 144 rows."""
    return _shipped("airline", season=12)


def sunspots() -> Series:
    """Monthly mean sunspot number, 1749-1983: 2 820 rows; the cycle is about eleven years."""
    return _shipped("sunspots", season=132)


def _shipped(name: str, season: int) -> Series:
    import pandas as pd  # here, because only two of the named series have dates

    with resources.files("seqlab").joinpath(f"data/{name}.csv").open() as file:
        frame = pd.read_csv(file)
    times = pd.DatetimeIndex(
        pd.to_datetime(frame["month"], format="%Y-%m"), freq="MS", name="month"
    )
    return Series(name, frame.iloc[:, 1].to_numpy(float), times, season)


NAMED = {
    "sin": Named(sin, "sine at a step of 0.01, as in the book's chapter", window=10),
    "multisine": Named(multisine, "three sines under noise of 0.1", window=50),
    "mackey-glass": Named(mackey_glass, "chaotic delay equation, tau 17, every 6 units", window=10),
    "airline": Named(airline, "airline passengers, monthly 1949-1960, thousands", window=12),
    "sunspots": Named(sunspots, "sunspot number, monthly 1749-1983", window=132, horizon=12),
}
