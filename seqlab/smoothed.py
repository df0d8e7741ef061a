"""Exponential smoothing that is learned per series, around a dilated recurrent network for all."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from seqlab._forecaster import Forecaster, at_each_step
from seqlab._stacks import make_cell
from seqlab._tensorflow import keras, tf
from seqlab.attributes import Lookup
from seqlab.config import ModelConfig
from seqlab.dilated import DilatedRNN
from seqlab.errors import SeqlabError, check_positive
from seqlab.heads import Parameters
from seqlab.losses import LOSSES
from seqlab.smoothing import smooth, wiggliness

__all__ = ["Smoothed", "default_dilations"]

ops = keras.ops
# Where smoothing begins: a level that follows slowly enough to be one, a season that hardly moves.
LEVEL_RATE, SEASON_RATE = 0.3, 0.1


@keras.saving.register_keras_serializable("seqlab")
class Smoothed(Forecaster):
    """Level and season by exponential smoothing over the window, and a network for what they leave.

    Each series has a smoothing rate for its level, one for its season, and m seasonal factors to begin
    with; all are learned with the network, whose weights all series share. A series that the tables do
    not have gets the mean of all. The network reads ``log(y_t / (s_t l_T))``, the window without its
    season and over its last level, beside the other features, through blocks of dilated layers; from the
    second block on what goes in is added to what comes out. Its last output, with ``future``, gives
    P numbers, whose exponentials times the last level and the season ahead are the forecast. For
    distributions that holds for the mean; their spread is multiplied by level and season alone.

    The target in ``past`` and the targets must be above 0 and not be shifted: scaling ``none``, or each
    window over its mean (`smoothing.check_scaling`). Of other scalings values below 0 are refused,
    in a compiled function by TensorFlow's InvalidArgumentError.

    Sources: Smyl (2020), whose smoothing runs over the whole series, where this runs over the window;
    for the layers Chang et al. (2017).

    Args:
        network: cell, hidden and dropout; `layers` counts blocks of two layers.
        horizon: P.
        loss: any of `losses.LOSSES` but `negative_binomial`, since counts may be 0.
        season: m, steps per season; 1 for none.
        series: how many series ``series`` counts, from 0.
        dilations: of the layers of each block; by default `default_dilations`, and `layers` blocks.
        penalty: weight of `smoothing.wiggliness` in the loss while training; Smyl's levels have one.
        kwargs: of `Forecaster`.

    Raises:
        SeqlabError: see `Forecaster`; a dilation that the window is too short for.
    """

    legal_losses = tuple(name for name in LOSSES if name != "negative_binomial")
    at_once = True

    def __init__(
        self,
        network: ModelConfig,
        horizon: int,
        loss: str = "mae",
        *,
        season: int = 1,
        series: int = 1,
        dilations: Iterable[Iterable[int]] | None = None,
        penalty: float = 0.0,
        **kwargs: Any,
    ) -> None:
        check_positive("season", season)
        check_positive("series", series)
        if penalty:
            check_positive("penalty", penalty, float)
        super().__init__(network, horizon, loss, **kwargs)
        self.season = season
        self.penalty = penalty
        self.dilations = dilations if dilations is None else tuple(map(tuple, dilations))
        self.level_rate = Lookup(series, 1, _logit(LEVEL_RATE), name="level_rate")
        if season > 1:
            self.season_rate = Lookup(series, 1, _logit(SEASON_RATE), name="season_rate")
            self.factors = Lookup(series, season, "zeros", name="factors")

    def build(self, input_shape: Any) -> None:
        """Make all weights."""
        hidden, steps = self.network.hidden, input_shape["past"][1]
        about = self.build_ends(input_shape, hidden)
        tables = [self.season_rate, self.factors] if self.season > 1 else []
        for table in (self.level_rate, *tables):
            table.build((None,))
        self.dilated = self._make_layers(steps)
        features = input_shape["past"][-1] + about
        for layer in self.dilated:
            layer.build((None, steps, features))
            features = hidden
        dtype = self.dtype_policy
        self.mixed = keras.layers.Dense(hidden, activation="tanh", name="mixed", dtype=dtype)
        self.mixed.build((None, hidden + self.horizon * self.known(input_shape)))

    def check(self, shapes: Any) -> None:
        """Refuse inputs of shapes that the model cannot take."""
        super().check(shapes)
        missing = [name for name in ("phase",) if self.season > 1 and name not in shapes]
        missing += ["series"] if self.level_rate.rows > 1 and "series" not in shapes else []
        if missing:
            raise SeqlabError(
                f"`{self.name}` needs `{missing[0]}`: integers [B], which series a window is of and in"
                " which row of its season it begins"
            )

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """The forecast ``[B, P]`` or ``[B, P, M]``."""
        past = ops.cast(inputs["past"], "float32")
        values = self._before(_positive(past[:, :, 0]), inputs)
        levels, seasons, ahead = self.smoothed(values, inputs)
        if training and self.penalty:
            self.add_loss(self.penalty * wiggliness(levels))
        level = levels[:, -1:]
        rest = ops.log(values / (seasons * level))[:, :, None]
        rest = ops.concatenate([rest, past[:, :, 1:]], axis=-1)
        hidden = at_each_step(rest, self.attributes(inputs))
        layers = iter(self.dilated)
        for i, size in enumerate(self.sizes):
            before = hidden
            for layer in islice(layers, size):
                hidden = layer(hidden, training=training)
            hidden = hidden + before if i else hidden
        last = [ops.cast(hidden[:, -1], "float32")]
        if "future" in inputs:
            last.append(
                ops.reshape(inputs["future"], (-1, self.horizon * inputs["future"].shape[-1]))
            )
        outputs = self.head(self.mixed(ops.concatenate(last, axis=-1)))
        return self._in_units(outputs, level * ahead)

    def smoothed(self, values: Any, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Levels and seasonal factors of the window ``[B, T]``, and the factors ahead ``[B, P]``."""
        series = _series(inputs)
        rate = self.level_rate(series)
        if self.season == 1:
            levels, seasons, ahead = smooth(values, rate)
        else:
            season_rate = self.season_rate(series)
            levels, seasons, ahead = smooth(values, rate, self._first(inputs), season_rate)
        return levels, seasons, ops.take(ahead, np.arange(self.horizon) % self.season, axis=1)

    def _first(self, inputs: dict[str, Any]) -> Any:
        """Seasonal factors of the window's first season, ``[B, m]``."""
        phase = ops.cast(inputs["phase"], "int32")
        rows = (phase[:, None] + ops.arange(self.season)) % self.season
        return ops.exp(ops.take_along_axis(self.factors(_series(inputs)), rows, axis=1))

    def _before(self, values: Any, inputs: dict[str, Any]) -> Any:
        """The window ``[B, T]``, whose padding has the season of the first value, and its level.

        Smoothing then begins at that value, as if nothing stood before it; a flat line would flatten the
        season.
        """
        mark = self.mark(inputs)
        if mark is None or self.season == 1:
            return values
        real = ops.cast(inputs["past"], "float32")[:, :, mark]
        steps = values.shape[1]
        factors = ops.take(self._first(inputs), np.arange(steps) % self.season, axis=1)
        first = ops.argmax(real, axis=1)[:, None]
        level = values[:, :1] / ops.take_along_axis(factors, first, axis=1)
        return ops.where(real > 0, values, level * factors)

    def start_factors(self, factors: np.ndarray) -> None:
        """Let training begin at these factors ``[S, m]``; the first is that of phase 0.

        Classical ones (`naive.seasonal_indices`, of training rows) save the steps that it takes to find
        them from ones. The model must be built.

        Raises:
            SeqlabError: another shape, or factors that are not above 0.
        """
        shape = (self.level_rate.rows, self.season)
        if self.season == 1 or np.shape(factors) != shape or not np.all(np.asarray(factors) > 0):
            raise SeqlabError(
                f"`factors` must have shape {shape} of a season above 1, and be above 0."
                f" Received: shape {np.shape(factors)}"
            )
        self.factors.table.assign(np.log(factors))

    def _make_layers(self, steps: int) -> list[DilatedRNN]:
        """The layers of all blocks, lowest first; `sizes` says how many each block has."""
        found = self.dilations or default_dilations(self.season, steps, self.network.layers)
        flat = [d for block in found for d in block]
        if not flat or max(flat) >= steps:
            raise SeqlabError(
                f"`dilations` must be shorter than the window of {steps} steps. Received: {found}."
                " Take a longer window, or smaller ones"
            )
        self.sizes = tuple(map(len, found))
        cells = (make_cell(self.network, f"cell_{i}", self.dtype_policy) for i in range(len(flat)))
        pairs = enumerate(zip(cells, flat, strict=True))
        return [DilatedRNN(cell, d, name=f"dilated_{i}") for i, (cell, d) in pairs]

    def _in_units(self, outputs: Any, scale: Any) -> Any:
        """Outputs on the scale of logarithms, to the units of the targets by `scale` ``[B, P]``."""
        finish = self.head.finish
        if finish is None:
            return ops.exp(outputs) * scale
        if not isinstance(finish, Parameters):
            return ops.exp(outputs) * scale[:, :, None]
        mean = ops.exp(outputs[..., :1])
        return self.rescale(ops.concatenate([mean, outputs[..., 1:]], axis=-1), scale)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        dilations = self.dilations and [list(block) for block in self.dilations]
        names = {"season": self.season, "series": self.level_rate.rows, "penalty": self.penalty}
        return {**super().get_config(), **names, "dilations": dilations}


