"""Learning rates that Keras does not have: a warm-up before any other, one cycle, and plateaus."""

import math
from collections.abc import Iterable
from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["OneCycle", "WarmUp", "plateaus"]

START, END = 1 / 25, 1e-4  # of one cycle: where it begins, and of that, where it ends
WAIT = 3  # evaluations without a new low that make a plateau


class _Configured(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras can write down."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return dict(self.settings)


@keras.saving.register_keras_serializable("seqlab")
class WarmUp(_Configured):
    """``rate(step) min(1, step / steps)``: another schedule, or a number, that begins at zero.

    Source: Goyal et al. (2017), section 2.2, gradual warm-up.
    """

    def __init__(self, rate: Any, steps: int) -> None:
        super().__init__(rate=rate, steps=steps)

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        rate = self.settings["rate"]
        rate = rate(step) if callable(rate) else rate
        return rate * tf.minimum(1.0, tf.cast(step, tf.float32) / self.settings["steps"])

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        """What `get_config` wrote."""
        rate = config["rate"]
        if isinstance(rate, dict):
            rate = keras.optimizers.schedules.deserialize(rate)
        return cls(**{**config, "rate": rate})


@keras.saving.register_keras_serializable("seqlab")
class OneCycle(_Configured):
    """From a 25th of the rate up to it, and down to a 10 000th of that, each along half a cosine.

    Source: Smith and Topin (2018), with the shape and the numbers of PyTorch's ``OneCycleLR``. Momentum
    stays as it is.

    Args:
        rate: the highest.
        steps: in all.
        rising: steps of them.
    """

    def __init__(self, rate: float, steps: int, rising: int) -> None:
        super().__init__(rate=rate, steps=steps, rising=rising)

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        rate, steps, rising = self.settings.values()
        now, low = tf.cast(step, tf.float32), START * rate
        up = tf.clip_by_value(now / rising, 0.0, 1.0)
        down = tf.clip_by_value((now - rising) / max(1, steps - rising), 0.0, 1.0)
        return tf.where(now < rising, _between(low, rate, up), _between(rate, END * low, down))


def _between(first: float, last: float, share: Any) -> Any:
    """From one to the other along half a cosine."""
    return last + (first - last) * (1 + tf.cos(math.pi * share)) / 2


def plateaus(losses: Iterable[float]) -> int:
    """How often some evaluations in a row had no new low; after each plateau counting begins again."""
    lowest, waited, found = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == WAIT:
            waited, found = 0, found + 1
    return found
