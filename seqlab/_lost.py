"""When a worker is lost: how TensorFlow says so, and what is said instead."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError

__all__ = ["LOST", "lost", "together"]

LOST = (
    *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError),
    *(tf.errors.InternalError, tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError),
)


@contextmanager
def together(workers: int) -> Iterator[None]:
    """Inside, it is a `SeqlabError` when another of so many workers is lost.

    Raises:
        SeqlabError: it was.
    """
    try:
        yield
    except LOST as error:
        if workers == 1:
            raise
        raise SeqlabError(lost(error)) from error


def lost(error: Any) -> str:
    """What is to be said when TensorFlow cannot reach a worker."""
    return (
        f"another worker has ended or cannot be reached any more ({_last_line(error.message)})."
        " End what is left, and start the same command with --resume for every worker: they go on from"
        " the chief's newest checkpoint"
    )


def _last_line(text: str) -> str:
    """Where TensorFlow says what it was, behind where it was."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no answer"
