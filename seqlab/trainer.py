"""A Keras model whose one step takes many batches, and which keeps the parts of its loss apart."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from seqlab._average import Average
from seqlab._batch_norm import Statistics, normals
from seqlab._penalties import Penalty, penalty
from seqlab._replicas import ONE, One
from seqlab._sides import sides
from seqlab._tensorflow import keras, tf
from seqlab.config import TrainConfig
from seqlab.optimizers import make_optimizer
from seqlab.tasks import Task

__all__ = ["Trainer", "make_trainer"]

IMAGES = 4  # axes of a batch of them


class Trainer(keras.Model):
    """A model whose training step takes a chunk ``[K, B, ...]``: K optimizer steps in the graph.

    What it measures: `loss`, of the data alone; `penalty`, where its layers have one; and the metrics.
    The logs of a chunk have the `learning_rate`, too: outside, a schedule takes a millisecond.

    Attributes:
        total_steps: for callbacks that show progress.
        average: of the weights, which evaluation then uses; None for none.
        statistics: of batch normalisation, taken anew before evaluation; None for moving ones.
        own: what `l1` and `l2` add to the loss, beside what regularisers of layers do; None for nothing.
        penalty: the mean of what all of them and the like add to the loss; None where nothing does.
        spread: the devices and workers that it runs on.
        batch: rows of a step on all of them.
        asked: whether to end after the present step; a variable, so that steps under way see it.
    """

    total_steps: int = 0
    average: Average | None = None
    statistics: Statistics | None = None
    own: Penalty | None = None
    penalty: Any = None
    spread: One = ONE
    batch: int = 0
    asked: Any = False

    def train_step(self, data: Any) -> Any:
        """K of Keras' training steps; fewer, if it is asked to stop."""
        one_batch = self.spread.step(super().train_step, self)
        # One process looks before each step; of several, a step says to all alike whether it is the last.
        several = self.spread.workers > 1
        stop = False if several else self.asked

        # Of images the average takes in a step beside the next one's gradient; a recurrence has one
        # thread, or leaves no core idle.
        beside = len(self.inputs[0].shape) == IMAGES

        def step(k: Any) -> Any:
            if beside:
                self._average(k > 0)
            last = one_batch(tf.nest.map_structure(lambda batches: batches[k], data))
            if not beside:
                self._average()
            return tf.where(last, count, k + 1) if several else k + 1

        def going(k: Any) -> Any:
            return tf.logical_and(k < count, tf.logical_not(stop))

        count = tf.shape(tf.nest.flatten(data)[0])[0]
        (taken,) = tf.while_loop(going, step, (tf.constant(0),), parallel_iterations=1)
        if beside:
            self._average(taken > 0)
        rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        with self.spread.joined(self.metrics_variables):
            return {**self.get_metrics_result(), "learning_rate": rate}

    def _average(self, moved: Any = None) -> None:
        """Take in the weights, if they have moved since the last time."""
        if self.average is not None:
            self.average.update(self.optimizer.iterations, moved)

    @property
    def losses(self) -> list[Any]:
        """Keras' own, and that of `l1` and `l2`, which Keras then shares out among replicas likewise."""
        return [*super().losses, *([] if self.own is None else [self.own()])]

    @property
    def moving(self) -> list[Any]:
        """Statistics of batch normalisation: rows move them, and no gradient does."""
        return [v for one in normals(self) for v in (one.moving_mean, one.moving_variance)]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Keras' own, of data and penalty; the penalty is noted."""
        total = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.penalty is not None:
            # By its rows, as the loss: shares of a batch may be of several processes, and not equal.
            rows = keras.ops.shape(tf.nest.flatten(y_pred)[0])[0]
            self.penalty.update_state(sum(keras.ops.sum(loss) for loss in self.losses), rows)
        return total

    def get_metrics_result(self) -> dict[str, Any]:
        """Keras' own, the loss without the penalty."""
        found: dict[str, Any] = super().get_metrics_result()
        if self.penalty is not None:
            found["loss"] -= found["penalty"]
        return found

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        """Keras' own, with the average of the weights where there is one, and with new statistics."""
        self.take_statistics()
        with self.as_evaluated():
            return super().evaluate(*arguments, **options)

    def take_statistics(self) -> None:
        """Take those of batch normalisation anew, with the weights that evaluation uses."""
        if self.statistics is None:
            return
        with self.as_evaluated():
            self.statistics.take(self.asked)
            if self.average is not None:
                self.average.follow(self.statistics.variables)

    def as_evaluated(self) -> AbstractContextManager[None]:
        """Inside, the weights have the values that evaluation uses."""
        return nullcontext() if self.average is None else self.average.in_place()

    @property
    def evaluated(self) -> list[np.ndarray]:
        """The values of `weights` that evaluation uses."""
        if self.average is not None:
            return self.average.values
        return [np.asarray(weight) for weight in self.weights]


def make_trainer(
    task: Task, config: TrainConfig, steps: int, epoch: float | None = None
) -> Trainer:
    """The trainer of a task, ready for `fit` and `evaluate`.

    Args:
        task: a model, a loss and metrics.
        config: how to train.
        steps: in all.
        epoch: steps in one.
    """
    trainer = Trainer(task.model.input, task.model.output, name="trainer")
    trainer.total_steps, trainer.batch = steps, config.batch
    trainer.own = penalty(trainer, config)
    optimizer = make_optimizer(config, steps, epoch)
    trainer.compile(optimizer, task.loss, metrics=list(task.metrics) or None, jit_compile=False)
    if config.weight_decay is not None:
        flat = [weight for weight in trainer.trainable_variables if len(weight.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=flat)
    optimizer.build(trainer.trainable_variables)
    trainer.spread = sides(trainer, config.batch, task.loss)
    with tf.device("CPU"):
        trainer.asked = tf.Variable(False)
    if trainer.losses:
        trainer.penalty = keras.metrics.Mean("penalty")
    if config.ema is not None:
        trainer.average = Average(trainer.weights, config.ema)
    return trainer
