"""Pictures of runs and scores. Every function returns a figure; `save` writes one. No window opens."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqlab.baselines import spoken
from seqlab.datasets import PanelSplit, Split
from seqlab.errors import SeqlabError
from seqlab.evaluate import Score
from seqlab.forecasts import Forecast
from seqlab.runs import Run, written
from seqlab.series import Series

if TYPE_CHECKING:  # which loads TensorFlow
    from seqlab.backtest import Backtest

__all__ = [
    "all_of",
    "backtest",
    "error_per_step",
    "forecasts",
    "learning_curves",
    "prediction",
    "predictions",
    "residuals",
    "save",
    "save_all",
]

TRUTH, NETWORK, MARK = "#444444", "#d62728", "#1f77b4"
BASELINES = {
    "persistence": "#1f77b4",
    "straight_line": "#ff7f0e",
    "drift": "#8c564b",
    "seasonal_naive": "#2ca02c",
    "naive2": "#bcbd22",
    "linear_autoregression": "#9467bd",
    "ets": "#e377c2",
    "auto_arima": "#17becf",
}
PATHS = 20  # that a forecast is drawn with: more are a cloud
PANELS = 6  # series of a panel in one figure
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


def predictions(split: Split | PanelSplit, score: Score) -> Figure:
    """Of each series the last window of its test part, and its forecast; of many series the first few."""
    shown = min(len(score.owners), PANELS)
    figure = Figure(figsize=(9, 2.4 * shown), layout="constrained")
    ends = np.cumsum([count for _, count in score.owners])
    for axes, part, end in zip(
        np.atleast_1d(figure.subplots(shown)), split.parts[:shown], ends[:shown], strict=True
    ):
        test = part.test
        inputs, truth = (values[0] for values in test.raw(slice(len(test) - 1, None)))
        end_row = test.first_row + len(test.values)
        rows = np.arange(end_row - test.window - test.horizon, end_row)
        times = part.series.times
        places = rows + 1 if times is None else times[rows].to_numpy()
        axes.plot(
            places, np.concatenate([inputs, truth]), color=TRUTH, lw=2, alpha=0.6, label="truth"
        )
        axes.plot(places[test.window :], score.forecast[end - 1], color=NETWORK, label="network")
        axes.set(title=f"{part.series.name}: last window of the test part", ylabel=score.name)
        _label_rows(axes, times)
    axes.legend(loc="upper left")
    if shown < len(score.owners):
        figure.suptitle(f"{shown} of {len(score.owners)} series")
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
    axes.set(xlabel="step", ylabel=f"{run.config.model.loss}, scaled", title=run.path.name)
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


def forecasts(series: Sequence[Series], made: Sequence[Forecast]) -> Figure:
    """The end of each series and its forecast behind it; of many series the first few."""
    shown = min(len(made), PANELS)
    figure = Figure(figsize=(9, 4 if shown == 1 else 2.4 * shown), layout="constrained")
    for axes, one, ahead in zip(
        np.atleast_1d(figure.subplots(shown)), series[:shown], made[:shown], strict=True
    ):
        _forecast(axes, one, ahead)
    if shown < len(made):
        figure.suptitle(f"{shown} of {len(made)} series")
    return figure


def _forecast(axes: Any, series: Series, made: Forecast) -> None:
    shown = min(len(series), max(4 * len(made.values), 60))
    known = series.values[-shown:]
    before: Any = np.arange(len(series) - shown + 1, len(series) + 1)
    after: Any = made.labels
    if made.unit == "time":
        before, after = series.times[-shown:], after.to_numpy()
    axes.plot(before, known, color=TRUTH, label="known")
    joined = np.concatenate([known[-1:], made.values])
    axes.plot([before[-1], *after], joined, color=NETWORK, marker=".", label="forecast")
    if made.paths is not None:
        some = made.paths[:PATHS].T
        labels = ["paths", *[None] * (some.shape[1] - 1)]
        axes.plot(after, some, color=MARK, lw=0.8, alpha=0.35, zorder=1, label=labels)
    for label, band in _fan(made).items():
        axes.fill_between(after, *band, color=NETWORK, alpha=0.15, lw=0, label=label)
    if len(after) > made.horizon > 1:
        mark = after[made.horizon - 1]
        axes.axvline(mark, color=MARK, ls=":", label="from here on its own output")
    axes.set(title=f"{made.name}: forecast of {len(after)} steps", ylabel=made.name)
    _label_rows(axes, series.times if made.unit == "time" else None)
    axes.legend(loc="upper left")


def _fan(made: Forecast) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Intervals by what they are called: between the network's own quantiles, or conformal ones."""
    levels = sorted(made.quantiles)
    if not levels:
        return {f"{100 * share:g} %": band for share, band in made.bands.items()}
    pairs = [(levels[i], levels[-1 - i]) for i in range(len(levels) // 2)]
    return {
        f"{100 * low:g} to {100 * high:g} %": (made.quantiles[low], made.quantiles[high])
        for low, high in pairs
    }


def backtest(made: "Backtest") -> Figure:
    """Forecasts over the truth, from origins a horizon apart so that they do not hide each other."""
    shown = min(len(made.series), PANELS)
    figure = Figure(figsize=(9, 4 if shown == 1 else 2.4 * shown), layout="constrained")
    first = 0
    for axes, series, origins in zip(
        np.atleast_1d(figure.subplots(shown)), made.series, made.origins, strict=False
    ):
        _fans(axes, series, origins, made.score, first)
        first += len(origins)
    if shown < len(made.series):
        figure.suptitle(f"{shown} of {len(made.series)} series")
    return figure


def _fans(axes: Any, series: Series, origins: np.ndarray, score: Score, first: int) -> None:
    """One series; its windows in the score begin at `first`."""
    horizon, times = score.truth.shape[1], series.times
    places = np.arange(1, len(series) + 1) if times is None else times.to_numpy()
    begin = max(0, int(origins[0]) - 3 * horizon)
    axes.plot(places[begin:], series.values[begin:], color=TRUTH, lw=2, alpha=0.6, label="truth")
    apart = -(-horizon // int(np.diff(origins).min())) if len(origins) > 1 else 1
    labels = {"label": "forecast"}
    for w in range(0, len(origins), apart):
        rows = slice(origins[w], origins[w] + horizon)
        style = "." if horizon == 1 else ""
        axes.plot(
            places[rows], score.forecast[first + w], color=NETWORK, lw=1.2, marker=style, **labels
        )
        for share, (low, high) in score.bands.items():
            label = {"label": f"{100 * share:g} %"} if labels else {}
            band = low[first + w], high[first + w]
            axes.fill_between(places[rows], *band, color=NETWORK, alpha=0.15, lw=0, **label)
        labels = {}
    axes.set(title=f"{series.name}: backtest, {len(origins)} origins", ylabel=series.name)
    _label_rows(axes, times)
    axes.legend(loc="upper left")


def all_of(run: Run, score: Score) -> dict[str, Figure]:
    """Every picture of a scored run, by file name."""
    times = run.split.parts[0].series.times
    figures = {"learning_curves.png": learning_curves(run)}
    if len(score.owners) == 1:
        figures["prediction.png"] = prediction(score, times)
        figures["residuals.png"] = residuals(score, times)
    else:
        figures["prediction.png"] = predictions(run.split, score)
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


def save_all(run: Run, figures: dict[str, Figure]) -> list[Path]:
    """Write figures, by file name, into a run's folder for pictures.

    Raises:
        SeqlabError: they cannot be written there.
    """
    try:
        folder = run.plots()
    except OSError as error:
        raise SeqlabError(
            f"{run.path}/plots: cannot be written: {error.strerror}. Use --plot FILE.png"
        ) from error
    return [save(figure, folder / name) for name, figure in figures.items()]


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
