"""What the time of a row says: where in the day, the week and the year it lies."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["cycles", "features"]

_DAY = 86_400.0  # seconds
TIMES = 2  # that a cycle must have been seen, so that it is not taken for a trend
# Each cycle: its length in seconds, and where in it a time lies, from 0 to 1.
_CYCLES: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "day": (_DAY, lambda t: (t.hour * 3600 + t.minute * 60 + t.second) / _DAY),
    "week": (7 * _DAY, lambda t: (t.day_of_week + t.hour / 24) / 7),
    "year": (365 * _DAY, lambda t: (t.day_of_year - 1) / 365.25),
}


def cycles(times: Any) -> tuple[str, ...]:
    """The cycles that are longer than the step between rows, and lie in these times at least twice.

    Args:
        times: a pandas ``DatetimeIndex`` ``[N]``, evenly spaced.
    """
    if len(times) < 2:
        return ()
    stamps = times.as_unit("ns").asi8 / 1e9
    step, span = float(np.median(np.diff(stamps))), stamps[-1] - stamps[0]
    return tuple(name for name, (n, _) in _CYCLES.items() if step < n and TIMES * n <= span + step)


def features(times: Any, names: Sequence[str]) -> np.ndarray:
    """Sine and cosine of the place of times ``[N]`` in each of these cycles, ``[N, F]`` float32."""
    columns = [np.zeros((len(times), 0))]
    for name in names:
        angle = 2 * np.pi * np.asarray(_CYCLES[name][1](times), np.float64)
        columns += [np.sin(angle)[:, None], np.cos(angle)[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)
