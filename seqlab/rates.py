"""A learning rate, found by trying: it rises from step to step, and the loss says what it bears.

Source: Smith (2017), *Cyclical learning rates*, section 3.3. The steps are those of the one trainer, and
rates come from Keras' own callback; nothing is written.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, new_graphs, tf
from seqlab.companions import accompanied
from seqlab.config import Config, TrainConfig
from seqlab.run_data import Parts, parts
from seqlab.tasks import task
from seqlab.train import edges
from seqlab.trainer import make_trainer

__all__ = ["Rates", "find", "judged"]

LOWEST, HIGHEST = 1e-6, 10.0
POINTS, EACH = 105, 2  # rates, 15 a decade; and steps at each
UNMOVED = 10  # first points, whose rates are too small to change anything
SMOOTH = 5  # points in a running mean
NEAR = 0.05  # of the fall of the loss: what is within that of the lowest is as good
BELOW = 10.0  # the suggestion is this much less than the highest rate that is as good as the best


@dataclass(frozen=True)
class Rates:
    """What was tried, and what follows from it.

    Attributes:
        rates: ``[N]``, rising.
        losses: ``[N]``, of training, at each.
        suggested: a tenth of the highest rate whose loss is as good as the lowest; None where no rate
            lowered the loss. A schedule spends most of its steps below its highest rate.
        diverges: the rate at which the loss was above where it began; None if none was.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggested: float | None
    diverges: float | None

    @property
    def verdict(self) -> str:
        """The suggestion, in one line."""
        if self.suggested is None:
            return "No learning rate lowered the loss: look at the data, or take more steps a rate."
        high = (
            "no rate up to 10 is too high"
            if self.diverges is None
            else (f"at {self.diverges:.2g} the loss is higher than before")
        )
        return f"Suggested: --learning-rate {self.suggested:.2g} ({high})."

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; losses that are not finite are null."""
        losses = [loss if math.isfinite(loss) else None for loss in self.losses.tolist()]
        return {
            "suggested": self.suggested,
            "diverges": self.diverges,
            "rates": self.rates.tolist(),
            "losses": losses,
        }


class _Listener(keras.callbacks.Callback):
    """Keeps the loss at each rate, and ends the search where it diverges."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keras' name for: all steps at one rate were taken."""
        del epoch
        self.losses.append(float((logs or {})["loss"]))
        self.model.stop_training = _diverged(np.array(self.losses))


@new_graphs()
def find(config: Config, data: Parts | None = None) -> Rates:
    """Train a new network of this config for a few hundred steps at rates from 1e-6 to 10.

    Args:
        config: of the training to come; its length, schedule and learning rate are not looked at.
        data: the second of what ``run_data.parts(config)`` gives, where that is at hand.

    Raises:
        SeqlabError: data or sizes that cannot be used.
    """
    data = accompanied(config, parts(config)[1] if data is None else data)
    keras.utils.set_random_seed(config.train.seed)
    train, steps = _tried(config.train), POINTS * EACH
    trainer = make_trainer(task(config, data, steps), train, steps)
    at, chunks = edges(train, data.train.input_shape, steps, trainer.count_params())
    rates = np.geomspace(LOWEST, HIGHEST, (len(at) - 1) // chunks)
    listener = _Listener()
    try:
        trainer.fit(
            data.train.training(train.batch, train.seed, at),
            epochs=len(rates),
            steps_per_epoch=chunks,
            callbacks=[keras.callbacks.LearningRateScheduler(lambda i: float(rates[i])), listener],
            shuffle=False,
            verbose=0,
        )
    except tf.errors.InvalidArgumentError:  # of a check for finite numbers inside a step
        if len(listener.losses) <= UNMOVED:
            raise
        listener.losses.append(math.nan)
    return judged(rates, np.array(listener.losses))


def _tried(config: TrainConfig) -> TrainConfig:
    """As long as the search takes, at a constant rate, which a callback then sets."""
    return dataclasses.replace(
        config,
        steps=POINTS * EACH,
        epochs=None,
        evaluations=POINTS,
        schedule="constant",
        decay=None,
        staircase=False,
        ema=None,
        warm_up=None,
    )


def judged(rates: np.ndarray, losses: np.ndarray) -> Rates:
    """What follows from the losses at the first few of these rates."""
    rates = rates[: len(losses)]
    diverged = _diverged(losses)
    finite = losses if np.isfinite(losses[-1]) else losses[:-1]
    suggested = _suggested(rates, finite) if len(finite) > UNMOVED else None
    return Rates(rates, losses, suggested, float(rates[-1]) if diverged else None)


def _suggested(rates: np.ndarray, losses: np.ndarray) -> float | None:
    smooth, start = _smooth(losses), float(losses[:UNMOVED].mean())
    lowest = float(smooth.min())
    if lowest >= losses[:UNMOVED].min():
        return None
    good = np.flatnonzero(smooth <= lowest + NEAR * (start - lowest))
    return float(f"{rates[good[-1]] / BELOW:.2g}")


def _diverged(losses: np.ndarray) -> bool:
    """Whether the loss is no number any more, or lately above where it began."""
    if not np.isfinite(losses[-1]):
        return True
    return len(losses) > UNMOVED + SMOOTH and losses[-SMOOTH:].mean() > losses[:UNMOVED].max()


def _smooth(losses: np.ndarray) -> np.ndarray:
    """A running mean, of fewer points at the ends."""
    ones = np.ones(min(SMOOTH, len(losses)))
    return np.convolve(losses, ones, "same") / np.convolve(np.ones_like(losses), ones, "same")
