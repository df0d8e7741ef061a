"""Loops over time that are written out step by step, for formats that know no loops.

Inside `unrolled`, what runs a cell over a known number of steps makes one graph of all of them, from
plain operations: no kernel, no loop. The numbers are those of ``implementation="loop"``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from seqlab._tensorflow import tf

__all__ = ["array", "repeat", "unrolled", "unrolling"]

_on: ContextVar[bool] = ContextVar("unrolled", default=False)


@contextmanager
def unrolled() -> Iterator[None]:
    """Trace inside without loops and kernels."""
    token = _on.set(True)
    try:
        yield
    finally:
        _on.reset(token)


def unrolling() -> bool:
    """Whether we are inside."""
    return _on.get()


def repeat(xs: Any, step: Callable[..., tuple[Any, ...]], start: tuple[Any, ...]) -> Any:
    """Call ``step(t, *state) -> (t + 1, *state)`` once for each of ``xs [T, ...]``; the last result."""
    if _on.get():
        made = start
        for _ in range(xs.shape[0]):
            made = step(*made)
        return made
    steps = tf.shape(xs)[0]
    return tf.while_loop(lambda t, *_: t < steps, step, start, maximum_iterations=steps)


def array(dtype: Any, steps: Any, shape: tuple[Any, ...]) -> Any:
    """What the steps of `repeat` write to: a TensorArray, or inside `unrolled` a list."""
    return _Rows() if _on.get() else tf.TensorArray(dtype, steps, element_shape=shape)


class _Rows:
    """A list with the two methods of a TensorArray that loops use."""

    def __init__(self) -> None:
        self._rows: list[Any] = []

    def write(self, t: int, value: Any) -> "_Rows":
        del t  # they come in order
        self._rows.append(value)
        return self

    def stack(self) -> Any:
        return tf.stack(self._rows)
