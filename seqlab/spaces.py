"""What a search for options may choose from, and the data that it is given: all but the test part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from seqlab.config import SEARCHED, Config, DataConfig
from seqlab.cuts import cuts_of
from seqlab.datasets import Panel, PanelSplit, Series, Split
from seqlab.errors import SeqlabError, check_choice

__all__ = ["Range", "Space", "applied", "blinded", "space", "values_of"]

WINDOWS = (0.5, 1, 2, 3)  # times the window that the search begins with


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if both are.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether factors count, not differences.
    """

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Range | tuple[Any, ...]]  # name of an option to a range, or to its choices
# Segments are the other way to read any window; the other models ask for data or losses of their own.
CHOICES: Space = {
    "model": ("stacked", "segments"),
    "cell": ("lstm", "gru"),
    "layers": Range(1, 3),
    "hidden": Range(8, 128, log=True),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4),
    "scaling": ("last", "change", "standard", "window", "mean"),
    "batch": (16, 32, 64, 128),
    "learning_rate": Range(1e-3, 0.05, log=True),
}


def space(config: Config, searched: Sequence[str], series: Sequence[Series]) -> dict[str, Any]:
    """The range or the choices of each option that is searched; those with one choice are left out.

    Windows are those for which validation and test part have the same rows as with the config's own,
    since what is forecast of other rows cannot be compared. `look_back`, or `test` and `validation` in
    numbers, leave more of them.

    Args:
        config: where the search begins.
        searched: some of `seqlab.config.SEARCHED`.
        series: what is split.

    Raises:
        SeqlabError: an option that cannot be searched.
    """
    for name in searched:
        check_choice("searched", name, SEARCHED)
    found = {name: CHOICES[name] for name in searched if name != "window"}
    if "window" in searched:
        found["window"] = _windows(config, series)
    own = values_of(config, found)
    found = {
        name: what if isinstance(what, Range) else _legal(config, name, what, own[name])
        for name, what in found.items()
    }
    return {name: what for name, what in found.items() if isinstance(what, Range) or len(what) > 1}


def values_of(config: Config, names: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """What a config says of these options."""
    return {name: getattr(getattr(config, _part(name)), name) for name in names}


def applied(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with these options.

    Raises:
        SeqlabError: options that contradict each other.
    """
    parts = {name: getattr(config, name) for name in ("data", "model", "train")}
    for name, value in values.items():
        parts[_part(name)] = replace(parts[_part(name)], **{name: value})
    return Config(**parts)


def blinded(data: Series | Panel, clean: Split | PanelSplit) -> Series | Panel:
    """The data without a value of the test part: NaN stands there, which nothing can learn from."""
    ends = {part.series.name: _end_of_known(part) for part in clean.parts}
    if isinstance(data, Series):
        return _blind(data, ends[data.name])
    # A series that is left out as too short is left out whole.
    return replace(data, series=tuple(_blind(s, ends.get(s.name, 0)) for s in data.series))


def _end_of_known(part: Split) -> int:
    held = part.validation or part.train
    return held.first_row + len(held.values)


def _blind(series: Series, end: int) -> Series:
    values = np.where(np.arange(len(series)) < end, series.values, np.nan)
    past = series.past
    if past is not None:
        past = np.where(np.arange(len(past))[:, None] < end, past, np.nan)
    return replace(series, values=values.astype(series.values.dtype), past=past)


def _part(name: str) -> str:
    """The part of the config that an option is in."""
    found = ((f.name, getattr(Config(), f.name)) for f in fields(Config))
    return next(part for part, value in found if hasattr(value, name))


def _legal(config: Config, name: str, choices: Sequence[Any], own: Any) -> tuple[Any, ...]:
    """The choices that the rest of the config allows, the config's own first."""
    allowed = [own]
    for choice in choices:
        try:
            applied(config, {name: choice})
        except SeqlabError:
            continue
        allowed += [choice] if choice != own else []
    return tuple(allowed)


def _windows(config: Config, series: Sequence[Series]) -> tuple[int, ...]:
    own = [_cuts(one, config.data) for one in series]
    found = []
    for times in WINDOWS:
        try:
            other = replace(config.data, window=max(2, round(times * config.data.window)))
        except SeqlabError:
            continue
        if [_cuts(one, other) for one in series] == own and other.window not in found:
            found.append(other.window)
    return tuple(found)


def _cuts(series: Series, config: DataConfig) -> tuple[int, ...] | None:
    """Where the parts begin; None if the series is too short."""
    try:
        return cuts_of(series, config)
    except SeqlabError:
        return None
