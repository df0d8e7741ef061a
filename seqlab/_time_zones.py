"""Times of several zones, or of one that is only named: found as they are written, and refused."""

import re
import warnings

import pandas as pd

from seqlab.errors import SeqlabError

__all__ = ["check", "hidden"]

# Behind a time of day, so that the end of 2024-12-05 is none; AM and PM belong to that time.
OF_DAY = r"(?::\d\d|T\d{2,6}|\d[-/.]\d\d?[T ]\d\d)(?:[.,]\d+)?\s*(?:[AaPp]\.?[Mm]\.?)?"
ZONE = r"\s*(Z|[A-Za-z]{3,5}|[A-Za-z_]+(?:/[A-Za-z_]+)+|[+-]\d\d(?::?\d\d)?)\s*$"


def check(column: pd.Series, name: object) -> None:
    """Refuse times of several zones, in which of them is it nine o'clock?, and zones that are only named.

    pandas reads no times with a name such as EST, or, where that is this machine's own zone, drops it.

    Raises:
        SeqlabError: naming the first row that is of another zone, or the first with its name.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return  # of one zone, summer time or not
    zones, first = _zones(column), int(column.notna().to_numpy().argmax())
    zone = zones.iloc[first]
    other = (zones != zone).to_numpy() & zones.notna().to_numpy()
    if other.any():
        row = int(other.argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {column.iloc[row]!r} is of another time zone than"
            f" {column.iloc[first]!r}. Write all times in one zone, UTC say"
        )
    if isinstance(zone, str) and not zone.startswith(("+", "-")):
        raise SeqlabError(
            f"row {first + 1}, column {name!r}: {column.iloc[first]!r} names its time zone, {zone}, and"
            " names are not read. Write its offset, such as +01:00, or all times in UTC, or leave the"
            " zone out"
        )


def hidden(column: pd.Series) -> bool:
    """Whether these are dates and times of day once the name of a zone behind them is left out."""
    text = column[column.notna()].astype(str)  # a missing one stays missing
    if text.empty:
        return False
    if not re.search(r"\d{4}.*" + OF_DAY + ZONE, text.iloc[0]):  # a year, and what is no mere clock
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = text.str.replace(r"\s*[A-Za-z_/]+\s*$", "", regex=True)
        return bool(pd.to_datetime(plain, errors="coerce").notna().all())


def _zones(column: pd.Series) -> pd.Series:
    """An offset such as +0100 or a word for each row, NaN where there is none."""
    found = column.astype(str).str.extract(OF_DAY + ZONE)[0].str.replace(":", "")
    found = found.str.replace(r"^([+-]\d\d)$", r"\g<1>00", regex=True)
    return found.replace(["Z", "UTC", "GMT", "-0000"], "+0000")
