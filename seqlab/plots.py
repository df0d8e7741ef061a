"""Pictures of runs and scores. Every function returns a figure; `save` writes one. No window opens."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqlab.baselines import spoken
from seqlab.errors import SeqlabError
from seqlab.evaluate import Score
from seqlab.forecasts import Forecast
from seqlab.runs import Run, written
from seqlab.series import Series

__all__ = [
    "all_of",
    "error_per_step",
    "forecast",
    "learning_curves",
    "prediction",
    "residuals",
    "save",
]

TRUTH, NETWORK, MARK = "#444444", "#d62728", "#1f77b4"
BASELINES = {
    "persistence": "#1f77b4",
    "straight_line": "#ff7f0e",
    "drift": "#8c564b",
    "seasonal_naive": "#2ca02c",
    "linear_autoregression": "#9467bd",
}
CLOSE = 0.02  # lines nearer than this share of the truth's range hide each other


def prediction(score: Score, times: Any = None) -> Figure:
    """The first step's forecast over the truth; and where they hide each other, a zoom or the error."""
    truth, guess = score.truth[:, 0], score.forecast[:, 0]
    rows = _positions(score, times)
    near = np.sqrt(np.mean((truth - guess) ** 2)) < CLOSE * (np.ptp(truth) or 1)
    figure = Figure(figsize=(9, 6.5 if near else 4), layout="constrained")
    axes = figure.subplots(2, 1, height_ratios=(2, 1)) if near else [figure.subplots()]
    axes[0].plot(rows, truth, color=TRUTH, lw=2.5, alpha=0.6, label="truth")
    axes[0].plot(rows, guess, color=NETWORK, lw=1.2, ls="--" if near else "-", label="network")
    error = f"RMSE {score.per_step['network'][0]:.3g} 1 step ahead"
    axes[0].set(title=f"{score.name}: test part, {error}", ylabel=score.name)
    axes[0].legend()
    if near:
        axes[0].set_title(axes[0].get_title() + " (the lines hide each other: see below)")
        _zoom(axes[1], rows, truth, guess, axes[0])
    for one in axes:
        _label_rows(one, times)
    return figure


def residuals(score: Score, times: Any = None) -> Figure:
    """Errors of the first step over time, and how they are distributed."""
    error = score.forecast[:, 0] - score.truth[:, 0]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    line, bars = figure.subplots(1, 2, width_ratios=(2, 1))
    line.plot(_positions(score, times), error, color=NETWORK, lw=0.8)
    line.axhline(0, color=TRUTH, lw=0.8)
    line.set(title=f"{score.name}: forecast less truth, 1 step ahead", ylabel="error")
    _label_rows(line, times)
    bars.hist(error, bins=40, color=NETWORK, alpha=0.8)
    bars.axvline(0, color=TRUTH, lw=0.8)
    bars.set(title=f"mean {error.mean():.2g}, std {error.std():.2g}", xlabel="error")
    bars.locator_params(axis="x", nbins=4)
    return figure


def learning_curves(run: Run) -> Figure:
    """Training and validation loss and the learning rate over the steps."""
    history = run.history
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(history["step"], history["loss"], color=TRUTH, marker=".", label="training loss")
    if not np.isnan(history["val_loss"]).all():
        axes.plot(
            history["step"], history["val_loss"], color=NETWORK, marker=".", label="validation loss"
        )
        best = int(np.nanargmin(history["val_loss"]))
        axes.plot(
            history["step"][best],
            history["val_loss"][best],
            "o",
            ms=9,
            mfc="none",
            color=NETWORK,
            label="best",
        )
    if max(history["loss"]) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="mean squared error, scaled", title=run.path.name)
    rate = axes.twinx()
    rate.plot(history["step"], history["learning_rate"], color=MARK, lw=1, alpha=0.5)
    rate.set_ylabel("learning rate", color=MARK)
    axes.legend()
    return figure


def error_per_step(score: Score) -> Figure:
    """RMSE at each step ahead, for the network and the baselines."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, score.truth.shape[1] + 1)
    for name, values in score.per_step.items():
        style: dict[str, Any] = {"color": NETWORK, "lw": 2.5, "zorder": 3}
        if name != "network":
            style = {"color": BASELINES[name], "lw": 1.2}
        axes.plot(steps, values, marker="o", ms=4, label=spoken(name), **style)
    values = np.concatenate(list(score.per_step.values()))
    if values.min() > 0 and values.max() / values.min() > 5:
        axes.set_yscale("log")
    axes.set(title=f"{score.name}: error per step ahead", xlabel="step ahead", ylabel="RMSE")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def forecast(series: Series, made: Forecast) -> Figure:
    """The end of a series and its forecast behind it."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    shown = min(len(series), max(4 * len(made.values), 60))
    known = series.values[-shown:]
    before: Any = np.arange(len(series) - shown + 1, len(series) + 1)
    after: Any = made.labels
    if made.unit == "time":
        before, after = series.times[-shown:], after.to_numpy()
    axes.plot(before, known, color=TRUTH, label="known")
    joined = np.concatenate([known[-1:], made.values])
    axes.plot([before[-1], *after], joined, color=NETWORK, marker=".", label="forecast")
    if len(after) > made.horizon:
        mark = after[made.horizon - 1]
        axes.axvline(mark, color=MARK, ls=":", label="from here on its own output")
    axes.set(title=f"{made.name}: forecast of {len(after)} steps", ylabel=made.name)
    _label_rows(axes, series.times if made.unit == "time" else None)
    axes.legend()
    return figure


def all_of(run: Run, score: Score) -> dict[str, Figure]:
    """Every picture of a scored run, by file name."""
    times = run.series.times
    figures = {
        "prediction.png": prediction(score, times),
        "residuals.png": residuals(score, times),
        "learning_curves.png": learning_curves(run),
    }
    if score.truth.shape[1] > 1:
        figures["error_per_step.png"] = error_per_step(score)
    return figures


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG.

    Raises:
        SeqlabError: the file cannot be written.
    """
    try:
        with written(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _zoom(axes: Any, rows: Any, truth: np.ndarray, guess: np.ndarray, above: Any) -> None:
    """A stretch so short that lines this near can be told apart, or if there is none, the error."""
    width = min(len(truth), max(12, len(truth) // 25))
    begin = int(np.argmax(np.convolve((truth - guess) ** 2, np.ones(width), "valid")))
    part = slice(begin, begin + width)
    if np.abs(truth - guess)[part].max() < CLOSE * np.ptp(truth[part]):
        axes.plot(rows, guess - truth, color=NETWORK, lw=0.9)
        axes.axhline(0, color=TRUTH, lw=0.8)
        axes.set(title="forecast less truth", ylabel="error")
        return
    axes.plot(rows[part], truth[part], color=TRUTH, lw=2.5, alpha=0.6, marker="o", ms=4)
    axes.plot(rows[part], guess[part], color=NETWORK, lw=1.2, ls="--", marker="x", ms=5)
    axes.set(title=f"zoom: the {width} rows with the largest errors")
    above.axvspan(rows[begin], rows[begin + width - 1], color=MARK, alpha=0.15)


def _positions(score: Score, times: Any) -> Any:
    rows = slice(score.first_row, score.first_row + len(score.truth))
    return np.arange(rows.start + 1, rows.stop + 1) if times is None else times[rows].to_numpy()


def _label_rows(axes: Any, times: Any) -> None:
    axes.set_xlabel("row" if times is None else "time")
    if times is not None:
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
