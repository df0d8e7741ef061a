"""What `seqlab inspect` prints."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table

from seqlab.anatomy import Anatomy
from seqlab.options import train_command
from seqlab.report import table

__all__ = ["anatomy_tables"]


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
        yield f"Again: {train_command(run.config)}"
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
