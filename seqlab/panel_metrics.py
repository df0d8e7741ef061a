"""Measures over many series: each series by itself, then the mean, as the M4 competition has it.

Truths and forecasts are ``[S, P]``, or S arrays where the horizons differ; training parts are S arrays
``[N]`` of any length. Source: Makridakis, Spiliotis and Assimakopoulos (2020), section 2.
"""

from collections.abc import Callable, Sequence

import numpy as np

from seqlab import metrics
from seqlab.errors import SeqlabError, check_positive

__all__ = ["m4_scores", "mase_scales", "owa", "per_series", "rmsse_scales"]

Panel = Sequence[np.ndarray] | np.ndarray


def per_series(measure: Callable[..., float], *arguments: Panel) -> np.ndarray:
    """A measure of each series, ``[S]``; its mean is the panel's.

    ``per_series(smape, truth, forecast)``, ``per_series(mase, truth, forecast, scales)``.

    Args:
        measure: a function of one series, such as those of `metrics`.
        arguments: what it takes, for each series.

    Raises:
        SeqlabError: the arguments are not of the same number of series, or of none.
    """
    counts = [len(argument) for argument in arguments]
    if not counts or not counts[0] or len(set(counts)) > 1:
        raise SeqlabError(f"every argument needs the same number of series. Received: {counts}")
    return np.array([measure(*series) for series in zip(*arguments, strict=True)])


def mase_scales(training: Panel, season: int) -> np.ndarray:
    """Mean absolute change over a season in the training part of each series, ``[S]``, for `mase`."""
    check_positive("season", season)
    return per_series(lambda values: metrics.mase_scale(values, season), training)


def rmsse_scales(training: Panel) -> np.ndarray:
    """Root mean squared change over a row in the training part of each series, ``[S]``, for `rmsse`."""
    return per_series(metrics.rmsse_scale, training)


def owa(truth: Panel, forecast: Panel, naive2: Panel, scales: Panel) -> float:
    """Overall weighted average: mean of sMAPE and MASE, each over that of `naive2`, below 1 if better.

    The ratio is that of the means over the series, not the mean of their ratios. NaN if a MASE is: a
    series without a change over its season has none, so leave it out.

    Args:
        truth: ``[S, P]``.
        forecast: ``[S, P]``.
        naive2: ``[S, P]``, of `seqlab.naive.naive2`.
        scales: ``[S]``, of `mase_scales`.
    """
    own, other = (_smape_and_mase(truth, made, scales) for made in (forecast, naive2))
    return float(np.mean(own / other)) if other.all() else float("nan")


def m4_scores(
    truth: Panel, forecast: Panel, naive2: Panel, training: Panel, season: int
) -> dict[str, float]:
    """The three figures of the M4 competition: ``smape`` (per cent), ``mase``, ``owa``.

    Arguments as of `owa` and `mase_scales`.
    """
    scales = mase_scales(training, season)
    smape, mase = _smape_and_mase(truth, forecast, scales).tolist()
    return {"smape": smape, "mase": mase, "owa": owa(truth, forecast, naive2, scales)}


def _smape_and_mase(truth: Panel, forecast: Panel, scales: Panel) -> np.ndarray:
    return np.array(
        [
            per_series(metrics.smape, truth, forecast).mean(),
            per_series(metrics.mase, truth, forecast, scales).mean(),
        ]
    )
