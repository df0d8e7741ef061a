"""Forecasts that need no network: what every score is printed beside."""

from collections.abc import Callable

import numpy as np

from seqlab.windows import Windows

__all__ = ["BASELINES", "forecasts"]

_SAMPLE = 20_000  # windows for the least squares: enough for hundreds of lags


def persistence(train: Windows, test: Windows, history: np.ndarray, season: int | None) -> np.ndarray:
    """The last value, for every step ahead."""
    inputs, targets = test.raw()
    return np.broadcast_to(inputs[:, -1:], targets.shape).astype(np.float64)


def straight_line(
    train: Windows, test: Windows, history: np.ndarray, season: int | None
) -> np.ndarray:
    """The line through the last two values, continued."""
    inputs, _ = test.raw()
    last = inputs[:, -1:].astype(np.float64)
    before = inputs[:, -2:-1] if test.window > 1 else last
    return last + np.arange(1, test.horizon + 1) * (last - before)


def seasonal_naive(
    train: Windows, test: Windows, history: np.ndarray, season: int | None
) -> np.ndarray | None:
    """The value one season before, the latest such season that was known; None without a season."""
    first = test.first_row + test.window  # the row, in the whole series, of the first target
    if season is None or season > first:
        return None
    ahead = np.arange(test.horizon)
    back = season * (ahead // season + 1)
    rows = first + np.arange(len(test))[:, None] + (ahead - back)[None, :]
    return history[rows].astype(np.float64)


def linear_autoregression(
    train: Windows, test: Windows, history: np.ndarray, season: int | None
) -> np.ndarray:
    """Least squares on the window's values and a constant, one fit per step ahead, training part only."""
    inputs, targets = train.raw(slice(None, None, max(1, len(train) // _SAMPLE)))
    level = float(np.mean(inputs))  # near zero, so that the constant does not spoil the conditioning

    def design(x: np.ndarray) -> np.ndarray:
        return np.column_stack([x.astype(np.float64) - level, np.ones(len(x))])

    weights, *_ = np.linalg.lstsq(design(inputs), targets.astype(np.float64) - level, rcond=None)
    pieces = [slice(i, i + _SAMPLE) for i in range(0, len(test), _SAMPLE)]  # bounds the memory
    return np.concatenate([design(test.raw(piece)[0]) @ weights for piece in pieces]) + level


BASELINES: dict[str, Callable[..., np.ndarray | None]] = {
    "persistence": persistence,
    "straight_line": straight_line,
    "seasonal_naive": seasonal_naive,
    "linear_autoregression": linear_autoregression,
}


def forecasts(
    train: Windows, test: Windows, history: np.ndarray, season: int | None
) -> dict[str, np.ndarray]:
    """Every baseline that can be computed, ``[W, P]`` in original units.

    Args:
        train: windows that the autoregression is fitted on.
        test: windows to forecast.
        history: ``[N]``, the whole series, of which only rows before each forecast are read.
        season: rows per season, or None.
    """
    made = {name: make(train, test, history, season) for name, make in BASELINES.items()}
    return {name: values for name, values in made.items() if values is not None}
