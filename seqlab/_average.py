"""The moving average of a model's weights: what evaluation and the finished run use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf

__all__ = ["Average"]


class Average:
    """``shadow = d * shadow + (1 - d) * value``, ``d = min(decay, (1 + n) / (10 + n))``, n steps so far.

    Source: TensorFlow 1's ``ExponentialMovingAverage`` with ``num_updates``. The statistics of batch
    normalisation are averaged, too: they belong to the weights that they were taken with.

    Args:
        weights: variables of floats.
        decay: its upper bound.
    """

    def __init__(self, weights: Sequence[Any], decay: float) -> None:
        self.weights, self.decay = list(weights), decay
        self.shadows = [
            keras.Variable(np.asarray(weight), trainable=False, dtype=weight.dtype)
            for weight in weights
        ]

    def update(self, steps: Any) -> None:
        """Take in the weights after so many steps."""
        n = tf.cast(steps, tf.float32)
        new = 1 - tf.minimum(self.decay, (1 + n) / (10 + n))
        for shadow, weight in zip(self.shadows, self.weights, strict=True):
            if keras.backend.is_float_dtype(weight.dtype):
                share = tf.cast(new, shadow.dtype)
                shadow.value.assign_sub(share * (shadow.value - weight.value))
            else:  # a counter
                shadow.value.assign(weight.value)

    def follow(self, weights: Sequence[Any]) -> None:
        """Take the present values of some of the weights for their average."""
        assign(self.of(weights), weights)

    def of(self, weights: Sequence[Any]) -> list[Any]:
        """The averages of some of the weights, as variables."""
        shadows = {
            id(weight): shadow for weight, shadow in zip(self.weights, self.shadows, strict=True)
        }
        return [shadows[id(weight)] for weight in weights]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the weights have the values of the average; afterwards their own again, bit by bit."""
        own = [np.asarray(weight) for weight in self.weights]
        assign(self.weights, self.shadows)
        try:
            yield
        finally:
            assign(self.weights, own)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Give each variable its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
