"""What `seqlab inspect` prints."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from seqlab.anatomy import Anatomy
from seqlab.config import Config
from seqlab.options import train_command
from seqlab.report import number, table

if TYPE_CHECKING:  # which loads TensorFlow
    from seqlab.microscope import Layer, Memory

__all__ = ["anatomy_tables", "memory_tables"]

LAGS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100, 140, 200, 300, 500, 700, 1000)


def anatomy_tables(found: Anatomy) -> Iterable[Table | str]:
    """Variables; where the run comes from; its checkpoints; and what cannot be read."""
    rows = [
        (w.name, str(list(w.values.shape)), f"{w.values.size:,}", _state(w.trained))
        for w in found.variables
    ]
    run = found.run
    ended = "finished" if run.finished else "unfinished: --resume goes on"
    yield table(("variable", "shape", "numbers", "in training"), rows, f"Run {run.path}, {ended}")
    yield f"{found.count:,} numbers in {len(found.variables)} variables"
    yield table(("origin", ""), list(_origin(found)))
    if run.config.kind == "series":
        yield f"Again: {_again(run.config)}"
    if found.other:
        yield f"Made elsewhere: {'; '.join(found.other)}. The same command may give other bits here."
    saved = [
        (c.path.name, f"{c.step:,}", f"{c.size:,}", _can(c.problem)) for c in found.checkpoints
    ]
    if saved:
        yield table(("checkpoint", "step", "bytes", "state"), saved)
    yield from (f"Cannot be used: {problem}" for problem in found.problems)
    if not found.problems:
        yield "Everything can be read, and the data are those that the run was trained on."


def _again(config: Config) -> str:
    """What repeats a run of series."""
    if config.data.layout != "steps":
        return f"in Python, for `seqlab train` has no layout {config.data.layout}"
    return train_command(config)


def _origin(found: Anatomy) -> Iterator[tuple[str, str]]:
    for name, value in found.origin.items():
        if isinstance(value, dict):
            yield from ((key, str(one)) for key, one in value.items())
        else:
            yield name, _said(value)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "-" if value is None else str(value)


def _state(trained: bool) -> str:
    return "trained" if trained else "fixed"


def _can(problem: str | None) -> str:
    return "can be read" if problem is None else "damaged"


def memory_tables(found: "Memory") -> Iterable[Table | str]:
    """Gates, half-lives and dead units of each layer; the gradient by lag; the verdict."""
    title = f"Memory, on {found.windows} windows of the {found.part} part"
    gates = [
        (layer.name, name, f"{100 * low:.1f} %", f"{100 * high:.1f} %")
        for layer in found.layers
        for name, (low, high) in layer.gates.items()
    ]
    yield table(("layer", "gate", "below 0.1", "above 0.9"), gates, title)
    headers = ("half-life in steps", "shortest", "median", "longest", "units", "dead")
    yield table(headers, [_memory_row(layer) for layer in found.layers])
    largest, total = found.gradient.max() or 1.0, found.gradient.sum() or 1.0
    lags = sorted({lag for lag in LAGS if lag < len(found.gradient)} | {len(found.gradient) - 1})
    summed = np.cumsum(found.gradient) / total
    rows = [
        (str(lag), number(found.gradient[lag] / largest), f"{100 * summed[lag]:.1f} %")
        for lag in lags
    ]
    yield table(("lag, in steps", "gradient, over its largest", "up to here"), rows)
    yield found.verdict
    yield from (f"{note}." for note in found.notes)


def _memory_row(layer: "Layer") -> tuple[str, ...]:
    values = layer.half_life
    numbers = (number(v) for v in (values.min(), float(np.median(values)), values.max()))
    return (layer.name, *numbers, str(len(values)), str(int(layer.dead.sum())))
