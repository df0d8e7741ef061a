"""Scoring a run on its test part, beside its baselines, and saying in words how it stands."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab import baselines, panel_scores
from seqlab.baselines import spoken
from seqlab.datasets import PanelSplit, Split
from seqlab.errors import SeqlabError
from seqlab.intervals import NOMINAL, Bands, Held, Spread, bands, held, missing, spread
from seqlab.metrics import METRICS, mae, mape, mase, r2, rmse, smape
from seqlab.runs import Run
from seqlab.windows import Windows

if TYPE_CHECKING:  # which loads TensorFlow
    from seqlab.predict import Predictor

__all__ = [
    "METRICS",
    "Score",
    "check_rollout",
    "evaluate",
    "mae",
    "mape",
    "mase",
    "r2",
    "rmse",
    "rollout",
    "score",
    "smape",
    "with_intervals",
]

BETTER = 0.98  # of persistence's error: what a forecast must reach to be more than a copy


@dataclass(frozen=True)
class Score:
    """How forecasts compare with the truth and with the baselines, in original units.

    Attributes:
        metrics: name to value, over all windows and steps; NaN where a metric is undefined.
        baselines: name of the baseline to its metrics.
        skill: 1 - RMSE / RMSE of the best baseline: 1 is perfect, below 0 the network loses.
        best_baseline: the one with the lowest RMSE.
        per_step: RMSE at each step ahead, for the network and each baseline, ``[P]``.
        copy_lag: rows by which the truth must be delayed to look most like the first step's
            forecast: 0 for a forecast, 1 for a copy of the last value; None if it cannot be told.
        truth: ``[W, P]``.
        forecast: ``[W, P]``.
        first_row: row, in the whole series, of the first true value; of the first series.
        name: of the series, or of the panel.
        by: the metric that decides: ``rmse``; ``mase`` for several series, whose units may differ.
        owners: name of each series, and how many of the W windows are its, in their order.
        intervals: what intervals around the forecasts held; empty if none were asked for or possible.
        bands: those intervals, by the share of truths that they are meant to hold.
        spread: what all quantiles of the forecasts are worth; None where there are none.
        missing: why there are no intervals, where they were asked for.
        without_scale: by metric, names of the series that it leaves out, since their scale is 0.
        owa: of several series, by name for the network and each baseline; see `panel_scores.owas`.
    """

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    skill: float
    best_baseline: str
    per_step: dict[str, np.ndarray]
    copy_lag: int | None
    truth: np.ndarray
    forecast: np.ndarray
    first_row: int
    name: str
    by: str
    owners: tuple[tuple[str, int], ...]
    intervals: tuple[Held, ...] = ()
    bands: Bands = field(default_factory=dict)
    spread: Spread | None = None
    missing: str = ""
    without_scale: dict[str, tuple[str, ...]] = field(default_factory=dict)
    owa: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """How the network stands, in one sentence."""
        own, what = self.metrics[self.by], self.by.upper()
        others = {name: values[self.by] for name, values in self.baselines.items()}
        beaten = [spoken(name) for name, other in others.items() if own < other]
        best, lowest = spoken(self.best_baseline), others[self.best_baseline]
        if own < lowest:
            return (
                f"The network beats every baseline: {what} {own:.3g} against {lowest:.3g} of the best,"
                f" {best} ({_lower(own, lowest)})."
            )
        if own == lowest:
            return f"The network is as good as {best}, the best baseline: {what} {own:.3g}."
        also = f"it beats {', '.join(beaten)}" if beaten else "it beats no baseline"
        return (
            f"The network loses to {best}: {what} {own:.3g} against {lowest:.3g}"
            f" ({_higher(own, lowest)}); {also}."
        )

    @property
    def copy_verdict(self) -> str:
        """Whether the network only repeats an old value, in one sentence."""
        if len(self.owners) > 1:
            return "Copy check: of the forecasts of one series only."
        if self.copy_lag is None:
            return (
                "Copy check: not possible, for the forecasts are constant, few, or not row by row."
            )
        if self.copy_lag == 0:
            return "Copy check: passed, the forecast is most like the truth of its own time."
        what = "the last value" if self.copy_lag == 1 else f"the value {self.copy_lag} rows before"
        own, repeated = (float(self.per_step[who][0]) for who in ("network", "persistence"))
        if own < BETTER * repeated:
            return (
                f"Copy check: the forecast one step ahead is most like {what}, as on a noisy series,"
                f" but better than repeating the last (RMSE {own:.3g} against {repeated:.3g})."
            )
        return (
            f"Copy check: the forecast is most like {what}: the network has learned to repeat it."
        )

    def to_json(self, names: tuple[str, ...] = tuple(METRICS)) -> dict[str, Any]:
        """What ``--json`` prints; undefined values are null."""

        def chosen(values: dict[str, float]) -> dict[str, float | None]:
            return {name: _finite(values[name]) for name in names}

        return {
            "series": self.name,
            "windows": len(self.truth),
            "horizon": self.truth.shape[1],
            "metrics": chosen(self.metrics),
            "baselines": {name: chosen(values) for name, values in self.baselines.items()},
            "skill": _finite(self.skill),
            "best_baseline": self.best_baseline,
            "verdict": self.verdict,
            "copy_lag": self.copy_lag,
            "without_scale": self.without_scale,
            "owa": self.owa or None,
            "intervals": [one.to_json() for one in self.intervals],
            "quantiles": self.spread and self.spread.to_json(),
            "rmse_per_step": {name: values.tolist() for name, values in self.per_step.items()},
        }


def evaluate(
    run: Run,
    classical: bool = False,
    adaptive: bool = False,
    bar: Callable[[Sequence[Any]], Any] = iter,
) -> Score:
    """Score a finished run on its test part, and write ``metrics.json`` into its folder.

    Args:
        run: a finished one.
        classical: whether ETS and ARIMA are among the baselines.
        adaptive: whether conformal intervals learn from earlier truths; see
            `seqlab.conformal.adaptive_margins`.
        bar: wraps the fits of ETS and ARIMA, to show how far they are.

    Raises:
        SeqlabError: the run is not finished, or its forecasts are not finite.
    """
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    data = run.split
    predictor = Predictor(run.model, data.test, run.config.model)
    plain = score(data, predictor(data.test), classical, bar)
    result = with_intervals(plain, predictor, data, adaptive=adaptive)
    run.keep_metrics(result)
    return result


def with_intervals(
    result: Score,
    predictor: "Predictor",
    data: Split | PanelSplit,
    nominal: Sequence[float] = NOMINAL,
    adaptive: bool = False,
) -> Score:
    """The score of a split's test part with intervals around its forecasts, and what they held."""
    made, kind = bands(predictor, data, data.test, result.forecast, nominal, adaptive=adaptive)
    whole = spread(result.truth, result.forecast, made, kind, predictor, data.test)
    held_by = tuple(held(result.truth, made, kind))
    why = "" if made else missing(predictor, data, data.test.horizon)
    return replace(result, bands=made, intervals=held_by, spread=whole, missing=why)


