"""Series in three stretches of time, and the windows of each: split first, fitted and cut afterwards."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

import numpy as np

from seqlab import metrics
from seqlab.config import COUNTS, DataConfig
from seqlab.cuts import Fit, fitting, lag_of, listed
from seqlab.errors import SeqlabError
from seqlab.panel import Encoding, Panel
from seqlab.repair import gaps_of, held, padded
from seqlab.scaling import Scaler
from seqlab.series import Series
from seqlab.windows import Windows, padding_from

__all__ = ["PanelSplit", "Split", "check_counts", "split", "unseen_labels"]


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
        back: rows by which the inputs of validation and test may reach back over their cuts.
        number: the series' place among those that are learned together, from 0.
        later: rows by which the series begins after the one that was learned; see `seqlab.newer`.
    """

    series: Series
    train: Windows
    validation: Windows | None
    test: Windows
    scaler: Scaler
    encoding: Encoding
    back: int = 0
    number: int = 0
    later: int = 0

    @property
    def parts(self) -> "tuple[Split, ...]":
        """One for each series: this one."""
        return (self,)

    @property
    def data(self) -> Series:
        """What was split."""
        return self.series

    @property
    def padding(self) -> int:
        """Rows of it before the first value."""
        return max(0, -self.train.first_row)

    @property
    def short(self) -> dict[str, Any]:
        """For ``--json``: names of the series that are too short; see `PanelSplit.short`."""
        return {"padded": [self.series.name] if self.padding else [], "left_out": {}}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of a series that is too short, and of labels, a sentence each."""
        found = unseen_labels(self)
        if self.padding:
            name, rows = self.series.name, len(self.series)
            found.append(f"Padded, because it has too few rows: {name} ({rows} rows).")
        return tuple(found)


@dataclass(frozen=True)
class PanelSplit:
    """Several series, each in three stretches of time, whose windows are learned together.

    Attributes:
        panel: the series.
        parts: each series' own split.
        encoding: of the columns beside the values, from all training parts.
        left_out: names of the series that are too short for it, and why, the arithmetic.
    """

    panel: Panel
    parts: tuple[Split, ...]
    encoding: Encoding
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Panel:
        """What was split."""
        return self.panel

    @property
    def short(self) -> dict[str, Any]:
        """For ``--json``: all names of series that are ``padded``, and ``left_out``, with the reason."""
        padded = [part.series.name for part in self.parts if part.padding]
        empty = dict.fromkeys(self.panel.empty, "no row has a value")
        return {"padded": padded, "left_out": {**self.left_out, **empty}}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of series that are too short, and of labels, a sentence each."""
        rows = {one.name: len(one) for one in self.panel.series}
        found = {"Padded": self.short["padded"], "Left out by --short drop": self.left_out}
        made = [
            f"{what}, because they have too few rows: {listed(names, rows)}."
            for what, names in found.items()
            if names
        ]
        if self.left_out:
            name, why = next(iter(self.left_out.items()))
            made.append(f"{name}: {why}.")
        if empty := self.panel.empty:
            made.append(f"Left out by --short drop, because no row has a value: {listed(empty)}.")
        return (*made, *unseen_labels(self))

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


def unseen_labels(data: Split | PanelSplit) -> list[str]:
    """That labels are new behind the training part."""
    rows = data.encoding.unseen([part.series for part in data.parts])
    return (
        [f"Labels that training has not seen count as none: {listed(rows, rows)}."] if rows else []
    )


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

    With ``config.short`` of ``pad`` rows stand before the first value of a series that is too short, hold
    that value, and are marked as no value. They are inputs only: windows begin where at least two values
    are in them, parts are sized by the values alone, and inputs reach back over the cuts.

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
    if COUNTS in needs:
        for one in series:
            check_counts(one)
    kept, left_out = fitting(series, config)
    encoding = Encoding.fit([fit.series for fit in kept], [fit.cuts[1] for fit in kept])
    parts = tuple(_one(fit, number, config, encoding, needs) for number, fit in enumerate(kept))
    if config.weigh == "relative":
        parts = _weighed(parts, config.transform)
    return parts[0] if isinstance(data, Series) else PanelSplit(data, parts, encoding, left_out)


def check_counts(series: Series) -> None:
    """Refuse what is no count, where a likelihood of counts is asked for.

    Raises:
        SeqlabError: naming the first row.
    """
    known = np.isfinite(series.values)  # a search is given none of the test part
    wrong = known & ((series.values < 0) | (series.values != np.round(series.values)))
    if wrong.any():
        row = int(wrong.argmax())
        raise SeqlabError(
            f"{series.name}: {series.label(row)} is {series.values[row]:g}, and --loss {COUNTS} is of"
            " counts: whole numbers from 0 on. Use --loss gaussian or student, or --missing drop where"
            " lines were drawn over gaps"
        )


def _one(
    fit: Fit, number: int, config: DataConfig, encoding: Encoding, needs: Sequence[str]
) -> Split:
    """The parts of one series."""
    series, padding = fit.series, fit.padding
    marked = padding if config.short == "pad" else None
    beside = encoding.of(series, number, needs, config.calendar, padding=marked)
    every, gaps = padded(series.values, gaps_of(series.values, series.repair), padding)
    back = config.window if config.look_back or padding else 0
    cuts = [0, *(cut + padding for cut in fit.cuts[1:])]
    pieces = [
        slice(max(0, begin - back) if end > begin else begin, end) for begin, end in pairwise(cuts)
    ]
    known = [gaps and gaps[piece] for piece in pieces]
    values = [held(every[piece], gap) for piece, gap in zip(pieces, known, strict=True)]
    ahead = config.ahead, config.ahead, config.horizon  # what the network gives, and what is scored
    scaler = Scaler.fit(
        config.scaling,
        values[0][padding:],
        min(config.window, fit.cuts[1] - config.ahead),
        config.ahead,
        config.transform,
        lag_of(config, series),
    )
    train, validation, test = (
        Windows(
            part,
            config.window,
            horizon,
            scaler,
            config.layout,
            piece.start - padding,
            gap,
            beside and beside[piece],
            padding=padding_from(len(every), padding, piece),
        )
        if len(part)
        else None
        for part, piece, gap, horizon in zip(values, pieces, known, ahead, strict=True)
    )
    return Split(series, train, validation, test, scaler, encoding, back, number)  # type: ignore[arg-type]


def _weighed(parts: tuple[Split, ...], transform: str) -> tuple[Split, ...]:
    """With weights that make of an error what sMAPE and MASE, half and half, make of it.

    In sMAPE an error counts as a share of the series' size, in MASE as a share of its usual change over a
    season; the mean of those changes brings both halves to one size.
    """
    sizes = [float(np.mean(np.abs(part.train.known))) or 1.0 for part in parts]
    changes = np.array(
        [
            metrics.mase_scale(part.train.known, part.series.season) / size
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
