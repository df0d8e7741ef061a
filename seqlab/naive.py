"""Forecasts of one series without a network: from its values ``[N]`` to the next P, ``[P]``."""

from collections.abc import Callable

import numpy as np

from seqlab.errors import SeqlabError, check_choice, check_positive

__all__ = [
    "checked",
    "drift",
    "fit_linear",
    "is_seasonal",
    "linear_autoregression",
    "naive",
    "naive2",
    "seasonal_factors",
    "seasonal_indices",
    "seasonal_naive",
]

NINETY = 1.645  # the normal distribution's value for a two-sided test at 90 %


def naive(values: np.ndarray, horizon: int) -> np.ndarray:
    """The last value, for every step ahead."""
    return np.repeat(checked(values, horizon)[-1], horizon)


def drift(values: np.ndarray, horizon: int) -> np.ndarray:
    """The line through the first and the last value, continued.

    Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), section 5.2.
    """
    values = checked(values, horizon, rows=2)
    slope = (values[-1] - values[0]) / (len(values) - 1)
    return values[-1] + slope * np.arange(1, horizon + 1)


def seasonal_naive(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last season, repeated; with a season of 1 the last value.

    Raises:
        SeqlabError: there are fewer values than a season has.
    """
    check_positive("season", season)
    last = checked(values, horizon, rows=season)[-season:]
    return np.resize(last, horizon)


def naive2(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The last value, with the season taken off before and put on again; `naive` without a season.

    This is the benchmark of the M4 competition, to which OWA compares: Makridakis, Spiliotis and
    Assimakopoulos (2020), section 2 and the competition's published program.

    Raises:
        SeqlabError: a seasonal series whose seasonal factors are not all above zero, as happens
            with values of zero or below.
    """
    values = checked(values, horizon)
    factors = seasonal_factors(values, season)
    ahead = len(values) + np.arange(horizon)
    return values[-1] / factors[(len(values) - 1) % len(factors)] * factors[ahead % len(factors)]


def seasonal_factors(values: np.ndarray, season: int) -> np.ndarray:
    """`seasonal_indices` of a series that `is_seasonal`, ``[season]``; of any other one 1, ``[1]``."""
    return seasonal_indices(values, season) if is_seasonal(values, season) else np.ones(1)


def is_seasonal(values: np.ndarray, season: int) -> bool:
    """Whether the autocorrelation of ``[N]`` at the lag of a season differs from 0 at 90 %.

    The limit is Bartlett's, ``1.645 sqrt((1 + 2 (r_1^2 + ... + r_(season-1)^2)) / N)``. As in the M4
    competition, a series of fewer than three seasons has none, nor has a constant one.
    """
    check_positive("season", season)
    values = checked(values, 1)
    if season == 1 or len(values) < 3 * season or not np.ptp(values):
        return False
    centred = values - np.mean(values)
    lags = range(1, season + 1)
    r = np.array([centred[lag:] @ centred[:-lag] for lag in lags]) / (centred @ centred)
    limit = NINETY * np.sqrt((1 + 2 * np.sum(r[:-1] ** 2)) / len(values))
    return bool(abs(r[-1]) > limit)


def seasonal_indices(values: np.ndarray, season: int) -> np.ndarray:
    """Factors of a multiplicative season, ``[season]``; the first is that of the first row.

    Classical decomposition: each value over the mean of the season around it (of an even season, the
    two rows at its ends count half); means of that over the seasons; their mean is made 1.

    Raises:
        SeqlabError: a factor is not above zero.
    """
    values = checked(values, 1, rows=2 * season)
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    trend = np.convolve(values, weights / season, mode="valid")
    first = len(weights) // 2  # the row of the first value of the trend
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values[first : first + len(trend)] / trend
        places = (first + np.arange(len(trend))) % season
        factors = np.bincount(places, ratios) / np.bincount(places)
        factors /= np.mean(factors)
    if not (factors > 0).all():
        raise SeqlabError(
            "a multiplicative season needs values above zero. Received: values down to"
            f" {values.min():g}; compare with seasonal naive, or add a constant to the series"
        )
    return factors


def linear_autoregression(
    values: np.ndarray, horizon: int, lags: int, strategy: str = "direct"
) -> np.ndarray:
    """Least squares on the last `lags` values and a constant.

    Args:
        values: ``[N]``.
        horizon: P.
        lags: values that the regression sees.
        strategy: ``direct`` fits each step ahead by itself; ``recursive`` fits one step ahead and
            runs on its own output.

    Raises:
        SeqlabError: too few values for one equation, or an unknown strategy.
    """
    check_choice("strategy", strategy, ("direct", "recursive"))
    check_positive("lags", lags)
    check_positive("horizon", horizon)
    steps = horizon if strategy == "direct" else 1
    values = checked(values, horizon, rows=lags + steps)
    rows = np.lib.stride_tricks.sliding_window_view(values, lags + steps)
    ahead = fit_linear(rows[:, :lags], rows[:, lags:])
    known = values[-lags:]
    while len(known) < lags + horizon:
        known = np.r_[known, ahead(known[None, -lags:])[0]]
    return known[lags:]


def fit_linear(inputs: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fit ``[W, P]`` on ``[W, T]`` and a constant; returns what takes ``[W, T]`` to ``[W, P]``."""
    level = float(np.mean(inputs))  # taken off, so that the constant is well conditioned

    def design(x: np.ndarray) -> np.ndarray:
        return np.column_stack([x.astype(np.float64) - level, np.ones(len(x))])

    weights, *_ = np.linalg.lstsq(design(inputs), targets.astype(np.float64) - level, rcond=None)
    return lambda x: design(x) @ weights + level


def checked(values: np.ndarray, horizon: int, rows: int = 1) -> np.ndarray:
    """``[N]`` in double precision, if it can be forecast.

    Raises:
        SeqlabError: not one series, fewer values than `rows`, values that are not finite, or a
            horizon that is not a positive integer.
    """
    check_positive("horizon", horizon)
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise SeqlabError(f"`values` must be one series [N]. Received: shape {values.shape}")
    if len(values) < rows:
        raise SeqlabError(f"`values` must be {rows} or more. Received: {len(values)}")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise SeqlabError(
            f"`values` must be finite. Received: {values[row]} in row {row}; fill or drop it first"
        )
    return values
