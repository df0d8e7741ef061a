"""Where series are cut by time into training, validation and test: rows alone, no windows yet."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.series import Series

__all__ = ["Fit", "cuts_of", "fitting", "lag_of", "listed", "test_rows"]

LEAST = 2  # values that a window of a padded series holds
LISTED = 10  # names in a sentence
SHARE = 0.15  # of the rows for validation, and again for the test, where nothing else is said


@dataclass(frozen=True)
class Fit:
    """A series, where it is cut, counted in its values, and the padding before them."""

    series: Series
    cuts: tuple[int, int, int, int]
    padding: int


def fitting(series: list[Series], config: DataConfig) -> tuple[list[Fit], dict[str, str]]:
    """The series that can be cut, and how; and why the others cannot, if they may be dropped."""
    kept, short = [], {}
    for one in series:
        try:
            kept.append(_fit(one, config))
        except SeqlabError as error:
            short[one.name] = str(error)
    if not short or (config.short == "drop" and kept):
        return kept, short
    name, why = next(iter(short.items()))
    if len(series) == 1:
        raise SeqlabError(why)
    rows = {one.name: len(one) for one in series}
    more = "" if config.short != "error" else ", or pad them by --short pad"
    raise SeqlabError(
        f"{len(short)} of {len(series)} series have too few rows: {listed(short, rows)}."
        f" {name}: {why}. Or leave them out by --short drop{more}"
    )


def listed(names: Collection[str], rows: Mapping[str, int] | None = None) -> str:
    """The first ten of them, with their rows if these are given, and how many there are."""
    shown = [f"{name} ({rows[name]} rows)" if rows else name for name in islice(names, LISTED)]
    more = f", ... ({len(names)} in all)" if len(names) > LISTED else ""
    return ", ".join(shown) + more


def _fit(series: Series, config: DataConfig) -> Fit:
    """Where a series is cut; one that is too short, with the padding that it may have.

    Raises:
        SeqlabError: too few rows.
    """
    try:
        return Fit(series, cuts_of(series, config), 0)
    except SeqlabError:
        if config.short != "pad":
            raise
    least = lag_of(config, series) + LEAST
    shorter = dataclasses.replace(config, window=least, look_back=True)
    try:
        return Fit(series, cuts_of(series, shorter), config.window - least)
    except SeqlabError as error:
        raise SeqlabError(f"even with padding, {error}") from error


def cuts_of(series: Series, config: DataConfig) -> tuple[int, int, int, int]:
    """Where the parts begin, and the last ends; no validation part is one of no rows.

    Raises:
        SeqlabError: too few rows, with the arithmetic.
    """
    rows, horizon = len(series), config.horizon
    need = horizon if config.look_back else config.window + horizon
    least, said = need + horizon - 1, test_rows(series, config)
    test = said or max(round(SHARE * rows), least)
    before = rows - test
    share = SHARE if said is None else SHARE * 2 / 3
    validation = config.validation or max(round(share * rows), least)
    validation = validation if config.validate else 0
    if before - validation < config.window + horizon or test < need:
        raise SeqlabError(_too_few(config, series, validation, test))
    return 0, before - validation, before, rows


def test_rows(series: Series, config: DataConfig) -> int | None:
    """How many rows at the end are the test part, where the config or the series says so.

    Raises:
        SeqlabError: a time, of rows that are only counted; neither a number nor a time.
    """
    if config.test is None:
        return series.test_rows
    if config.test.isdecimal():
        return int(config.test)
    if series.times is None:
        raise SeqlabError(
            f"{series.name}: its rows have no times, so that --test must be a number of rows."
            f" Received: {config.test!r}"
        )
    import pandas as pd

    try:
        first = int(series.times.searchsorted(pd.Timestamp(config.test, tz=series.times.tz)))
    except ValueError as error:
        raise SeqlabError(
            f"--test must be a number of rows or a time such as 2024-12-31. Received: {config.test!r}"
        ) from error
    return len(series) - first


def lag_of(config: DataConfig, series: Series) -> int:
    """Rows of the season whose changes the network sees, or 0."""
    if config.difference == "none":
        return 0
    if series.season is None or series.season < 2:
        raise SeqlabError(f"{series.name}: --difference season needs to know it: use --season N")
    if series.season + 2 > config.window:
        raise SeqlabError(
            f"--difference season takes {series.season} rows of the window of {config.window}, and two"
            f" must be left. Use --window {2 * series.season} or so"
        )
    return series.season


def _too_few(config: DataConfig, series: Series, validation: int, test: int) -> str:
    rows, need = len(series), config.window + config.horizon
    text = (
        f"{rows} rows; window {config.window} + horizon {config.horizon} needs {need} rows in each part,"
        f" and the test part takes {test}, validation {validation},"
        f" which leaves {rows - validation - test} for training."
    )
    fits = rows // 3 - 2 * config.horizon + 1
    if series.test_rows:
        fits = min(fits, series.test_rows - config.horizon)
    if fits >= 2:
        return f"{text} Use --window {min(fits, config.window - 1)} or less"
    return f"{text} Use a longer series, or a smaller --horizon"
