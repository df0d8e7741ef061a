"""Proof that nothing leaks: change what lies behind a cut, do all again, and compare bit for bit.

The known values behind a row are replaced by others, large ones; gaps are filled anew, the series is
split, scaled and windowed anew. What was made for the rows before must not move by one bit. Of several
series all are changed at once, each behind its own cut, and all of them are compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from seqlab import datasets
from seqlab.config import COUNTS, DataConfig
from seqlab.datasets import Panel, PanelSplit, Split
from seqlab.errors import SeqlabError
from seqlab.inspection import parts
from seqlab.perturbations import drawn, each, kept, perturbed, perturbed_each, place
from seqlab.runs import Run
from seqlab.series import NAMED, Series
from seqlab.windows import Windows

__all__ = ["Check", "audit", "data_checks", "demand", "forecast_checks", "perturbed", "to_json"]

WINDOWS = 20_000  # compared at most per part: half of them at its end, the others evenly spread
FORECASTS = 1_000  # windows that the model is run on, evenly spread over the test part
SHARE = 100  # of these windows, that each of many series has at least
ORIGINS = 6  # among them, from the first to the last; and as many inside gaps, if there are any


@dataclass(frozen=True)
class Check:
    """One thing that must not move.

    Attributes:
        name: what.
        changed: which rows were changed, in words.
        perturbed: how many values that were.
        compared: how many values were compared, bit for bit.
        moved: how many of them are not the same.
        found: where the first of them lies, in words; empty if nothing moved.
    """

    name: str
    changed: str
    perturbed: int
    compared: int
    moved: int
    found: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing moved."""
        return not self.moved

    @property
    def verdict(self) -> str:
        """In words."""
        return "holds" if self.holds else f"LEAKS: {self.found}"


def audit(run: Run, bar: Callable[[Sequence[Any]], Any] = iter) -> list[Check]:
    """All checks of a finished run, from its folder alone; `bar` wraps them, to show how far they are.

    Raises:
        SeqlabError: the run is not finished, or does not say which of its values were filled.
    """
    data, config = run.data, run.config.data
    unsaid = any(one.repair is None for one in each(data)) and config.source not in NAMED
    if config.missing != "error" and unsaid:
        raise SeqlabError(
            f"{run.path}: trained before runs recorded which values --missing filled, so that it cannot"
            " be told whether a line was drawn across a cut. Train the run again"
        )
    needs = tuple(name for name in run.config.needs if name != COUNTS)  # other values are no counts
    checks = data_checks(data, config, needs, bar)
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    model, about = run.model, run.config.model
    return checks + forecast_checks(
        data, config, lambda made: Predictor(model, made.test, about), needs, bar
    )


def data_checks(
    data: Series | Panel,
    config: DataConfig,
    needs: Sequence[str] = (),
    bar: Callable[[Sequence[Any]], Any] = iter,
) -> list[Check]:
    """Whether parts share rows; whether scaler, windows and filled rows know what lies behind a cut."""
    clean = datasets.split(data, config, needs)
    data = kept(data, clean)
    found = [parts(part) for part in clean.parts]
    checks = [_rows_apart(data, config)]
    for name, after in bar(list(pairwise(found[0]))):
        # A part ends where the next begins, whatever it says itself.
        cuts = [
            own[after].first_row + part.back for own, part in zip(found, clean.parts, strict=True)
        ]
        changed, count = perturbed_each(data, cuts)
        other = datasets.split(changed, config, needs).parts
        about = f"everything from {place(data, cuts)} on", count
        pairs = list(zip(clean.parts, other, strict=True))
        if name == "train":
            checks.append(_merged(data, [_scaler(*pair, about) for pair in pairs]))
        checks.append(_merged(data, [_windows(*pair, name, about, len(found)) for pair in pairs]))
        filled = [_filled(*pair, name, about) for pair in pairs]
        if any(check.compared for check in filled):
            checks.append(_merged(data, filled))
    return checks


