"""Made-up series of the kind that people keep: a trend, a season, cycles and noise, all of them drifting.

One short series teaches a network nothing but itself. Thousands of others, of which no two are alike,
teach it what series with such a season have in common, and how to tell one from another by its window.

Sources: the basic structural model of trend, cycle, season and noise, Harvey (1989), *Forecasting,
structural time series models and the Kalman filter*, chapter 2; here with growth that may return to
its mean, and a season whose every row drifts by itself. The ranges are ours. That a network trained on
draws from a prior alone forecasts real series: Dooley et al. (2023), *ForecastPFN*, arXiv:2311.01933.
"""

import numpy as np

from seqlab.errors import check_positive

__all__ = ["simulate"]

# Logarithms, or shares of the level; each series draws its own, evenly in the logarithm.
SEASON = 0.02, 0.5  # standard deviation of the season
SEASON_DRIFT = 0.001, 0.05  # of each row's change from season to season
LEVEL_DRIFT = 0.007, 0.21  # of the level's change in a season
# Of the change, from row to row, of what the level grows by in a season.
SLOPE_DRIFT = 0.0012, 0.036
NOISE = 0.002, 0.06  # of what is gone at the next row, or nearly
CYCLE = 0.003, 0.06  # of a cycle
FORGOTTEN = 0.003, 0.08  # share of a cycle that a row forgets
PERIOD = 1.5, 8.0  # of a cycle, in seasons
GROWTH = 0.12  # standard deviation of the growth in a season over all series
USUAL = 12  # rows that stand for a season where there is none


def simulate(count: int, rows: int, season: int | None = None, seed: int = 0) -> np.ndarray:
    """Logarithms of series, ``[S, N]``, each with constants of its own.

    Args:
        count: S.
        rows: N.
        season: rows per season; None or 1 for series without.
        seed: of all that is drawn, 0 or more.

    Raises:
        SeqlabError: sizes that are no positive integers; a seed below 0.
    """
    for name, value in (("count", count), ("rows", rows), ("season", season or 1)):
        check_positive(name, value)
    check_positive("seed + 1", seed + 1)
    random = np.random.default_rng(seed)
    length = season if season and season > 1 else USUAL
    made = _trend(random, count, rows, length)
    made += _cycle(random, count, rows, length)
    if season and season > 1:
        made += _season(random, count, rows, season)
    made += _noise(random, count, rows)
    return made


def _trend(random: np.random.Generator, count: int, rows: int, season: int) -> np.ndarray:
    """A level that drifts and grows; growth drifts, too, and in most series returns to its mean."""
    mean = random.normal(size=(count, 1)) * GROWTH / season
    returns = random.random((count, 1)) < 0.6
    kept = np.where(returns, random.uniform(0.6, 1, (count, 1)), 1.0)
    changes = random.normal(size=(count, rows)) * _some(random, count, SLOPE_DRIFT) / season
    changes[:, :1] = random.normal(size=(count, 1)) * GROWTH / season
    steps = random.normal(size=(count, rows)) * _some(random, count, LEVEL_DRIFT) / season**0.5
    return np.cumsum(mean + _recursion(changes, kept) + steps, axis=1)


def _cycle(random: np.random.Generator, count: int, rows: int, season: int) -> np.ndarray:
    """A wave that loses its place, longer than a season; not all series have one."""
    kept = 1 - _some(random, count, FORGOTTEN)
    turned = kept * np.exp(2j * np.pi / (season * _some(random, count, PERIOD)))
    pushes = random.normal(size=(count, rows, 2)) @ np.array([1, 1j])
    pushes[:, 1:] *= np.sqrt(1 - kept**2)
    there = random.random((count, 1)) < 0.7
    return _recursion(pushes, turned).real * _some(random, count, CYCLE) * there


def _season(random: np.random.Generator, count: int, rows: int, season: int) -> np.ndarray:
    """A pattern of waves, the shorter the smaller, or not; each row of it drifts by itself."""
    waves = np.arange(1, season // 2 + 1)
    sizes = random.normal(size=(count, len(waves), 2)) @ np.array([1, 1j])
    sizes /= waves ** random.uniform(0, 1.5, (count, 1))
    sizes[:, season - 2 * waves == 0] *= 2  # which the transform counts once, and the others twice
    pattern = np.fft.irfft(np.pad(sizes, ((0, 0), (1, 0))), season)
    pattern *= _some(random, count, SEASON) / pattern.std(axis=1, keepdims=True)
    width = min(season, rows)
    drift = random.normal(size=(count, -(-rows // season), width)).cumsum(axis=1)
    drift *= _some(random, count, SEASON_DRIFT)[:, None]
    return (pattern[:, None, :width] + drift).reshape(count, -1)[:, :rows]


def _noise(random: np.random.Generator, count: int, rows: int) -> np.ndarray:
    """What no other part explains; in half of the series a share of it stays for the next row."""
    kept = random.uniform(0, 0.9, (count, 1)) * (random.random((count, 1)) < 0.5)
    return _recursion(random.normal(size=(count, rows)) * _some(random, count, NOISE), kept)


def _recursion(pushes: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """``x(t) = kept x(t - 1) + pushes(t)`` of each series, ``[S, N]`` for ``kept [S, 1]``."""
    made = pushes.copy()
    for row in range(1, pushes.shape[1]):
        made[:, row] += kept[:, 0] * made[:, row - 1]
    return made


def _some(random: np.random.Generator, count: int, between: tuple[float, float]) -> np.ndarray:
    """A constant for each series, ``[S, 1]``, evenly in its logarithm."""
    low, high = np.log(between)
    return np.exp(random.uniform(low, high, (count, 1)))
