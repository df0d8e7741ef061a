"""One config with several seeds: what of a score is the network, and what is chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab.baselines import spoken
from seqlab.errors import SeqlabError
from seqlab.runs import Run

__all__ = ["Seeds", "Spread", "gather"]

HIGHER = ("accuracy", "top5", "f1", "r2")  # metrics of which more is better


@dataclass(frozen=True)
class Spread:
    """A number of every seed.

    Attributes:
        values: in the order of the seeds; NaN where undefined.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over all seeds."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        """The standard deviation of the seeds that might have been drawn (n - 1); NaN of one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; undefined values are null."""
        found = {"mean": _finite(self.mean), "sd": _finite(self.sd)}
        return {**found, "values": [_finite(value) for value in self.values]}


@dataclass(frozen=True)
class Seeds:
    """Runs that differ in their seed alone.

    Attributes:
        runs: finished and evaluated.
        by: the metric that decides.
        validation: the lowest validation loss of each.
        metrics: of the test part, by name.
        baselines: name of the baseline to its metrics, which no seed changes.
        best_baseline: by that metric; None without baselines.
    """

    runs: tuple[Run, ...]
    by: str
    validation: Spread
    metrics: dict[str, Spread]
    baselines: dict[str, dict[str, float]]
    best_baseline: str | None

    @property
    def verdict(self) -> str:
        """Mean and spread of what decides, and how many seeds beat the best baseline."""
        own = self.metrics[self.by]
        worst = (min if self.by in HIGHER else max)(own.values)
        spread = f" ± {own.sd:.2g}" if math.isfinite(own.sd) else ""
        said = f"{_title(self.by)} {own.mean:.3g}{spread} over {len(self.runs)} seeds"
        if self.best_baseline is None:
            return f"{said}, the worst {worst:.3g}."
        lowest = self.baselines[self.best_baseline][self.by]
        wins = sum(_beats(self.by, value, lowest) for value in own.values)
        return (
            f"{said}, the worst {worst:.3g}; {wins} of them beat the best baseline,"
            f" {spoken(self.best_baseline)} ({lowest:.3g})."
        )

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        finite = {
            name: {key: _finite(value) for key, value in values.items()}
            for name, values in self.baselines.items()
        }
        return {
            "runs": [str(run.path) for run in self.runs],
            "seeds": [run.config.train.seed for run in self.runs],
            "validation_loss": self.validation.to_json(),
            "metrics": {name: spread.to_json() for name, spread in self.metrics.items()},
            "baselines": finite,
            "best_baseline": self.best_baseline,
            "verdict": self.verdict,
        }


def gather(runs: Sequence[Run], by: str) -> Seeds:
    """Put runs together that were evaluated.

    Args:
        runs: one or more, equal but for their seed.
        by: the metric that decides.

    Raises:
        SeqlabError: a run has not been evaluated.
    """
    for run in runs:
        if not run.metrics:
            raise SeqlabError(f"{run.path}: not evaluated yet. Use seqlab evaluate {run.path}")
    found = [run.metrics for run in runs]
    metrics = {
        name: Spread(tuple(_number(one["metrics"].get(name)) for one in found))
        for name in found[0]["metrics"]
    }
    baselines = {
        name: {key: _number(value) for key, value in values.items()}
        for name, values in found[0]["baselines"].items()
    }
    lowest = Spread(tuple(min(run.history["val_loss"], default=math.nan) for run in runs))
    return Seeds(tuple(runs), by, lowest, metrics, baselines, found[0]["best_baseline"])


def _beats(name: str, own: float, other: float) -> bool:
    return own > other if name in HIGHER else own < other


def _title(name: str) -> str:
    return name if name in HIGHER else name.upper()


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
