"""The one trainer: Keras' own loop over chunks of batches, into a run folder.

A chunk is many batches that travel from tf.data to the model in one piece. Keras' ``fit`` sees one
chunk as one of its steps; inside, a loop in the graph takes an optimizer step per batch, with Keras'
own ``train_step``. For small models most of the time of a step is the hand-over of its batch.
"""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import runs
from seqlab._batch_norm import Statistics
from seqlab._gradients import explain, finite
from seqlab._leftovers import discard, put_aside, sweep
from seqlab._lock import alone
from seqlab._lost import together
from seqlab._replicas import ONE
from seqlab._signals import Signals
from seqlab._strategy import chosen
from seqlab._tensorflow import keras, new_graphs, own_errors
from seqlab.callbacks import Keeper, write_history
from seqlab.companions import Accompanied, accompanied
from seqlab.config import Config, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.optimizers import count_steps, make_optimizer
from seqlab.run_data import Parts, parts
from seqlab.runs import Run
from seqlab.runs import load as load_run
from seqlab.tasks import Task, task
from seqlab.trainer import Trainer, make_trainer

__all__ = [
    "Config",
    "Run",
    "TrainConfig",
    "Trainer",
    "count_steps",
    "edges",
    "evaluated_rows",
    "fit",
    "fitted",
    "join",
    "load_run",
    "make_optimizer",
    "resume",
    "start",
]

CHUNK = 100  # batches at most in one chunk
EVALUATED = 1024, 2**24  # rows at most that are evaluated at once, and bytes of their inputs


def start(
    config: Config,
    out: Path | None = None,
    callbacks: Sequence[Any] = (),
    data: Parts | None = None,
) -> Run:
    """Train from the beginning, in a new run folder.

    Args:
        config: what to train on what, and how.
        out: the run folder; by default a new one in ``runs/``.
        callbacks: any Keras callbacks, beside the trainer's own.
        data: the second of what ``run_data.parts(config)`` gives, where that is at hand.

    Raises:
        SeqlabError: data, sizes or folder that cannot be used.
    """
    config.check_new()
    chief = join(config.train)  # before anything is computed
    whole, data = parts(config) if data is None else (data.data, data)
    run = runs.create(config, whole, out, data) if chief else Run(out or Path(), config)
    return _train(run, data, callbacks)


def resume(run: Run, callbacks: Sequence[Any] = ()) -> Run:
    """Go on from a run's newest checkpoint; the result is that of a run without interruption.

    A finished model that is damaged is made again.
    """
    put_aside(run)
    return run if run.finished else _train(run, run.split, callbacks)


def join(config: TrainConfig) -> bool:
    """Meet the workers that ``TF_CONFIG`` names, if the strategy takes them; whether this is the chief.

    A program that builds a model by itself calls it before TensorFlow computes anything; `start` does it.

    Raises:
        SeqlabError: ``TF_CONFIG`` is wrong, workers do not come, or TensorFlow computes already.
    """
    return chosen(config.strategy).chief


@own_errors()
@new_graphs()
def fit(
    model: Any,
    data: Parts,
    config: TrainConfig,
    folder: Path,
    callbacks: Sequence[Any] = (),
    loss: Any = "mse",
    metrics: Sequence[Any] = (),
) -> dict[str, list[float]]:
    """Train a model on windows or images; checkpoints go to a folder, and are gone on from if there.

    At each of ``config.evaluations`` the validation loss is taken and a checkpoint written. At the end
    the model holds the weights of the best evaluation, or without validation the last ones; with
    ``config.ema`` their average.

    In the main thread, Ctrl-C and SIGTERM end the training after the present step, with a checkpoint.

    Args:
        model: takes ``[B, T, D]`` and gives ``[B, P]``, or whatever the data and the loss are of.
        data: what `seqlab.datasets.split` or `seqlab.images.load` gives.
        config: how to train; the precision is the model's own.
        folder: for checkpoints.
        callbacks: any Keras callbacks; one of Keras' steps is a chunk of ours, one of its epochs
            the time between two evaluations.
        loss: of Keras.
        metrics: of Keras, taken beside the loss.

    Returns:
        The history: step, loss (of the data), penalty, each metric in training and validation, val_loss,
        learning_rate, and the gradient's mean norm before clipping since the row before, each a list.

    Raises:
        SeqlabError: loss or gradient are not finite; another process trains in this folder.
        KeyboardInterrupt: a signal came; `_signals.Interrupted`, which has its number.
    """
    with _own(folder, config):
        return _fit(Task(model, loss, tuple(metrics)), data, config, folder, callbacks)


def _own(folder: Path, config: TrainConfig) -> Any:
    """Inside, nobody else trains in this folder; of several workers it is the chief's."""
    return alone(folder) if join(config) else nullcontext()


def _fit(
    made: Task,
    data: Parts,
    config: TrainConfig,
    folder: Path,
    callbacks: Sequence[Any],
    history: Path | None = None,
) -> dict[str, list[float]]:
    spread = chosen(config.strategy)
    spread.check(config.batch, made.loss)
    with Signals() as signals, together(spread.workers):
        spread.compare(lambda: _facts(config, data))
        steps = count_steps(config, len(data.train))
        trainer = make_trainer(made, config, steps, len(data.train) / config.batch)
        trainer.spread = trainer.spread if spread is ONE else spread
        if config.precise_bn is not None:
            trainer.statistics = _statistics(made.model, data.train, config)
        selects = data.validation is not None
        keeper = Keeper(trainer, folder, config, selects, signals, history)
        signals.tell(lambda: trainer.asked.assign(True))
        _loop(trainer, keeper, data, config, callbacks)
        found = keeper.finish()
    if signals.number:  # it came too late to interrupt this, but not what follows
        keeper.leave()
    return found


