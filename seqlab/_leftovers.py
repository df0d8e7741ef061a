"""What a process leaves behind that was killed while it wrote, or refused before its first checkpoint."""

import re
from contextlib import suppress

from seqlab import runs
from seqlab.runs import Run

__all__ = ["discard", "sweep"]

HALF = re.compile(r"\.(model|history|metrics)-\d+\.(keras|csv|json)")  # of runs.written
FIRST = ("config.json", runs.COPY, "checkpoints/lock")  # what a run begins with


def sweep(run: Run) -> None:
    """Remove what is half-written; only where no other process trains."""
    for path in run.path.glob(".*"):
        if HALF.fullmatch(path.name):
            path.unlink()


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
