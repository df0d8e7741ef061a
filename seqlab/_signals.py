"""Ctrl-C and SIGTERM: noted, so that what is going on can come to a good end."""

import signal
import sys
import threading
from typing import Any

__all__ = ["Interrupted", "Signals", "number_of"]

NOTED = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """What a signal ended in good order.

    Attributes:
        number: of the signal.
    """

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


def number_of(interrupt: KeyboardInterrupt) -> int:
    """Of the signal behind it; Python's own is of Ctrl-C."""
    return getattr(interrupt, "number", signal.SIGINT)


class Signals:
    """Inside ``with``, the first Ctrl-C or SIGTERM is noted, and a second one ends the process at once.

    In a thread that is not the main one, and where someone else handles a signal, nothing changes.

    Attributes:
        number: of the signal that came; 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            usual = (signal.SIG_DFL, signal.default_int_handler)
            numbers = [number for number in NOTED if signal.getsignal(number) in usual]
            self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: Any) -> None:
        self.number = number
        for each, handler in self._before.items():
            # Python's own handler would wait for the end of what TensorFlow computes. But a notebook
            # should not die of it.
            signal.signal(each, handler if hasattr(sys, "ps1") else signal.SIG_DFL)
