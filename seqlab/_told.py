"""Lines of a long work that goes on when nobody reads them any more."""

import os
import sys

__all__ = ["told", "unheard"]


def told(*lines: str) -> None:
    """Print lines, if there are any, at once; once their reader (`head`, say) has left, nowhere."""
    try:
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)  # noqa: T201
    except BrokenPipeError:
        unheard()


def unheard() -> None:
    """Let what is printed from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
