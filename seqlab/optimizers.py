"""Optimizers with their schedules, and how many steps a training has."""

from collections.abc import Iterable
from typing import Any

from seqlab._adam import Adam
from seqlab._gradients import checked
from seqlab._schedules import OneCycle, WarmUp, plateaus
from seqlab._sgd import SGD
from seqlab._tensorflow import keras
from seqlab.errors import check_positive
from seqlab.train_config import MOMENTUM, MOST_STEPS, TrainConfig

__all__ = ["at_plateau", "count_steps", "make_optimizer"]

EPOCHS, STEPS = 40, (1_000, 10_000)  # the default length of a training, and its bounds
WARM_UP = {"cosine": 0.05, "one-cycle": 0.3}  # share of the steps in which the learning rate rises
PLATEAU = 0.5  # what the rate is multiplied by


def count_steps(config: TrainConfig, rows: int) -> int:
    """The steps that a config means for so many rows to train on.

    Raises:
        SeqlabError: epochs that are more steps than can be counted.
    """
    if config.steps is not None:
        return config.steps
    if config.epochs is not None:
        steps = -(-config.epochs * rows // config.batch)
        check_positive("epochs, in steps,", steps, most=MOST_STEPS)
        return steps
    epoch = -(-rows // config.batch)
    return min(max(EPOCHS * epoch, STEPS[0]), STEPS[1])


def make_optimizer(config: TrainConfig, steps: int, epoch: float | None = None) -> Any:
    """The Keras optimizer with its schedule.

    - ``cosine``: from zero up to the learning rate in 5 % of the steps, then down to zero along half
      a cosine (Loshchilov and Hutter, 2017, without restarts).
    - ``exponential``: ``rate * decay ** (step / epoch)``, smoothly or as a staircase; without a decay
      ``rate * 0.01 ** (step / steps)``, smoothly down to a hundredth.
    - ``one-cycle``: see `_schedules.OneCycle`; up in 30 % of the steps.
    - ``constant``; and ``plateau``, which is constant until `at_plateau` changes it.

    ``config.warm_up`` is another share of steps to rise in, for these two, or one for the others, too.

    Args:
        config: how to train.
        steps: in all.
        epoch: steps in one; by default all.
    """
    kinds = {
        "adam": Adam,
        "adagrad": keras.optimizers.Adagrad,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": SGD,
    }
    more = {"momentum": config.momentum} if config.optimizer in MOMENTUM else {}
    return checked(kinds[config.optimizer])(
        learning_rate=_rate(config, steps, epoch or steps),
        global_clipnorm=config.clip,
        weight_decay=config.weight_decay,
        **more,
    )


def _rate(config: TrainConfig, steps: int, epoch: float) -> Any:
    """A number, or a schedule of Keras'."""
    rate: Any = config.learning_rate
    usual = WARM_UP.get(config.schedule, 0.0)
    share = usual if config.warm_up is None else config.warm_up
    warm = max(1 if usual else 0, round(share * steps))
    if config.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm), warmup_target=rate, warmup_steps=warm
        )
    if config.schedule == "one-cycle":
        return OneCycle(rate, steps, warm)
    if config.schedule == "exponential":
        every, factor = (steps, 0.01) if config.decay is None else (epoch, config.decay)
        rate = keras.optimizers.schedules.ExponentialDecay(rate, every, factor, config.staircase)
    return WarmUp(rate, warm) if warm else rate


def at_plateau(config: TrainConfig, losses: Iterable[float]) -> float:
    """The rate of the schedule plateau after evaluations with these losses.

    Three evaluations in a row without a new low multiply it by ``config.decay``, or a half.
    """
    return config.learning_rate * (config.decay or PLATEAU) ** plateaus(losses)
