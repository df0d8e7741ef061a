"""From windows in original units to what a network sees, and back."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Scaler"]

_SAMPLE = 10_000  # windows are enough to measure how far values move within one


@dataclass(frozen=True)
class Scaler:
    """How windows are scaled; every constant was fitted on the training part.

    The kind decides what the network is given (D features) and asked for:

    - ``none``: the values; the values to come (D = 1).
    - ``standard``: the values less their mean, over their standard deviation; the same (D = 1).
    - ``last``: two features, the change from the window's last value and the standardised value
      itself; the change to come. A network that outputs 0 then repeats the last value, so it spends
      its weights on what persistence cannot say; the level stays visible to it for series whose
      behaviour depends on it.
    """

    kind: str
    mean: float = 0.0  # original units
    std: float = 1.0  # original units
    input_change: float = 1.0  # root mean square change within a window, in stds
    target_change: float = 1.0  # ... and from its last value to the targets

    @classmethod
    def fit(cls, kind: str, values: np.ndarray, window: int, horizon: int) -> "Scaler":
        """Measure the training part's values, ``[N]``; nothing else is ever looked at."""
        if kind == "none":
            return cls(kind)
        mean, std = (
            float(np.mean(values, dtype=np.float64)),
            _spread(np.std(values, dtype=np.float64)),
        )
        if kind == "standard":
            return cls(kind, mean, std)
        views = np.lib.stride_tricks.sliding_window_view(values, window + horizon)
        views = views[:: max(1, len(views) // _SAMPLE)].astype(np.float64)
        changes = (views - views[:, window - 1 : window]) / std
        inputs, targets = changes[:, : window - 1], changes[:, window:]
        return cls(kind, mean, std, _spread(_rms(inputs)), _spread(_rms(targets)))

    @property
    def features(self) -> int:
        """D, the features per time step that the network is given."""
        return 2 if self.kind == "last" else 1

    def inputs(self, windows: np.ndarray) -> np.ndarray:
        """``[..., T]`` in original units to ``[..., T, D]`` float32 for the network."""
        level = (windows - self.mean) / self.std
        if self.kind != "last":
            return level[..., None].astype(np.float32)
        change = (level - level[..., -1:]) / self.input_change
        return np.stack([change, level], axis=-1).astype(np.float32)

    def targets(self, windows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Targets ``[..., P]`` in original units to what the network is asked for, float32."""
        shift, scale = self._frame(windows)
        return ((targets - shift) / scale).astype(np.float32)

    def restore(self, windows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The network's outputs ``[..., P]`` for these windows to original units, float64."""
        shift, scale = self._frame(windows)
        return outputs.astype(np.float64) * scale + shift

    def _frame(self, windows: np.ndarray) -> tuple[np.ndarray | float, float]:
        if self.kind == "last":
            return windows[..., -1:], self.std * self.target_change
        return self.mean, self.std


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _spread(value: float) -> float:
    """A constant stretch has no spread; dividing by one leaves it as it is."""
    return float(value) or 1.0
