"""What a score over several series divides by, which of them have no such scale, and what is relative."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqlab import metrics, panel_metrics
from seqlab.cuts import listed
from seqlab.splits import Split

__all__ = ["owas", "said", "scales", "without_scale"]


def scales(parts: Sequence[Split]) -> dict[str, np.ndarray]:
    """By metric, what its errors are divided by in each of S series, ``[S]``, from the training parts."""
    known = [(part.train.known, part.series.season) for part in parts]
    return {
        "mase": np.array([metrics.mase_scale(values, season) for values, season in known]),
        "rmsse": np.array([metrics.rmsse_scale(values) for values, _ in known]),
    }


def owas(
    truth: np.ndarray,
    forecasts: Mapping[str, np.ndarray],
    scales: np.ndarray,
    counts: Sequence[int],
) -> dict[str, float]:
    """By name, the overall weighted average of forecasts, relative to the ``naive2`` among them.

    Each series counts as one, however many windows it has. None of a single series, without Naive2, or
    where MASE leaves a series out.

    Args:
        truth: ``[W, P]``, series after series.
        forecasts: ``[W, P]`` each.
        scales: of MASE, ``[S]``.
        counts: windows of each series.
    """

    def each(values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, np.cumsum(counts)[:-1])

    if len(counts) == 1 or "naive2" not in forecasts:
        return {}
    parts = each(truth), each(forecasts["naive2"])
    found = {
        name: panel_metrics.owa(parts[0], each(made), parts[1], scales)
        for name, made in forecasts.items()
    }
    return found if np.isfinite(list(found.values())).all() else {}


def without_scale(
    parts: Sequence[Split], found: Mapping[str, np.ndarray]
) -> dict[str, tuple[str, ...]]:
    """By metric, names of the series that it leaves out, since they do not change in training."""
    names = np.array([part.series.name for part in parts])
    return {name: tuple(names[values == 0].tolist()) for name, values in found.items()}


def said(left_out: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """The same in a sentence for each metric that leaves some of so many series out, but not all."""
    return [
        f"{name.upper()} leaves out {len(names)} of {count} series, which do not change"
        f" {'over a season ' if name == 'mase' else ''}in training: {listed(names)}."
        for name, names in left_out.items()
        if 0 < len(names) < count
    ]
