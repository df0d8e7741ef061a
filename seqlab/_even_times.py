"""Times at an even step: found, completed, or refused with the row."""

from typing import Any

import numpy as np
import pandas as pd

from seqlab.errors import SeqlabError

__all__ = ["at", "even", "regular"]


def regular(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The same times with their frequency set, where they have one."""
    freq: Any = times[1] - times[0] if len(times) == 2 else "infer"
    return pd.DatetimeIndex(times, freq=freq)


def even(times: pd.DatetimeIndex, missing: str) -> pd.DatetimeIndex:
    """All times at the usual step; uneven ones are refused, missing ones need leave to be inserted."""
    freq = _usual_step(times)
    if isinstance(freq, pd.Timedelta) and (times[-1] - times[0]) / freq > 10 * len(times) + 1000:
        row = int(np.diff(times.asi8).argmax()) + 1
        raise SeqlabError(
            f"row {row + 1}: time {times[row]} follows {times[row - 1]}: too far for the usual step"
            f" of {_words(freq)}. Correct the time, or use --missing drop to ignore the times"
        )
    grid = pd.DatetimeIndex(pd.date_range(times[0], times[-1], freq=freq).to_series())
    off = ~times.isin(grid)
    if off.any():
        row = int(off.argmax())
        raise SeqlabError(
            f"row {row + 1}: time {times[row]} is off the usual step of {_words(freq)}."
            " Resample the file to even times, or use --missing drop to ignore the times"
        )
    if missing == "interpolate":
        return grid
    gap = ~grid.isin(times)
    row = int(times.searchsorted(grid[gap][0]))
    raise SeqlabError(
        f"row {row + 1}: time {times[row]} follows {times[row - 1]}; {gap.sum()} times of step"
        f" {_words(freq)} are missing in all."
        " Use --missing interpolate, or --missing drop to ignore the times"
    )


def at(column: np.ndarray, times: pd.DatetimeIndex, grid: pd.DatetimeIndex, no: Any) -> np.ndarray:
    """The column ``[N]`` at each time of the grid, and `no` at the times that it lacks."""
    made = np.full(len(grid), no, column.dtype)
    made[grid.isin(times)] = column
    return made


def _usual_step(times: pd.DatetimeIndex) -> Any:
    """The commonest difference; in months where every time lies at the start or the end of one."""
    if times.to_series().diff().median() > pd.Timedelta(days=27):
        months = _commonest(np.diff(times.year * 12 + times.month))
        if times.is_month_start.all():
            return pd.offsets.MonthBegin(months)
        if times.is_month_end.all():
            return pd.offsets.MonthEnd(months)
    return pd.Timedelta(_commonest(np.diff(times.asi8)), unit=times.unit)


def _commonest(numbers: np.ndarray) -> int:
    found, counts = np.unique(numbers, return_counts=True)
    return int(found[counts.argmax()])


def _words(step: Any) -> str:
    if isinstance(step, pd.Timedelta):
        return str(step).removesuffix(" 00:00:00").removeprefix("0 days ")
    return f"{step.n} months"
