"""The one kind of error that a person can mend, and the checks that raise it."""

from collections.abc import Iterable
from numbers import Integral, Real

__all__ = [
    "SeqlabError",
    "check_choice",
    "check_finite",
    "check_fraction",
    "check_positive",
    "check_seed",
]


class SeqlabError(ValueError):
    """Input that cannot be used; the message is one line: what, the rule, the value, the remedy.

    The command line prints it and exits with status 2; in research code it is a ``ValueError``.
    """


LARGEST = 1e30  # of a real number that a user gives: float32 ends at 3.4e38


def check_positive(name: str, value: object, kind: type = int, most: float | None = None) -> None:
    """Raise unless `value` is a number of this kind above zero, and at most `most`.

    Without `most` a real number is at most `LARGEST`.

    Raises:
        SeqlabError: naming the argument and the value received.
    """
    right = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if not right or not 0 < value < float("inf"):  # type: ignore[operator]
        what = "a positive integer" if kind is int else "a positive number"
        raise SeqlabError(f"`{name}` must be {what}. Received: {value!r}")
    most = LARGEST if most is None and kind is float else most
    if most is not None and value > most:  # type: ignore[operator]
        said = f"{most:,}" if kind is int else f"{most:g}"
        raise SeqlabError(f"`{name}` must be at most {said}. Received: {value!r}")


def check_finite(name: str, value: object) -> None:
    """Raise unless `value` is a finite number, within `LARGEST` of zero.

    Raises:
        SeqlabError: naming the argument and the value received.
    """
    if not isinstance(value, Real) or not -LARGEST <= value <= LARGEST:  # type: ignore[operator]
        raise SeqlabError(
            f"`{name}` must be a finite number within {LARGEST:g} of zero. Received: {value!r}"
        )


def check_fraction(name: str, value: object) -> None:
    """Raise unless `value` lies in [0, 1).

    Raises:
        SeqlabError: naming the argument and the value received.
    """
    if not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise SeqlabError(f"`{name}` must be at least 0 and below 1. Received: {value!r}")


def check_seed(value: object) -> None:
    """Raise unless `value` is a seed: an integer that 31 bits hold.

    Raises:
        SeqlabError: naming the value received.
    """
    if type(value) is not int or not 0 <= value < 2**31:
        raise SeqlabError(f"`seed` must be an integer from 0 to 2**31 - 1. Received: {value!r}")


def check_choice(name: str, value: object, legal: Iterable[str]) -> None:
    """Raise unless `value` is one of the legal names.

    Raises:
        SeqlabError: listing the legal names.
    """
    legal = tuple(legal)
    if value not in legal:
        raise SeqlabError(f"`{name}` must be one of {', '.join(legal)}. Received: {value!r}")
