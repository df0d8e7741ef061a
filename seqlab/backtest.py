"""Forecasts from many origins in turn, each from what was known there, scored beside the baselines."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import evaluate
from seqlab.classical import check_there
from seqlab.config import RETRAIN, Config
from seqlab.cuts import test_rows
from seqlab.datasets import Panel, PanelSplit, Series, Split, split
from seqlab.errors import SeqlabError, check_choice
from seqlab.forecasts import agree
from seqlab.intervals import Bands, bands, held, missing, spread
from seqlab.origins import tested
from seqlab.runs import Run, written
from seqlab.series_files import fingerprint

__all__ = ["Backtest", "backtest", "write_csv"]


@dataclass(frozen=True)
class Backtest:
    """What came of it.

    Attributes:
        score: of all origins together; its windows are those of the first series, then of the second ...
        series: the series.
        origins: of each series the rows ``[O]``, counted from 0, that are forecast first.
        trained: how many networks that took beside the run's own.
        note: that networks know some series further on in time than others; empty if they do not.
    """

    score: evaluate.Score
    series: tuple[Series, ...]
    origins: tuple[np.ndarray, ...]
    trained: int
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; with every forecast."""
        entries = [
            {"series": name, "origin": label, "forecast": list(map(float, forecast))}
            for name, label, forecast in zip(*self._windows(), self.score.forecast, strict=True)
        ]
        return {
            **self.score.to_json(),
            "trained": self.trained,
            "note": self.note,
            "origins": entries,
        }

    def _windows(self) -> tuple[list[str], list[str]]:
        """Of each window the series, and the last row that it knew."""
        pairs = [
            (one.name, one.label(int(row) - 1))
            for one, rows in zip(self.series, self.origins, strict=True)
            for row in rows
        ]
        names, labels = zip(*pairs, strict=True)
        return list(names), list(labels)


def backtest(
    run: Run | Sequence[Run],
    start: str | None = None,
    step: int = 1,
    retrain: str = "never",
    rows: int | None = None,
    progress: Callable[[Sequence[Any]], Any] = iter,
    classical: bool = False,
    adaptive: bool = False,
    bar: Callable[[Sequence[Any]], Any] = iter,
) -> Backtest:
    """Forecast from every `step`-th row on, over the test part or from another row on.

    Args:
        run: a finished one. Its network makes the forecasts, if it is not to be trained anew. Of several
            runs it is the mean of their forecasts, and of the ends of their intervals.
        start: rows at the end, or the time, at which forecasts begin; by default the run's test part.
        step: rows from one origin to the next.
        retrain: ``never``; ``expanding`` trains a network at each origin on all rows before it;
            ``sliding`` on the last `rows` of them. Of several series the first origins go together, the
            second, and so on, whenever they are; `Backtest.note` says so where their times differ, as
            they do not from a `start` in time. One that has no more is trained on with the rows before
            its last.
            They are kept in the run's folder, so that an interrupted backtest goes on.
        rows: of the sliding training part.
        progress: wraps the origins at which something is trained, to show how far it is.
        classical: whether ETS and ARIMA are among the baselines; fitted at the first origin.
        adaptive: whether conformal intervals learn from the truths that are known at each origin.
        bar: the same for batches of forecasts of a run's own network, and for ETS and ARIMA.

    Raises:
        SeqlabError: the run is not finished; rows that do not suffice, or that the network knows; runs
            that differ in their series, horizons or origins; with `classical`, without statsforecast;
            with `adaptive`, intervals that are not conformal, or of networks that are trained anew.
    """
    check_choice("retrain", retrain, RETRAIN)
    if (retrain == "sliding") != (rows is not None):
        raise SeqlabError("`rows` is the length of a sliding training part: give both, or neither")
    if adaptive and retrain != "never":
        raise SeqlabError(
            "intervals learn from earlier errors of one network, and --retrain has one for each origin."
            " Leave out --adaptive or --retrain"
        )
    if classical:
        check_there()  # before anything is trained
    runs = [run] if isinstance(run, Run) else list(run)
    agree(runs)
    every = [_origins(one.split, one.config, start, step, retrain) for one in runs]
    _same(runs, every)
    origins, data = every[0], runs[0].split
    at_rows = tested(data, runs[0].config, origins)
    found = [
        _retrained(one, origins, rows, progress)
        if retrain != "never"
        else _forecasts(one, origins, adaptive, bar)
        for one in runs
    ]
    forecast, made, kind = _mean(found)
    score = evaluate.score(at_rows, forecast, classical, bar)
    # One network is asked for all its quantiles; of several, or one for each origin, there are intervals.
    predictor = found[0].predictor if len(found) == 1 else None
    whole = spread(score.truth, forecast, made, kind, predictor, at_rows.test)
    intervals = tuple(held(score.truth, made, kind))
    why = missing(predictor, data, at_rows.test.horizon) if predictor and not made else ""
    score = replace(score, bands=made, intervals=intervals, spread=whole, missing=why)
    trained = sum(one.trained for one in found)
    series = tuple(part.series for part in data.parts)
    note = _pairing(series, origins) if trained else ""
    return Backtest(score, series, tuple(origins), trained, note)