def forecast_checks(
    data: Series | Panel,
    config: DataConfig,
    forecaster: Callable[[Any], Callable[[Windows, np.ndarray], np.ndarray]],
    needs: Sequence[str] = (),
    bar: Callable[[Sequence[Any]], Any] = iter,
) -> list[Check]:
    """Whether forecasts made at a row, and at those before it, know what comes after it.

    Args:
        data: all of it.
        config: how it is cut.
        forecaster: from a split to a function of windows and some of their indices ``[W]``, which gives
            forecasts ``[W, P]``. Of a panel, windows are those of all series.
        needs: what the model asks for beside the values; see `seqlab.panel.Encoding.of`.
        bar: wraps the rows, to show how far it is.
    """
    clean = datasets.split(data, config, needs)
    data = kept(data, clean)
    tests = [part.test for part in clean.parts]
    origins = [_origins(p.series, p.test, _spread(p.test, len(tests))) for p in clean.parts]
    windows = [np.union1d(_spread(t, len(tests)), at) for t, at in zip(tests, origins, strict=True)]
    begins = np.cumsum([0, *map(len, tests)])[:-1]
    chosen = np.concatenate([own + begin for own, begin in zip(windows, begins, strict=True)])

    def made(values: Series | Panel) -> np.ndarray:
        parted = datasets.split(values, config, needs)
        return forecaster(parted)(parted.test, chosen)

    expected, checks = made(data), []
    for k in bar(range(max(map(len, origins)))):
        at = [own[min(k, len(own) - 1)] for own in origins]
        early = np.concatenate([own <= last for own, last in zip(windows, at, strict=True)])
        rows = [t.first_row + int(w) + t.window - 1 for t, w in zip(tests, at, strict=True)]
        changed, count = perturbed_each(data, [row + 1 for row in rows])
        moved = _moved(expected[early], made(changed)[early])
        where = (
            f"the one made {_made_at(clean, chosen[early][_first(moved)])}" if moved.any() else ""
        )
        name = f"forecasts up to {place(data, rows, k)}"
        checks.append(
            Check(name, "everything after it", count, moved.size, int(moved.sum()), where)
        )
    return checks


def demand(checks: Sequence[Check], name: str) -> None:
    """Refuse what does not hold.

    Raises:
        SeqlabError: naming each check that failed.
    """
    failed = [check for check in checks if not check.holds]
    if failed:
        said = "; ".join(f"{c.name}: {c.moved} of {c.compared} move, {c.found}" for c in failed)
        raise SeqlabError(
            f"{name}: {len(failed)} of {len(checks)} checks do not hold, so something looks ahead."
            f" {said}. Do not trust its scores"
        )


def to_json(checks: Sequence[Check]) -> dict[str, Any]:
    """What ``--json`` prints."""
    entries = [{**asdict(check), "holds": check.holds} for check in checks]
    return {"holds": all(check.holds for check in checks), "checks": entries}


def _made_at(clean: Split | PanelSplit, window: int) -> str:
    """The row at which this window of the test part was forecast, and of which series."""
    for part in clean.parts:
        if window < len(part.test):
            row = part.series.label(part.test.first_row + int(window) + part.test.window - 1)
            return f"at {row}" if isinstance(clean, Split) else f"of {part.series.name} at {row}"
        window -= len(part.test)
    raise IndexError(window)


def _merged(data: Series | Panel, checks: Sequence[Check]) -> Check:
    """The same check of every series as one."""
    if isinstance(data, Series):
        return checks[0]
    found = (f"{s.name}: {c.found}" for s, c in zip(data.series, checks, strict=True) if c.found)
    return replace(
        checks[0],
        compared=sum(check.compared for check in checks),
        moved=sum(check.moved for check in checks),
        found=next(found, ""),
    )


def _rows_apart(data: Series | Panel, config: DataConfig) -> Check:
    """Split the row numbers themselves: parts share none, and targets come after inputs."""
    series = tuple(
        replace(one, values=np.arange(len(one), dtype=float), repair=None) for one in each(data)
    )
    numbers = series[0] if isinstance(data, Series) else replace(data, series=series)
    plain = replace(
        config, scaling="none", layout="steps", transform="none", difference="none", synthetic=0
    )
    rows = sum(map(len, series))
    made = [_apart(part, rows, len(series)) for part in datasets.split(numbers, plain).parts]
    return _merged(data, made)


