"""`scaling.Scaler` for the windows of one series, as operations of a graph, for export.

Only operations that every format has are used: ``exp(x) - 1`` for expm1, say.
"""

from typing import Any

import numpy as np

from seqlab._tensorflow import tf
from seqlab.scaling import SMALLEST, Scaler

__all__ = ["GraphScaler"]


class GraphScaler:
    """A scaler whose numbers are constants of the graph.

    Args:
        scaler: of one series: its constants are numbers, or arrays of one number.
        dtype: that values in original units are computed in.
    """

    def __init__(self, scaler: Scaler, dtype: str) -> None:
        self._dtype = tf.as_dtype(dtype)
        self._kind, self._transform, self._lag = scaler.kind, scaler.transform, scaler.lag
        self._mean, self._std, self._input_change, self._target_change, self._power = (
            float(np.ravel(value)[0])
            for value in (
                scaler.mean,
                scaler.std,
                scaler.input_change,
                scaler.target_change,
                scaler.power,
            )
        )

    def inputs(self, windows: Any) -> Any:
        """``[B, T]`` in original units to ``[B, T - lag, D]`` float32 for the network."""
        values = self._changes(self._forward(windows))
        if self._kind != "last":
            shift, scale = self._frame(values)
            return tf.cast(((values - shift) / scale)[..., None], tf.float32)
        level = (values - self._mean) / self._std
        change = (level - level[:, -1:]) / self._input_change
        return tf.cast(tf.stack([change, level], axis=-1), tf.float32)

    def restore(self, windows: Any, outputs: Any) -> Any:
        """The network's outputs ``[B, P]`` for these windows to original units."""
        values = self._forward(windows)
        shift, scale = self._frame(self._changes(values))
        made = tf.cast(outputs, self._dtype) * scale + shift
        return self._backward(self._since(values, made, outputs.shape[1]))

    def _changes(self, values: Any) -> Any:
        return values[:, self._lag :] - values[:, : -self._lag] if self._lag else values

    def _since(self, values: Any, made: Any, horizon: int) -> Any:
        """Changes, on the values of the last season that they are since."""
        if not self._lag:
            return made
        season = values[:, -self._lag :]
        whole = tf.concat([season] * -(-horizon // self._lag), axis=1)
        return made + whole[:, :horizon]

    def _frame(self, windows: Any) -> tuple[Any, Any]:
        """Shift and scale, numbers or ``[B, 1]``."""
        if self._kind == "last":
            return windows[:, -1:], self._std * self._target_change
        if self._kind == "change":
            return windows[:, -1:], self._std
        if self._kind in ("window", "recent"):
            recent = windows[:, windows.shape[1] // 2 :] if self._kind == "recent" else windows
            return _mean(recent), self._at_least(_spread(windows))
        if self._kind == "mean":
            return 0.0, self._at_least(_mean(tf.abs(windows)))
        return self._mean, self._std

    def _at_least(self, scale: Any) -> Any:
        return tf.maximum(scale, tf.constant(SMALLEST * self._std, self._dtype))

    def _forward(self, values: Any) -> Any:
        if self._transform == "none":
            return values
        logs = tf.math.log(values)
        return logs if self._power == 0 else (tf.exp(self._power * logs) - 1.0) / self._power

    def _backward(self, values: Any) -> Any:
        if self._transform == "none":
            return values
        if self._power == 0:
            return tf.exp(values)
        inside = tf.maximum(self._power * values, tf.constant(-1 + 1e-9, self._dtype))
        return tf.exp(tf.math.log(inside + 1.0) / self._power)


def _mean(values: Any) -> Any:
    return tf.reduce_mean(values, axis=1, keepdims=True)


def _spread(values: Any) -> Any:
    away = values - _mean(values)
    return tf.sqrt(_mean(away * away))