@dataclass(frozen=True)
class _Forecasts:
    """Of one run: ``[W, P]``, their intervals, and what made them."""

    values: np.ndarray
    bands: Bands
    kind: str
    trained: int = 0
    predictor: Any = None


def _forecasts(
    run: Run, origins: Sequence[np.ndarray], adaptive: bool, bar: Callable[[Sequence[Any]], Any]
) -> _Forecasts:
    """Of the run's own network."""
    from seqlab.predict import BATCH, Predictor  # here, because it loads TensorFlow

    windows = tested(run.split, run.config, origins).test
    predictor = Predictor(run.model, run.split.train, run.config.model)
    pieces = [slice(i, i + BATCH) for i in range(0, len(windows), BATCH)]
    values = np.concatenate([predictor(windows, piece) for piece in bar(pieces)])
    made, kind = bands(predictor, run.split, windows, values, adaptive=adaptive)
    return _Forecasts(values, made, kind, predictor=predictor)


def _same(runs: Sequence[Run], every: Sequence[list[np.ndarray]]) -> None:
    """Refuse runs that would forecast from different rows."""
    for run, origins in zip(runs, every, strict=True):
        if not all(map(np.array_equal, origins, every[0])):
            raise SeqlabError(
                f"{run.path} and {runs[0].path} would forecast from different rows. Say where to"
                " begin, with --start, or train both with one --test and with --look-back"
            )


def _mean(found: Sequence[_Forecasts]) -> tuple[np.ndarray, Bands, str]:
    """Forecasts, intervals that all have, and their kind."""
    if len(found) == 1:
        return found[0].values, found[0].bands, found[0].kind
    joined = _joined([one.bands for one in found], lambda ends: np.mean(ends, axis=0))
    kinds = {one.kind for one in found}
    kind = kinds.pop() if len(kinds) == 1 else "mixed"
    values = np.mean([one.values for one in found], axis=0)
    return values, joined, kind if joined else "none"


def write_csv(made: Backtest, path: Path) -> Path:
    """Every forecast, a row per series, origin and step.

    Raises:
        SeqlabError: the file cannot be written.
    """
    score = made.score
    ends = [f"{end} {100 * share:g} %" for share in score.bands for end in ("lower", "upper")]
    columns = [score.truth, score.forecast, *(v for pair in score.bands.values() for v in pair)]
    names, labels = made._windows()
    try:
        with written(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("series", "known up to", "step", "truth", "forecast", *ends))
            for w, (name, label) in enumerate(zip(names, labels, strict=True)):
                for p in range(score.truth.shape[1]):
                    table.writerow((name, label, p + 1, *(f"{c[w, p]:.9g}" for c in columns)))
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _origins(
    data: Split | PanelSplit, config: Config, start: str | None, step: int, retrain: str
) -> list[np.ndarray]:
    """The rows of each series that are forecast first."""
    asked = config.data if start is None else replace(config.data, test=start)
    found = []
    for part in data.parts:
        trained = part.test.first_row + part.back
        said = test_rows(part.series, asked)
        first = trained if said is None else len(part.series) - said
        if first < trained and retrain == "never":
            raise SeqlabError(
                f"{part.series.name}: the network was trained or chosen on rows up to"
                f" {part.series.label(trained - 1)}, and would be tested on rows that it knows."
                " Begin behind them, or use --retrain expanding"
            )
        last = len(part.series) - config.data.horizon
        found.append(np.arange(first, last + 1, step))
    return found