def _loop(
    trainer: Trainer, keeper: Keeper, data: Parts, config: TrainConfig, callbacks: Sequence[Any]
) -> None:
    """From where the keeper's checkpoints are to the end."""
    shape, held = data.train.input_shape, data.validation or data.train
    validation = held.dataset(evaluated_rows(config, shape))
    begun = validation if data.validation else validation.take(1)
    # which also builds loss and metrics
    keeper.begin(trainer.evaluate(begun, verbose=0, return_dict=True, callbacks=[keeper]))
    at, chunks = edges(config, shape, trainer.total_steps, trainer.count_params())
    position = keeper.place(at, chunks)
    if position == len(at) - 1 or keeper.stopped:
        return

    rows = trainer.spread.rows(config.batch)

    def explained(what: str) -> str:
        kept = f"{keeper.folder} has the weights of step {keeper.progress.step}"
        return f"{explain(what, trainer, data.train, config)}. {kept}"

    with finite(explained):
        trainer.fit(
            data.train.training(config.batch, config.seed, at[position:], rows),
            epochs=(len(at) - 1) // chunks,
            initial_epoch=position // chunks,
            steps_per_epoch=chunks,
            validation_data=validation if data.validation else None,
            callbacks=[keeper, *callbacks],
            shuffle=False,
            verbose=0,
        )


def fitted(
    config: Config, data: Parts, folder: Path, callbacks: Sequence[Any] = ()
) -> tuple[Any, dict[str, list[float]]]:
    """A new model of this config, trained: it and its history. Arguments and errors as of `fit`."""
    with _own(folder, config.train):
        return _fitted(config, data, folder, callbacks)


@own_errors()
@new_graphs()
def _fitted(
    config: Config,
    data: Parts,
    folder: Path,
    callbacks: Sequence[Any],
    history: Path | None = None,
) -> tuple[Any, dict[str, list[float]]]:
    data = accompanied(config, data)
    keras.utils.set_random_seed(config.train.seed)
    made = task(config, data, count_steps(config.train, len(data.train)))
    return made.model, _fit(made, data, config.train, folder, callbacks, history)


def _kept(run: Run, data: Parts, callbacks: Sequence[Any], folder: Path) -> Any:
    """The model, trained; it and its history are in the run's folder."""
    table = run.path / "history.csv"
    with alone(folder):
        sweep(run)
        try:
            model, history = _fitted(run.config, data, folder, callbacks, table)
        except Exception:
            discard(run)
            raise
        write_history(table, history)
        _save(model, run.path / "model.keras")
    return model


def _save(model: Any, path: Path) -> None:
    """The finished model: it has its name when it is on the disk, for that name says that it is whole."""
    try:
        with runs.written(path) as temporary:
            model.save(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror or error}. Free some space, and go on with"
            " --resume; checkpoints are whole"
        ) from error


def _train(run: Run, data: Parts, callbacks: Sequence[Any]) -> Run:
    folder = run.path / "checkpoints"
    if join(run.config.train):
        model = _kept(run, data, callbacks, folder)
    else:  # a worker, which writes nothing
        model, _ = _fitted(run.config, data, folder, callbacks)
    finished = Run(run.path, run.config)
    # At hand, so not read again.
    finished.__dict__.update(model=model, split=data, data=data.data)
    return finished


def _facts(config: TrainConfig, data: Parts) -> list[bytes]:
    """What tells trainings apart: options, how many rows there are, the first of them, companions."""
    rows = keras.tree.flatten(next(iter(data.train.dataset(64))))
    about = f"{config}, {len(data.train)} rows"
    made = [data.train.values.tobytes()] if isinstance(data, Accompanied) else []
    return [about.encode(), *(np.asarray(values).tobytes() for values in rows), *made]


def _statistics(model: Any, part: Any, config: TrainConfig) -> Statistics:
    """Over the batches of the first steps."""
    batches = -(-min(config.precise_bn or 1, len(part)) // config.batch)
    found = Statistics(model, part.training(config.batch, config.seed, range(batches + 1)))
    if not found.layers:
        raise SeqlabError(
            "`precise_bn` is for batch normalisation, and this model has none in training"
        )
    return found


def edges(config: TrainConfig, input_shape: Any, steps: int, weights: int) -> tuple[list[int], int]:
    """Steps at which chunks begin and end, and how many chunks lie between two evaluations.

    How large chunks are moves no evaluation, but where a half is rounded.
    """
    most = min(
        CHUNK, max(1, _chunk_bytes(input_shape, weights) // (config.batch * _bytes(input_shape)))
    )
    evaluations = min(config.evaluations, steps)
    chunks = min(-(-steps // (evaluations * most)), steps // evaluations)  # so that none is empty
    return np.linspace(0, steps, evaluations * chunks + 1).round().astype(int).tolist(), chunks


def _chunk_bytes(input_shape: Any, weights: int) -> int:
    """That the inputs of a chunk take at most.

    Large batches travel alone. To hand over a chunk takes some milliseconds, as long as a step of a small
    network of images, whose chunks are therefore longer.
    """
    if isinstance(input_shape, dict) or len(input_shape) < 3:
        return 2**22
    return 2**23 if weights < 2**19 else 2**21


def evaluated_rows(config: TrainConfig, input_shape: Any) -> int:
    """How many rows are evaluated at once."""
    rows, most = EVALUATED
    return max(config.batch, min(rows, most // _bytes(input_shape)))


def _bytes(input_shape: Any) -> int:
    """That the inputs of one row take."""
    shapes = input_shape.values() if isinstance(input_shape, dict) else [input_shape]
    return 4 * sum(int(np.prod(shape)) for shape in shapes)
