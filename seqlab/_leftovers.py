"""What a process leaves behind that was killed while it wrote, or refused before its first checkpoint."""

import re
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from seqlab import runs
from seqlab.runs import Run

__all__ = ["discard", "put_aside", "sweep"]

HALF = re.compile(r"\.(model|history|metrics)-\d+\.(keras|csv|json)")  # of runs.written
FIRST = ("config.json", runs.COPY, "checkpoints/lock")  # what a run begins with


def sweep(run: Run) -> None:
    """Remove what is half-written; only where no other process trains."""
    for path in run.path.glob(".*"):
        if HALF.fullmatch(path.name):
            path.unlink()


def put_aside(run: Run) -> None:
    """Rename a model.keras that a power cut has damaged, so that it is made again of the checkpoints."""
    path = run.path / "model.keras"
    if not path.is_file() or _is_whole(path):
        return
    path.replace(path.with_name("model.keras.damaged"))
    said = f"{path}: cannot be read. It is made again from the run's checkpoints"
    print(said, file=sys.stderr, flush=True)  # noqa: T201


def _is_whole(path: Path) -> bool:
    """By the checksums of its entries, which needs no TensorFlow."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def discard(run: Run) -> None:
    """Remove a run that never had a checkpoint; what else a person put there stays."""
    folder = run.path / "checkpoints"
    if any(path.name != "lock" for path in folder.iterdir()):
        return
    with suppress(OSError):  # a disk that is read-only by now
        for name in FIRST:
            (run.path / name).unlink(missing_ok=True)
        folder.rmdir()
        run.path.rmdir()
    if runs.LATEST.is_symlink() and not runs.LATEST.exists():
        _point_elsewhere()


def _point_elsewhere() -> None:
    """Let ``runs/latest`` point at the newest run that is left; without any, nothing stays."""
    runs.LATEST.unlink()
    left = runs.listed()
    if left:
        runs.point_at(left[-1].path)
    else:
        with suppress(OSError):  # it holds something else
            runs.RUNS.rmdir()
