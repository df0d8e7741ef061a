"""What the arguments of commands may be: each a function from text, which refuses what it cannot use."""

import argparse
import math
from collections.abc import Callable
from typing import Any

__all__ = [
    "bound",
    "finite",
    "keras_file",
    "level",
    "limit",
    "natural",
    "picture",
    "rate",
    "share",
    "whole",
]


def whole(text: str) -> int:
    """An argument that must be a positive integer."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive integer. Received: {text!r}")
    return int(text)


def natural(text: str) -> int:
    """An argument that must be an integer from 0 to 2**31 - 1."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 to 2**31 - 1. Received: {text!r}"
        )
    return int(text)


def share(text: str) -> float:
    """An argument that must lie in [0, 1)."""
    value = _float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1. Received: {text!r}")
    return value


def level(text: str) -> float:
    """An argument that must lie between 0 and 1."""
    value = _float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1. Received: {text!r}")
    return value


def rate(text: str) -> float:
    """An argument that must be a positive number."""
    value = _float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number. Received: {text!r}")
    return value


def bound(text: str) -> float | None:
    """An argument that must be a positive number, or ``none`` for no bound."""
    return None if text == "none" else _or_none(rate, text)


def limit(text: str) -> int | None:
    """An argument that must be a positive integer, or ``none`` for no end of them."""
    return None if text == "none" else _or_none(whole, text)


def _or_none(kind: Callable[[str], Any], text: str) -> Any:
    try:
        return kind(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(str(error).replace(". R", ", or none. R", 1)) from None


def finite(text: str) -> float:
    """An argument that must be a number, of either sign."""
    value = _float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number. Received: {text!r}")
    return value


def keras_file(text: str) -> str:
    """A file name for a model of Keras."""
    if not text.endswith(".keras"):
        raise argparse.ArgumentTypeError(f"must name a .keras file. Received: {text!r}")
    return text


def picture(text: str) -> str:
    """A file name for a PNG."""
    if not text.endswith(".png"):
        raise argparse.ArgumentTypeError(
            f"must name a .png file (a RUN goes before the options). Received: {text!r}"
        )
    return text


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number. Received: {text!r}") from None
