"""Exponential smoothing with a multiplicative season, inside the graph: levels, seasons, gradients."""

from typing import Any

import numpy as np

from seqlab._tensorflow import keras
from seqlab.errors import check_choice

__all__ = ["SCALINGS", "check_scaling", "smooth", "wiggliness"]

ops = keras.ops
BLOCK = 32  # steps at a time: more make larger matrices, fewer more operations
SCALINGS = ("none", "mean")


def check_scaling(scaling: str) -> None:
    """Refuse series that were shifted: a multiplicative season needs values above 0.

    Args:
        scaling: ``none``, or ``mean``: each window and its targets over the window's mean. The model
            gives the same forecasts from either, in their units; with ``mean`` the loss weighs large
            and small series alike.

    Raises:
        SeqlabError: any other.
    """
    check_choice("scaling", scaling, SCALINGS)


def smooth(
    values: Any, rate: Any, factors: Any = None, season_rate: Any = None
) -> tuple[Any, Any, Any]:
    """Levels and seasonal factors of a batch of series.

    ``l_t = a y_t / s_t + (1 - a) l_{t-1}`` and ``s_{t+m} = g y_t / l_t + (1 - g) s_t``, beginning at
    ``l_0 = y_0 / s_0``, where a and g are the sigmoids of the rates. A factor is made m steps before it
    is used, so up to m steps need no loop: their levels are one product with the powers of 1 - a.

    Source: Smyl (2020), the level and the season of his smoothing formulas; Holt-Winters without trend.

    Args:
        values: y, ``[B, T]``, above 0; T known.
        rate: of the levels, before its sigmoid, ``[B, 1]``.
        factors: s of the first m steps, ``[B, m]``; None for no season.
        season_rate: of the factors, ``[B, 1]``.

    Returns:
        Levels ``[B, T]``; factors ``[B, T]``; and those of the m steps ahead, ``[B, m]``.
    """
    steps = values.shape[1]
    ahead = ops.ones_like(values[:, :1]) if factors is None else factors
    size = min(BLOCK, steps if factors is None else factors.shape[1])
    weights, carry = _powers(rate, size)
    level = values[:, :1] / ahead[:, :1]
    levels, seasons = [], []
    for start in range(0, steps, size):
        n = min(size, steps - start)
        block = values[:, start : start + n]
        season = ahead[:, :n] if factors is not None else ops.ones_like(block)
        rest = ops.matmul(weights[:, :n, :n], (block / season)[:, :, None])[:, :, 0]
        found = rest + carry[:, :n] * level
        if factors is not None:
            gain = ops.sigmoid(season_rate)
            renewed = gain * block / found + (1 - gain) * season
            ahead = ops.concatenate([ahead[:, n:], renewed], axis=1)
        level = found[:, -1:]
        levels.append(found)
        seasons.append(season)
    return ops.concatenate(levels, axis=1), ops.concatenate(seasons, axis=1), ahead


def _powers(rate: Any, size: int) -> tuple[Any, Any]:
    """What each of `size` levels takes from each value, ``[B, n, n]``, and from the level before."""
    log_keep = -ops.softplus(rate)[:, :, None]  # of 1 - a
    lags = ops.arange(size)[:, None] - ops.arange(size)[None]
    lags = ops.cast(lags, rate.dtype)
    weights = ops.exp(log_keep * ops.maximum(lags, 0)) * ops.sigmoid(rate)[:, :, None]
    carry = ops.exp(log_keep[:, 0] * ops.arange(1, size + 1, dtype=rate.dtype))
    return weights * np.tri(size, dtype=np.float32), carry


def wiggliness(levels: Any) -> Any:
    """How much the growth of levels ``[B, T]`` changes from step to step: one number.

    The mean square of second differences of their logarithms. Source: Smyl (2020), his penalty on the
    variability of the level.
    """
    growth = ops.diff(ops.log(levels), axis=1)
    return ops.mean(ops.square(ops.diff(growth, axis=1)))
