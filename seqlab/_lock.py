"""A folder that one process at a time writes to."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqlab.errors import SeqlabError

try:
    import fcntl
except ImportError:  # Windows, whose locks are others
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other process that asks for this folder gets it.

    The lock belongs to the open file, so it goes with its process, however that ends; what the file
    says is only for people. On Windows, and on disks without locks, nobody is refused.

    Raises:
        SeqlabError: another one has it; or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+")
    except OSError as error:
        raise SeqlabError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SeqlabError(
                f"{folder}: {file.read().strip() or 'another process'} trains here at this moment."
                " Wait for its end, or use another --out"
            ) from None
        except OSError:  # a disk without locks
            pass
        _sign(file)
        yield


def _sign(file: Any) -> None:
    """Say whose it is; a full disk does not matter for that."""
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
    except OSError:
        pass
