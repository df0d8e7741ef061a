"""Checkpoints: the exact state of a training, to go on from as if nothing had happened."""

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._bounded_files import arrays, parsed
from seqlab.errors import SeqlabError
from seqlab.runs import written

__all__ = ["Progress", "history", "newest", "restore", "save", "state_of", "step_of"]

KEEP = 3  # newest checkpoints that stay on disk


@dataclass
class Progress:
    """How far a training is, beside its variables."""

    step: int = 0
    best_loss: float = float("inf")
    best_step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)  # of history.csv


def save(folder: Path, progress: Progress, variables: list[Any], best: list[np.ndarray]) -> Path:
    """Write ``step-XXXXXXXX.npz``, and remove all but the newest few.

    Args:
        folder: of the checkpoints.
        progress: how far the training is.
        variables: of the model (weights and random state) and the optimizer.
        best: the evaluated weights with the lowest validation loss so far.
    """
    arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(variables)}
    arrays["progress"] = np.array(json.dumps(asdict(progress)))
    arrays |= {f"best_{i}": weight for i, weight in enumerate(best)}
    path = folder / f"step-{progress.step:08}.npz"
    with written(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    for old in sorted(folder.glob("step-*.npz"))[:-KEEP]:
        old.unlink()
    return path


def state_of(model: Any) -> list[Any]:
    """A model's weights, random state, and average of weights: the first variables of its checkpoints."""
    counters = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in counters]
    average = getattr(model, "average", None)
    return own if average is None else [*own, *average.shadows]


def newest(folder: Path) -> Path | None:
    """The checkpoint with the highest step, or None."""
    return max(folder.glob("step-*.npz"), default=None)


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.stem.removeprefix("step-"))


def history(folder: Path) -> dict[str, list[float]]:
    """The history so far of an unfinished training, by column; empty before its first checkpoint.

    Raises:
        SeqlabError: the newest checkpoint is damaged.
    """
    path = newest(folder)
    if path is None:
        return {}
    try:
        with path.open("rb") as stream, arrays(stream) as file:
            rows = Progress(**parsed(str(file["progress"]))).rows
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise SeqlabError(f"{path}: cannot be read: {error}. Train on with --resume") from error
    return {name: [row[name] for row in rows] for name in rows[0]}


def restore(path: Path, variables: list[Any]) -> tuple[Progress, list[np.ndarray]]:
    """Put a checkpoint's values into these variables.

    Raises:
        SeqlabError: the file is damaged, or belongs to another model.
    """
    try:
        with path.open("rb") as stream, arrays(stream) as file:
            progress = Progress(**parsed(str(file["progress"])))
            values = [file[f"variable_{i}"] for i in range(len(variables))]
            count = sum(name.startswith("best_") for name in file)
            best = [file[f"best_{i}"] for i in range(count)]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise SeqlabError(
            f"{path}: cannot be read: {error}. Delete it to use the one before"
        ) from error
    return progress, best
