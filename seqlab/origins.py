"""Windows for forecasts from chosen rows on, the end of a series among them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqlab.config import Config
from seqlab.datasets import PanelSplit, Split
from seqlab.errors import SeqlabError
from seqlab.repair import Gaps, gaps_of, padded
from seqlab.series import Series
from seqlab.windows import Windows, padding_from

__all__ = ["at_origins", "tested"]


def at_origins(
    data: Split | PanelSplit,
    config: Config,
    origins: Sequence[np.ndarray],
    horizon: int | None = None,
) -> Windows:
    """The windows of `tested`."""
    return tested(data, config, origins, horizon).test


def tested(
    data: Split | PanelSplit,
    config: Config,
    origins: Sequence[np.ndarray],
    horizon: int | None = None,
) -> Split | PanelSplit:
    """The split, with windows whose first target is at these rows of each series as its test part.

    Inputs are what lies before, whatever part it is in. N, the row behind the last, may be asked: targets
    behind the end are zeros.

    Args:
        data: from `seqlab.datasets.split`, whose scalers and encodings are used.
        config: of the run.
        origins: for each series rows ``[O]``, counted from 0.
        horizon: P; by default the config's.

    Raises:
        SeqlabError: no row, or one with less than a window before it; columns that are not known so far
            ahead.
    """
    ahead = horizon or config.data.horizon
    parts = tuple(
        replace(part, test=_whole(part, config, np.asarray(rows, np.int32), ahead))
        for part, rows in zip(data.parts, origins, strict=True)
    )
    return parts[0] if isinstance(data, Split) else replace(data, parts=parts)


def _whole(part: Split, config: Config, origins: np.ndarray, horizon: int) -> Windows:
    series, window, calendar = part.series, config.data.window, config.data.calendar
    if not len(origins):
        raise SeqlabError(
            f"{series.name}: no row to forecast from has {horizon} rows behind it. Begin earlier"
        )
    if origins.min() < window - part.padding:
        raise SeqlabError(
            f"{series.name}: the first forecast has {max(0, int(origins.min()))} rows to look at, and the"
            f" window is {window}. Begin later"
        )
    more = max(0, int(origins.max()) + horizon - len(series))
    _check_known(series, more)
    gaps = gaps_of(series.values, series.repair)
    values, gaps = padded(series.values, gaps, part.padding)
    marked = part.padding if config.data.short == "pad" else None
    beside = part.encoding.of(series, part.number, config.needs, calendar, more, marked, part.later)
    return Windows(
        np.concatenate([values, np.zeros(more, series.values.dtype)]),
        window,
        horizon,
        part.scaler,
        config.data.layout,
        -part.padding,
        gaps=_longer(gaps, more),
        beside=beside,
        starts=origins - window + part.padding,
        padding=padding_from(len(values) + more, part.padding),
    )


def _check_known(series: Series, more: int) -> None:
    """Refuse a horizon for some of whose steps the columns that should be known are not."""
    if series.future is None or len(series.future) >= len(series) + more:
        return
    known = len(series.future) - len(series)
    raise SeqlabError(
        f"{series.name}: the columns named by --future end {known} steps behind the last value, and steps"
        f" {known + 1} to {more} need them, too. Add rows to the table, without a value of the target"
    )


def _longer(gaps: Gaps | None, more: int) -> Gaps | None:
    """With rows behind the end, which are no gap."""
    if gaps is None:
        return None
    since = np.concatenate([gaps.since, np.zeros(more, gaps.since.dtype)])
    return Gaps(since, np.concatenate([gaps.value, np.full(more, gaps.value[-1])]))
