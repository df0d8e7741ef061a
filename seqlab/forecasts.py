"""Continuing the series of a run beyond their last rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seqlab._continued import Forecast, write_csv, write_paths
from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.intervals import Bands, bands_ahead, missing
from seqlab.newer import newer
from seqlab.origins import at_origins
from seqlab.runs import Run
from seqlab.series import Series
from seqlab.series_files import fingerprint
from seqlab.splits import Split, unseen_labels
from seqlab.windows import Windows

__all__ = [
    "Forecast",
    "agree",
    "forecast",
    "forecast_each",
    "forecast_mean",
    "write_csv",
    "write_paths",
]

APART = (
    "No intervals: the runs have none in common. Train them with one --loss and one --validation."
)


def forecast(
    run: Run,
    steps: int | None = None,
    samples: int = 0,
    seed: int = 0,
    data: Any = None,
    adaptive: bool = False,
) -> Forecast:
    """Forecast the rows after the last one of a run's series.

    Args:
        run: a finished one.
        steps: by default as many as its horizon.
        samples: paths to draw; see `seqlab.predict.Predictor.paths`.
        seed: equal seeds give equal paths.
        data: newer rows of the series, to be continued in place of the run's own; see `seqlab.newer`.
        adaptive: whether conformal intervals learn from forecasts of the test part, and of newer rows.

    Raises:
        SeqlabError: the run is not finished, is of several series, or was not trained for so many steps;
            a network that has no paths; data that the run cannot use.
    """
    if len(run.split.parts) > 1:
        raise SeqlabError(f"{run.path}: trained on several series: use forecast_each")
    return forecast_each(run, steps, samples, seed, data, adaptive)[0]


def forecast_each(
    run: Run,
    steps: int | None = None,
    samples: int = 0,
    seed: int = 0,
    data: Any = None,
    adaptive: bool = False,
) -> list[Forecast]:
    """The same for each series of a run, or of the newer rows.

    Raises:
        SeqlabError: as `forecast`, of one series or several.
    """
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    config, now = run.config, newer(run, data)
    ahead = config.data.ahead  # steps that the network gives at once
    steps = steps or config.data.horizon
    _check_steps(config.data, steps)
    ends = [np.array([len(part.series)]) for part in now.parts]
    windows = at_origins(now, config, ends, max(steps, ahead))
    predictor = Predictor(run.model, run.split.train, config.model)
    values = predictor(windows)
    levels: Sequence[float] = predictor.levels if steps <= ahead else ()
    own = predictor.quantiles(windows, levels) if levels else np.empty((*values.shape, 0))
    paths = predictor.paths(windows, samples, seed) if samples else None
    around, kind = _around(run, now, predictor, windows, values, adaptive)
    tested = min(windows.horizon, config.data.horizon)
    why = "" if around else missing(predictor, run.split, tested)
    notes = [] if data is None else unseen_labels(now)
    return [
        Forecast(
            part.series.name,
            _labels(part.series, steps),
            values[i, :steps],
            ahead,
            dict(zip(levels, own[i, :steps].T, strict=True)),
            {share: (low[i, :steps], up[i, :steps]) for share, (low, up) in around.items()},
            kind,
            why,
            None if paths is None else paths[i, :, :steps],
            tuple(notes),
        )
        for i, part in enumerate(now.parts)
    ]


def _around(
    run: Run, now: Any, predictor: Any, windows: Windows, values: np.ndarray, adaptive: bool
) -> tuple[Bands, str]:
    """Intervals around the forecasts of each series, and their kind.

    Adaptive ones learn from forecasts of all rows that are new to the network on the way to the last.
    """
    tested = run.config.data.horizon
    if not adaptive:
        return bands_ahead(predictor, run.split, windows, values, tested)
    tried = [np.arange(_unseen(part), len(part.series) + 1) for part in now.parts]
    walked = at_origins(now, run.config, tried, windows.horizon)
    made, kind = bands_ahead(predictor, run.split, walked, predictor(walked), tested, adaptive)
    last = np.cumsum([len(rows) for rows in tried]) - 1
    return {share: (low[last], up[last]) for share, (low, up) in made.items()}, kind


def _unseen(part: Split) -> int:
    """The first row behind all that the network has seen, and behind a whole window."""
    least = part.test.window - part.padding
    return min(len(part.series), max(least, part.test.first_row + part.back - part.later))


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
    runs: Sequence[Run],
    steps: int | None = None,
    samples: int = 0,
    seed: int = 0,
    data: Any = None,
    adaptive: bool = False,
) -> list[Forecast]:
    """The mean of what several runs forecast for each series, with quantiles and intervals that all have.

    Raises:
        SeqlabError: as `forecast_each`; they are of different series or horizons; paths of several.
    """
    agree(runs)
    if samples and len(runs) > 1:
        raise SeqlabError("paths are of one network, and a mean of paths is none. Name one run")
    made = (forecast_each(run, steps, samples, seed, data, adaptive) for run in runs)
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


def _labels(series: Series, steps: int) -> Any:
    times = series.times_ahead(steps)
    return np.arange(len(series) + 1, len(series) + steps + 1) if times is None else times