def score(
    split: Split | PanelSplit,
    forecast: np.ndarray,
    classical: bool = False,
    bar: Callable[[Sequence[Any]], Any] = iter,
) -> Score:
    """Score forecasts ``[W, P]``, in original units, of the test part of a split.

    With `classical`, also beside ETS and ARIMA, whose forecasts `bar` wraps; see `seqlab.baselines`.

    Raises:
        SeqlabError: of another shape than the targets, or not finite.
    """
    parts = split.parts
    truth = np.concatenate([part.test.raw()[1] for part in parts]).astype(np.float64)
    counts = [len(part.test) for part in parts]
    scale = panel_scores.scales(parts)
    scales = {name: np.repeat(values, counts) for name, values in scale.items()}
    others = baselines.joined(parts, classical, bar)
    values = {name: _measure(truth, other, scales) for name, other in others.items()}
    own = _measure(truth, forecast, scales)
    by = "rmse" if len(parts) == 1 else "mase"
    best = min(values, key=lambda name: values[name][by])
    lowest = values[best][by]
    everyone = {"network": forecast, **others}
    first = parts[0]
    return Score(
        metrics=own,
        baselines=values,
        skill=1 - own[by] / lowest if lowest else math.nan,
        best_baseline=best,
        per_step={
            name: np.sqrt(np.mean(np.square(truth - other), axis=0))
            for name, other in everyone.items()
        },
        copy_lag=_copy_lag(first.test, forecast) if len(parts) == 1 else None,
        truth=truth,
        forecast=forecast,
        first_row=first.test.first_row + int(first.test.begins(slice(1))[0]) + first.test.window,
        name=split.data.name,
        by=by,
        owners=tuple((p.series.name, n) for p, n in zip(parts, counts, strict=True)),
        without_scale=panel_scores.without_scale(parts, scale),
        owa=panel_scores.owas(truth, everyone, scale["mase"], counts),
    )


