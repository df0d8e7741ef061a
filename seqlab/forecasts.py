"""Continuing the series of a run beyond their last rows."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.origins import at_origins
from seqlab.runs import Run, written
from seqlab.series import Series
from seqlab.series_files import fingerprint

__all__ = ["Forecast", "agree", "forecast", "forecast_each", "forecast_mean", "write_csv"]


@dataclass(frozen=True)
class Forecast:
    """What is to come, in original units.

    Attributes:
        name: of the series.
        labels: a time per row where the series has times, else the row's number, counted from 1.
        values: ``[steps]``.
        horizon: P; beyond it the network ran on its own output.
        quantiles: level to values ``[steps]``; none for a network that gives single numbers.
    """

    name: str
    labels: Any
    values: np.ndarray
    horizon: int
    quantiles: dict[float, np.ndarray] = field(default_factory=dict)

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

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Label, value and quantiles of each step; days without a time of day are dates."""
        labels = self.labels
        if self.unit == "time" and (labels == labels.normalize()).all():
            labels = labels.date
        columns = [self.values, *self.quantiles.values()]
        return zip(labels, *(column.tolist() for column in columns), strict=True)

    def to_json(self, named: bool = False) -> list[dict[str, Any]]:
        """A dict per step; with the name of the series where there are several."""
        name = {"series": self.name} if named else {}
        levels = [f"quantile_{level:g}" for level in self.quantiles]
        return [
            {**name, "time": str(label), "forecast": value, **dict(zip(levels, rest, strict=True))}
            for label, value, *rest in self.rows()
        ]


def forecast(run: Run, steps: int | None = None) -> Forecast:
    """Forecast the rows after the last one of a run's series; by default as many as the horizon.

    Raises:
        SeqlabError: the run is not finished, is of several series, or was not trained for so many steps.
    """
    if len(run.split.parts) > 1:
        raise SeqlabError(f"{run.path}: trained on several series: use forecast_each")
    return forecast_each(run, steps)[0]


def forecast_each(run: Run, steps: int | None = None) -> list[Forecast]:
    """The same for each series of a run.

    Raises:
        SeqlabError: the run is not finished, or was not trained for so many steps.
    """
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    data, config, parts = run.config.data, run.config, run.split.parts
    steps = steps or data.horizon
    _check_steps(data, steps)
    ends = [np.array([len(part.series)]) for part in parts]
    windows = at_origins(run.split, config, ends, max(steps, data.ahead))
    predictor = Predictor(run.model, run.split.train, config.model)
    values = predictor(windows)
    bands = np.empty((*values.shape, 0))
    levels: Sequence[float] = predictor.levels if steps <= data.ahead else ()
    if levels:
        bands = predictor.quantiles(windows, levels)
    return [
        Forecast(
            part.series.name,
            _labels(part.series, steps),
            own[:steps],
            data.ahead,
            dict(zip(levels, band[:steps].T, strict=True)),
        )
        for part, own, band in zip(parts, values, bands, strict=True)
    ]


def _check_steps(data: DataConfig, steps: int) -> None:
    """Refuse steps that the network was not trained for, and cannot reach on its own output.

    Raises:
        SeqlabError: naming how many it was trained for.
    """
    if steps > data.ahead and data.past:
        raise SeqlabError(
            f"trained with --horizon {data.ahead}, and asked for {steps} steps: to run on its own output"
            f" the network needs the --past columns ({', '.join(data.past)}) of steps ahead, which are"
            f" not known. Train with --horizon {steps}"
        )
    if steps > data.ahead > 1:
        raise SeqlabError(
            f"trained to forecast {data.ahead} steps at once, and asked for {steps}."
            f" Train with --horizon {steps}, or with --strategy recursive, which has no end"
        )


def forecast_mean(runs: Sequence[Run], steps: int | None = None) -> list[Forecast]:
    """The mean of what several runs forecast for each series, and of the quantiles that all of them give.

    Raises:
        SeqlabError: as `forecast_each`; or they are of different series or horizons.
    """
    agree(runs)
    return [_mean(same) for same in zip(*(forecast_each(run, steps) for run in runs), strict=True)]


def _mean(same: Sequence[Forecast]) -> Forecast:
    levels = [level for level in same[0].quantiles if all(level in one.quantiles for one in same)]
    return replace(
        same[0],
        values=np.mean([one.values for one in same], axis=0),
        horizon=min(one.horizon for one in same),
        quantiles={v: np.mean([one.quantiles[v] for one in same], axis=0) for v in levels},
    )


def agree(runs: Sequence[Run]) -> None:
    """Refuse runs whose forecasts have no mean.

    Raises:
        SeqlabError: there are none, or they are of different series or horizons.
    """
    if not runs:
        raise SeqlabError("a mean is of one run or more. Received: none")
    first = runs[0]
    for run in runs[1:]:
        if fingerprint(run.data) != fingerprint(first.data):
            raise SeqlabError(
                f"{run.path} and {first.path} were trained on different series, and a mean is of"
                " forecasts of the same. Name runs of one file"
            )
        kept = [[part.series.name for part in one.split.parts] for one in (first, run)]
        if kept[0] != kept[1]:
            raise SeqlabError(
                f"{run.path} and {first.path} dropped different series, which were too short for their"
                " windows. Train them with one --window, or with --short pad"
            )
        if run.config.data.horizon != first.config.data.horizon:
            raise SeqlabError(
                f"{run.path} forecasts {run.config.data.horizon} steps, and {first.path}"
                f" {first.config.data.horizon}. Train them with one --horizon"
            )


def write_csv(made: Forecast | Sequence[Forecast], path: Path) -> Path:
    """Write a forecast as CSV: time (or row), value and quantiles; of several series with their names.

    Raises:
        SeqlabError: the file cannot be written.
    """
    several = [] if isinstance(made, Forecast) else ["series"]
    every = [made] if isinstance(made, Forecast) else made
    named = every[0].name if isinstance(made, Forecast) else "forecast"
    levels = [f"quantile {level:g}" for level in every[0].quantiles]
    try:
        with written(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow((*several, every[0].unit, named, *levels))
            for one in every:
                name = [one.name] * len(several)
                table.writerows(
                    (*name, label, *(f"{v:.9g}" for v in row)) for label, *row in one.rows()
                )
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _labels(series: Series, steps: int) -> Any:
    times = series.times_ahead(steps)
    return np.arange(len(series) + 1, len(series) + steps + 1) if times is None else times
