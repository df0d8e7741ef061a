"""What the time of a row says: where in the day, the week and the year it lies."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["features"]

_DAY = 86_400.0  # seconds
# Each cycle: seconds to make it worth a column, its name, and where in it a time lies, from 0 to 1.
_CYCLES: tuple[tuple[float, str, Callable[[Any], Any]], ...] = (
    (_DAY, "day", lambda t: (t.hour * 3600 + t.minute * 60 + t.second) / _DAY),
    (7 * _DAY, "week", lambda t: (t.dayofweek + t.hour / 24) / 7),
    (365 * _DAY, "year", lambda t: (t.dayofyear - 1) / 365.25),
)


def features(times: Any) -> tuple[np.ndarray, list[str]]:
    """Sine and cosine of a time's place in each cycle that is longer than the step between rows.

    Args:
        times: a pandas ``DatetimeIndex`` ``[N]``, evenly spaced.

    Returns:
        ``[N, F]`` float32, and the F names.
    """
    step = float(np.median(np.diff(times.as_unit("ns").asi8))) / 1e9 if len(times) > 1 else _DAY
    columns, names = [], []
    for length, name, place in _CYCLES:
        if step < length:
            angle = 2 * np.pi * np.asarray(place(times), np.float64)
            columns += [np.sin(angle), np.cos(angle)]
            names += [f"{name} (sine)", f"{name} (cosine)"]
    if not columns:
        return np.zeros((len(times), 0), np.float32), names
    return np.stack(columns, axis=1).astype(np.float32), names
