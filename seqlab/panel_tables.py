"""A person's table with one series or many, and columns beside their values, to a `Series` or a `Panel`.

A long table has a column of ids and a row per series and time; a wide one has a column per series. As in
`seqlab.tables`, nothing is repaired in silence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqlab import table_files, tables
from seqlab._labels import coded
from seqlab.config import DataConfig
from seqlab.cuts import listed
from seqlab.errors import SeqlabError
from seqlab.panel import Panel
from seqlab.repair import Repair
from seqlab.series import Series

__all__ = ["read", "read_frame"]


def read(path: str | Path, config: DataConfig) -> Series | Panel:
    """Read a CSV or Parquet file; see `read_frame`.

    Raises:
        SeqlabError: naming the file, and the row and column where there is one.
    """
    try:
        return read_frame(table_files.read(path), config, Path(path).stem)
    except SeqlabError as error:
        raise SeqlabError(f"{path}: {error}") from error


def read_frame(frame: Any, config: DataConfig, name: str = "panel") -> Series | Panel:
    """One series of a table; several, if the config names a column of ids or calls the table wide.

    Args:
        frame: a pandas or polars DataFrame.
        config: which column is what.
        name: of a panel.

    Raises:
        SeqlabError: as `seqlab.tables.read_frame`, with the series; a column that does not exist, has
            two roles, or lacks a value; attributes that change within a series.
    """
    frame = table_files.in_pandas(frame)
    if frame.empty:
        raise SeqlabError("it has a header but no rows. Name a table with a row per time")
    _check_columns(frame, config)
    frame, labels = coded(frame, (*config.past, *config.future))
    found = _read(frame, config, name)
    if not labels:
        return found
    past, future = (tuple(labels.get(c, ()) for c in of) for of in (config.past, config.future))
    if isinstance(found, Series):
        return replace(found, past_labels=past, future_labels=future)
    series = (replace(one, past_labels=past, future_labels=future) for one in found.series)
    return replace(found, series=tuple(series))


def _read(frame: pd.DataFrame, config: DataConfig, name: str) -> Series | Panel:
    if config.wide:
        return _wide(frame, config, name)
    if config.id is None:
        return _one(frame, config, tables.column_of(_rest(frame, config), config.target), None)
    target = tables.column_of(_rest(frame, config), config.target)
    return _long(frame, config, target, name)


def _wide(frame: pd.DataFrame, config: DataConfig, name: str) -> Panel:
    rest = _rest(frame, config)
    columns = [c for c in rest.columns if _is_series(rest[c])]
    if len(columns) < 2:
        raise SeqlabError(
            f"{len(columns)} columns of numbers: --wide needs a column per series."
            f" Columns: {', '.join(map(str, frame.columns))}"
        )
    empty = _without_values(frame[columns].notna().any(), config)
    made = (_one(frame, config, c, str(c)) for c in columns if str(c) not in empty)
    return Panel(name, tuple(made), empty)


def _without_values(valued: pd.Series, config: DataConfig) -> tuple[str, ...]:
    """Names of the series that have no value, where those may be left out."""
    empty = tuple(str(name) for name in valued.index[~valued])
    if len(empty) == len(valued):
        raise SeqlabError("no series has a value. Choose another column with --target")
    if empty and config.short != "drop":
        raise SeqlabError(
            f"series without any value: {listed(empty)}. Fill some in, or leave them out by --short drop"
        )
    return empty


def _is_series(column: pd.Series) -> bool:
    """Whether it holds a number: one spoilt by words is named, and not passed over as names are."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    words = pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)
    return words and bool(tables.numeric(column).notna().any())


