"""The moving average of a model's weights: what evaluation and the finished run use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf

__all__ = ["Average"]

SMALL = 2**14  # numbers; to start an operation costs as much as to go over some thousands


class Average:
    """``average = d average + (1 - d) value``, ``d = min(decay, (1 + n) / (10 + n))`` after n steps.

    Source: TensorFlow 1's ``ExponentialMovingAverage`` with ``num_updates``. The statistics of batch
    normalisation are averaged, too: they belong to the weights that they were taken with.

    Args:
        weights: variables.
        decay: its upper bound.

    Attributes:
        variables: the average; small weights of one type lie behind one another in one of them.
    """

    def __init__(self, weights: Sequence[Any], decay: float) -> None:
        self.weights, self.decay = list(weights), decay
        self.groups = _groups(self.weights)
        self.variables = [
            keras.Variable(
                np.concatenate([np.ravel(weight) for weight in group]),
                trainable=False,
                dtype=group[0].dtype,
            )
            for group in self.groups
        ]

    def update(self, steps: Any, moved: Any = None) -> None:
        """Take in the weights after so many steps; not where they have not moved since the last time."""
        n = tf.cast(steps, tf.float32)
        new = 1 - tf.minimum(self.decay, (1 + n) / (10 + n))
        if moved is not None:
            new *= tf.cast(moved, tf.float32)
        for group, variable in zip(self.groups, self.variables, strict=True):
            average = variable.value
            value = tf.concat([tf.reshape(weight.value, [-1]) for weight in group], 0)
            if keras.backend.is_float_dtype(variable.dtype):
                tf.raw_ops.ResourceApplyGradientDescent(  # average -= alpha * delta
                    var=average.handle, alpha=tf.cast(new, variable.dtype), delta=average - value
                )
            else:  # counters
                average.assign(value)

    @property
    def values(self) -> list[np.ndarray]:
        """The average of each weight, in their order."""
        found: dict[int, np.ndarray] = {}
        for group, variable in zip(self.groups, self.variables, strict=True):
            ends = np.cumsum([np.prod(weight.shape, dtype=int) for weight in group])
            parts = np.split(np.asarray(variable), ends[:-1])
            found |= {
                id(weight): part.reshape(weight.shape)
                for weight, part in zip(group, parts, strict=True)
            }
        return [found[id(weight)] for weight in self.weights]

    def follow(self, weights: Sequence[Any]) -> None:
        """Take the present values of some of the weights for their average."""
        chosen = {id(weight) for weight in weights}
        values = {id(w): v for w, v in zip(self.weights, self.values, strict=True)}
        for group, variable in zip(self.groups, self.variables, strict=True):
            parts = [weight if id(weight) in chosen else values[id(weight)] for weight in group]
            variable.assign(np.concatenate([np.ravel(part) for part in parts]))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the weights have the values of the average; afterwards their own again, bit by bit."""
        own = [np.asarray(weight) for weight in self.weights]
        assign(self.weights, self.values)
        try:
            yield
        finally:
            assign(self.weights, own)


def _groups(weights: Sequence[Any]) -> list[list[Any]]:
    """Small weights of one type together, large ones alone."""
    groups: dict[Any, list[Any]] = {}
    for weight in weights:
        small = np.prod(weight.shape, dtype=int) < SMALL
        groups.setdefault(weight.dtype if small else id(weight), []).append(weight)
    return list(groups.values())


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Give each variable its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
