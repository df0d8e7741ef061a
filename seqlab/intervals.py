"""Intervals around forecasts: a network's own, or those that its errors on held-back windows leave."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab import conformal, interval_metrics
from seqlab.conformal import Bands
from seqlab.datasets import PanelSplit, Split
from seqlab.errors import SeqlabError
from seqlab.windows import Windows

if TYPE_CHECKING:  # which loads TensorFlow
    from seqlab.predict import Predictor

__all__ = [
    "LEVELS",
    "NOMINAL",
    "Bands",
    "Held",
    "Spread",
    "bands",
    "bands_ahead",
    "held",
    "missing",
    "spread",
]

LEVELS = tuple(i / 20 for i in range(1, 20))  # of the quantiles that stand for a likelihood
NOMINAL = (0.8, 0.95)  # shares of truths that intervals are made to hold, unless told otherwise
WORK = 200_000  # windows times steps of the validation part that are forecast beyond the horizon


@dataclass(frozen=True)
class Held:
    """What intervals held, in original units.

    Attributes:
        nominal: the share of truths that they were meant to hold.
        coverage: the share that they held.
        width: their mean width.
        score: the mean interval score; see `seqlab.interval_metrics.interval_score`.
        kind: ``quantiles`` of the network's own, ``conformal`` or ``adaptive``; ``mixed`` of a mean of
            several.
    """

    nominal: float
    coverage: float
    width: float
    score: float
    kind: str

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Spread:
    """What quantiles of the forecasts are worth as a whole; lower is better.

    Attributes:
        levels: of the quantiles.
        weighted_quantile_loss: see `seqlab.interval_metrics`; without a unit.
        crps: by these levels, in original units; that of single numbers is their mean absolute error.
        kind: as of `Held`.
    """

    levels: tuple[float, ...]
    weighted_quantile_loss: float
    crps: float
    kind: str

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; undefined values are null."""
        loss = self.weighted_quantile_loss
        return {**asdict(self), "weighted_quantile_loss": loss if np.isfinite(loss) else None}


def spread(
    truth: np.ndarray,
    forecast: np.ndarray,
    made: Bands,
    kind: str,
    predictor: "Predictor | None" = None,
    windows: Windows | None = None,
) -> Spread | None:
    """The score of all quantiles that there are; None if there are none.

    A network of a distribution is asked for them. Around single numbers there are the ends of intervals,
    and the forecasts themselves as medians.
    """
    if kind == "quantiles" and predictor is not None and windows is not None:
        levels = predictor.every_level or LEVELS
        found = predictor.quantiles(windows, levels)
    elif made:
        ends = {(1 + sign * share) / 2: made[share][sign > 0] for share in made for sign in (-1, 1)}
        ends[0.5] = np.asarray(forecast)
        levels = tuple(sorted(ends))
        found = np.sort(np.stack([ends[level] for level in levels], axis=-1), axis=-1)
    else:
        return None
    truth, at = np.asarray(truth, np.float64), np.array(levels)
    return Spread(
        tuple(levels),
        interval_metrics.weighted_quantile_loss(truth, found, at),
        interval_metrics.crps_from_quantiles(truth, found, at),
        kind,
    )


def bands(
    predictor: "Predictor",
    data: Split | PanelSplit,
    windows: Windows,
    forecast: np.ndarray,
    nominal: Sequence[float] = NOMINAL,
    most: int | None = None,
    adaptive: bool = False,
) -> tuple[Bands, str]:
    """Intervals for forecasts ``[W, P]``, and of which kind they are.

    A network of quantiles or of a likelihood gives them itself, for its own steps. Else they are
    conformal: as wide as the errors on the validation part ask for. Shares for which that part is too
    short, or for which the network has no quantiles, are left out. With `most`, so many windows of that
    part are enough. With `adaptive`, conformal ones learn from the truths of earlier windows.

    Raises:
        SeqlabError: `adaptive`, and the intervals are the network's own.
    """
    ends = {share: ((1 - share) / 2, (1 + share) / 2) for share in nominal}
    known = {share: pair for share, pair in ends.items() if predictor.gives(pair)}
    if known and windows.horizon <= predictor.horizon:
        if adaptive:
            raise SeqlabError(
                "the intervals are quantiles of the network's own, and only conformal ones adapt. Leave"
                " out --adaptive, or train with --loss mae"
            )
        levels = sorted({level for pair in known.values() for level in pair})
        made = predictor.quantiles(windows, levels)
        of = {level: made[..., i] for i, level in enumerate(levels)}
        return {share: (of[low], of[high]) for share, (low, high) in known.items()}, "quantiles"
    held_back = _held_back(data, windows.horizon, most)
    if held_back is None or (predictor.distribution and windows.horizon <= predictor.horizon):
        return {}, "none"
    lag = data.parts[0].series.season or 1
    lag = lag if lag < windows.window else min(1, windows.window - 1)
    found = conformal.around(predictor, held_back, windows, forecast, nominal, lag, adaptive)
    return found, ("adaptive" if adaptive else "conformal") if found else "none"


