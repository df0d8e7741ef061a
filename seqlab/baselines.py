"""Forecasts that need no network: what every score is printed beside."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from seqlab import classical, naive
from seqlab.datasets import Split
from seqlab.errors import SeqlabError
from seqlab.repair import gaps_of, held
from seqlab.series import Series
from seqlab.windows import Windows

__all__ = ["BASELINES", "CLASSICAL", "forecasts", "joined", "spoken"]

_SAMPLE = 20_000  # windows for the least squares: enough for hundreds of lags


def persistence(split: Split) -> np.ndarray:
    """The last value, for every step ahead."""
    inputs, targets = split.test.raw()
    return np.broadcast_to(inputs[:, -1:], targets.shape).astype(np.float64)


def straight_line(split: Split) -> np.ndarray:
    """The line through the last two values, continued."""
    inputs, _ = split.test.raw()
    last = inputs[:, -1:].astype(np.float64)
    before = inputs[:, -2:-1] if split.test.window > 1 else last
    return last + np.arange(1, split.test.horizon + 1) * (last - before)


def drift(split: Split) -> np.ndarray:
    """The last value, and the training part's mean change for each step ahead."""
    inputs, _ = split.test.raw()
    trained = split.train.known
    # From each window's last value on, what the line through the training part's ends rises by.
    rises = naive.drift(trained, split.test.horizon) - float(trained[-1])
    return inputs[:, -1:].astype(np.float64) + rises


def seasonal_naive(split: Split) -> np.ndarray | None:
    """The value one season before, the latest such season that was known; None without a season."""
    season, test = split.series.season, split.test
    ends = test.begins(slice(None)) + test.window - 1  # the last row that each window knows
    if season is None or season > test.first_row + ends.min() + 1:
        return None
    ahead = np.arange(test.horizon)
    back = season * (ahead // season + 1)
    rows = test.first_row + ends[:, None] + 1 + (ahead - back)[None, :]
    values = split.series.values[rows].astype(np.float64)
    return values if test.gaps is None else test.gaps.seen(values, back - ahead - 1, ends)


def naive2(split: Split) -> np.ndarray | None:
    """The M4 competition's Naive2, the season's factors being those of what the first window knows.

    None without a season, or where a factor is not above zero.
    """
    season, test = split.series.season, split.test
    ends = _ends(test)
    if season is None:
        return None
    try:
        factors = naive.seasonal_factors(_known(split.series, ends.min()), season)
    except SeqlabError:
        return None
    rows = ends[:, None] + np.arange(-1, test.horizon)  # from the last one that is known on
    found = factors[rows % len(factors)]
    return test.raw()[0][:, -1:].astype(np.float64) / found[:, :1] * found[:, 1:]


def linear_autoregression(split: Split) -> np.ndarray:
    """Least squares on the window's values and a constant, a fit per step ahead, training part only."""
    train, test = replace(split.train, horizon=split.test.horizon), split.test
    inputs, targets = train.raw(slice(None, None, max(1, len(train) // _SAMPLE)))
    ahead = naive.fit_linear(inputs, targets)
    pieces = [slice(i, i + _SAMPLE) for i in range(0, len(test), _SAMPLE)]  # bounds the memory
    return np.concatenate([ahead(test.raw(piece)[0]) for piece in pieces])


BASELINES: dict[str, Callable[[Split], np.ndarray | None]] = {
    "persistence": persistence,
    "straight_line": straight_line,
    "drift": drift,
    "seasonal_naive": seasonal_naive,
    "naive2": naive2,
    "linear_autoregression": linear_autoregression,
}


def _ends(test: Windows) -> np.ndarray:
    """Of each window the row of the series behind the last that it knows, ``[W]``."""
    return test.first_row + test.begins(slice(None)) + test.window


def _known(series: Series, end: int) -> np.ndarray:
    """The rows before this one, as they were known there."""
    gaps = gaps_of(series.values, series.repair)
    return held(series.values[:end], gaps and gaps[:end])


def _classical(split: Split, ticks: Iterator[Any], name: str) -> np.ndarray | None:
    """A model of `classical`, fitted once to what the first window knows, and told what the others do."""
    test, series = split.test, split.series
    ends = _ends(test)
    if ends.min() < classical.ROWS[0]:
        return None
    known = (_known(series, end) for end in ends.tolist() for _ in [next(ticks, None)])
    made = classical.rolled(name, known, test.horizon, series.season or 1)
    if not np.isfinite(made).all():
        raise SeqlabError(
            f"{series.name}: {spoken(name)} gives values that are not finite. Leave out --classical"
        )
    return made


CLASSICAL: dict[str, Callable[[Split, Iterator[Any]], np.ndarray | None]] = {
    name: partial(_classical, name=name) for name in classical.MODELS
}


def forecasts(
    split: Split, classical: bool = False, ticks: Iterator[Any] | None = None
) -> dict[str, np.ndarray]:
    """Every baseline that can be computed for the test part, ``[W, P]`` in original units.

    With `classical`, ETS and ARIMA, too, each forecast of which takes an element of `ticks`.

    Raises:
        SeqlabError: with `classical`, without statsforecast.
    """
    made = {name: make(split) for name, make in BASELINES.items()}
    if classical:
        made |= {name: make(split, ticks or iter(())) for name, make in CLASSICAL.items()}
    return {name: values for name, values in made.items() if values is not None}


def joined(
    parts: Sequence[Split], classical: bool = False, bar: Callable[[Sequence[Any]], Any] = iter
) -> dict[str, np.ndarray]:
    """The baselines that every series has, series after series; `bar` wraps those of `classical`."""
    count = len(CLASSICAL) * sum(len(part.test) for part in parts) if classical else 0
    ticks = iter(bar(range(count)) if count else ())
    found = [forecasts(part, classical, ticks) for part in parts]
    deque(ticks, 0)  # a bar ends with its last element; series with too few rows took none
    return {
        name: np.concatenate([each[name] for each in found])
        for name in found[0]
        if all(name in each for each in found)
    }


def spoken(name: str) -> str:
    """A name as a person writes it."""
    return {"ets": "ETS", "auto_arima": "ARIMA", "naive2": "Naive2"}.get(
        name, name.replace("_", " ")
    )
