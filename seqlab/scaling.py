"""From windows in original units to what a network sees, and back."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError

__all__ = ["Scaler"]

Frame = tuple[np.ndarray | float, np.ndarray | float]  # shift and scale
OWN = "window", "recent", "mean"  # kinds that measure each window
_SAMPLE = 10_000  # windows are enough to measure how far values move within one
SMALLEST = (
    1e-3  # of a window's own scale, in those of the training part: for windows that stand still
)


@dataclass(frozen=True)
class Scaler:
    """How windows are scaled; every constant was fitted on the training part.

    A transform comes first: none, the logarithm, or the power of Box and Cox (1964) that makes the
    training part most like a normal distribution. With a lag, of a season, each value then becomes its
    change since the season before, and the window T - lag such changes. Then the kind decides what the
    network is given (D features) and asked for:

    - ``none``: the values; the values to come (D = 1).
    - ``standard``: the values less their mean, over their standard deviation; the same (D = 1).
    - ``robust``: less their median, over the distance of their quartiles (D = 1).
    - ``minmax``: from 0, the lowest, to 1, the highest of the training part (D = 1).
    - ``last``: two features, the change from the window's last value and the standardised value
      itself; the change to come. A network that outputs 0 then repeats the last value, so it spends
      its weights on what persistence cannot say; the level stays visible to it for series whose
      behaviour depends on it.
    - ``change``: the change from the window's last value alone, over the standard deviation (D = 1).
    - ``window``: less the window's own mean, over its own standard deviation (D = 1): reversible
      instance normalisation (Kim et al., 2022); its trained factors are `seqlab.affine.Affine`.
    - ``recent``: less the mean of the window's second half, over its standard deviation (D = 1), for
      series whose level drifts.
    - ``mean``: over the window's own mean of absolute values (D = 1), as in DeepAR: a scale, no shift.

    Constants are numbers, or arrays for windows of several series; see `stacked`.
    """

    kind: str
    mean: float | np.ndarray = 0.0  # of the transformed values; the median, the lowest
    std: float | np.ndarray = 1.0  # likewise; the distance of the quartiles, or lowest to highest
    input_change: float | np.ndarray = 1.0  # root mean square change within a window, in stds
    target_change: float | np.ndarray = 1.0  # ... and from its last value to the targets
    transform: str = "none"
    power: float | np.ndarray = 1.0  # lambda of Box and Cox; 0 is the logarithm
    lag: int = 0  # rows of the season whose changes are taken; 0 for the values themselves
    padding: np.ndarray | None = (
        None  # ``[..., 1]``, rows of these windows before their first value
    )

    @classmethod
    def fit(
        cls,
        kind: str,
        values: np.ndarray,
        window: int,
        horizon: int,
        transform: str = "none",
        lag: int = 0,
    ) -> "Scaler":
        """Measure the training part's values, ``[N]``; nothing else is ever looked at.

        Raises:
            SeqlabError: a logarithm of values that are not positive.
        """
        power = _power(transform, values)
        made = cls(kind, transform=transform, power=power, lag=lag)
        if kind == "none":
            return made
        values = made._changes(made._forward(values))
        window -= lag
        mean, std = _centre_and_spread(kind, values)
        made = dataclasses.replace(made, mean=mean, std=std)
        if kind != "last":
            return made
        views = np.lib.stride_tricks.sliding_window_view(values, window + horizon)
        views = views[:: max(1, len(views) // _SAMPLE)].astype(np.float64)
        changes = (views - views[:, window - 1 : window]) / std
        inputs, targets = changes[:, : window - 1], changes[:, window:]
        input_change, target_change = _spread(_rms(inputs)), _spread(_rms(targets))
        return dataclasses.replace(made, input_change=input_change, target_change=target_change)

    @classmethod
    def stacked(cls, scalers: Sequence["Scaler"]) -> "Scaler":
        """One for the windows of S series: constants ``[S]``, to be taken from by `at`."""
        first = scalers[0]
        names = [
            f.name for f in dataclasses.fields(cls) if isinstance(getattr(first, f.name), float)
        ]
        arrays: dict[str, Any] = {
            name: np.array([getattr(s, name) for s in scalers]) for name in names
        }
        return dataclasses.replace(first, **arrays)

    def at(self, owner: np.ndarray) -> "Scaler":
        """The constants of these windows' series, ``[..., 1]``, for series ``[...]`` of those stacked."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        arrays: dict[str, Any] = {
            name: v[owner][..., None] for name, v in values.items() if isinstance(v, np.ndarray)
        }
        return dataclasses.replace(self, **arrays)

    @property
    def features(self) -> int:
        """D, the features per time step that the network is given."""
        return 2 if self.kind == "last" else 1

    def inputs(self, windows: np.ndarray) -> np.ndarray:
        """``[..., T]`` in original units to ``[..., T - lag, D]`` float32 for the network."""
        changes = self._changes(self._forward(windows))
        return self._given(changes, self._frame(changes))

    def targets(self, windows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Targets ``[..., P]`` in original units to what the network is asked for, float32."""
        values = self._forward(windows)
        return self._asked(values, self._frame(self._changes(values)), targets)

    def all_of(
        self, windows: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `inputs`, `targets` and `scale` give, with the transform taken once."""
        values = self._forward(windows)
        changes = self._changes(values)
        frame = self._frame(changes)
        given, asked = self._given(changes, frame), self._asked(values, frame, targets)
        return given, asked, _each(frame[1], windows)

    def restore(self, windows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs ``[..., P]`` for these windows to original units, float64."""
        values = self._forward(windows)
        shift, scale = self._frame(self._changes(values))
        before = self._before(values, outputs.shape[-1])
        return self._backward(outputs.astype(np.float64) * scale + shift + before)

    def scale(self, windows: np.ndarray) -> np.ndarray:
        """What 1 in the network's scale is in transformed values, for windows ``[..., T]``: ``[...]``."""
        return _each(self._frame(self._changes(self._forward(windows)))[1], windows)

    def movement(self, windows: np.ndarray, lag: int) -> np.ndarray:
        """Mean absolute change over `lag` rows of windows ``[..., T]``, in the network's scale."""
        values = self._forward(windows)
        changes = np.abs(values[..., lag:] - values[..., :-lag]).mean(-1)
        return changes / self.scale(windows)

    def _given(self, values: np.ndarray, frame: Frame) -> np.ndarray:
        """What the network is given of windows of values or changes ``[..., T]``."""
        if self.kind != "last":
            shift, scale = frame
            return ((values - shift) / scale)[..., None].astype(np.float32)
        level = (values - self.mean) / self.std
        change = (level - level[..., -1:]) / self.input_change
        return np.stack([change, level], axis=-1).astype(np.float32)

    def _asked(self, values: np.ndarray, frame: Frame, targets: np.ndarray) -> np.ndarray:
        """What the network is asked for, after windows of values ``[..., T]``."""
        shift, scale = frame
        before = self._before(values, targets.shape[-1])
        return ((self._forward(targets) - before - shift) / scale).astype(np.float32)

    def _changes(self, values: np.ndarray) -> np.ndarray:
        """Each value's change since the season before, ``[..., T - lag]``."""
        return values[..., self.lag :] - values[..., : -self.lag] if self.lag else values

    def _before(self, values: np.ndarray, horizon: int) -> np.ndarray | float:
        """What the changes of the P steps ahead are since: the window's last season, ``[..., P]``."""
        if not self.lag:
            return 0.0
        return values[..., values.shape[-1] - self.lag + np.arange(horizon) % self.lag]

    def _frame(self, windows: np.ndarray) -> Frame:
        """Shift and scale of windows of values or changes ``[..., T]``, as numbers or ``[..., 1]``."""
        if self.kind == "last":
            return windows[..., -1:], self.std * self.target_change
        if self.kind == "change":
            return windows[..., -1:], self.std
        if self.kind not in OWN:
            return self.mean, self.std
        values = self._values_of(windows)
        if self.kind == "mean":
            return 0.0, self._at_least(np.abs(windows).mean(-1, keepdims=True, where=values))
        half = windows.shape[-1] // 2 if self.kind == "recent" else 0
        late = values if values is True else values[..., half:]
        shift = windows[..., half:].mean(-1, keepdims=True, where=late)
        return shift, self._at_least(windows.std(-1, keepdims=True, where=values))

    def _values_of(self, windows: np.ndarray) -> Any:
        """Which of windows of values or changes ``[..., T]`` are none of padding; True for all."""
        if self.padding is None:
            return True
        return np.arange(windows.shape[-1]) >= self.padding

    def _at_least(self, scale: np.ndarray) -> np.ndarray:
        """A window that stands still has no scale of its own."""
        return np.maximum(scale, SMALLEST * self.std)

    def _forward(self, values: np.ndarray) -> np.ndarray:
        if self.transform == "none":
            return values
        values = np.asarray(values, np.float64)
        power = np.asarray(self.power)
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.log(values)
        # expm1 keeps its digits where the power is near zero, and is the logarithm's own limit there.
        return np.where(power == 0, logs, np.expm1(power * logs) / np.where(power == 0, 1, power))

    def _backward(self, values: np.ndarray) -> np.ndarray:
        if self.transform == "none":
            return values
        power = np.asarray(self.power)
        # Below -1 / power there is nothing that the transform could have come from: the lowest that is.
        inside = np.maximum(power * values, -1 + 1e-9)
        return np.exp(
            np.where(power == 0, values, np.log1p(inside) / np.where(power == 0, 1, power))
        )


def _each(scale: np.ndarray | float, windows: np.ndarray) -> np.ndarray:
    """One for each window ``[..., T]``: ``[...]``."""
    return np.broadcast_to(scale, (*windows.shape[:-1], 1))[..., 0]


def _power(transform: str, values: np.ndarray) -> float:
    if transform == "none":
        return 1.0
    if values.min() <= 0:
        raise SeqlabError(
            f"--transform {transform} needs positive values; the lowest of the training part is"
            f" {values.min():.4g}. Use --transform none"
        )
    if transform == "log" or np.ptp(values) == 0:
        return 0.0
    from scipy import stats  # here, because it takes a moment to load

    return float(np.clip(stats.boxcox_normmax(values.astype(np.float64), method="mle"), -2, 2))


def _centre_and_spread(kind: str, values: np.ndarray) -> tuple[float, float]:
    if kind == "robust":
        low, middle, high = np.percentile(values, (25, 50, 75))
        return float(middle), _spread(high - low)
    if kind == "minmax":
        return float(values.min()), _spread(np.ptp(values))
    if kind == "mean":
        return 0.0, _spread(np.mean(np.abs(values), dtype=np.float64))
    return float(np.mean(values, dtype=np.float64)), _spread(np.std(values, dtype=np.float64))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _spread(value: float) -> float:
    """A constant stretch has no spread; dividing by one leaves it as it is."""
    return float(value) or 1.0