def _long(frame: pd.DataFrame, config: DataConfig, target: Any, name: str) -> Panel:
    if frame[config.id].isna().any():
        row = int(frame[config.id].isna().to_numpy().argmax())
        raise SeqlabError(f"row {row + 1}, column {config.id!r}: no id. Fill it in")
    empty = _without_values(
        frame[target].notna().groupby(frame[config.id], sort=False).any(), config
    )
    kept = ~frame[config.id].astype(str).isin(empty).to_numpy()
    # A row of a series without values may have no time, so that another row's stands in for it.
    rows = np.where(kept, np.arange(len(frame)), kept.argmax())
    times = tables.times_of(frame.iloc[rows], target, config.time)
    if times is not None:  # read once, so that all series have their dates in one form
        frame = frame.assign(**{str(times.name or "time"): times})
    return Panel(name, tuple(_each(frame, config, target, empty)), empty)


def _each(
    frame: pd.DataFrame, config: DataConfig, target: Any, empty: Sequence[str]
) -> Iterator[Series]:
    """The series of a long table that have values, one by one."""
    for label, places in frame.groupby(config.id, sort=False).indices.items():
        rows = np.asarray(places)
        if str(label) in empty:
            continue
        try:
            made = _one(frame.iloc[rows].reset_index(drop=True), config, target, str(label))
        except SeqlabError as error:
            raise SeqlabError(
                f"series {label!r} (rows {rows[0] + 1} to {rows[-1] + 1}), counted within it: {error}"
            ) from error
        yield _renumbered(made, rows + 1)


def _one(frame: pd.DataFrame, config: DataConfig, target: Any, name: str | None) -> Series:
    known = len(frame) - _rows_ahead(frame, target) if config.future else len(frame)
    made = tables.read_frame(frame[:known], target, config.missing, name, config.time)
    rows = np.arange(1, known + 1) if made.repair is None else made.repair.file_rows
    made = replace(
        made,
        past=_columns(frame, config, config.past, rows),
        future=_ahead(frame, config, made, rows, known),
        static=_attributes(frame, config.static),
        categories=tuple(str(_only(frame, c)) for c in config.categories),
    )
    return made


def _rows_ahead(frame: pd.DataFrame, target: Any) -> int:
    """Rows at the end that have no value of the target: there the future columns alone are known."""
    present = frame[target].notna().to_numpy()
    return int(np.argmax(present[::-1])) if present.any() else 0


def _ahead(
    frame: pd.DataFrame, config: DataConfig, made: Series, rows: np.ndarray, known: int
) -> np.ndarray | None:
    if not config.future:
        return None
    ahead = np.arange(known + 1, len(frame) + 1)
    expected = made.times_ahead(len(ahead))
    if expected is not None and len(ahead):
        times = tables.times_of(frame, None, config.time)
        given = None if times is None else times[known:]
        if given is not None and (off := given != expected).any():
            row = int(np.argmax(off))
            raise SeqlabError(
                f"row {known + row + 1}: time {given[row]} does not go on from {made.times[-1]}:"
                f" {expected[row]} comes next. Rows ahead must follow the last value without a gap"
            )
    return _columns(frame, config, config.future, np.concatenate([rows, ahead]), known)


