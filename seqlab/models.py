"""Recurrent models by name, from a frozen config."""

from collections.abc import Callable
from typing import Any

from seqlab import cells
from seqlab._stacks import stack
from seqlab._tensorflow import keras
from seqlab.config import ModelConfig

__all__ = ["MODELS", "ModelConfig", "build", "summary"]


def build(config: ModelConfig, input_shape: tuple[int, int], horizon: int = 1) -> Any:
    """A Keras model from inputs ``[B, T, D]`` to outputs ``[B, P]``.

    The top layer's final output goes through one dense layer without activation: many steps to one
    value, or to all P at once.

    Args:
        config: which model; see `seqlab.config.ModelConfig`.
        input_shape: (T, D); T may be None.
        horizon: P.
    """
    inputs = keras.Input(input_shape, name="window")
    last = MODELS[config.model](config, inputs)
    outputs = keras.layers.Dense(horizon, name="head")(last)
    return keras.Model(inputs, outputs, name=config.model)


def summary(model: Any) -> list[tuple[str, list[tuple[int, ...]], int]]:
    """Per layer that has weights: its name, their shapes, and how many parameters that is."""
    rows: dict[str, list[tuple[int, ...]]] = {}
    for weight in model.weights:
        rows.setdefault(weight.path.rsplit("/", 1)[0], []).append(tuple(weight.shape))
    return [(name, shapes, sum(map(_product, shapes))) for name, shapes in rows.items()]


def _stacked(config: ModelConfig, inputs: Any) -> Any:
    """Layers on top of each other, reading forwards."""
    _, states = cells.dynamic_rnn(stack(config, "layer"), inputs)
    return states[-1][0]


def _bidirectional(config: ModelConfig, inputs: Any) -> Any:
    """Two independent stacks, one of them reading backwards; their final outputs side by side."""
    stacks = stack(config, "forward"), stack(config, "backward")
    _, ends = cells.bidirectional_dynamic_rnn(*stacks, inputs)
    return keras.layers.Concatenate()([states[-1][0] for states in ends])


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


MODELS: dict[str, Callable[[ModelConfig, Any], Any]] = {
    "stacked": _stacked,
    "bidirectional": _bidirectional,
}
