"""Newer rows for a run: read as its own were, with what was learned from those."""

from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.config import COUNTS, DataConfig
from seqlab.datasets import Panel, PanelSplit, Series, Split
from seqlab.errors import SeqlabError
from seqlab.runs import Run
from seqlab.splits import check_counts

__all__ = ["newer"]


def newer(run: Run, data: Any = None) -> Split | PanelSplit:
    """A run's parts, whose series have these rows in place of those that it was trained on.

    Scalers, encodings and windows stay the run's, and nothing is fitted anew. A run of several series
    takes some of them, too.

    Args:
        run: of series.
        data: a CSV or Parquet file or a DataFrame with the columns of the run's own, or a Series or
            Panel; None for the rows that the run was trained on.

    Raises:
        SeqlabError: naming the file: it cannot be read, lacks a column, or has rows of another interval,
            series that the run does not know, or values that its network cannot take.
    """
    run.demand("series")
    if data is None:
        return run.split
    if isinstance(data, Series | Panel):
        return _parts(run, data)
    try:
        return _parts(run, _read(run, data))
    except SeqlabError as error:
        named = f"{data}: " if isinstance(data, str | Path) else ""
        raise SeqlabError(f"{named}{error}") from error


def _read(run: Run, data: Any) -> Series | Panel:
    """The table, with the roles of columns that the run's had."""
    from seqlab import panel_tables, table_files  # here, because pandas takes half a second to load

    config: DataConfig = run.config.data
    frame = table_files.read(data) if isinstance(data, str | Path) else data
    if isinstance(run.data, Series):  # which is called as its column
        config = replace(config, target=config.target or run.series.name)
        if config.target not in frame.columns:
            raise SeqlabError(
                f"no column {config.target!r}, which the run forecasts. Call it so. Columns:"
                f" {', '.join(map(str, frame.columns))}"
            )
    return panel_tables.read_frame(frame, config)


def _parts(run: Run, data: Series | Panel) -> Split | PanelSplit:
    split = run.split
    if isinstance(data, Panel) != isinstance(split, PanelSplit):
        kinds = ["one series", "several"][:: 1 if isinstance(data, Panel) else -1]
        raise SeqlabError(
            f"{run.path} was trained on {kinds[0]}, and this is {kinds[1]}. Give rows of the same kind"
        )
    if isinstance(data, Series):
        return _part(run, split, data)
    known = {part.series.name: part for part in split.parts}
    series = [one for one in data.series if one.name not in split.left_out]
    for one in series:
        if one.name not in known:
            raise SeqlabError(
                f"series {one.name!r} is none of the {len(known)} that {run.path} was trained on, and its"
                " scale is not known. Leave its rows out, or train with them"
            )
    if not series:
        raise SeqlabError(f"none of the series of {run.path} is there. Give rows of one at least")
    parts = tuple(_part(run, known[one.name], one) for one in series)
    return replace(split, panel=data, parts=parts)


def _part(run: Run, part: Split, series: Series) -> Split:
    """The part of a series, with these rows of it."""
    series = replace(
        _in_step(part.series, series), name=part.series.name, season=part.series.season
    )
    later = _later(part.series, series)
    if later is None and "phase" in run.config.needs:
        raise SeqlabError(
            f"{series.name}: its rows have no times, and the network must know where in the season they"
            " begin: let them begin with the rows that it was trained on"
        )
    _check_values(run, series, run.config.data.window - part.padding)
    return replace(part, series=_relabelled(part.series, series), later=later or 0)


def _relabelled(own: Series, series: Series) -> Series:
    """With the numbers that the run has for labels of columns of words; new labels come behind."""
    changes: dict[str, Any] = {}
    for name in ("past", "future"):
        values, field = getattr(series, name), f"{name}_labels"
        if values is None or not getattr(series, field) + getattr(own, field):
            continue
        pairs = list(zip_longest(getattr(own, field), getattr(series, field), fillvalue=()))
        columns = [
            _renumbered(values[:, j], *pair, f"{series.name}, column {j + 1} of --{name}")
            for j, pair in enumerate(pairs)
        ]
        changes[name] = np.stack([made for made, _ in columns], axis=1)
        changes[field] = tuple(labels for _, labels in columns)
    return replace(series, **changes)


def _renumbered(
    values: np.ndarray, own: tuple[str, ...], labels: tuple[str, ...], where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column and its labels, those of the run first.

    Raises:
        SeqlabError: words where the run has numbers, or numbers where it has words.
    """
    known = ~np.isnan(values)
    if known.any() and bool(own) != bool(labels):
        has, had = ("numbers", "words") if own else ("words", "numbers")
        raise SeqlabError(f"{where}: these rows have {has}, and the run {had}. Write them as there")
    names = own + tuple(label for label in labels if label not in own)
    made = values.copy()
    if labels:
        made[known] = np.array([names.index(label) for label in labels])[values[known].astype(int)]
    return made, names


def _in_step(own: Series, series: Series) -> Series:
    """With the interval of the run's own rows.

    Raises:
        SeqlabError: they have another.
    """
    if own.times is None and series.times is None:
        return series
    if own.times is None or series.times is None:
        has, lacks = ("these", "its own") if own.times is None else ("its own", "these")
        raise SeqlabError(
            f"{series.name}: {has} rows of the run have times, and {lacks} have none. Give rows of the"
            " same columns"
        )
    if own.times.tz != series.times.tz:
        raise SeqlabError(
            f"{series.name}: times are in the zone {series.times.tz}, and the run's in {own.times.tz}."
            " Convert them"
        )
    if own.times.freq is None:  # whose times were left uneven
        return series
    import pandas as pd

    expected = pd.date_range(series.times[0], periods=len(series), freq=own.times.freq)
    if not expected.equals(series.times):
        row = int(np.argmin(expected == series.times))
        raise SeqlabError(
            f"{series.name}: rows of the run are {own.times.freqstr} apart, so that after"
            f" {series.times[max(0, row - 1)]} comes {expected[row]}, and not {series.times[row]}."
            " Give rows of the same interval"
        )
    return replace(series, times=expected)


def _later(own: Series, series: Series) -> int | None:
    """Rows by which a series begins after the run's own; None where that cannot be known."""
    if own.times is None or own.times.freq is None:
        rows = min(len(own), len(series))
        return 0 if np.array_equal(own.values[:rows], series.values[:rows]) else None
    import pandas as pd

    first, then = sorted((own.times[0], series.times[0]))
    between = pd.date_range(first, then, freq=own.times.freq)
    if between[-1] != then:
        raise SeqlabError(
            f"{series.name}: {series.times[0]} is no time of the run's rows, which are"
            f" {own.times.freqstr} apart from {own.times[0]} on. Give rows of the same times"
        )
    return (len(between) - 1) * (1 if first == own.times[0] else -1)


def _check_values(run: Run, series: Series, least: int) -> None:
    """Refuse too few rows, or values that the network of the run cannot take."""
    data, needs = run.config.data, run.config.needs
    if len(series) < least:
        raise SeqlabError(
            f"{series.name}: {len(series)} rows, and a forecast looks at the last {least}. Give more rows"
        )
    if COUNTS in needs:
        check_counts(series)
    seen = series.values[-data.window :]
    if seen.min() <= 0 and (data.transform != "none" or run.config.model.model == "smoothed"):
        row = len(series) - len(seen) + int(seen.argmin())
        raise SeqlabError(
            f"{series.name}: {series.label(row)} is {seen.min():g}, and the run takes logarithms, of"
            " values above 0. Correct it, or train without --transform and --model smoothed"
        )
