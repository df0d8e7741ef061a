"""What is to come of a series, as a value: its tables and its files."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._written import written
from seqlab.errors import SeqlabError
from seqlab.intervals import Bands

__all__ = ["Forecast", "write_csv", "write_paths"]

RESTING = {
    "conformal": "Intervals are conformal, as wide as errors on the validation part ask for",
    "adaptive": "Intervals are conformal, and as wide as errors on validation and test part ask for",
    "mixed": "Intervals are means of some runs' own quantiles and of the others' conformal intervals",
    "quantiles": "Intervals are between the network's own quantiles",
}


@dataclass(frozen=True)
class Forecast:
    """What is to come, in original units.

    Attributes:
        name: of the series.
        labels: a time per row where the series has times, else the row's number, counted from 1.
        values: ``[steps]``.
        horizon: P; beyond it the network ran on its own output.
        quantiles: level to values ``[steps]``; none for a network that gives single numbers.
        bands: nominal share to lower and upper ends ``[steps]``; NaN beyond steps that could be tested.
        kind: of the intervals, as in `seqlab.intervals.Held`; or ``none``.
        missing: why there are none.
        paths: ``[count, steps]`` that may come, each step given those before it; None if none were asked.
        notes: what a person should know of newer rows, a sentence each.
    """

    name: str
    labels: Any
    values: np.ndarray
    horizon: int
    quantiles: dict[float, np.ndarray] = field(default_factory=dict)
    bands: Bands = field(default_factory=dict)
    kind: str = "none"
    missing: str = ""
    paths: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What the labels are: ``time`` or ``row``."""
        return "row" if isinstance(self.labels, np.ndarray) else "time"

    @property
    def note(self) -> str:
        """What it is, in a sentence."""
        steps = len(self.values)
        text = f"{steps} steps after the last row"
        if steps > self.horizon:
            return f"{text}; beyond step {self.horizon} the network runs on its own output."
        return f"{text}."

    @property
    def about(self) -> list[str]:
        """Notes, and what the intervals rest on, or why there are none, where that is not plain."""
        if self.quantiles or not self.bands:
            return [*self.notes, *([self.missing] if self.missing and not self.quantiles else [])]
        known = int(min((~np.isnan(low)).sum() for low, _ in self.bands.values()))
        text = f"{RESTING[self.kind]}; `seqlab evaluate` shows what they hold."
        if known < len(self.values):
            text += f" There are none beyond step {known}, for want of such errors so far ahead."
        return [*self.notes, text]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The network's quantiles, or else the ends of intervals, by what they are called."""
        if self.quantiles:
            return {f"quantile {level:g}": values for level, values in self.quantiles.items()}
        return {
            f"{end} {100 * share:g} %": values
            for share, ends in self.bands.items()
            for end, values in zip(("lower", "upper"), ends, strict=True)
        }

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Label, value and `columns` of each step; days without a time of day are dates."""
        columns = [self.values, *self.columns.values()]
        return zip(self._days, *(column.tolist() for column in columns), strict=True)

    def path_rows(self) -> Iterator[tuple[Any, int, float]]:
        """Label, number of the path from 1, and value of each step of each of the `paths`."""
        for number, path in enumerate([] if self.paths is None else self.paths, 1):
            for label, value in zip(self._days, path.tolist(), strict=True):
                yield label, number, value

    @property
    def _days(self) -> Any:
        """The labels; days without a time of day as dates."""
        labels = self.labels
        whole = self.unit == "time" and (labels == labels.normalize()).all()
        return labels.date if whole else labels

    def to_json(self, named: bool = False) -> list[dict[str, Any]]:
        """A dict per step, with the name of the series where there are several; null is not finite."""
        name = {"series": self.name} if named else {}
        keys = ["forecast", *(key.removesuffix(" %").replace(" ", "_") for key in self.columns)]
        return [
            {**name, "time": str(label)}
            | {k: v if np.isfinite(v) else None for k, v in zip(keys, values, strict=True)}
            for label, *values in self.rows()
        ]


def write_csv(made: Forecast | Sequence[Forecast], path: Path) -> Path:
    """Write a forecast as CSV: time (or row), value and `columns`; of several series with their names.

    Raises:
        SeqlabError: the file cannot be written.
    """
    every = [made] if isinstance(made, Forecast) else made
    named = every[0].name if isinstance(made, Forecast) else "forecast"
    return _write(made, path, (every[0].unit, named, *every[0].columns), Forecast.rows)


def write_paths(made: Forecast | Sequence[Forecast], path: Path) -> Path:
    """Write a forecast's paths as CSV: time (or row), path and value; of several series with their names.

    Raises:
        SeqlabError: the file cannot be written.
    """
    unit = (made if isinstance(made, Forecast) else made[0]).unit
    return _write(made, path, (unit, "path", "value"), Forecast.path_rows)


def _write(
    made: Forecast | Sequence[Forecast],
    path: Path,
    head: tuple[str, ...],
    rows: Callable[[Forecast], Iterator[tuple[Any, ...]]],
) -> Path:
    """Write the rows of each forecast as CSV, and of several series their names before them."""
    several = [] if isinstance(made, Forecast) else ["series"]
    try:
        with written(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow((*several, *head))
            for one in [made] if isinstance(made, Forecast) else made:
                name = [one.name] * len(several)
                table.writerows((*name, *map(_cell, row)) for row in rows(one))
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _cell(value: Any) -> Any:
    """A number in nine digits, empty if it is none; all else as it is."""
    if not isinstance(value, float):
        return value
    return "" if np.isnan(value) else f"{value:.9g}"
