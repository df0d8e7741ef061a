"""The one trainer: Keras' own loop over chunks of batches, into a run folder.

A chunk is many batches that travel from tf.data to the model in one piece. Keras' ``fit`` sees one
chunk as one of its steps; inside, a loop in the graph takes an optimizer step per batch, with Keras'
own ``train_step``. For small models most of the time of a step is the hand-over of its batch.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import losses, models, naive, runs
from seqlab._adam import Adam
from seqlab._tensorflow import keras, tf
from seqlab.callbacks import Keeper
from seqlab.checkpoints import newest
from seqlab.config import Config, TrainConfig
from seqlab.datasets import PanelSplit, Split, load, split
from seqlab.runs import Run
from seqlab.runs import load as load_run

__all__ = [
    "Config",
    "Run",
    "TrainConfig",
    "Trainer",
    "count_steps",
    "edges",
    "fit",
    "fitted",
    "load_run",
    "make_optimizer",
    "resume",
    "start",
]

CHUNK = 100  # batches at most in one chunk
CHUNK_BYTES = 2**21  # and inputs at most, so that large batches travel alone
EPOCHS, STEPS = 40, (1_000, 10_000)  # the default length of a training, and its bounds
WARM_UP = 0.05  # share of the steps in which the learning rate rises


def start(
    config: Config,
    out: Path | None = None,
    callbacks: Sequence[Any] = (),
    data: Split | PanelSplit | None = None,
) -> Run:
    """Train from the beginning, in a new run folder.

    Args:
        config: what to train on what, and how.
        out: the run folder; by default a new one in ``runs/``.
        callbacks: any Keras callbacks, beside the trainer's own.
        data: what ``split(load(config.data), config.data, config.needs)`` gives, where that is at hand.

    Raises:
        SeqlabError: data, sizes or folder that cannot be used.
    """
    if data is None:
        data = split(load(config.data), config.data, config.needs)
    run = runs.create(config, data.data, out)
    return _train(run, data, callbacks)


def resume(run: Run, callbacks: Sequence[Any] = ()) -> Run:
    """Go on from a run's newest checkpoint; the result is that of a run without interruption."""
    return run if run.finished else _train(run, run.split, callbacks)


def fit(
    model: Any,
    data: Split | PanelSplit,
    config: TrainConfig,
    folder: Path,
    callbacks: Sequence[Any] = (),
    loss: Any = "mse",
) -> dict[str, list[float]]:
    """Train a model on windows; checkpoints go to a folder, and are gone on from if some are there.

    At each of ``config.evaluations`` the validation loss is taken and a checkpoint written. At the end
    the model holds the weights of the best evaluation, or without validation the last ones.

    Args:
        model: takes ``[B, T, D]``, gives ``[B, P]``.
        data: what `seqlab.datasets.split` gives.
        config: how to train.
        folder: for checkpoints.
        callbacks: any Keras callbacks; one of Keras' steps is a chunk of ours, one of its epochs
            the time between two evaluations.
        loss: of Keras.

    Returns:
        The history: step, loss, val_loss, learning_rate, each a list.

    Raises:
        SeqlabError: the loss is not finite.
    """
    trainer = Trainer(model.input, model.output, name="trainer")
    steps = count_steps(config, len(data.train))
    trainer.total_steps = steps
    trainer.compile(optimizer=make_optimizer(config, steps), loss=loss, jit_compile=False)
    trainer.optimizer.build(trainer.trainable_variables)
    held = data.validation or data.train
    validation = held.dataset(max(config.batch, 1024))
    begun = validation if data.validation else validation.take(1)
    first = trainer.evaluate(begun, verbose=0)  # also builds loss and metrics
    keeper = Keeper(trainer, folder, config, selects=data.validation is not None)
    keeper.begin(float(first), newest(folder))
    at, chunks = edges(config, data.train.input_shape, steps)
    epochs, done = (len(at) - 1) // chunks, keeper.epochs_done(at[::chunks])
    if done < epochs and not keeper.stopped:
        trainer.fit(
            data.train.training(config.batch, config.seed, at[done * chunks :]),
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=chunks,
            validation_data=validation if data.validation else None,
            callbacks=[keeper, *callbacks],
            shuffle=False,
            verbose=0,
        )
    return keeper.finish()


