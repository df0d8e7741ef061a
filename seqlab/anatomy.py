"""What is in a run folder: variables, where they come from, and which of its files can be read."""

import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seqlab import provenance, weights
from seqlab._bounded_files import opened
from seqlab.checkpoints import DAMAGED, files, restore, step_of
from seqlab.errors import SeqlabError
from seqlab.runs import Run
from seqlab.weights import Weight

__all__ = ["Anatomy", "Saved", "dissect"]

ORIGIN = ("format", "versions", "processor", "instructions", "cores", "system")


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk.

    Attributes:
        path: of the file.
        step: that its name says.
        size: in bytes.
        problem: why it cannot be read; None where all of it can.
    """

    path: Path
    step: int
    size: int
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = {"file": self.path.name, "step": self.step, "bytes": self.size}
        return {**found, "problem": self.problem}


@dataclass(frozen=True)
class Anatomy:
    """A run, taken apart.

    Attributes:
        run: the run.
        variables: of its network.
        source: where they were read: ``model.keras``, or ``config`` for one without values of its own.
        checkpoints: oldest first.
        data_problem: why its data are not those that it was trained on; None where they are.
        other: what was otherwise where the run was made.
    """

    run: Run
    variables: list[Weight]
    source: str
    checkpoints: list[Saved]
    data_problem: str | None
    other: list[str]

    @property
    def count(self) -> int:
        """Numbers in all variables."""
        return sum(one.values.size for one in self.variables)

    @property
    def problems(self) -> list[str]:
        """Everything that cannot be read, in words."""
        found = [f"{one.path.name}: {one.problem}" for one in self.checkpoints if one.problem]
        if self.source == "config" and self.run.finished:
            found.append("model.keras: damaged, or of another version")
        return found + ([f"data: {self.data_problem}"] if self.data_problem else [])

    @property
    def origin(self) -> dict[str, Any]:
        """What the run says of where it was made; old ones say less."""
        record, train = self.run.record, self.run.config.train
        found = {name: record[name] for name in ORIGIN if name in record}
        found |= {"precision": train.precision, "seed": train.seed}
        return {**found, "data_sha256": record.get("data_sha256")}

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "run": str(self.run.path),
            "finished": self.run.finished,
            "config": self.run.config.to_json(),
            "provenance": self.origin,
            "differences": self.other,
            "data_problem": self.data_problem,
            "variables_from": self.source,
            "variables": [{**w.to_json(), "count": w.values.size} for w in self.variables],
            "count": self.count,
            "checkpoints": [one.to_json() for one in self.checkpoints],
        }


def dissect(run: Run) -> Anatomy:
    """Take a run apart, finished or not. What cannot be read is said in the result, and not raised.

    Raises:
        SeqlabError: a run without a model whose data, and so the shapes of its variables, are not there.
    """
    problem = _problem(run)
    variables, source = _variables(run)
    folder = run.path / "checkpoints"
    paths = sorted([*files(folder), *files(folder, DAMAGED)], key=step_of)
    found = [one for one in map(_saved, paths) if one is not None]
    return Anatomy(run, variables, source, found, problem, provenance.differences(run.record))


def _saved(path: Path) -> Saved | None:
    """None if a training that goes on has removed it meanwhile, or put it aside."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    problem = "put aside as damaged" if path.suffix == DAMAGED else _unreadable(path)
    return Saved(path, step_of(path), size, problem) if path.exists() else None


def _variables(run: Run) -> tuple[list[Weight], str]:
    """Of the finished model; or those that the config means, for an unfinished or damaged one."""
    if run.finished:
        try:
            return weights.listed(run.model), "model.keras"
        except SeqlabError:
            pass
    from seqlab.optimizers import count_steps
    from seqlab.tasks import task

    made = task(run.config, run.split, count_steps(run.config.train, len(run.split.train)))
    return weights.listed(made.model), "config"


def _problem(run: Run) -> str | None:
    """Why the run's data are not those of its fingerprint."""
    try:
        found = run.store.record(run.data)["data_sha256"]
    except SeqlabError as error:
        return str(error)
    kept = run.record.get("data_sha256", found)
    return None if found == kept else f"their fingerprint is {found[:12]}, and was {str(kept)[:12]}"


def _unreadable(path: Path) -> str | None:
    """Why not all of a checkpoint can be read; the file's own checksums are compared on the way."""
    try:
        with opened(path) as stream, zipfile.ZipFile(stream) as file:
            for name in file.namelist():
                with file.open(name) as part:
                    for _ in iter(partial(part.read, 2**20), b""):
                        pass
        restore(path, [])  # and what a resumed training reads first
    except SeqlabError as error:
        return str(error)
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        return f"{type(error).__name__}: {error}"
    return None
