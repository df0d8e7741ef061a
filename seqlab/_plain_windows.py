"""Windows as plain arrays: checked, scaled for a network, and scaled back.

Beside the values there may be what is known of a series as a whole, which does not come with them.
"""

from typing import Any

import numpy as np

from seqlab.errors import SeqlabError
from seqlab.scaling import Scaler
from seqlab.windows import Windows

__all__ = ["PlainWindows"]

ROWS = ("past", "future", "phase")  # of Covariates, what differs from row to row
FIXED = ("static", "categories", "series")  # what is known of a series as a whole


class PlainWindows:
    """What windows of a run do to arrays ``[..., T]`` in original units.

    Args:
        like: windows of the run, which know their scaler and layout.
        names: of the series, where there are several.

    Attributes:
        scaler: of one series, or where none was chosen of all.
        number: of that series.
        named: whether the network takes arrays by name.
        layout: of what it takes otherwise; see `Windows`.
    """

    def __init__(self, like: Windows, names: tuple[str, ...] = ()) -> None:
        self._like, self._names = like, names
        self.named, self.layout = bool(like.beside), like.layout
        self.scaler: Scaler = like.scaler
        self.number = 0

    @property
    def fixed(self) -> dict[str, np.ndarray]:
        """What the network is given of the series as a whole, by name: ``[1, ...]``."""
        found = {name: getattr(self._like.beside, name, None) for name in FIXED}
        one = slice(self.number, self.number + 1)
        return {name: array[one] for name, array in found.items() if array is not None}

    def of(self, series: str | int | None, rows: bool = False) -> "PlainWindows":
        """The same for one series, by its name or number.

        Args:
            series: which.
            rows: whether what differs from row to row comes with the values.

        Raises:
            SeqlabError: there are several and none is named, or none of that name; or the network sees
                more than values in every row.
        """
        beside = self._like.beside
        if others := [n for n in ROWS if not rows and getattr(beside, n, None) is not None]:
            raise SeqlabError(
                f"the network is given {', '.join(others)} beside the values, so that an array of"
                " values is not enough. Give it Windows (origins.at_origins), or use seqlab forecast"
            )
        if self._like.owner is None:
            return self
        made = PlainWindows(self._like, self._names)
        made.number = self._number(series)
        made.scaler = self._like.scaler.at(np.array(made.number))
        return made

    def _number(self, series: str | int | None) -> int:
        count = len(np.asarray(self._like.scaler.power))  # constants are arrays [S]
        if isinstance(series, str) and series in self._names:
            return self._names.index(series)
        if isinstance(series, int) and 0 <= series < count:
            return series
        some = ", ".join([*self._names[:3], *["..."] * (count > 3)]) if self._names else "numbers"
        raise SeqlabError(
            f"`series` must be one of the {count} series that the network was trained on ({some})."
            f" Received: {series!r}"
        )

    def checked(self, values: Any) -> np.ndarray:
        """The array ``[T]`` or ``[W, T]`` as float64.

        Raises:
            SeqlabError: another shape, or what is no finite number.
        """
        found, steps = _numbers("windows", values), self._like.window
        if found.ndim not in (1, 2) or found.shape[-1] != steps:
            raise SeqlabError(
                f"`windows` must be values of shape [{steps}] or [W, {steps}], as the network was trained"
                f" on windows of {steps} rows. Received: shape {found.shape}"
            )
        return found

    def pushed(self, value: Any, state: np.ndarray | None) -> np.ndarray:
        """The last values ``[..., n]`` with one more; never more than T.

        Raises:
            SeqlabError: what is no number, or a state that does not go with it.
        """
        new = _numbers("value", value)
        before = np.empty((*new.shape, 0)) if state is None else _numbers("state", state)
        steps = self._like.window
        if new.ndim > 1 or before.shape[:-1] != new.shape or before.shape[-1:] > (steps,):
            raise SeqlabError(
                f"`state` must be what the last step returned for values of shape {new.shape}."
                f" Received: shape {before.shape}"
            )
        return np.concatenate([before, new[..., None]], axis=-1)[..., -steps:]

    def given(self, rows: np.ndarray) -> Any:
        """The network's inputs for ``[B, T]``."""
        scaled = self.scaler.inputs(rows)
        if self.named:
            fixed = {name: np.repeat(array, len(rows), 0) for name, array in self.fixed.items()}
            return {"past": scaled, **fixed}
        return scaled if self.layout == "steps" else np.swapaxes(scaled, -1, -2)

    def restored(self, rows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Its outputs ``[B, P]`` in original units."""
        return self.scaler.restore(rows, outputs)


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if not np.isfinite(found).all():
        raise SeqlabError(
            f"`{name}` must be finite numbers. Fill gaps first. Received: {str(values)[:60]}"
        )
    return found
