"""Measures of forecast error, each over all elements of arrays ``[W, P]`` in original units."""

from collections.abc import Callable

import numpy as np

from seqlab.errors import SeqlabError

__all__ = [
    "METRICS",
    "mae",
    "mape",
    "mase",
    "mase_scale",
    "mse",
    "r2",
    "rmse",
    "rmsse",
    "rmsse_scale",
    "smape",
]


def mse(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Mean squared error, in squared units of the series."""
    return float(np.mean(np.square(_error(truth, forecast))))


def rmse(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Root of the mean squared error over all elements at once, in the units of the series."""
    return float(np.sqrt(mse(truth, forecast)))


def mae(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error, in the units of the series."""
    return float(np.mean(np.abs(_error(truth, forecast))))


def mape(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error relative to the truth, per cent; NaN where a true value is zero."""
    error = _error(truth, forecast)
    if not truth.all():
        return float("nan")
    return float(100 * np.mean(np.abs(error / truth)))


def smape(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Mean of ``200 |y - f| / (|y| + |f|)``, per cent, 0 to 200; 0 where both are zero.

    Source: Makridakis (1993), in the form of the M4 competition.
    """
    error, size = np.abs(_error(truth, forecast)), np.abs(truth) + np.abs(forecast)
    return float(200 * np.mean(np.divide(error, size, out=np.zeros_like(error), where=size > 0)))


def mase(
    truth: np.ndarray, forecast: np.ndarray, scale: float | np.ndarray = float("nan")
) -> float:
    """Mean absolute error over `scale`, the training part's own seasonal-naive error (`mase_scale`).

    Of several series, each row has its own scale ``[W]``, and those whose scale is zero are left out. NaN
    where nothing is left. Source: Hyndman and Koehler (2006).
    """
    errors = np.abs(_error(truth, forecast)).mean(axis=-1)
    scales = np.broadcast_to(scale, errors.shape)
    known = scales != 0
    return float(np.mean(errors[known] / scales[known])) if known.any() else float("nan")


def mase_scale(training: np.ndarray, season: int | None) -> float:
    """Mean absolute change over a season (over one row where none is known) of ``[N]``."""
    lag = season if season is not None and season < len(training) else 1
    return float(np.mean(np.abs(training[lag:] - training[:-lag])))


def rmsse(
    truth: np.ndarray, forecast: np.ndarray, scale: float | np.ndarray = float("nan")
) -> float:
    """Root mean squared error over `scale`, the training part's own (`rmsse_scale`); NaN where that is 0.

    Of several series, each row has its own scale ``[W]``, by which its errors are divided before they are
    squared; those whose scale is zero are left out.
    Source: Hyndman and Koehler (2006), in the form of the M5 competition (Makridakis et al., 2022).
    """
    squares = np.square(_error(truth, forecast)).mean(axis=-1)
    scales = np.broadcast_to(scale, squares.shape)
    known = scales != 0
    means = squares[known] / np.square(scales[known])
    return float(np.sqrt(np.mean(means))) if known.any() else float("nan")


def rmsse_scale(training: np.ndarray) -> float:
    """Root mean squared change from row to row of ``[N]``: the error of repeating the last value."""
    return float(np.sqrt(np.mean(np.square(np.diff(training)))))


def r2(truth: np.ndarray, forecast: np.ndarray) -> float:
    """Share of the truth's variance that is explained; 0 for its own mean, NaN if it is constant."""
    error = mse(truth, forecast)
    spread = float(np.mean(np.square(truth - np.mean(truth))))
    return 1 - error / spread if spread else float("nan")


def _error(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    if truth.shape != forecast.shape:
        raise SeqlabError(
            f"truth has shape {truth.shape} and forecast {forecast.shape}: must be equal"
        )
    if not truth.size:
        raise SeqlabError("no forecasts to score")
    if not np.isfinite(forecast).all():
        raise SeqlabError("the forecasts hold values that are not finite: the training diverged")
    return truth - forecast


METRICS: dict[str, Callable[..., float]] = {
    "rmse": rmse,
    "mae": mae,
    "mape": mape,
    "smape": smape,
    "mase": mase,
    "rmsse": rmsse,
    "r2": r2,
}
