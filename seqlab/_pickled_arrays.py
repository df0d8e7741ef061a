"""What the names in a pickle of NumPy's stand for, made from plain values that are checked first.

Nothing here calls NumPy's own counterparts: they trust what they are given.
"""

import re
from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["CALLS", "Damaged", "Refused", "Symbol", "Unbuilt", "filled", "symbol"]


class Damaged(Exception):
    """The bytes are no such file, or not all of one."""


class Refused(Exception):
    """The file holds more than arrays and plain containers."""


class Symbol(str):
    """A name that the file asked for; it is never looked up."""

    __slots__ = ()


class Unbuilt:
    """What BUILD is still to finish, and where in the memo it was put meanwhile."""

    def __init__(self, finish: Callable[..., Any]) -> None:
        self.finish, self.slots = finish, list[int]()


def _reconstruct(kind: Any, shape: Any, code: Any) -> Unbuilt:
    del shape, code  # of an empty array; what counts follows
    if not isinstance(kind, Symbol) or kind != "numpy.ndarray":
        raise Refused("an array of a class of its own. Save plain arrays")
    return Unbuilt(lambda *state: filled(*_five(state)[1:]))


def _five(state: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(state) != 5:
        raise Damaged("an array of too many or too few parts")
    return state


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return filled(shape, dtype, order == "F", data)


def _dtype(name: Any, align: Any = False, copy: Any = True) -> Unbuilt:
    del align, copy
    if not isinstance(name, str) or not re.fullmatch(r"[biufcSUO]\d{1,6}", name):
        shown = name[:20] if isinstance(name, str) else type(name).__name__
        raise Refused(f"an array with values of type {shown!r}. Save plain numbers")
    return Unbuilt(lambda *state: np.dtype(name).newbyteorder(state[1]))


def _scalar(dtype: Any, data: Any) -> Any:
    return filled((), dtype, False, data)[()]


def _encode(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes in the protocol of Python 2."""
    if not isinstance(text, str) or not isinstance(encoding, str) or encoding != "latin1":
        raise Damaged("bytes in an unknown encoding")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


CALLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "numpy.dtype": _dtype,
        "numpy.core.multiarray._reconstruct": _reconstruct,
        "numpy.core.multiarray.scalar": _scalar,
        "numpy.core.numeric._frombuffer": _from_buffer,
        "_codecs.encode": _encode,
        "__builtin__.bytes": _no_bytes,
    }
)


def symbol(module: Any, name: Any) -> Symbol:
    """A name that is known here; all others are refused.

    Values of a file are never shown by ``repr``: lists that hold one list many times, a few levels deep,
    have texts that fill any memory.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise Damaged("a name that is no text")
    module, name = module[:80], name[:80]
    known = f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1)
    if known not in CALLS and known != "numpy.ndarray":
        raise Refused(
            f"asks for {module}.{name}; only arrays and plain containers are read, and nothing was run."
            " A data file has no use for it: do not open it in another way"
        )
    return Symbol(known)


def filled(shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
    """An array from its parts, if they fit together."""
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise Damaged("an array whose shape is none")
    if not isinstance(dtype, np.dtype):
        raise Damaged("an array without a type")
    objects = dtype.kind == "O"
    if not isinstance(data, list if objects else (bytes, bytearray, memoryview, str)):
        raise Damaged(f"an array of {dtype} from {type(data).__name__}")
    data = data.encode("latin1") if isinstance(data, str) else data  # short bytes of Python 2
    size = prod(shape) * (1 if objects else dtype.itemsize)
    if len(data) != size:
        raise Damaged(f"an array of shape {shape} and {dtype} needs {size}, and has {len(data)}")
    if objects:
        flat = np.empty(len(data), object)
        for i, value in enumerate(data):  # one by one: NumPy would join arrays of one shape
            flat[i] = value
    else:
        flat = np.frombuffer(data, dtype) if size else np.empty(prod(shape), dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