def _copy_lag(windows: Windows, forecast: np.ndarray) -> int | None:
    """Of windows that follow each other row by row; of others it cannot be told."""
    begins = windows.begins(slice(None))
    if (np.diff(begins) != 1).any():
        return None
    return copy_lag(windows.values[begins[0] :], forecast[:, 0], windows.window)


def copy_lag(values: np.ndarray, forecast: np.ndarray, window: int) -> int | None:
    """The delay, in rows, at which the truth correlates best with the forecast one step ahead.

    Args:
        values: ``[N]``, the stretch that was forecast.
        forecast: ``[W]``; element w is of row ``w + window``.
        window: T; delays up to it are tried.
    """
    if not np.ptp(forecast) or len(forecast) < 3:
        return None
    centred = forecast - forecast.mean()

    def correlation(lag: int) -> float:
        truth = values[window - lag : window - lag + len(forecast)].astype(np.float64)
        truth = truth - truth.mean()
        size = np.linalg.norm(truth) * np.linalg.norm(centred)
        return float(truth @ centred / size) if size else -1.0

    return max(range(window + 1), key=correlation)


def rollout(predictor: Any, split: Split, steps: int) -> dict[int, float]:
    """RMSE of the network running on its own output from the test part's first window.

    Returns:
        RMSE over the first 10, 100, 1 000, ... steps and over all; steps to error in original units.

    Raises:
        SeqlabError: the test part is shorter than that.
    """
    check_rollout(split, steps)
    values, window = split.test.values, split.test.window
    first = split.test.raw(slice(1))[0][0]
    error = predictor.ahead(first, steps) - values[window : window + steps]
    marks = {10**k for k in range(1, 10) if 10**k < steps} | {steps}
    return {mark: float(np.sqrt(np.mean(np.square(error[:mark])))) for mark in sorted(marks)}


def check_rollout(split: Split, steps: int) -> None:
    """Refuse a roll-out that is longer than the test part, before anything is trained."""
    values, window = split.test.values, split.test.window
    if len(values) < window + steps:
        raise SeqlabError(
            f"`rollout` of {steps} steps from a window of {window} needs {window + steps} test rows;"
            f" there are {len(values)}. Use --rollout {len(values) - window} or less"
        )


def _measure(
    truth: np.ndarray, forecast: np.ndarray, scales: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Every metric; those that have a scale by that of each window ``[W]``."""
    return {
        name: measure(truth, forecast, *([scales[name]] if name in scales else []))
        for name, measure in METRICS.items()
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _lower(small: float, large: float) -> str:
    if not small:
        return "infinitely lower"
    ratio = large / small
    return f"{100 * (1 - 1 / ratio):.0f} % lower" if ratio < 2 else f"{_rounded(ratio)} times lower"


def _higher(large: float, small: float) -> str:
    if not small:
        return "infinitely higher"
    ratio = large / small
    return f"{100 * (ratio - 1):.0f} % higher" if ratio < 2 else f"{_rounded(ratio)} times as high"


def _rounded(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"
