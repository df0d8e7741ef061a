"""Proof that nothing leaks: change what lies behind a cut, do all again, and compare bit for bit.

The known values behind a row are replaced by others, large ones; gaps are filled anew, the series is
split, scaled and windowed anew. What was made for the rows before must not move by one bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import numpy as np

from seqlab import datasets
from seqlab.config import DataConfig
from seqlab.datasets import Split
from seqlab.errors import SeqlabError
from seqlab.inspection import parts
from seqlab.repair import lines
from seqlab.runs import Run
from seqlab.series import NAMED, Series
from seqlab.windows import Windows

__all__ = ["Check", "audit", "data_checks", "demand", "forecast_checks", "perturbed", "to_json"]

WINDOWS = 20_000  # compared at most per part: half of them at its end, the others evenly spread
FORECASTS = 1_000  # windows that the model is run on, evenly spread over the test part
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


def audit(run: Run) -> list[Check]:
    """All checks of a finished run, from its folder alone.

    Raises:
        SeqlabError: the run is not finished, or does not say which of its values were filled.
    """
    series, config = run.series, run.config.data
    if config.missing != "error" and series.repair is None and config.source not in NAMED:
        raise SeqlabError(
            f"{run.path}: trained before runs recorded which values --missing filled, so that it cannot"
            " be told whether a line was drawn across a cut. Train the run again"
        )
    checks = data_checks(series, config, run.config.needs)
    from seqlab.predict import Predictor  # here, because it loads TensorFlow

    model, about, needs = run.model, run.config.model, run.config.needs
    return checks + forecast_checks(
        series, config, lambda data: Predictor(model, data.test, about), needs
    )


def data_checks(series: Series, config: DataConfig, needs: Sequence[str] = ()) -> list[Check]:
    """Whether parts share rows; whether scaler, windows and filled rows know what lies behind a cut."""
    clean = datasets.split(series, config, needs)
    found = parts(clean)
    cuts = [(name, after) for name, after in zip(found, list(found.values())[1:], strict=False)]
    checks = [_rows_apart(series, config)]
    for name, after in cuts:  # a part ends where the next begins, whatever it says itself
        cut = after.first_row + (config.window if config.look_back else 0)
        changed, count = perturbed(series, cut)
        other = datasets.split(changed, config, needs)
        about = f"everything from {series.label(cut)} on", count
        if name == "train":
            checks.append(_scaler(clean, other, about))
        checks.append(_windows(series, name, found[name], parts(other)[name], about))
        if _drawn(series)[found[name].first_row : cut].any():
            checks.append(_filled(series, name, found[name], parts(other)[name], about))
    return checks


def forecast_checks(
    series: Series,
    config: DataConfig,
    forecaster: Callable[[Split], Callable[[Windows, np.ndarray], np.ndarray]],
    needs: Sequence[str] = (),
) -> list[Check]:
    """Whether forecasts made at a row, and at those before it, know what comes after it.

    Args:
        series: all of it.
        config: how it is cut.
        forecaster: from a split to a function of windows and some of their indices ``[W]``, which gives
            forecasts ``[W, P]``.
        needs: what the model asks for beside the values; see `seqlab.panel.Encoding.of`.
    """
    test = datasets.split(series, config, needs).test
    spread = np.unique(np.linspace(0, len(test) - 1, FORECASTS).astype(int))
    origins = _origins(series, test, spread)
    windows = np.union1d(spread, origins)
    rows = test.first_row + windows + test.window - 1  # the last row that each of them sees

    def made(data: Series) -> np.ndarray:
        parted = datasets.split(data, config, needs)
        return forecaster(parted)(parted.test, windows)

    expected, checks = made(series), []
    for kept in np.searchsorted(windows, origins) + 1:
        origin = int(rows[kept - 1])
        changed, count = perturbed(series, origin + 1)
        moved = _moved(expected[:kept], made(changed)[:kept])
        where = f"the one made at {series.label(rows[_first(moved)])}" if moved.any() else ""
        name = f"forecasts up to {series.label(origin)}"
        checks.append(
            Check(name, "everything after it", count, moved.size, int(moved.sum()), where)
        )
    return checks


def perturbed(series: Series, first: int, seed: int = 0) -> tuple[Series, int]:
    """A series whose known values from this row on are others, and large; its gaps are filled anew.

    Returns:
        The series, and how many values were replaced.
    """
    values = series.values.copy()
    filled = _drawn(series)
    chosen = np.flatnonzero(~filled[first:]) + first
    random = np.random.default_rng(seed)
    size = 100 * max(float(np.abs(values).max()), 1.0)
    shifts = random.choice([-1.0, 1.0], len(chosen)) * random.uniform(1, 2, len(chosen)) * size
    values[chosen] += shifts.astype(values.dtype)
    if filled.any():
        values = lines(np.where(filled, np.nan, values).astype(values.dtype))
    past = None if series.past is None else series.past.copy()
    if past is not None:  # columns that are known ahead stay: they are known
        past[first:] += size
    return replace(series, values=values, past=past), len(chosen)


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


def _rows_apart(series: Series, config: DataConfig) -> Check:
    """Split the row numbers themselves: parts share none, and targets come after inputs."""
    numbers = replace(series, values=np.arange(len(series), dtype=float), repair=None)
    plain = replace(config, scaling="none", layout="steps", transform="none", difference="none")
    compared = moved = 0
    found, end = "", 0
    for name, windows in parts(datasets.split(numbers, plain)).items():
        inputs, targets = windows.raw(_some(len(windows)))
        compared += inputs.size + targets.size
        early = targets if config.look_back else inputs  # inputs may then reach back over a cut
        wrong = int((early < end).sum() + (inputs >= targets[:, :1]).sum())
        if wrong and not found:
            late = (inputs >= targets[:, :1]).any()
            found = f"{name}: {'inputs hold targets' if late else 'rows of the part before'}"
        moved += wrong
        end = int(targets.max()) + 1
    return Check(
        "parts and targets are apart", "values are row numbers", len(series), compared, moved, found
    )


def _scaler(clean: Split, other: Split, about: tuple[str, int]) -> Check:
    before, after = (
        np.array([x for x in astuple(split.scaler) if isinstance(x, float)])
        for split in (clean, other)
    )
    moved = _moved(before, after)
    where = "a constant of the training part's scaler" if moved.any() else ""
    return Check("scaler", *about, moved.size, int(moved.sum()), where)


def _windows(
    series: Series, name: str, before: Windows, after: Windows, about: tuple[str, int]
) -> Check:
    """Scaled inputs and targets, as the trainer is given them."""
    chosen, compared, count, where = _some(len(before)), 0, 0, ""
    for piece in np.array_split(chosen, -(-len(chosen) // 1_000)):
        both = zip(_arrays(before.batch(piece)), _arrays(after.batch(piece)), strict=True)
        pairs = [_moved(one, other).reshape(len(piece), -1) for one, other in both]
        moved = np.concatenate(pairs, axis=1)
        compared, count = compared + moved.size, count + int(moved.sum())
        if moved.any() and not where:
            row = before.first_row + int(piece[_first(moved)])
            where = f"the window that begins at {series.label(row)}"
    return Check(
        f"{name} windows ({len(chosen):,} of {len(before):,})", *about, compared, count, where
    )


def _arrays(batch: tuple[Any, ...]) -> list[np.ndarray]:
    """What a batch holds, those of its inputs that have names among them."""
    named, *rest = batch
    return [*named.values(), *rest] if isinstance(named, dict) else list(batch)


def _filled(
    series: Series, name: str, before: Windows, after: Windows, about: tuple[str, int]
) -> Check:
    """Values that were drawn over gaps, which must not lean on what lies behind the cut."""
    begin, size = before.first_row, min(len(before.values), len(after.values))
    filled = np.flatnonzero(_drawn(series)[begin : begin + size])
    moved = _moved(before.values[filled], after.values[filled])
    where = f"{series.label(begin + int(filled[_first(moved)]))}" if moved.any() else ""
    return Check(f"values filled in {name}", *about, moved.size, int(moved.sum()), where)


def _drawn(series: Series) -> np.ndarray:
    """``[N]``: which values were drawn, not read."""
    return np.zeros(len(series), bool) if series.repair is None else series.repair.filled


def _origins(series: Series, test: Windows, windows: np.ndarray) -> np.ndarray:
    """Windows whose last input row is an origin: evenly spread, and some that end inside a gap."""
    chosen = windows[np.unique(np.linspace(0, len(windows) - 1, ORIGINS).astype(int))]
    ends = test.first_row + np.arange(len(test)) + test.window - 1
    inside = np.flatnonzero(_drawn(series)[ends])
    if not len(inside):
        return chosen
    return np.union1d(chosen, inside[np.linspace(0, len(inside) - 1, ORIGINS).astype(int)])


def _some(count: int) -> np.ndarray:
    """All of so many windows; or the last ones, where a leak shows first, and some of the others."""
    if count <= WINDOWS:
        return np.arange(count)
    half = WINDOWS // 2
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
