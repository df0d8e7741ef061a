"""Continuing the series of a run beyond their last rows."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.intervals import Bands, bands_ahead, missing
from seqlab.origins import at_origins
from seqlab.runs import Run, written
from seqlab.series import Series
from seqlab.series_files import fingerprint

__all__ = [
    "Forecast",
    "agree",
    "forecast",
    "forecast_each",
    "forecast_mean",
    "write_csv",
    "write_paths",
]

RESTING = {
    "conformal": "Intervals are conformal, as wide as errors on the validation part ask for",
    "mixed": "Intervals are means of some runs' own quantiles and of the others' conformal intervals",
    "quantiles": "Intervals are between the network's own quantiles",
}
APART = (
    "No intervals: the runs have none in common. Train them with one --loss and one --validation."
)


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
        """What the intervals rest on, or why there are none: a sentence, or none where it is plain."""
        if self.quantiles or not self.bands:
            return [self.missing] if self.missing and not self.quantiles else []
        known = int(min((~np.isnan(low)).sum() for low, _ in self.bands.values()))
        text = f"{RESTING[self.kind]}; `seqlab evaluate` shows what they hold."
        if known < len(self.values):
            text += f" There are none beyond step {known}, for want of such errors so far ahead."
        return [text]

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


def forecast(run: Run, steps: int | None = None, samples: int = 0, seed: int = 0) -> Forecast:
    """Forecast the rows after the last one of a run's series.

    Args:
        run: a finished one.
        steps: by default as many as its horizon.
        samples: paths to draw; see `seqlab.predict.Predictor.paths`.
        seed: equal seeds give equal paths.

    Raises:
        SeqlabError: the run is not finished, is of several series, or was not trained for so many steps;
            a network that has no paths.
    """
    if len(run.split.parts) > 1:
        raise SeqlabError(f"{run.path}: trained on several series: use forecast_each")
    return forecast_each(run, steps, samples, seed)[0]


def forecast_each(
    run: Run, steps: int | None = None, samples: int = 0, seed: int = 0
) -> list[Forecast]:
    """The same for each series of a run.

    Raises:
        SeqlabError: as `forecast`, of one series or several.
    """
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    data, config, parts = run.config.data, run.config, run.split.parts
    steps = steps or data.horizon
    _check_steps(data, steps)
    ends = [np.array([len(part.series)]) for part in parts]
    windows = at_origins(run.split, config, ends, max(steps, data.ahead))
    predictor = Predictor(run.model, run.split.train, config.model)
    values = predictor(windows)
    own = np.empty((*values.shape, 0))
    levels: Sequence[float] = predictor.levels if steps <= data.ahead else ()
    if levels:
        own = predictor.quantiles(windows, levels)
    paths = predictor.paths(windows, samples, seed) if samples else None
    around, kind = bands_ahead(predictor, run.split, windows, values, max(data.horizon, data.ahead))
    why = "" if around else missing(predictor, run.split, min(windows.horizon, data.horizon))
    return [
        Forecast(
            part.series.name,
            _labels(part.series, steps),
            values[i, :steps],
            data.ahead,
            dict(zip(levels, own[i, :steps].T, strict=True)),
            {share: (low[i, :steps], up[i, :steps]) for share, (low, up) in around.items()},
            kind,
            why,
            None if paths is None else paths[i, :, :steps],
        )
        for i, part in enumerate(parts)
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


def forecast_mean(
    runs: Sequence[Run], steps: int | None = None, samples: int = 0, seed: int = 0
) -> list[Forecast]:
    """The mean of what several runs forecast for each series, with quantiles and intervals that all have.

    Raises:
        SeqlabError: as `forecast_each`; they are of different series or horizons; paths of several.
    """
    agree(runs)
    if samples and len(runs) > 1:
        raise SeqlabError("paths are of one network, and a mean of paths is none. Name one run")
    made = (forecast_each(run, steps, samples, seed) for run in runs)
    return [_mean(same) for same in zip(*made, strict=True)]


def _mean(same: Sequence[Forecast]) -> Forecast:
    levels = [level for level in same[0].quantiles if all(level in one.quantiles for one in same)]
    shares = [share for share in same[0].bands if all(share in one.bands for one in same)]
    kinds = {one.kind for one in same}
    kind = kinds.pop() if len(kinds) == 1 else "mixed"
    return replace(
        same[0],
        values=np.mean([one.values for one in same], axis=0),
        horizon=min(one.horizon for one in same),
        quantiles={v: np.mean([one.quantiles[v] for one in same], axis=0) for v in levels},
        bands={v: tuple(np.mean([one.bands[v] for one in same], axis=0)) for v in shares},
        kind=kind if shares else "none",
        missing=next((one.missing for one in same if one.missing), "" if shares else APART),
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


def _labels(series: Series, steps: int) -> Any:
    times = series.times_ahead(steps)
    return np.arange(len(series) + 1, len(series) + steps + 1) if times is None else times