def count_steps(config: TrainConfig, rows: int) -> int:
    """The steps that a config means for so many windows to train on."""
    if config.steps is not None:
        return config.steps
    epoch = -(-rows // config.batch)
    return min(max(EPOCHS * epoch, STEPS[0]), STEPS[1])


def make_optimizer(config: TrainConfig, steps: int) -> Any:
    """The Keras optimizer with its schedule.

    - ``cosine``: from zero up to the learning rate in 5 % of the steps, then down to zero along half
      a cosine (Loshchilov and Hutter, 2017, without restarts).
    - ``exponential``: ``rate * 0.01 ** (step / steps)``, smoothly down to a hundredth.
    - ``constant``.
    """
    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        warm = max(1, round(WARM_UP * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm), warmup_target=rate, warmup_steps=warm
        )
    elif config.schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(rate, steps, 0.01)
    kinds = {
        "adam": Adam,
        "adagrad": keras.optimizers.Adagrad,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[config.optimizer](learning_rate=rate, global_clipnorm=config.clip)


class Trainer(keras.Model):
    """A model whose training step takes a chunk ``[K, B, ...]``: K optimizer steps in the graph."""

    total_steps: int  # for callbacks that show progress

    def train_step(self, data: Any) -> Any:
        """K of Keras' training steps."""
        one_batch = super().train_step

        def step(k: Any) -> Any:
            alone(lambda _: one_batch(tf.nest.map_structure(lambda batches: batches[k], data)))
            return k + 1

        # Outside of a replica Keras has no gradients to add up. TensorFlow would keep the gradient
        # of that sum, and with it this whole graph, as long as the process lives.
        alone = tf.distribute.get_replica_context().merge_call

        count = tf.shape(tf.nest.flatten(data)[0])[0]
        tf.while_loop(lambda k: k < count, step, (tf.constant(0),), parallel_iterations=1)
        return self.get_metrics_result()


def fitted(
    config: Config, data: Split | PanelSplit, folder: Path, callbacks: Sequence[Any] = ()
) -> tuple[Any, dict[str, list[float]]]:
    """A new model of this config, trained: it and its history. Arguments and errors as of `fit`."""
    keras.utils.set_random_seed(config.train.seed)
    model = _model(config, data)
    _, loss = losses.head(config.model.loss, **config.model.loss_options)
    return model, fit(model, data, config.train, folder, callbacks, loss)


def _train(run: Run, data: Split | PanelSplit, callbacks: Sequence[Any]) -> Run:
    model, history = fitted(run.config, data, run.path / "checkpoints", callbacks)
    _write_history(run.path / "history.csv", history)
    with runs.written(run.path / "model.keras") as temporary:
        model.save(temporary)
    finished = Run(run.path, run.config)
    finished.__dict__.update(model=model, split=data, data=data.data)  # at hand, so not read again
    return finished


def _model(config: Config, data: Split | PanelSplit) -> Any:
    """The model of a run, before its training."""
    facts = models.Facts(
        data.encoding.sizes,
        len(data.parts),
        data.parts[0].series.season or 1,
        count_steps(config.train, len(data.train)),
    )
    model = models.build(config.model, data.train.input_shape, config.data.ahead, facts)
    if config.model.model == "smoothed" and facts.season > 1:
        factors = [_factors(part.train.known, facts.season) for part in data.parts]
        model.get_layer("smoothed").start_factors(np.stack(factors))
    return model


def _factors(values: np.ndarray, season: int) -> np.ndarray:
    """What seasonal factors begin at, ``[season]``: of padded series, which are too short, at ones."""
    if len(values) < 2 * season:
        return np.ones(season)
    return naive.seasonal_indices(values, season)


def edges(config: TrainConfig, input_shape: models.Shapes, steps: int) -> tuple[list[int], int]:
    """Steps at which chunks begin and end, and how many chunks lie between two evaluations."""
    shapes = input_shape.values() if isinstance(input_shape, dict) else [input_shape]
    bytes_per_batch = 4 * config.batch * sum(int(np.prod(shape)) for shape in shapes)
    most = min(CHUNK, max(1, CHUNK_BYTES // bytes_per_batch))
    evaluations = min(config.evaluations, steps)
    chunks = -(-steps // (evaluations * most))
    evaluations = min(evaluations, steps // chunks)  # so that no chunk is empty
    return np.linspace(0, steps, evaluations * chunks + 1).round().astype(int).tolist(), chunks


def _write_history(path: Path, history: dict[str, list[float]]) -> None:
    with runs.written(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(history)
        rows.writerows(zip(*history.values(), strict=True))
