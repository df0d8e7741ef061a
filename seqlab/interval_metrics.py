"""Measures of forecasts that say how sure they are: quantiles, samples, intervals.

Truths may have any shape, ``[W, P]`` or ``[S, P]``; quantiles and samples have one axis more, the last.
All are means over every truth, in the units of the series unless said otherwise; lower is better.
"""

import numpy as np

from seqlab.errors import SeqlabError, check_fraction

__all__ = [
    "coverage",
    "crps_from_quantiles",
    "crps_from_samples",
    "interval_score",
    "pinball",
    "weighted_quantile_loss",
]


def pinball(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The quantile loss of each truth and level: ``level (y - q)``, or ``(1 - level) (q - y)`` below q.

    Source: Koenker and Bassett (1978).

    Args:
        truth: ``[...]``.
        quantiles: ``[..., Q]``.
        levels: ``[Q]``, between 0 and 1, growing: 0.5 is the median.

    Returns:
        ``[..., Q]``.

    Raises:
        SeqlabError: other shapes, values that are not finite, levels that do not grow.
    """
    truth, quantiles = _finite(truth, quantiles)
    levels = _levels(levels)
    if quantiles.shape != (*truth.shape, len(levels)):
        raise SeqlabError(
            f"`quantiles` must be {(*truth.shape, len(levels))} for truth {truth.shape} and"
            f" {len(levels)} levels. Received: {quantiles.shape}"
        )
    error = truth[..., None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)


def weighted_quantile_loss(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> float:
    """Twice the sum of `pinball` over the sum of ``|y|``, averaged over the levels; without a unit.

    NaN where every truth is zero. With one level it is the rho-risk of Salinas et al. (2020); at the
    median it is the sum of absolute errors over that of absolute truths. Arguments as of `pinball`.
    """
    loss = pinball(truth, quantiles, levels)
    size = float(np.sum(np.abs(np.asarray(truth, np.float64))))
    return float(2 * np.sum(loss) / size / len(levels)) if size else float("nan")


def crps_from_quantiles(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> float:
    """Continuous ranked probability score, as the integral of ``2 pinball`` over the levels.

    Each level stands for those nearest to it. So M quantiles at ``(i - 1/2) / M`` score exactly as M
    samples do; a few levels give a rough value. Source: Gneiting and Ranjan (2011). Arguments as of
    `pinball`.
    """
    loss = pinball(truth, quantiles, levels)
    levels = _levels(levels)
    edges = np.r_[0.0, (levels[1:] + levels[:-1]) / 2, 1.0]
    return float(2 * np.mean(loss @ np.diff(edges)))


def crps_from_samples(truth: np.ndarray, samples: np.ndarray) -> float:
    """Continuous ranked probability score of the distribution that puts equal weight on each sample.

    ``E|X - y| - E|X - X'| / 2``; of one sample it is the absolute error. Few samples score worse than
    the distribution that they are from, by ``E|X - X'| / 2M`` on average.
    Source: Gneiting and Raftery (2007), equation 21.

    Args:
        truth: ``[...]``.
        samples: ``[..., M]``, in any order.

    Raises:
        SeqlabError: other shapes, or values that are not finite.
    """
    truth, samples = _finite(truth, samples)
    if samples.shape[:-1] != truth.shape or not samples.shape[-1:] > (0,):
        raise SeqlabError(
            f"`samples` must be the truth's shape {truth.shape} and one axis of samples."
            f" Received: {samples.shape}"
        )
    count = samples.shape[-1]
    error = np.mean(np.abs(samples - truth[..., None]), axis=-1)
    # Sorted, the i-th of M is the larger one in i - 1 pairs and the smaller one in M - i.
    larger = 2 * np.arange(1, count + 1) - count - 1
    return float(np.mean(error - np.sort(samples, axis=-1) @ larger / count**2))


def interval_score(
    truth: np.ndarray, lower: np.ndarray, upper: np.ndarray, nominal: float
) -> float:
    """Width of the interval, and ``2 / (1 - nominal)`` times the distance of a truth outside it.

    Its mean is lowest at the true quantiles ``(1 - nominal) / 2`` and ``(1 + nominal) / 2``.
    Source: Gneiting and Raftery (2007), equation 43.

    Args:
        truth: ``[...]``.
        lower: of the same shape.
        upper: of the same shape, nowhere below `lower`.
        nominal: the share of truths that the interval is meant to hold, such as 0.8.

    Raises:
        SeqlabError: other shapes, values that are not finite, or ends the wrong way round.
    """
    check_fraction("nominal", nominal)
    truth, lower, upper = _interval(truth, lower, upper)
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return float(np.mean(upper - lower + 2 / (1 - nominal) * outside))


def coverage(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of truths within their intervals, ends included, 0 to 1: compare it with the nominal share.

    Arguments as of `interval_score`.
    """
    truth, lower, upper = _interval(truth, lower, upper)
    return float(np.mean((lower <= truth) & (truth <= upper)))


def _interval(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    truth, lower, upper = _finite(*arrays)
    if not truth.shape == lower.shape == upper.shape:
        raise SeqlabError(
            f"truth has shape {truth.shape}, lower {lower.shape} and upper {upper.shape}:"
            " must be equal"
        )
    if (lower > upper).any():
        raise SeqlabError(
            f"`lower` must not be above `upper`. Received: {np.sum(lower > upper)} of"
            f" {lower.size} intervals the wrong way round; sort the two ends"
        )
    return truth, lower, upper


def _finite(truth: np.ndarray, *forecasts: np.ndarray) -> tuple[np.ndarray, ...]:
    arrays = tuple(np.asarray(array, np.float64) for array in (truth, *forecasts))
    if not arrays[0].size:
        raise SeqlabError("no forecasts to score")
    if not np.isfinite(arrays[0]).all():
        raise SeqlabError("the truth holds values that are not finite: leave those steps out")
    if not all(np.isfinite(array).all() for array in arrays[1:]):
        raise SeqlabError("the forecasts hold values that are not finite: the training diverged")
    return arrays


def _levels(levels: np.ndarray) -> np.ndarray:
    levels = np.asarray(levels, np.float64)
    inside = levels.ndim == 1 and levels.size and levels[0] > 0 and levels[-1] < 1
    if not inside or not (np.diff(levels) > 0).all():
        raise SeqlabError(
            f"`levels` must grow, between 0 and 1, like [0.1, 0.5, 0.9]. Received: {levels.tolist()}"
        )
    return levels
