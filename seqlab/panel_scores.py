"""What a score over several series divides by, and which of them have no such scale."""

from collections.abc import Mapping, Sequence

import numpy as np

from seqlab import metrics
from seqlab.cuts import listed
from seqlab.splits import Split

__all__ = ["said", "scales", "without_scale"]


def scales(parts: Sequence[Split]) -> dict[str, np.ndarray]:
    """By metric, what its errors are divided by in each of S series, ``[S]``, from the training parts."""
    known = [(part.train.known, part.series.season) for part in parts]
    return {
        "mase": np.array([metrics.mase_scale(values, season) for values, season in known]),
        "rmsse": np.array([metrics.rmsse_scale(values) for values, _ in known]),
    }


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
