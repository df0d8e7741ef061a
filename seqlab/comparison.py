"""Several runs side by side: in what they differ, how long they trained, and what came of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqlab import checkpoints
from seqlab.errors import SeqlabError
from seqlab.image_config import IMAGE_SETS
from seqlab.runs import Run

__all__ = ["Comparison", "Row", "compare"]

# Settings that decide in what unit, or over what, a loss is; and those that decide what a test part is.
UNITS = (
    *("model.loss", "model.levels", "model.under", "model.label_smoothing", "data.scaling"),
    *("data.transform", "data.difference", "data.strategy", "data.weigh"),
    *("data.validation", "data.validate", "data.look_back"),
)
PARTS = (
    *("kind", "data.source", "data.target", "data.id", "data.missing", "data.window"),
    *("data.horizon", "data.test", "data.size", "data.channels"),
)
DRAWN = (
    "data.seed"  # decides which images are for validation, and of a folder which are for the test
)
# Where equal data may be found says nothing of a run; a path says more than the fingerprint beside it.
PLACES = ("data.data_dir", "data.memory", "model.base_sha256")
METRICS = (
    "rmse",
    "mae",
    "mase",
    "accuracy",
    "top5",
    "loss",
    "f1",
)  # of a metrics.json, in this order


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        path: its folder.
        finished: whether its training came to its end.
        settings: those in which the runs differ; None where a run has no such setting.
        steps: taken so far.
        best_loss: lowest validation loss; NaN without validation.
        best_step: where it was; None without validation.
        metrics: of the test part, as last evaluated; empty if it never was.
        history: columns of its history.
    """

    path: str
    finished: bool
    settings: dict[str, Any]
    steps: int
    best_loss: float
    best_step: int | None
    metrics: dict[str, float]
    history: dict[str, list[float]]

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; undefined values are null."""
        shown = {name: value for name, value in vars(self).items() if name != "history"}
        return {**shown, "best_loss": self.best_loss if math.isfinite(self.best_loss) else None}


@dataclass(frozen=True)
class Comparison:
    """Rows in the order in which the runs were named, and what keeps numbers from being compared."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    losses_compare: bool

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings in which the runs differ."""
        return tuple(self.rows[0].settings)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the test metrics that at least one run has."""
        return tuple(name for name in METRICS if any(name in row.metrics for row in self.rows))

    @property
    def best(self) -> Row | None:
        """The run with the lowest validation loss, where these compare; the test part chooses nothing."""
        known = [row for row in self.rows if math.isfinite(row.best_loss)]
        return min(known, key=lambda row: row.best_loss) if known and self.losses_compare else None

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "runs": [row.to_json() for row in self.rows],
            "best": self.best.path if self.best else None,
            "notes": list(self.notes),
        }


def compare(runs: Sequence[Run]) -> Comparison:
    """Put runs side by side; unfinished ones with what their newest checkpoint has.

    Raises:
        SeqlabError: fewer than two runs, or one named twice.
    """
    _check(runs)
    configs = [_flat(run.config.to_json()) for run in runs]
    differ = _differing(configs)
    names = _short(differ)
    rows = tuple(
        _row(run, {names[key]: config.get(key) for key in differ})
        for run, config in zip(runs, configs, strict=True)
    )
    units = [names[key] for key in differ if key in UNITS]
    parts = [names.get(key, key) for key in _parts(runs, differ)]
    notes = _notes(units, parts)
    if DRAWN in differ and not notes:
        notes = [
            "Validation images differ with the seed: small differences of losses mean nothing."
        ]
    return Comparison(rows, tuple(notes), not units and not parts)


def _check(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise SeqlabError("a comparison needs two runs or more. `seqlab runs` lists what there is")
    twice = [
        path for path, count in Counter(run.path.resolve() for run in runs).items() if count > 1
    ]
    if twice:
        raise SeqlabError(f"{twice[0]}: named more than once. Name each run once")


def _parts(runs: Sequence[Run], differ: Sequence[str]) -> list[str]:
    """The settings by which the test parts are others; ``data`` where only their content tells."""
    folders = any(run.config.data.source not in IMAGE_SETS for run in runs)
    found = [key for key in differ if key in PARTS or (key == DRAWN and folders)]
    if found or {DRAWN, "data.validation"} & set(differ):
        return found
    return ["data"] if len({run.record.get("data_sha256") for run in runs}) > 1 else []


def _row(run: Run, settings: dict[str, Any]) -> Row:
    history = run.history or checkpoints.history(run.path / "checkpoints")
    losses = history.get("val_loss", [])
    known = [i for i, loss in enumerate(losses) if math.isfinite(loss)]
    best = min(known, key=lambda i: losses[i]) if known else None
    measured = run.metrics.get("metrics", {})
    return Row(
        path=str(run.path),
        finished=run.finished,
        settings=settings,
        steps=int(history["step"][-1]) if history else 0,
        best_loss=losses[best] if best is not None else math.nan,
        best_step=int(history["step"][best]) if best is not None else None,
        metrics={name: measured[name] for name in METRICS if measured.get(name) is not None},
        history=history,
    )


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Dicts in dicts as one, with names such as ``train.seed``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inside = isinstance(value, dict)
        flat |= _flat(value, f"{before}{name}.") if inside else {f"{before}{name}": value}
    return flat


def _differing(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The settings that are not the same in all runs, in the order of the configs."""
    every = dict.fromkeys(key for config in configs for key in config if key not in PLACES)
    return [key for key in every if any(c.get(key) != configs[0].get(key) for c in configs)]


def _short(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each name, where it says enough."""
    last = {key: key.rsplit(".", 1)[-1] for key in keys}
    often = Counter(last.values())
    return {key: name if often[name] == 1 else key for key, name in last.items()}


def _notes(units: Sequence[str], parts: Sequence[str]) -> list[str]:
    notes = []
    if units or parts:
        notes.append(f"Losses do not compare: the runs differ in {', '.join([*units, *parts])}.")
    if parts:
        notes.append(f"Test metrics do not compare: the runs differ in {', '.join(parts)}.")
    return notes
