"""Times of several zones, as they are written: found, and refused with the row."""

import pandas as pd

from seqlab.errors import SeqlabError

__all__ = ["check"]

# Behind a time of day, so that the end of 2024-12-05 is none; AM and PM belong to that time.
OF_DAY = r"(?::\d\d|T\d{2,6}|\d[-/.]\d\d?[T ]\d\d)(?:[.,]\d+)?\s*(?:[AaPp]\.?[Mm]\.?)?"
ZONE = r"\s*(Z|[A-Za-z]{3,5}|[A-Za-z_]+(?:/[A-Za-z_]+)+|[+-]\d\d(?::?\d\d)?)\s*$"


def check(column: pd.Series, name: object) -> None:
    """Refuse times of several zones: in which of them is it nine o'clock?

    Raises:
        SeqlabError: naming the first that is of another zone than the first row.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return  # of one zone, summer time or not
    zones = _zones(column)
    other = (zones != zones.iloc[0]).to_numpy() & zones.notna().to_numpy()
    if other.any():
        row = int(other.argmax())
        raise SeqlabError(
            f"row {row + 1}, column {name!r}: {column.iloc[row]!r} is of another time zone than"
            f" {column.iloc[0]!r}. Write all times in one zone, UTC say"
        )


def _zones(column: pd.Series) -> pd.Series:
    """An offset such as +0100 or a word for each row, NaN where there is none."""
    found = column.astype(str).str.extract(OF_DAY + ZONE)[0].str.replace(":", "")
    found = found.str.replace(r"^([+-]\d\d)$", r"\g<1>00", regex=True)
    return found.replace(["Z", "UTC", "GMT", "-0000"], "+0000")
