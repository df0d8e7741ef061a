"""Arrays and plain containers out of pickles, with nothing of the file ever called.

A pickle is a program. Python's own reader runs it, and keeping it from importing the wrong names still
leaves NumPy's internals to a stranger. So this is a reader of its own: it knows the few operations that
arrays, numbers, texts, lists, tuples and dicts are written with. The names that a file asks for are never
looked up; a few stand for functions of `_pickled_arrays`, and all others are refused.

Source: the operations as documented in Python's ``pickletools``, protocols 2 to 5.
"""

import struct
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from seqlab._pickled_arrays import CALLS, Damaged, Refused, Symbol, Unbuilt, filled, symbol
from seqlab.errors import SeqlabError

__all__ = ["LARGEST", "load_npy", "load_pickle"]

LARGEST = 2**30  # bytes of a file
MOST_STEPS = (
    1_000_000  # operations; each makes less than 100 bytes beside what it takes from the file
)
LONG_BYTES = 4096  # from here on bytes are not copied
HEADER = 2**16  # bytes that hold the header of any .npy file
BROKEN: tuple[type[Exception], ...] = (Damaged, LookupError, ValueError, TypeError, struct.error)
BROKEN += (OverflowError, RecursionError, MemoryError, SyntaxError, TokenError)  # of .npy headers


def load_pickle(path: str | Path, largest: int = LARGEST) -> Any:
    """What a pickle file holds; its arrays are read-only views of the file's bytes.

    Texts of Python 2 come as ``str``. Long bytes outside arrays come as ``memoryview``.

    Raises:
        SeqlabError: naming the file: missing, too large, damaged, or with anything but arrays and
            plain containers in it.
    """
    path = Path(path)
    return _checked(path, lambda: _Machine(_content(path, largest)).run())


def load_npy(path: str | Path, largest: int = LARGEST) -> Any:
    """The array of a ``.npy`` file, read-only; an object array of shape ``()`` gives what it holds.

    Raises:
        SeqlabError: as `load_pickle`.
    """
    path = Path(path)
    return _checked(path, lambda: _npy(_content(path, largest)))


def _content(path: Path, largest: int) -> memoryview:
    with path.open("rb") as file:
        data = file.read(largest + 1) if path.stat().st_size > largest else file.read()
    if len(data) > largest:
        raise Refused(f"larger than {largest} bytes. Split it, or raise `largest`")
    return memoryview(data)


