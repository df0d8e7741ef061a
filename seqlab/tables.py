"""A person's own table, from a CSV or Parquet file or a DataFrame, to a `Series`, with every doubt named.

Nothing is repaired in silence: each check stops with the row and column, and a flag opts into a fix.
Rows are counted from 1 after the header.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqlab import _time_zones, table_files
from seqlab._even_times import at, even, regular
from seqlab.errors import SeqlabError
from seqlab.repair import Repair, lines
from seqlab.series import Series

__all__ = [
    "LARGEST",
    "check_size",
    "column_of",
    "numeric",
    "read",
    "read_frame",
    "times_of",
]

# Rows in the usual season of a pandas frequency, less its anchor (W-SUN is W).
_SEASONS = {"h": 24, "D": 7, "B": 5, "W": 52}
_SEASONS |= dict.fromkeys(("MS", "ME", "BMS", "BME", "WOM"), 12)
_SEASONS |= dict.fromkeys(("QS", "QE", "BQS", "BQE"), 4)
NUMBERS = "integer", "floating", "mixed-integer-float", "decimal", "boolean"  # of Python, to pandas
LARGEST = float(np.finfo(np.float32).max)
YEARS = 1678, 2261  # the first and the last that 64 bits of nanoseconds hold as a whole
DATE = r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"


def read(path: str | Path, target: str | None = None, missing: str = "error") -> Series:
    """Read one column of a file as a series; see `read_frame`.

    Raises:
        SeqlabError: naming the file, and the row and column where there is one.
    """
    try:
        return read_frame(table_files.read(path), target, missing)
    except SeqlabError as error:
        raise SeqlabError(f"{path}: {error}") from error


def read_frame(
    frame: Any,
    target: str | None = None,
    missing: str = "error",
    name: str | None = None,
    time: str | None = None,
) -> Series:
    """One numeric column of a DataFrame as a series.

    Times are the index if it holds dates, else the first column that does; without any, rows are
    taken as evenly spaced.

    Args:
        frame: a pandas or polars DataFrame, one row per time; decimals become floats.
        target: the column; by default the only numeric one.
        missing: ``error``; ``interpolate`` fills gaps in values and in time by straight lines, and
            leaves out the rows before the first value; ``drop`` drops rows without a value and takes
            the others as evenly spaced. `Series.repair` says what was done.
        name: of the series; by default the column's.
        time: the column of times; by default the first that holds dates.

    Raises:
        SeqlabError: no table, no rows, no such column, text or infinite or missing values, times that are
            unsorted, repeated or unevenly spaced; with the row.
    """
    frame = table_files.in_pandas(frame)
    if frame.empty:
        raise SeqlabError("it has a header but no rows. Name a table with a row per time")
    column = column_of(frame, target)
    times = times_of(frame, column, time)
    values = _numbers(frame[column], column)
    if times is not None:
        _check_order(times)
    values, times, repair = _fill(values, times, column, missing)
    season = None
    if times is not None:
        season = _SEASONS.get((times.freqstr or "").split("-")[0])
    return Series(name or str(column), values, times, season, repair=repair)


def column_of(frame: pd.DataFrame, target: str | None) -> Any:
    """The column to forecast: the one that is named, or the only numeric one.

    Raises:
        SeqlabError: there is no such column, or not one alone.
    """
    if target is not None:
        if target not in frame.columns:
            raise SeqlabError(
                f"no column {target!r}. Columns: {', '.join(map(str, frame.columns))}"
            )
        if isinstance(frame[target], pd.DataFrame):
            raise SeqlabError(f"two columns are called {target!r}. Rename one")
        return target
    numeric = [c for c in frame.columns if _are_numbers(frame[c])]
    if not numeric:  # a column spoilt by a few words: so that they are named
        numeric = [c for c in frame.columns if _holds_mostly_numbers(frame[c])]
    if len(numeric) != 1:
        listed = ", ".join(map(str, frame.columns))
        raise SeqlabError(
            f"{len(numeric)} columns hold numbers alone: choose one with --target. Columns: {listed}"
        )
    return numeric[0]


def _holds_mostly_numbers(column: Any) -> bool:
    if not pd.api.types.is_string_dtype(column):
        return False
    return bool(numeric(column).notna().mean() > 0.5)


def _numbers(column: pd.Series, name: Any) -> np.ndarray:
    """``[N]``, with NaN where a value is missing."""
    numbers = numeric(column)
    text = (numbers.isna() & column.notna()).to_numpy()
    if text.any():
        row = int(text.argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {column.iloc[row]!r} is not a number. Correct or empty it"
        )
    values = numbers.to_numpy(np.float32 if numbers.dtype == np.float32 else np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise SeqlabError(f"row {row + 1}, column {name!r}: infinite value. Correct or empty it")
    check_size(values, name)
    return values


def numeric(column: Any) -> Any:
    """A column as numbers: NaN where there is none, infinity where it is too large."""
    if str(column.dtype).startswith("decimal"):  # of pyarrow, whose gaps pandas 3 stumbles over
        column = column.astype(object)
    try:
        return pd.to_numeric(column, errors="coerce")
    except OverflowError:  # integers of hundreds of digits, which pandas keeps as Python's
        return pd.to_numeric(column.astype(str), errors="coerce")


def check_size(values: np.ndarray, name: Any) -> None:
    """Refuse values ``[N]`` that a network's numbers do not hold.

    Raises:
        SeqlabError: naming the first.
    """
    large = np.abs(values) > LARGEST
    if large.any():
        row = int(large.argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {values[row]:g} is more than {LARGEST:.2g}, the most that"
            " float32 holds. Write the column in a larger unit"
        )


def times_of(frame: pd.DataFrame, target: Any, time: str | None = None) -> pd.DatetimeIndex | None:
    """The times of a table's rows, as they stand there; None if it has none.

    Raises:
        SeqlabError: some are not times like the others; or the column that is asked for holds none.
    """
    if isinstance(frame.index, pd.DatetimeIndex) and time is None:
        _check_years(pd.Series(frame.index), frame.index.name or "index")
        return frame.index
    if time is not None and time not in frame.columns:
        raise SeqlabError(f"no column {time!r}. Columns: {', '.join(map(str, frame.columns))}")
    for name in frame.columns if time is None else [time]:
        if name == target or _are_numbers(frame[name]):
            continue
        if (times := _dates(frame[name], name)) is not None:
            return times
    if time is not None:
        raise SeqlabError(f"column {time!r} holds no dates. Choose another with --time")
    return None


def _dates(column: pd.Series, name: Any) -> pd.DatetimeIndex | None:
    """The times of a column, None if it holds something else."""
    times = _parsed(column)
    dates = times.notna().mean() > 0.1
    if dates or column.astype(str).str.match(DATE).all() or _time_zones.hidden(column):
        _time_zones.check(column, name)  # first: of several zones one alone may have been read
    if not dates:
        return None
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {column.iloc[row]!r} is not a time like the others."
            " Correct it; all must be there, in one form, best as 2024-12-31"
        )
    _check_years(times, name)
    return pd.DatetimeIndex(times, name=name)


def _are_numbers(column: pd.Series) -> bool:
    if pd.api.types.is_object_dtype(column):  # integers beyond 64 bits, say
        return pd.api.types.infer_dtype(column) in NUMBERS
    return pd.api.types.is_numeric_dtype(column)


def _check_years(times: pd.Series, name: Any) -> None:
    """Refuse times that do not fit into 64 bits of nanoseconds, as runs keep them."""
    far = (times.notna() & ~times.dt.year.between(*YEARS)).to_numpy()
    if far.any():
        row = int(far.argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {times.iloc[row]} is not in the years {YEARS[0]} to"
            f" {YEARS[1]}. Correct it, or leave the column out"
        )


def _parsed(column: pd.Series) -> pd.Series:
    """Times, NaT where there is none; of dates such as 1/12/2024, in the order that makes sense.

    The day goes first if that alone reads all of them, or sorts them, or spaces them evenly.
    """
    times = _read_times(column, dayfirst=False)
    if not re.match(r"\s*\d{1,2}[./-]\d{1,2}[./-]", str(column.iloc[0])):
        return times
    both = times, _read_times(column, dayfirst=True)
    return max(both, key=_sense)  # the first, month first, if they are equal


def _sense(times: pd.Series) -> tuple[bool, bool, bool]:
    whole = bool(times.notna().all())
    ordered = whole and times.is_monotonic_increasing and times.is_unique
    return whole, ordered, ordered and regular(pd.DatetimeIndex(times)).freq is not None


def _read_times(column: pd.Series, dayfirst: bool) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "could not infer format" is no news here
        try:
            found = pd.to_datetime(column, errors="coerce", dayfirst=dayfirst)
        except (ValueError, TypeError):  # mixed time zones
            found = pd.to_datetime(column, errors="coerce", utc=True)
    return _far(column, found)


def _far(column: pd.Series, found: pd.Series) -> pd.Series:
    """The times that were found, those in years out of range only if they are written out as dates.

    pandas 2 reads no such years, and pandas 3 reads "May" as the year 1.
    """
    text = column.astype(str)
    if not text.str.match(DATE).all():
        if not pd.api.types.is_datetime64_any_dtype(found):
            return found
        return found.where(found.dt.year.between(*YEARS))
    if found.isna().any():
        try:
            days = text.str.strip().str[:10].astype("datetime64[s]")
        except (ValueError, TypeError, OverflowError):
            return found
        return found if days.dt.year.between(*YEARS).all() else days
    return found


def _check_order(times: pd.DatetimeIndex) -> None:
    if times.hasnans:
        raise SeqlabError(f"row {int(times.isna().argmax()) + 1}: no time. Fill it in")
    step = np.diff(times.asi8)
    if (step > 0).all():
        return
    row = int((step <= 0).argmax()) + 1
    if step[row - 1] == 0:
        raise SeqlabError(
            f"row {row + 1}: time {times[row]} is there twice. Keep one row per time and series"
        )
    raise SeqlabError(
        f"row {row + 1}: time {times[row]} comes after {times[row - 1]}. Sort the rows by time"
    )


def _fill(
    values: np.ndarray, times: pd.DatetimeIndex | None, column: Any, missing: str
) -> tuple[np.ndarray, pd.DatetimeIndex | None, Repair | None]:
    absent = np.isnan(values)
    if absent.all():
        raise SeqlabError(f"column {column!r} holds no values. Choose another with --target")
    rows = np.arange(1, len(values) + 1)
    if missing == "drop":
        kept = regular(times[~absent]) if times is not None else None
        none = np.zeros(int((~absent).sum()), bool)
        return values[~absent], kept, Repair(none, rows[~absent], rows[absent])
    if absent.any() and missing == "error":
        first = Series(str(column), values, times).label(int(absent.argmax()))
        raise SeqlabError(
            f"column {column!r}: {absent.sum()} missing values, the first in {first}."
            " Use --missing interpolate or --missing drop"
        )
    if times is not None:
        grid = regular(times)
        if grid.freq is None and len(times) > 1:
            grid = regular(even(times, missing))
            values, rows = at(values, times, grid, np.nan), at(rows, times, grid, 0)
        times = grid
    if missing == "error":
        return values, times, None
    absent = np.isnan(values)
    begin = int(absent.argmin())  # nothing is known before it: a value there would look ahead
    repair = Repair(absent[begin:], rows[begin:], rows[:begin][rows[:begin] > 0])
    return lines(values[begin:]), times[begin:] if times is not None else None, repair
