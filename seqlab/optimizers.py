"""Optimizers with their schedules, and how many steps a training has."""

import math
from typing import Any

from seqlab._adam import Adam
from seqlab._gradients import checked
from seqlab._tensorflow import keras
from seqlab.train_config import MOMENTUM, TrainConfig

__all__ = ["count_steps", "make_optimizer"]

EPOCHS, STEPS = 40, (1_000, 10_000)  # the default length of a training, and its bounds
WARM_UP = 0.05  # share of the steps in which the learning rate rises


def count_steps(config: TrainConfig, rows: int) -> int:
    """The steps that a config means for so many rows to train on."""
    if config.steps is not None:
        return config.steps
    if config.epochs is not None:
        return math.ceil(config.epochs * rows / config.batch)
    epoch = -(-rows // config.batch)
    return min(max(EPOCHS * epoch, STEPS[0]), STEPS[1])


def make_optimizer(config: TrainConfig, steps: int, epoch: float | None = None) -> Any:
    """The Keras optimizer with its schedule.

    - ``cosine``: from zero up to the learning rate in 5 % of the steps, then down to zero along half
      a cosine (Loshchilov and Hutter, 2017, without restarts).
    - ``exponential``: ``rate * decay ** (step / epoch)``, smoothly or as a staircase; without a decay
      ``rate * 0.01 ** (step / steps)``, smoothly down to a hundredth.
    - ``constant``.

    Args:
        config: how to train.
        steps: in all.
        epoch: steps in one; by default all.
    """
    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        warm = max(1, round(WARM_UP * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm), warmup_target=rate, warmup_steps=warm
        )
    elif config.schedule == "exponential":
        every, factor = (steps, 0.01) if config.decay is None else (epoch or steps, config.decay)
        rate = keras.optimizers.schedules.ExponentialDecay(rate, every, factor, config.staircase)
    kinds = {
        "adam": Adam,
        "adagrad": keras.optimizers.Adagrad,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    more = {"momentum": config.momentum} if config.optimizer in MOMENTUM else {}
    return checked(kinds[config.optimizer])(
        learning_rate=rate, global_clipnorm=config.clip, weight_decay=config.weight_decay, **more
    )