def _checked(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except OSError as error:
        raise SeqlabError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Refused as error:
        raise SeqlabError(f"{path}: {error}") from None
    except BROKEN as error:
        raise SeqlabError(f"{path}: damaged or no such file: {error}. Get it again") from None


def _npy(data: memoryview) -> Any:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    file = BytesIO(data[:HEADER])
    shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    body = data[file.tell() :]
    if dtype.hasobject:
        array = _Machine(body).run()
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != object:
            raise Damaged("header and content differ")
        return array[()] if shape == () else array
    return filled(shape, dtype, fortran, body)


# The machine


class _Machine:
    """A stack, a memo, and a position in the file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.room = len(data) + 8 * MOST_STEPS  # bytes for copies: more than arrays ever need

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            code = chr(self.take(1)[0])
            if code == ".":
                (value,) = self.stack
                self.check(value)
                return value
            self.step(code)
        raise Refused(f"more than {MOST_STEPS} operations, far more than arrays need")

    def step(self, code: str) -> None:
        if code in SOURCES:
            self.stack.append(SOURCES[code](self))
        elif code in CHANGES:
            CHANGES[code](self)
        elif code not in SKIPPED:
            raise Damaged(f"operation {code!r} at byte {self.at - 1} is none that arrays need")
        else:
            self.number(SKIPPED[code])

    def take(self, count: int) -> memoryview:
        if not 0 <= count <= len(self.data) - self.at:
            raise Damaged(f"it ends at byte {len(self.data)}, in the middle of a value")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        text = bytes(self.data[self.at : self.at + 200]).split(b"\n")[0]
        self.at += len(text) + 1
        return text.decode("ascii")

    def bytes(self, form: str) -> Any:
        view = self.take(self.number(form))
        return bytes(view) if len(view) < LONG_BYTES else view

    def text(self, form: str) -> str:
        return str(self.take(self.number(form)), "utf-8")

    def old_text(self, form: str) -> Any:
        """Of Python 2: a text, or the bytes of an array."""
        value = self.bytes(form)
        return value.decode("latin1") if isinstance(value, bytes) else value

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Damaged(f"nothing there to take at byte {self.at - 1}")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def tuple(self, form: int) -> Any:
        return self.finished([self.pop() for _ in range(form)][::-1])

    def finished(self, values: list[Any]) -> Any:
        if any(isinstance(value, Unbuilt) for value in values):
            raise Damaged(f"an unfinished value at byte {self.at - 1}")
        return tuple(values)

    def check(self, *values: Any) -> None:
        if any(isinstance(value, (Symbol, Unbuilt)) for value in values):
            raise Damaged(f"an unfinished value at byte {self.at - 1}")

    def append(self, values: list[Any]) -> None:
        self.check(*values)
        if type(self.stack[-1]) is not list:
            raise Damaged(f"no list at byte {self.at - 1}")
        self.stack[-1].extend(values)

    def set(self, pairs: list[Any]) -> None:
        self.check(*pairs)
        keys, values = pairs[::2], pairs[1::2]
        if type(self.stack[-1]) is not dict or not {type(key) for key in keys} <= {str, bytes, int}:
            raise Damaged(f"no dict with names or numbers at byte {self.at - 1}")
        self.stack[-1].update(zip(keys, values, strict=True))

    def get(self, form: str) -> Any:
        return self.memo[self.number(form)]

    def put(self, form: str) -> None:
        self.remember(self.number(form))

    def memoize(self) -> None:
        self.remember(len(self.memo))

    def remember(self, slot: int) -> None:
        self.memo[slot] = self.stack[-1]
        if isinstance(self.stack[-1], Unbuilt):
            self.stack[-1].slots.append(slot)

    def reduce(self) -> Any:
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Symbol) or type(arguments) is not tuple or name not in CALLS:
            raise Damaged(f"nothing that can be made at byte {self.at - 1}")
        return self.counted(CALLS[name](*arguments))

    def build(self) -> Any:
        state, unbuilt = self.pop(), self.pop()
        if not isinstance(unbuilt, Unbuilt) or type(state) is not tuple:
            raise Damaged(f"nothing that can be finished at byte {self.at - 1}")
        value = self.counted(unbuilt.finish(*state))
        self.memo.update(dict.fromkeys(unbuilt.slots, value))
        return value

    def counted(self, value: Any) -> Any:
        """Copies made by calls: a file that asks for one over and over would fill any memory."""
        if isinstance(value, bytes):
            self.room -= len(value)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            self.room -= value.nbytes
        if self.room < 0:
            raise Refused("it unfolds into far more than it holds")
        return value


def _with(read: Callable[..., Any], forms: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    return {code: partial(read, form=form) for code, form in forms.items()}


SKIPPED = {"\x80": "<B", "\x95": "<Q"}  # protocol, frame
SOURCES: Mapping[str, Callable[[_Machine], Any]] = {  # what pushes a value
    **_with(_Machine.number, {"K": "<B", "M": "<H", "J": "<i", "G": ">d"}),
    **_with(_Machine.text, {"X": "<I", "\x8c": "<B", "\x8d": "<Q"}),
    **_with(_Machine.old_text, {"U": "<B", "T": "<i"}),
    **_with(_Machine.bytes, {"C": "<B", "B": "<I", "\x8e": "<Q", "\x96": "<Q"}),
    **_with(_Machine.get, {"h": "<B", "j": "<I"}),
    **_with(_Machine.tuple, {"\x85": 1, "\x86": 2, "\x87": 3}),
    "\x8a": lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True),
    "N": lambda _: None,
    "\x88": lambda _: True,
    "\x89": lambda _: False,
    ")": lambda _: (),
    "]": lambda _: [],
    "}": lambda _: {},
    "t": lambda m: m.finished(m.pop_to_mark()),
    "c": lambda m: symbol(m.line(), m.line()),
    "\x93": lambda m: symbol(*m.tuple(2)),
    "R": _Machine.reduce,
    "b": _Machine.build,
}
CHANGES: Mapping[str, Callable[[_Machine], None]] = {  # what works on values that are there
    **_with(_Machine.put, {"q": "<B", "r": "<I"}),
    "\x94": _Machine.memoize,
    "(": lambda m: m.marks.append(len(m.stack)),
    "a": lambda m: m.append([m.pop()]),
    "e": lambda m: m.append(m.pop_to_mark()),
    "s": lambda m: m.set(list(m.tuple(2))),
    "u": lambda m: m.set(m.pop_to_mark()),
}
