"""Data for training: a series, split by time, scaled and cut into windows; and labelled sequences."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.repair import gaps_of, held
from seqlab.scaling import Scaler
from seqlab.sequence_files import load_sequences
from seqlab.sequences import LabelledSequences, batches
from seqlab.series import NAMED, Series, airline, mackey_glass, multisine, sin, sunspots
from seqlab.windows import Windows

__all__ = [
    "NAMED",
    "DataConfig",
    "LabelledSequences",
    "Scaler",
    "Series",
    "Split",
    "Windows",
    "airline",
    "batches",
    "load",
    "load_sequences",
    "mackey_glass",
    "multisine",
    "sin",
    "split",
    "sunspots",
]

SHARE = 0.15  # of the rows for validation, and again for the test, where nothing else is said


@dataclass(frozen=True)
class Split:
    """A series in three stretches of time; no window crosses from one into the next.

    Attributes:
        series: the whole of it.
        train: the windows that weights and scaler are fitted on.
        validation: the windows that choose the best weights; None when the config asks for none.
        test: the windows that are scored.
        scaler: fitted on the training stretch.
    """

    series: Series
    train: Windows
    validation: Windows | None
    test: Windows
    scaler: Scaler


def load(config: DataConfig) -> Series:
    """The series that a config names: one of `NAMED`, or a CSV or Parquet file.

    Raises:
        SeqlabError: neither a name nor a readable file; see `seqlab.tables`.
    """
    if config.source in NAMED:
        if config.target is not None:
            raise SeqlabError(f"{config.source!r} has one column: leave out --target")
        return NAMED[config.source].make()
    if "." not in Path(config.source).name and not Path(config.source).exists():
        raise SeqlabError(
            f"`DATA` must be a file or one of {', '.join(NAMED)}. Received: {config.source!r}"
        )
    from seqlab import tables  # here, because pandas takes half a second to load

    return tables.read(config.source, config.target, config.missing)


def split(series: Series, config: DataConfig) -> Split:
    """Cut a series into training, validation and test by time, and fit the scaler.

    A season in the config goes before the series' own.

    Unless the series itself says how many rows its test part has, test and validation take 15 % of
    the rows each, and at least the window and twice the horizon, so that short series can be tried.
    Validation comes off the end of the rows before the test.

    Where a line was drawn over a gap that a cut goes through, the rows before the cut hold the last
    value before the gap instead: the line leads to a value behind the cut.

    Raises:
        SeqlabError: too few rows, with the arithmetic.
    """
    if config.season is not None:
        series = dataclasses.replace(series, season=config.season)
    rows, need = len(series), config.window + config.horizon
    least = need + config.horizon - 1
    test = series.test_rows or max(round(SHARE * rows), least)
    before = rows - test
    share = SHARE if series.test_rows is None else SHARE * 2 / 3
    validation = max(round(share * rows), least) if config.validate else 0
    cuts = (0, before - validation, before, rows)
    if min(cuts[1], test) < need:
        raise SeqlabError(_too_few(config, series, validation, test))
    gaps = gaps_of(series.values, series.repair)
    pieces = [slice(*cuts[i : i + 2]) for i in range(3)]
    known = [gaps and gaps[piece] for piece in pieces]
    values = [held(series.values[piece], gap) for piece, gap in zip(pieces, known, strict=True)]
    sizes = config.window, config.horizon
    scaler = Scaler.fit(config.scaling, values[0], *sizes)
    train, validated, scored = (
        Windows(part, *sizes, scaler, config.layout, piece.start, gap) if len(part) else None
        for part, piece, gap in zip(values, pieces, known, strict=True)
    )
    return Split(series, train, validated, scored, scaler)  # type: ignore[arg-type]


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
