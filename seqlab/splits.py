"""Series in three stretches of time, and the windows of each: split first, fitted and cut afterwards."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import overload

import numpy as np

from seqlab import metrics
from seqlab.config import DataConfig
from seqlab.covariates import Covariates
from seqlab.errors import SeqlabError
from seqlab.panel import Encoding, Panel
from seqlab.repair import gaps_of, held
from seqlab.scaling import Scaler
from seqlab.series import Series
from seqlab.windows import Windows

__all__ = ["PanelSplit", "Split", "cuts_of", "split", "test_rows"]

SHARE = 0.15  # of the rows for validation, and again for the test, where nothing else is said


@dataclass(frozen=True)
class Split:
    """A series in three stretches of time; no window's targets cross from one into the next.

    Attributes:
        series: the whole of it.
        train: the windows that weights and scaler are fitted on.
        validation: the windows that choose the best weights; None when the config asks for none.
        test: the windows that are scored.
        scaler: fitted on the training stretch.
        encoding: of the columns beside the values, likewise.
    """

    series: Series
    train: Windows
    validation: Windows | None
    test: Windows
    scaler: Scaler
    encoding: Encoding

    @property
    def parts(self) -> "tuple[Split, ...]":
        """One for each series: this one."""
        return (self,)

    @property
    def data(self) -> Series:
        """What was split."""
        return self.series


@dataclass(frozen=True)
class PanelSplit:
    """Several series, each in three stretches of time, whose windows are learned together.

    Attributes:
        panel: the series.
        parts: each series' own split.
        encoding: of the columns beside the values, from all training parts.
        left_out: names of the series that are too short for it.
    """

    panel: Panel
    parts: tuple[Split, ...]
    encoding: Encoding
    left_out: tuple[str, ...] = ()

    @property
    def data(self) -> Panel:
        """What was split."""
        return self.panel

    @cached_property
    def train(self) -> Windows:
        """The windows that weights are fitted on, series by series."""
        return Windows.joined([part.train for part in self.parts])

    @cached_property
    def validation(self) -> Windows | None:
        """The windows that choose the best weights; None when the config asks for none."""
        found = [part.validation for part in self.parts if part.validation is not None]
        return Windows.joined(found) if found else None

    @cached_property
    def test(self) -> Windows:
        """The windows that are scored."""
        return Windows.joined([part.test for part in self.parts])


@overload
def split(data: Series, config: DataConfig, needs: Sequence[str] = ()) -> Split: ...
@overload
def split(data: Panel, config: DataConfig, needs: Sequence[str] = ()) -> PanelSplit: ...
def split(
    data: Series | Panel, config: DataConfig, needs: Sequence[str] = ()
) -> Split | PanelSplit:
    """Cut series into training, validation and test by time, and fit scalers and encodings.

    A season in the config goes before the series' own.

    Unless the config or the series itself says how many rows its test part has, test and validation take
    15 % of the rows each, and at least the window and twice the horizon, so that short series can be
    tried. Validation comes off the end of the rows before the test. Inputs and targets lie in one part;
    with ``config.look_back`` the targets alone do, and inputs reach back over a cut.

    Where a line was drawn over a gap that a cut goes through, the rows before the cut hold the last
    value before the gap instead: the line leads to a value behind the cut.

    Args:
        data: one series, or several for one network.
        config: how.
        needs: what a model asks for beside the values; see `seqlab.panel.Encoding.of`.

    Raises:
        SeqlabError: too few rows, with the arithmetic; of a panel, with the series.
    """
    series = list((data,) if isinstance(data, Series) else data.series)
    if config.season is not None:
        series = [dataclasses.replace(one, season=config.season) for one in series]
    series, cuts, left_out = _long_enough(series, config)
    encoding = Encoding.fit(series, [cut[1] for cut in cuts])
    parts = tuple(
        _one(one, config, cut, encoding, encoding.of(one, number, needs, config.calendar))
        for number, (one, cut) in enumerate(zip(series, cuts, strict=True))
    )
    if config.weigh == "relative":
        parts = _weighed(parts, config.transform)
    return parts[0] if isinstance(data, Series) else PanelSplit(data, parts, encoding, left_out)


def _long_enough(
    series: list[Series], config: DataConfig
) -> tuple[list[Series], list[tuple[int, int, int, int]], tuple[str, ...]]:
    """The series that can be cut, and how; and the names of the others, if they may be dropped."""
    kept, cuts = [], []
    short: dict[str, str] = {}
    for one in series:
        try:
            cuts.append(cuts_of(one, config))
            kept.append(one)
        except SeqlabError as error:
            short[one.name] = str(error)
    if not short or (config.short == "drop" and kept):
        return kept, cuts, tuple(short)
    name, why = next(iter(short.items()))
    if len(series) == 1:
        raise SeqlabError(why)
    raise SeqlabError(
        f"{len(short)} of {len(series)} series have too few rows: {', '.join(list(short)[:10])}"
        f"{', ...' if len(short) > 10 else ''}. {name}: {why}. Or leave them out by --short drop"
    )


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


def _one(
    series: Series,
    config: DataConfig,
    cuts: tuple[int, int, int, int],
    encoding: Encoding,
    beside: Covariates | None,
) -> Split:
    """The parts of one series."""
    gaps = gaps_of(series.values, series.repair)
    back = config.window if config.look_back else 0
    pieces = [
        slice(max(0, begin - back) if end > begin else begin, end) for begin, end in pairwise(cuts)
    ]
    known = [gaps and gaps[piece] for piece in pieces]
    values = [held(series.values[piece], gap) for piece, gap in zip(pieces, known, strict=True)]
    ahead = config.ahead, config.ahead, config.horizon  # what the network gives, and what is scored
    scaler = Scaler.fit(
        config.scaling,
        values[0],
        config.window,
        config.ahead,
        config.transform,
        _lag(config, series),
    )
    train, validation, test = (
        Windows(
            part,
            config.window,
            horizon,
            scaler,
            config.layout,
            piece.start,
            gap,
            beside and beside[piece],
        )
        if len(part)
        else None
        for part, piece, gap, horizon in zip(values, pieces, known, ahead, strict=True)
    )
    return Split(series, train, validation, test, scaler, encoding)  # type: ignore[arg-type]


def _lag(config: DataConfig, series: Series) -> int:
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


def _weighed(parts: tuple[Split, ...], transform: str) -> tuple[Split, ...]:
    """With weights that make of an error what sMAPE and MASE, half and half, make of it.

    In sMAPE an error counts as a share of the series' size, in MASE as a share of its usual change over a
    season; the mean of those changes brings both halves to one size.
    """
    sizes = [float(np.mean(np.abs(part.train.values))) or 1.0 for part in parts]
    changes = np.array(
        [
            metrics.mase_scale(part.train.values, part.series.season) / size
            for part, size in zip(parts, sizes, strict=True)
        ]
    )
    changes = np.maximum(
        changes, 0.01 * (changes.mean() or 1.0)
    )  # a constant series counts, but not alone
    costs = 0.5 / changes.mean() + 0.5 / changes
    if transform != "log":  # errors of logarithms are shares of the size already
        costs = costs / sizes
    return tuple(
        dataclasses.replace(
            part,
            train=dataclasses.replace(part.train, weights=cost[None]),
            validation=part.validation and dataclasses.replace(part.validation, weights=cost[None]),
        )
        for part, cost in zip(parts, costs, strict=True)
    )


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
