"""Other values behind a row, in one series or in several at once, for `seqlab.audit`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqlab.datasets import Panel, PanelSplit, Series, Split
from seqlab.repair import lines

__all__ = ["drawn", "each", "kept", "perturbed", "perturbed_each", "place"]


def perturbed(series: Series, first: int, seed: int = 0) -> tuple[Series, int]:
    """A series whose known values from this row on are others, and large; its gaps are filled anew.

    Returns:
        The series, and how many values were replaced.
    """
    values = series.values.copy()
    filled = drawn(series)
    chosen = np.flatnonzero(~filled[first:]) + first
    random = np.random.default_rng(seed)
    size = 100 * max(float(np.abs(values).max()), 1.0)
    shifts = random.choice([-1.0, 1.0], len(chosen)) * random.uniform(1, 2, len(chosen)) * size
    values[chosen] += shifts.astype(values.dtype)
    if filled.any():
        values = lines(np.where(filled, np.nan, values).astype(values.dtype))
    past = None if series.past is None else series.past.copy()
    if past is not None:  # columns that are known ahead stay: they are known
        past[first:] += size
    return replace(series, values=values, past=past), len(chosen)


def perturbed_each(data: Series | Panel, firsts: Sequence[int]) -> tuple[Series | Panel, int]:
    """Each series with other values from its own row on, and how many that are."""
    pairs = zip(each(data), firsts, strict=True)
    made = [perturbed(one, first, seed=i) for i, (one, first) in enumerate(pairs)]
    series, counts = zip(*made, strict=True)
    return series[0] if isinstance(data, Series) else replace(data, series=series), sum(counts)


def each(data: Series | Panel) -> tuple[Series, ...]:
    """The series."""
    return (data,) if isinstance(data, Series) else data.series


def kept(data: Series | Panel, clean: Split | PanelSplit) -> Series | Panel:
    """The data without series that are left out."""
    if isinstance(data, Series):
        return data
    names = {part.series.name for part in clean.parts}
    return replace(data, series=tuple(one for one in data.series if one.name in names))


def place(data: Series | Panel, rows: Sequence[int], number: int | None = None) -> str:
    """A row of one series; of several in words."""
    if isinstance(data, Series):
        return data.label(rows[0])
    what = "the cut" if number is None else f"origin {number + 1}"
    return f"{what} in each of {len(data)} series"


def drawn(series: Series) -> np.ndarray:
    """``[N]``: which values were drawn, not read."""
    return np.zeros(len(series), bool) if series.repair is None else series.repair.filled
