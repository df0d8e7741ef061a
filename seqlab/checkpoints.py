"""Checkpoints: the exact state of a training, to go on from as if nothing had happened.

Each ends with the checksum of all that comes before it, as the comment that a zip file may have.
"""

import hashlib
import io
import json
import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlab._bounded_files import arrays, opened, parsed
from seqlab.errors import SeqlabError
from seqlab.runs import written

__all__ = ["DAMAGED", "Damaged", "Kept", "Progress", "files", "history", "newest"]
__all__ += ["check", "put", "restore", "save", "state_of", "step_of", "take_up"]

MARK = b"sha256:"  # followed by 64 digits
COMMENT = len(MARK) + 64
PLAIN = b"PK\5\6"  # 22 bytes before the end: a zip file without a comment, as checkpoints once were
BLOCK = 2**20
FEW = 2**24  # bytes
COLUMNS = frozenset(("step", "loss", "val_loss"))  # at least, of each row of the history
NAME = re.compile(r"step-(\d{8,18})\.npz")
DAMAGED = ".damaged"  # what the name of one that was put aside ends with
UNREADABLE = (
    *(ValueError, EOFError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
REMEDY = ". Train on with --resume"


class Damaged(SeqlabError):
    """A checkpoint that is not what was written."""


@dataclass
class Progress:
    """How far a training is, beside its variables."""

    step: int = 0
    best_loss: float = float("inf")
    best_step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)  # of history.csv


class Kept(NamedTuple):
    """What a checkpoint holds beside the values of variables; see `save`."""

    progress: Progress
    best: list[np.ndarray]
    running: list[np.ndarray]


def save(
    folder: Path,
    progress: Progress,
    variables: list[Any],
    best: list[np.ndarray],
    running: Sequence[np.ndarray] = (),
    keep: int = 3,
) -> Path:
    """Write ``step-XXXXXXXX.npz``, and then remove all but the newest few.

    Args:
        folder: of the checkpoints.
        progress: how far the training is.
        variables: of the model (weights and random state) and the optimizer.
        best: the evaluated weights with the lowest validation loss so far.
        running: what has been measured since the last evaluation; nothing at an evaluation.
        keep: how many checkpoints stay.
    """
    arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(variables)}
    arrays["progress"] = np.array(json.dumps(vars(progress)))
    arrays |= {f"best_{i}": weight for i, weight in enumerate(best)}
    arrays |= {f"running_{i}": value for i, value in enumerate(running)}
    path = folder / f"step-{progress.step:08}.npz"
    with written(path) as temporary:
        _write(temporary, arrays)
    for old in files(folder)[:-keep]:
        old.unlink()
    return path


def state_of(model: Any) -> list[Any]:
    """A model's weights, random state, and average of weights: the first variables of its checkpoints."""
    counters = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in counters]
    average = getattr(model, "average", None)
    return own if average is None else [*own, *average.variables]


def files(folder: Path, ending: str = "") -> list[Path]:
    """The checkpoints of a folder in the order of their steps; those put aside end with `DAMAGED`."""
    found = folder.glob(f"step-*.npz{ending}")
    return sorted((p for p in found if NAME.fullmatch(p.name.removesuffix(ending))), key=step_of)


