"""Tables from files, CSV in UTF-8 with a header or Parquet, and from DataFrames; others are refused."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from seqlab.errors import SeqlabError

__all__ = ["in_pandas", "read"]


def read(path: str | Path) -> pd.DataFrame:
    """The table in a file.

    Raises:
        SeqlabError: no such file, or not a table.
    """
    path = Path(path)
    try:
        return _parquet(path) if path.suffix in (".parquet", ".pq") else _csv(path)
    except OSError as error:
        raise SeqlabError(f"cannot be read: {error.strerror or error}") from error


def in_pandas(frame: Any) -> pd.DataFrame:
    """A DataFrame of polars as one of pandas, a lazy one computed; one of pandas as it is.

    Raises:
        SeqlabError: it is neither.
    """
    if isinstance(frame, pd.DataFrame):
        return frame
    kind = type(frame).__name__
    if kind == "LazyFrame":
        frame = frame.collect()
    if not hasattr(frame, "to_dict"):
        raise SeqlabError(f"`frame` must be a DataFrame of pandas or polars. Received: {kind}")
    return pd.DataFrame(frame.to_dict(as_series=False))


def _csv(path: Path) -> pd.DataFrame:
    _check_file(path)
    with path.open("rb") as file:
        start = file.read(4096)
    if not start.strip():
        raise SeqlabError("the file is empty. Name one with a header and a row per time")
    if b"\0" in start:
        raise SeqlabError(
            f"not a text file (byte {start.index(0)} is zero). Save it as CSV in UTF-8, or Parquet"
        )
    header = re.sub(rb'"[^"]*"', b"", start.split(b"\n")[0])  # names may hold separators
    separator = max(",;\t", key=lambda c: header.count(c.encode()))
    try:
        frame = pd.read_csv(path, sep=separator, low_memory=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SeqlabError(
            f"not a CSV file in UTF-8: {_first_line(error)}. Save it as such, or as Parquet"
        ) from error
    if any(_is_number(name) for name in frame.columns):
        raise SeqlabError(f"no header: the first line is {', '.join(frame.columns)}. Add the names")
    return frame


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> pd.DataFrame:
    _check_file(path)
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise SeqlabError("Parquet needs a further package: pip install pyarrow") from error
    except (ValueError, OSError) as error:
        raise SeqlabError(
            f"not a Parquet file: {_first_line(error)}. Save it as such, or as .csv"
        ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise SeqlabError("this is a folder. Name one file")
    if not path.exists():
        raise SeqlabError("no such file. `seqlab data` lists the series that need none")
    if not path.is_file():  # a pipe would be waited for
        raise SeqlabError("not a file. Name one, which can be read twice")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
