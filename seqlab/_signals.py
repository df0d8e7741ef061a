"""Ctrl-C and SIGTERM: noted, so that what is going on can come to a good end."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
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

    Python's own handlers wait for the end of what TensorFlow computes. So a thread is told of signals,
    which can end the process meanwhile; but not that of a notebook. In a thread that is not the main
    one, and where someone else handles a signal, nothing changes.

    Attributes:
        number: of the signal that came; 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}
        self._noted: Callable[[], object] = lambda: None

    def tell(self, noted: Callable[[], object]) -> None:
        """Have this called, in a thread of its own, as soon as a signal is noted; or now, if one was."""
        self._noted = noted
        if self.number:
            noted()

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            usual = (signal.SIG_DFL, signal.default_int_handler)
            numbers = [number for number in NOTED if signal.getsignal(number) in usual]
            heard, self._told = os.pipe()
            os.set_blocking(self._told, False)
            self._other = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._note) for number in numbers}
            threading.Thread(target=self._listen, args=(heard,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self._give_back()
            signal.set_wakeup_fd(self._other)
            os.close(self._told)  # which ends the thread

    def _listen(self, heard: int) -> None:
        count = 0
        while number := os.read(heard, 1):
            if number[0] in self._before:
                self.number, count = self.number or number[0], count + 1
                if count > 1 and not hasattr(sys, "ps1"):
                    os._exit(128 + number[0])
                with suppress(Exception):  # or the second would find nobody listening
                    self._noted()
        os.close(heard)

    def _note(self, number: int, _: Any) -> None:
        self.number = self.number or number
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