def bands_ahead(
    predictor: "Predictor",
    data: Split | PanelSplit,
    windows: Windows,
    forecast: np.ndarray,
    tested: int,
    adaptive: bool = False,
) -> tuple[Bands, str]:
    """The same where forecasts may go further than the `tested` steps of the run's own horizon.

    The network is then validated as far ahead as the validation part has windows enough for every
    nominal share; ends of steps beyond are NaN.
    """
    asked = windows.horizon
    far = asked if asked <= tested else _farthest(data, tested, asked)
    most = None if far <= tested else max(_least(max(NOMINAL)), WORK // far)
    near = replace(windows, horizon=far)
    made, kind = bands(predictor, data, near, forecast[:, :far], most=most, adaptive=adaptive)

    def longer(end: np.ndarray) -> np.ndarray:
        return np.pad(end, ((0, 0), (0, asked - far)), constant_values=np.nan)

    return {share: (longer(low), longer(up)) for share, (low, up) in made.items()}, kind


def missing(predictor: "Predictor", data: Split | PanelSplit, horizon: int) -> str:
    """Why forecasts so far ahead have no intervals, and what to do, in a sentence or two."""
    if predictor.distribution and horizon <= predictor.horizon:
        levels = " ".join(f"{(1 + sign * NOMINAL[0]) / 2:g}" for sign in (-1, 0, 1))
        return f"No intervals: the network has no quantiles for them. Train with --levels {levels}."
    other = "--strategy direct" if predictor.distribution else "--loss quantile or --loss gaussian"
    if all(part.validation is None for part in data.parts):
        return (
            "No intervals: they are as wide as errors on a validation part, and there is none. Train"
            f" without --no-validation, or with {other}."
        )
    count, least = _count(data, horizon), _least(min(NOMINAL))
    return (
        f"No intervals: the validation part has {count} windows so far ahead, and they need {least}."
        f" Train with a longer one (--validation ROWS), or with {other}."
    )


def held(truth: np.ndarray, made: Bands, kind: str) -> list[Held]:
    """What intervals held of the truths ``[W, P]``."""
    return [
        Held(
            share,
            interval_metrics.coverage(truth, low, high),
            float(np.mean(high - low)),
            interval_metrics.interval_score(truth, low, high, share),
            kind,
        )
        for share, (low, high) in made.items()
    ]


def _held_back(data: Split | PanelSplit, horizon: int, most: int | None = None) -> Windows | None:
    """The validation windows; None if there are none that long.

    As far ahead as is forecast: a network that learned one step is validated on one.
    """
    parts = [
        replace(part.validation, horizon=horizon)
        for part in data.parts
        if part.validation is not None and _rows(part) > horizon
    ]
    if not parts:
        return None
    found = parts[0] if isinstance(data, Split) else Windows.joined(parts)
    if most is None or most >= len(found):
        return found
    chosen = np.linspace(0, len(found) - 1, most).round().astype(np.int32)
    owner = None if found.owner is None else found.owner[chosen]
    return replace(found, starts=found.begins(chosen), owner=owner)


def _farthest(data: Split | PanelSplit, tested: int, asked: int) -> int:
    """The steps ahead of which there are errors enough for every nominal share; `tested` at least."""
    least = _least(max(NOMINAL))
    further = range(asked, tested, -1)
    return next((steps for steps in further if _count(data, steps) >= least), tested)


def _count(data: Split | PanelSplit, horizon: int) -> int:
    """How many validation windows there are so far ahead."""
    return sum(max(0, _rows(part) - horizon) for part in data.parts)


def _rows(part: Split) -> int:
    """Validation windows of one series, were their horizon 0; 0 without a validation part."""
    held_back = part.validation
    return 0 if held_back is None else len(held_back.values) - held_back.window + 1


def _least(share: float) -> int:
    """The fewest windows for which `margins` has an answer."""
    return next(n for n in range(1, 10_000) if np.ceil((n + 1) * share) <= n)