def default_dilations(season: int, steps: int, blocks: int = 2) -> tuple[tuple[int, ...], ...]:
    """Pairs of dilations: within a season, then one and two seasons, then four and eight, ...

    Of hourly values that is (1, 4), (24, 48), as in Smyl (2020). What is not shorter than the window of
    `steps` is left out.
    """
    near = max(2, season // 6)
    far = max(season, 2 * near)
    pairs = [(1, near), *((far * 4**i, 2 * far * 4**i) for i in range(blocks - 1))]
    kept = [tuple(d for d in pair if d < steps) for pair in pairs]
    return tuple(pair for pair in kept if pair)


def _series(inputs: dict[str, Any]) -> Any:
    """Which series each window is of, ``[B]``; the first, where none is said."""
    return inputs.get("series", ops.zeros_like(inputs["past"][:, 0, 0], "int32"))


def _positive(values: Any) -> Any:
    """The values, of which all must be above 0; compiled functions check when they run."""
    words = (
        "exponential smoothing needs targets above 0, which are not shifted: take scaling 'none' or"
        " 'mean', and add a constant to a series that has zeros"
    )
    if tf.executing_eagerly() and not np.all(np.asarray(values) > 0):
        raise SeqlabError(f"{words}. Received: {np.min(values)}")
    with tf.control_dependencies([tf.debugging.assert_positive(values, words)]):
        return tf.identity(values)


def _logit(share: float) -> Any:
    return keras.initializers.Constant(float(np.log(share / (1 - share))))
