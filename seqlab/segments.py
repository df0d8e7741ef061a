"""A forecaster for long windows and horizons: its recurrent steps are segments, such as days of hours.

A window of T rows is T / w steps of w rows each, so that errors and gradients have a shorter way; and the
segments ahead do not follow from each other, but each from the end of the window and a mark of its own.

Sources: Lin et al. (2023), *SegRNN*, arXiv:2308.11200, sections 4.1 (segments) and 4.2 (all segments
ahead at once). The straight line from the window to the forecast, where asked for, is that of Lai et
al. (2018), *LSTNet*, section 3.6, here for all steps ahead.
"""

from collections.abc import Mapping
from typing import Any

from seqlab import cells
from seqlab._stacks import stack
from seqlab._tensorflow import keras
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError, check_choice, check_positive

__all__ = ["ForEach", "Marks", "Segments", "segment_length", "segmented"]

ops = keras.ops
WIDTH = 4  # features of a step ahead, from which the head forms its numbers


def segmented(
    config: ModelConfig,
    inputs: Mapping[str, Any],
    horizon: int,
) -> Any:
    """Layers whose steps are segments of the window; all segments ahead follow from its end at once.

    The result is features of each step ahead, ``[B, P, K]``.

    Where the window is no multiple of a segment its first row stands before it as often as is missing;
    what the last segment ahead has beyond the horizon is left out.

    Args:
        config: cell, layers, hidden and dropout of the recurrent network; `segment`, the rows in one of
            its steps, see `segment_length`; `straight`, whether the straight line stands beside it.
        inputs: symbolic tensors by name: ``past`` ``[B, T, D]`` with the scaled target as its first
            feature, ``future`` ``[B, P, F]``, ``static`` ``[B, C]``; only the first must be there.
        horizon: P.

    Raises:
        SeqlabError: a window of unknown length, or a segment longer than it.
    """
    past = inputs["past"]
    length = segment_length(config, past.shape[1], horizon)
    count = -(-horizon // length)
    known = inputs.get("static")
    network = cells.DynamicRNN(stack(config, "layer"), name="network")
    _, states = network(_read(config, past, known, length))
    marks = _marks(config, inputs, known, length, count)
    states = keras.tree.map_structure(ForEach(count, name="for_each"), states)
    steps, _ = network(ops.reshape(marks, (-1, 1, config.hidden)), None, states)
    rows = keras.layers.Dense(length * WIDTH, name="rows")(steps)
    rows = ops.reshape(rows, (-1, count * length, WIDTH))[:, :horizon]
    if not config.straight:
        return rows
    return keras.layers.Concatenate(name="features")([rows, _straight(past, horizon)])


def segment_length(config: ModelConfig, window: int | None, horizon: int) -> int:
    """Rows in a segment, w: the config's, or by default a quarter of the window, at most the horizon.

    Raises:
        SeqlabError: the window's length is unknown, or smaller than the segment.
    """
    if window is None:
        raise SeqlabError("segments need a window of known length T. Received: None")
    length = config.segment or max(1, min(horizon, window // 4))
    if length > window:
        raise SeqlabError(f"`segment` must be at most the window, {window}. Received: {length}")
    return length


@keras.saving.register_keras_serializable("seqlab")
class Segments(keras.layers.Layer):
    """Rows ``[B, T, D]`` to segments ``[B, n, w D]`` of w rows each; what lacks is filled in.

    Args:
        length: w.
        side: where rows are missing if T is no multiple of w: ``before`` the first, which is repeated
            there, or ``after`` the last, likewise.
    """

    def __init__(self, length: int, side: str = "before", **kwargs: Any) -> None:
        check_positive("length", length)
        check_choice("side", side, ("before", "after"))
        super().__init__(**kwargs)
        self.length = length
        self.side = side

    def call(self, inputs: Any) -> Any:
        """Whole segments."""
        _, rows, features = inputs.shape
        missing = -rows % self.length
        if missing and self.side == "before":
            inputs = ops.concatenate([ops.repeat(inputs[:, :1], missing, axis=1), inputs], axis=1)
        elif missing:
            inputs = ops.concatenate([inputs, ops.repeat(inputs[:, -1:], missing, axis=1)], axis=1)
        return ops.reshape(inputs, (-1, (rows + missing) // self.length, self.length * features))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "length": self.length, "side": self.side}


@keras.saving.register_keras_serializable("seqlab")
class Marks(keras.layers.Layer):
    """Which segment ahead is asked for: a learned row per segment, ``[1, m, H]``, added to the inputs.

    Inputs are ``[B, m, H]`` or ``[B, 1, H]``. Source: Lin et al. (2023), section 4.2.

    Args:
        count: m.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        check_positive("count", count)
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape: Any) -> None:
        """Make the rows; far apart, as no two segments are the same."""
        shape = (self.count, input_shape[-1])
        self.rows = self.add_weight(name="rows", shape=shape, initializer=_normal())

    def call(self, inputs: Any) -> Any:
        """Inputs and marks, ``[B, m, H]``."""
        return inputs + self.rows

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("seqlab")
class ForEach(keras.layers.Layer):
    """A state ``[B, H]`` once for each of m segments: ``[B m, H]``, a sequence's own side by side.

    Args:
        count: m.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        check_positive("count", count)
        super().__init__(**kwargs)
        self.count = count

    def call(self, inputs: Any) -> Any:
        """The state, repeated."""
        return ops.repeat(inputs, self.count, axis=0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "count": self.count}


def _read(config: ModelConfig, past: Any, known: Any, length: int) -> Any:
    """The window's segments, embedded, ``[B, n, H]``: section 4.1, with what is known of the series."""
    segments = Segments(length, name="segments")(past)
    read = keras.layers.Dense(config.hidden, activation="relu", name="read")(segments)
    if known is None:
        return read
    return read + keras.layers.Dense(config.hidden, use_bias=False, name="about")(known)[:, None]


def _marks(
    config: ModelConfig, inputs: Mapping[str, Any], known: Any, length: int, count: int
) -> Any:
    """What the network is given for each segment ahead, ``[B, m, H]``: its place, what is known."""
    parts = [ops.zeros_like(inputs["past"][:, :1, :1]) + ops.zeros((1, 1, config.hidden))]
    if "future" in inputs:
        ahead = Segments(length, "after", name="segments_ahead")(inputs["future"])
        parts.append(keras.layers.Dense(config.hidden, use_bias=False, name="ahead")(ahead))
    if known is not None:
        about = keras.layers.Dense(config.hidden, use_bias=False, name="about_ahead")(known)
        parts.append(about[:, None])
    return Marks(count, name="marks")(sum(parts[1:], parts[0]))


def _straight(past: Any, horizon: int) -> Any:
    """A straight line from the target's window to each step ahead, ``[B, P, 1]``; at first zero."""
    line = keras.layers.Dense(horizon, kernel_initializer="zeros", name="straight")
    return line(past[:, :, 0])[:, :, None]


def _normal() -> Any:
    return keras.initializers.RandomNormal(stddev=1.0)