def _pairing(series: Sequence[Series], origins: Sequence[np.ndarray]) -> str:
    """A sentence with the first origins that one network serves, and that are not of one time."""
    pairs = [(one, of) for one, of in zip(series, origins, strict=True) if one.times is not None]
    for k in range(max((len(of) for _, of in pairs), default=0)):
        known = [(one, int(of[k]) - 1) for one, of in pairs if len(of) > k]
        known.sort(key=lambda at: at[0].times[at[1]])
        (one, row), (other, late) = known[0], known[-1]
        if one.times[row] != other.times[late]:
            return (
                f"Origins go together by number, not by time: network {k + 1} knows {one.name} up to"
                f" {one.time(row)}, and {other.name} up to {other.time(late)}. From --start with a time"
                " all begin at once."
            )
    return ""


def _retrained(
    run: Run, origins: Sequence[np.ndarray], rows: int | None, progress: Callable[..., Any]
) -> _Forecasts:
    """A network for each origin."""
    from seqlab import train
    from seqlab.predict import Predictor

    horizon, made, kind = run.config.data.horizon, [], "none"
    data_config = replace(run.config.data, test=str(horizon), look_back=True)
    alone = replace(run.config.train, strategy="one")
    config = replace(run.config, data=data_config, train=alone)
    counts = np.array([len(of) for of in origins])
    for k in progress(range(counts.max())):
        # One that has no such origin any more stays in the training, with the rows before its last.
        known = _known(run, [int(of[min(k, len(of) - 1)]) for of in origins], horizon, rows)
        cut = _cut(known, config)
        # By its data, so that a backtest with other origins does not take a network that knows more.
        folder = run.path / "backtest" / fingerprint(known)[:16]
        kept = train.load_run(folder) if (folder / "config.json").exists() else None
        done = train.start(config, folder, data=cut) if kept is None else train.resume(kept)
        predictor = Predictor(done.model, cut.train, config.model)
        forecast = predictor(cut.test)
        around, kind = bands(predictor, cut, cut.test, forecast)
        made.append((forecast, around))
    there = np.arange(counts.max()) < counts[:, None]  # [S, O]

    def put(each: Sequence[np.ndarray]) -> np.ndarray:
        """``[W, P]``, series by series, of ``[S, P]`` for each origin."""
        return np.stack(each, axis=1)[there]

    joined = _joined([around for _, around in made], put)
    return _Forecasts(put([one for one, _ in made]), joined, kind, len(made))


def _cut(known: Series | Panel, config: Config) -> Split | PanelSplit:
    """Its parts; every series has some.

    Raises:
        SeqlabError: one has too few rows, also where those may be dropped.
    """
    cut = split(known, config.data, config.needs)
    if isinstance(cut, PanelSplit) and cut.left_out:
        name, why = next(iter(cut.left_out.items()))
        raise SeqlabError(f"{name}: {why}, or begin later, or use more --rows")
    return cut


def _joined(each: Sequence[Bands], join: Callable[[list[np.ndarray]], np.ndarray]) -> Bands:
    """The intervals that all of them have, their lower and their upper ends put together."""
    shares = set.intersection(*map(set, each))
    return {
        share: (join([one[share][0] for one in each]), join([one[share][1] for one in each]))
        for share in sorted(shares)
    }


def _known(run: Run, firsts: Sequence[int], horizon: int, rows: int | None) -> Series | Panel:
    """The data up to the end of the horizon from these rows on; of a sliding part its last rows."""
    made = tuple(
        part.series.between(max(0, first - rows) if rows else 0, first + horizon)
        for part, first in zip(run.split.parts, firsts, strict=True)
    )
    return made[0] if isinstance(run.data, Series) else replace(run.data, series=made)