def _apart(split: Split, rows: int, several: int) -> Check:
    compared = moved = 0
    found, end = "", 0
    for name, windows in parts(split).items():
        inputs, targets = windows.raw(_some(len(windows), several))
        compared += inputs.size + targets.size
        early = targets if split.back else inputs  # inputs may then reach back over a cut
        wrong = int((early < end).sum() + (inputs >= targets[:, :1]).sum())
        if wrong and not found:
            late = (inputs >= targets[:, :1]).any()
            found = f"{name}: {'inputs hold targets' if late else 'rows of the part before'}"
        moved += wrong
        end = int(targets.max()) + 1
    name = "parts and targets are apart"
    return Check(name, "values are row numbers", rows, compared, moved, found)


def _scaler(clean: Split, other: Split, about: tuple[str, int]) -> Check:
    before, after = (
        np.array([x for x in astuple(split.scaler) if isinstance(x, float)])
        for split in (clean, other)
    )
    moved = _moved(before, after)
    where = "a constant of the training part's scaler" if moved.any() else ""
    return Check("scaler", *about, moved.size, int(moved.sum()), where)


def _windows(clean: Split, other: Split, name: str, about: tuple[str, int], several: int) -> Check:
    """Scaled inputs and targets, as the trainer is given them."""
    before, after = parts(clean)[name], parts(other)[name]
    chosen, compared, count, where = _some(len(before), several), 0, 0, ""
    for piece in np.array_split(chosen, -(-len(chosen) // 1_000)):
        both = zip(_arrays(before.batch(piece)), _arrays(after.batch(piece)), strict=True)
        pairs = [_moved(one, other).reshape(len(piece), -1) for one, other in both]
        moved = np.concatenate(pairs, axis=1)
        compared, count = compared + moved.size, count + int(moved.sum())
        if moved.any() and not where:
            row = max(0, before.first_row + int(piece[_first(moved)]))
            where = f"the window that begins at {clean.series.label(row)}"
    counts = f" ({len(chosen):,} of {len(before):,})" if several == 1 else ""
    return Check(f"{name} windows{counts}", *about, compared, count, where)


def _arrays(batch: tuple[Any, ...]) -> list[np.ndarray]:
    """What a batch holds, those of its inputs that have names among them."""
    named, *rest = batch
    return [*named.values(), *rest] if isinstance(named, dict) else list(batch)


def _filled(clean: Split, other: Split, name: str, about: tuple[str, int]) -> Check:
    """Values that were drawn over gaps, which must not lean on what lies behind the cut."""
    series, before, after = clean.series, parts(clean)[name].known, parts(other)[name].known
    begin, size = max(0, parts(clean)[name].first_row), min(len(before), len(after))
    filled = np.flatnonzero(drawn(series)[begin : begin + size])
    moved = _moved(before[filled], after[filled])
    where = f"{series.label(begin + int(filled[_first(moved)]))}" if moved.any() else ""
    return Check(f"values filled in {name}", *about, moved.size, int(moved.sum()), where)


def _origins(series: Series, test: Windows, windows: np.ndarray) -> np.ndarray:
    """Windows whose last input row is an origin: evenly spread, and some that end inside a gap."""
    chosen = windows[np.unique(np.linspace(0, len(windows) - 1, ORIGINS).astype(int))]
    ends = test.first_row + np.arange(len(test)) + test.window - 1
    inside = np.flatnonzero(drawn(series)[ends])
    if not len(inside):
        return chosen
    return np.union1d(chosen, inside[np.linspace(0, len(inside) - 1, ORIGINS).astype(int)])


def _spread(test: Windows, several: int) -> np.ndarray:
    """Windows of one of so many series that the model is run on."""
    count = max(FORECASTS // several, SHARE // 10)
    return np.unique(np.linspace(0, len(test) - 1, count).astype(int))


def _some(count: int, several: int = 1) -> np.ndarray:
    """All of so many windows; or the last ones, where a leak shows first, and some of the others."""
    most = max(WINDOWS // several, SHARE)
    if count <= most:
        return np.arange(count)
    half = most // 2
    spread = np.linspace(0, count - half - 1, half).astype(int)
    return np.concatenate([spread, np.arange(count - half, count)])


def _moved(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which values differ in any bit; all of them, where even the shapes do."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return np.ones(one.shape, bool)
    kind = f"u{one.dtype.itemsize}"
    bits = (np.ascontiguousarray(values).view(kind) for values in (one, other))
    return np.not_equal(*bits)


def _first(moved: np.ndarray) -> int:
    """The first row ``[W, ...]`` in which something moved."""
    return int(moved.reshape(len(moved), -1).any(axis=1).argmax())
