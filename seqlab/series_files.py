"""Series as plain arrays in one ``.npz``: end to end, with a description in JSON. Nothing is a pickle."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._bounded_files import arrays, opened, parsed
from seqlab.errors import SeqlabError
from seqlab.panel import Panel
from seqlab.repair import Repair
from seqlab.series import Series

__all__ = ["arrays_of", "fingerprint", "read"]

NO_LABELS: tuple[tuple[()], tuple[()]] = (), ()  # as older files, which do not name them
REPAIR = ("filled", "file_rows", "left_out")
COLUMNS = ("past", "future", "static")
LARGEST = float(np.finfo(np.float32).max)
KINDS = {"values": "f", "times": "i", "filled": "b", "file_rows": "i", "left_out": "i"}
KINDS |= dict.fromkeys(COLUMNS, "f")


def arrays_of(data: Series | Panel) -> dict[str, np.ndarray]:
    """What to write."""
    series = (data,) if isinstance(data, Series) else data.series
    about = {
        "panel": None if isinstance(data, Series) else data.name,
        "empty": [] if isinstance(data, Series) else data.empty,
        "series": [_about(one) for one in series],
    }
    arrays = {"about": np.array(json.dumps(about)), "values": _joined([s.values for s in series])}
    stamps = [s.times.as_unit("ns").asi8 for s in series if s.times is not None]
    repairs = [s.repair for s in series if s.repair is not None]
    if stamps:
        arrays["times"] = _joined(stamps)
    for name in REPAIR:
        if repairs:
            arrays[name] = _joined([getattr(repair, name) for repair in repairs])
    for name in COLUMNS:
        found = [getattr(s, name).ravel() for s in series if getattr(s, name) is not None]
        if found:
            arrays[name] = _joined(found)
    return arrays


def fingerprint(data: Series | Panel) -> str:
    """SHA-256 of the values, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(arrays_of(data)["values"]).tobytes()).hexdigest()


def read(path: Path) -> Series | Panel:
    """What was written.

    Raises:
        SeqlabError: the file is damaged, or holds something else.
    """
    try:
        with opened(path) as stream, arrays(stream) as file:
            about = parsed(str(file["about"]))
            pieces = {name: _Pieces(file[name], name) for name in file.files if name != "about"}
        panel, empty = about["panel"], about.get("empty", [])  # which older files do not name
        texts = isinstance(panel, str | None) and all(isinstance(name, str) for name in empty)
        if not about["series"] or not texts:
            raise ValueError("it describes no series")
        series = tuple(_series(one, pieces) for one in about["series"])
        if any(len(piece.rest) for piece in pieces.values()):
            raise ValueError("it holds more than it describes")
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        OverflowError,
        zipfile.BadZipFile,
    ) as error:
        raise SeqlabError(f"{path}: cannot be read: {error}. Train the run again") from error
    return series[0] if panel is None else Panel(panel, series, tuple(empty))


class _Pieces:
    """An array from which pieces are taken, one after the other."""

    def __init__(self, array: np.ndarray, name: str) -> None:
        if array.ndim != 1 or array.dtype.kind != KINDS[name] or not np.isfinite(array).all():
            raise ValueError(f"its {name} are not a row of finite numbers")
        if KINDS[name] == "f" and len(array) and np.abs(array).max() > LARGEST:
            raise ValueError(f"its {name} are more than float32 holds")
        self.rest = array

    def take(self, shape: Sequence[int]) -> np.ndarray:
        """The next piece."""
        size = int(np.prod(shape))
        if size > len(self.rest) or min(shape, default=0) < 0:
            raise ValueError("it holds less than it describes")
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece.reshape(shape)


def _about(series: Series) -> dict[str, Any]:
    shapes = {n: list(v.shape) for n in COLUMNS if (v := getattr(series, n)) is not None}
    about = {
        "name": series.name,
        "rows": len(series),
        "season": series.season,
        "test_rows": series.test_rows,
        "shapes": shapes,
        "categories": list(series.categories),
        "labels": [series.past_labels, series.future_labels],
        "left_out": None if series.repair is None else len(series.repair.left_out),
    }
    if series.times is not None:
        about |= {"freq": series.times.freqstr, "zone": str(series.times.tz or "")}
    return about


def _check(about: dict[str, Any]) -> None:
    """Refuse what does not describe a series."""
    rows, past, future = about["rows"], about["shapes"].get("past"), about["shapes"].get("future")
    counts = [about[name] for name in ("season", "test_rows") if about[name] is not None]
    of_past, of_future = about.get("labels", NO_LABELS)
    texts = [about["name"], *about["categories"], *chain(*of_past, *of_future)]
    plain = all(type(n) is int and 0 < n < 2**31 for n in (rows, *counts))
    if not plain or not all(isinstance(text, str) for text in texts):
        raise ValueError("it does not describe a series")
    if (past and past[0] != rows) or (future and future[0] < rows):
        raise ValueError("its columns are not as long as its values")
    pairs = (past, of_past), (future, of_future)
    if any(labels and (not shape or len(labels) != shape[1]) for shape, labels in pairs):
        raise ValueError("its labels are not those of its columns")


def _series(about: dict[str, Any], pieces: dict[str, _Pieces]) -> Series:
    _check(about)
    rows = about["rows"]
    values = pieces["values"].take([rows])
    times = _times(pieces["times"].take([rows]), about) if "zone" in about else None
    repair = None
    if about["left_out"] is not None:
        sizes = rows, rows, about["left_out"]
        taken = (pieces[name].take([size]) for name, size in zip(REPAIR, sizes, strict=True))
        repair = Repair(*taken)
    columns = {name: pieces[name].take(shape) for name, shape in about["shapes"].items()}
    return Series(
        about["name"],
        values,
        times,
        about["season"],
        about["test_rows"],
        repair,
        columns.get("past"),
        columns.get("future"),
        columns.get("static"),
        tuple(about["categories"]),
        *(tuple(map(tuple, of)) for of in about.get("labels", NO_LABELS)),
    )


def _times(stamps: np.ndarray, about: dict[str, Any]) -> Any:
    import pandas as pd

    times = pd.DatetimeIndex(stamps, tz="UTC" if about["zone"] else None)
    times = times.tz_convert(about["zone"]) if about["zone"] else times
    return pd.DatetimeIndex(times, freq=about["freq"])


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