def newest(folder: Path) -> Path | None:
    """The checkpoint with the highest step, or None."""
    return max(files(folder), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The step in a checkpoint's name."""
    return int(checkpoint.name.removeprefix("step-").partition(".")[0])


def history(folder: Path) -> dict[str, list[float]]:
    """The history so far of an unfinished training, by column; empty before its first checkpoint.

    Raises:
        SeqlabError: the newest checkpoint is damaged.
    """
    path = newest(folder)
    if path is None:
        return {}
    with _opened(path) as file:
        rows = _progress(file).rows
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def restore(path: Path, variables: list[Any]) -> Kept:
    """Put a checkpoint's values into these variables; the rest of it.

    Raises:
        SeqlabError: the file is damaged (`Damaged`), or belongs to another model.
    """
    try:
        with _opened(path) as file:
            values = [file[f"variable_{i}"] for i in range(len(variables))]
            kept = Kept(_progress(file), _all(file, "best"), _all(file, "running"))
        put(variables, values)
    except SeqlabError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SeqlabError(f"{path}: of another model: {error}. Train in another --out") from error
    return kept


def put(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Give variables their values; errors as of `check`."""
    check(variables, values)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def check(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Refuse values that are not those of these variables.

    Raises:
        SeqlabError: there are more or fewer, or some of another shape or type.
    """
    if len(variables) != len(values):
        raise SeqlabError(
            f"a checkpoint with {len(values)} values for {len(variables)} variables is of another model."
            " Train in another --out"
        )
    for variable, value in zip(variables, values, strict=True):
        have = np.asarray(variable)
        if (have.shape, have.dtype) != (value.shape, value.dtype):
            raise SeqlabError(
                f"a checkpoint is of another model: {variable.name} is {have.dtype}"
                f" {list(have.shape)}, and {value.dtype} {list(value.shape)} in it."
                " Train in another --out"
            )


def take_up(folder: Path, variables: list[Any]) -> Kept | None:
    """Restore the newest checkpoint that is whole; None if there is none.

    Damaged ones are put aside, which a line on stderr says.

    Raises:
        SeqlabError: it belongs to another model.
    """
    for left in folder.glob(".step-*"):  # by a process that was killed while it wrote
        left.unlink()
    damaged: list[Damaged] = []
    found = None
    for path in reversed(files(folder)):
        try:
            found = restore(path, variables)
            break
        except Damaged as error:
            damaged.append(error)
            path.replace(path.with_name(path.name + DAMAGED))
    if damaged:
        _say(damaged, f"step {found.progress.step}" if found else "the beginning")
    return found


def _say(damaged: list[Damaged], place: str) -> None:
    what = "; ".join(str(error).removesuffix(REMEDY) for error in damaged)
    print(f"{what}. Going on from {place}", file=sys.stderr, flush=True)  # noqa: T201


def _all(file: Any, kind: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{kind}_") for name in file)
    return [file[f"{kind}_{i}"] for i in range(count)]


def _progress(file: Any) -> Progress:
    """How far it is.

    Raises:
        ValueError: what the file says of it is something else.
    """
    try:
        found = Progress(**parsed(str(file["progress"])))
        _check_numbers(found)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"its progress is none: {error}") from error
    return found


def _check_numbers(found: Progress) -> None:
    steps = [found.step, found.best_step, *(row["step"] for row in found.rows)]
    numbers = [found.best_loss, *(value for row in found.rows for value in row.values())]
    names = {frozenset(row) for row in found.rows} or {COLUMNS}
    plain = all(type(n) is int for n in steps) and all(type(n) in (int, float) for n in numbers)
    if not plain or len(names) > 1 or not names.pop() >= COLUMNS:
        raise ValueError("its progress is none")
    list(map(float, numbers))  # an integer may be too large for one


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of a checkpoint, by name.

    Raises:
        SeqlabError: it cannot be opened, or (`Damaged`) is not what was written.
    """
    try:
        with opened(path) as stream:
            _check(stream)
            stream.seek(0)
            with arrays(stream) as file:
                yield file
    except UNREADABLE as error:
        raise Damaged(f"{path}: cannot be read: {error}{REMEDY}") from error
    except OSError as error:
        raise SeqlabError(f"{path}: cannot be read: {error.strerror}") from error


def _write(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write arrays and their checksum: few in memory first, since to read a file again takes longer."""
    if sum(value.nbytes for value in values.values()) < FEW:
        sealed = io.BytesIO()
        np.savez(sealed, allow_pickle=False, **values)
        _seal(sealed)
        path.write_bytes(sealed.getbuffer())
        return
    np.savez(path, allow_pickle=False, **values)
    with path.open("r+b") as file:
        _seal(file)


def _seal(file: Any) -> None:
    """Append the checksum of all that comes before it."""
    size = file.seek(-2, os.SEEK_END) + 2  # the length of the comment, so far 0
    file.write(struct.pack("<H", COMMENT))
    file.write(MARK + _digest(file, size))


def _check(file: Any) -> None:
    """Refuse a file that is not what was sealed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - COMMENT))
    end = file.read()
    if end[-22:].startswith(PLAIN) and end.endswith(
        b"\0\0"
    ):  # of an earlier version: it has the checksums of a zip file only
        return
    if end != MARK + _digest(file, size - COMMENT):
        raise ValueError("its checksum is wrong")


def _digest(file: Any, size: int) -> bytes:
    """SHA-256 of so many bytes, in hexadecimal; the file is then behind them."""
    found, left = hashlib.sha256(), size
    file.seek(0)
    while left > 0 and (block := file.read(min(BLOCK, left))):
        found.update(block)
        left -= len(block)
    return found.hexdigest().encode()
