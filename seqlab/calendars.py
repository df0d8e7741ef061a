"""What the time of a row says: where in the day, the week and the year it lies."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["cycles", "days_and_seconds", "features", "places"]

_DAY = 86_400  # seconds
_BEFORE_1970 = 719_162  # days since the first of January of the year 1
TIMES = 2  # that a cycle must have been seen, so that it is not taken for a trend
# Each cycle: its length in seconds; how many steps it has, and at which of them a day and second lie.
_CYCLES: dict[str, tuple[int, float, Callable[[Any, Any], Any]]] = {
    "day": (_DAY, _DAY, lambda _, second: second),
    "week": (
        7 * _DAY,
        7 * 24,
        lambda day, second: (day + _BEFORE_1970) % 7 * 24 + second // 3600,
    ),
    "year": (365 * _DAY, 365.25, lambda day, _: _day_of_year(day + _BEFORE_1970)),
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
    return tuple(name for name, (n, *_) in _CYCLES.items() if step < n and TIMES * n <= span + step)


def days_and_seconds(times: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of times ``[N]`` the days since 1970-01-01 and the seconds since midnight, on its own clock."""
    return np.divmod(times.tz_localize(None).as_unit("s").asi8, _DAY)


def features(times: Any, names: Sequence[str]) -> np.ndarray:
    """Sine and cosine of the place of times ``[N]`` in each of these cycles, ``[N, F]`` float32."""
    columns = [np.zeros((len(times), 0))]
    for step, steps in places(*days_and_seconds(times), names):
        angle = 2 * np.pi * step / steps
        columns += [np.sin(angle)[:, None], np.cos(angle)[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)


def places(day: Any, second: Any, names: Sequence[str]) -> Iterator[tuple[Any, float]]:
    """Which step of each of these cycles it is, and of how many: integers, of NumPy or TensorFlow."""
    for name in names:
        _, steps, place = _CYCLES[name]
        yield place(day, second), steps


def _day_of_year(day: Any) -> Any:
    """From 0 on, of days since the first of January of the year 1; quotients and no comparisons.

    Source: Hinnant (2014), chrono-compatible low-level date algorithms: civil_from_days.
    """
    era, of_era = (day + 306) // 146_097, (day + 306) % 146_097  # of years from March on
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    before = 400 * era + year + of_year // 306 - 1  # whole years of the calendar
    return day - (365 * before + before // 4 - before // 100 + before // 400)
