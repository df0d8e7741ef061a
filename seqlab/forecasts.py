"""Continuing the series of a run beyond its last row."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError
from seqlab.runs import Run, written
from seqlab.series import Series

__all__ = ["Forecast", "forecast", "write_csv"]


@dataclass(frozen=True)
class Forecast:
    """What is to come, in original units.

    Attributes:
        name: of the series.
        labels: a time per row where the series has times, else the row's number, counted from 1.
        values: ``[steps]``.
        horizon: P; beyond it the network ran on its own output.
    """

    name: str
    labels: Any
    values: np.ndarray
    horizon: int

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

    def rows(self) -> Iterator[tuple[Any, float]]:
        """Label and value of each step; days without a time of day are dates."""
        labels = self.labels
        if self.unit == "time" and (labels == labels.normalize()).all():
            labels = labels.date
        return zip(labels, self.values.tolist(), strict=True)


def forecast(run: Run, steps: int | None = None) -> Forecast:
    """Forecast the rows after the last one; by default as many as the horizon.

    Raises:
        SeqlabError: the run is not finished.
    """
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    series, data = run.series, run.config.data
    steps = steps or data.horizon
    values = Predictor(run.model, run.split.test).ahead(series.values[-data.window :], steps)
    return Forecast(series.name, _labels(series, steps), values, data.horizon)


def write_csv(made: Forecast, path: Path) -> Path:
    """Write a forecast as CSV: time (or row) and value.

    Raises:
        SeqlabError: the file cannot be written.
    """
    try:
        with written(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow((made.unit, made.name))
            table.writerows((label, f"{value:.9g}") for label, value in made.rows())
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _labels(series: Series, steps: int) -> Any:
    times = series.times_ahead(steps)
    return np.arange(len(series) + 1, len(series) + steps + 1) if times is None else times