def _columns(
    frame: pd.DataFrame,
    config: DataConfig,
    names: Sequence[str],
    rows: np.ndarray,
    known: int | None = None,
) -> np.ndarray | None:
    """Columns ``[N, C]`` at these rows, counted from 1; 0 is a row that the table lacks.

    What is missing is the last value that was known, if leave was given to fill. Rows after `known` are
    those of steps ahead, by which they are named.
    """
    if not names:
        return None
    made = np.full((len(rows), len(names)), np.nan)
    for j, name in enumerate(names):
        numbers = tables.numeric(frame[name]).to_numpy(np.float64)
        text = np.isnan(numbers) & frame[name].notna().to_numpy()
        if text.any():
            row = int(text.argmax())
            raise SeqlabError(
                f"row {row + 1}, column {name!r}: {frame[name].iloc[row]!r} is not a number."
                " Correct it (decimals have a point), or write words in every row"
            )
        made[:, j] = np.where(rows > 0, numbers[np.maximum(rows - 1, 0)], np.nan)
        if np.isinf(made[:, j]).any():
            row = rows[np.isinf(made[:, j]).argmax()]
            raise SeqlabError(f"row {row}, column {name!r}: infinite value. Correct or empty it")
        tables.check_size(numbers, name)
    absent = np.isnan(made)
    if absent.any() and config.missing != "interpolate":
        i, j = np.argwhere(absent)[0]
        times = tables.times_of(frame, config.target, config.time)
        first = Series(names[j], made[:, j], times).label(int(rows[i]) - 1)
        raise SeqlabError(
            f"{first}, column {names[j]!r}: no value, {int(absent[:, j].sum())} in all"
            f"{_steps(rows[absent[:, j]], known)}."
            " Fill it in, or use --missing interpolate, which repeats the last one known"
        )
    filled = pd.DataFrame(made).ffill().to_numpy()
    if np.isnan(filled).any():
        j = int(np.isnan(filled).any(axis=0).argmax())
        raise SeqlabError(
            f"column {names[j]!r}: nothing is known before its first value. Begin the table there"
        )
    return filled


def _steps(rows: np.ndarray, known: int | None) -> str:
    """Which of these rows are steps ahead."""
    ahead = [] if known is None else (rows[rows > known] - known).tolist()
    more = ", ..." if len(ahead) > 10 else ""
    return f", at steps ahead {', '.join(map(str, ahead[:10]))}{more}" if ahead else ""


def _attributes(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray | None:
    if not names:
        return None
    values = []
    for name in names:
        value = float(tables.numeric(pd.Series([_only(frame, name)])).iloc[0])
        if np.isnan(value):
            raise SeqlabError(
                f"row 1, column {name!r}: {_only(frame, name)!r} is not a number."
                " Use --categories for labels"
            )
        if np.isinf(value):
            raise SeqlabError(f"row 1, column {name!r}: infinite value. Correct it")
        tables.check_size(np.array([value]), name)
        values.append(value)
    return np.array(values)


def _only(frame: pd.DataFrame, name: str) -> Any:
    """The value that a column has in every row."""
    column = frame[name]
    other = (column != column.iloc[0]).to_numpy()
    if column.isna().any() or other.any():
        row = int((column.isna().to_numpy() | other).argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {column.iloc[row]!r} after {column.iloc[0]!r}: an attribute"
            " of a series is the same in all its rows. Use --past or --future for what changes"
        )
    return column.iloc[0]


def _check_columns(frame: pd.DataFrame, config: DataConfig) -> None:
    roles = [n for n in (config.target, config.id, config.time) if n is not None]
    roles += [*config.past, *config.future, *config.static, *config.categories]
    for name in roles:
        if name not in frame.columns:
            raise SeqlabError(f"no column {name!r}. Columns: {', '.join(map(str, frame.columns))}")
        if roles.count(name) > 1:
            raise SeqlabError(f"column {name!r} was given two roles. Leave one out")


def _rest(frame: pd.DataFrame, config: DataConfig) -> pd.DataFrame:
    """The columns that may be targets."""
    roles = {
        config.id,
        config.time,
        *config.past,
        *config.future,
        *config.static,
        *config.categories,
    }
    return frame[[c for c in frame.columns if c not in roles]]


def _renumbered(series: Series, numbers: np.ndarray) -> Series:
    """With the rows of the whole table in place of those within the series."""
    repair = series.repair
    if repair is None and numbers[0] == 1 and numbers[-1] == len(numbers):
        return series  # which counts them itself
    if repair is None:
        own = numbers[: len(series)]  # those ahead are no rows of it
        return replace(series, repair=Repair(np.zeros(len(own), bool), own, np.empty(0, int)))
    rows = np.where(repair.file_rows > 0, numbers[np.maximum(repair.file_rows - 1, 0)], 0)
    return replace(
        series, repair=replace(repair, file_rows=rows, left_out=numbers[repair.left_out - 1])
    )
