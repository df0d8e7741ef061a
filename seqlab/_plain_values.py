"""Frozen classes out of plain values of a file: each value must be of its field's type."""

import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from seqlab.errors import SeqlabError

__all__ = ["plain_values"]

Made = TypeVar("Made")


def plain_values(kind: type[Made], values: Any) -> Made:
    """An instance of a frozen class.

    Raises:
        SeqlabError: a value of another type than its field's, or one that the class refuses.
        TypeError: a field that the class does not have, or no fields at all.
    """
    hints = get_type_hints(kind)
    for name, value in dict(values).items():
        if name in hints and not _is(value, hints[name]):
            raise SeqlabError(
                f"`{name}` must be {_named(hints[name])}. Received: {str(value)[:60]!r}"
            )
    return kind(**values)


def _is(value: Any, hint: Any) -> bool:
    """Whether a value as JSON has it is of an annotated type; a list stands for a tuple."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_is(value, one) for one in inner)
    if origin is tuple:
        whole = inner[:1] * len(value) if isinstance(value, list) and inner[-1] is ... else inner
        right = isinstance(value, list) and len(value) == len(whole)
        return right and all(map(_is, value, whole))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, dict)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return (hint is type(None) and value is None) or (
        isinstance(hint, type) and isinstance(value, hint)
    )


def _named(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if get_origin(hint) is None else str(hint)
