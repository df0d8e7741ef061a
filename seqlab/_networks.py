"""Networks that many fits share: traced once per task; weights are handed in and out as arrays.

Tracing a training step takes about a second, and a small fit much less. A search over parameters, or a
cross validation, fits the same network again and again on other rows. So what was traced is kept here,
and a fit writes fresh weights into it.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from seqlab import models
from seqlab._gradients import finite
from seqlab._tensorflow import keras, tf
from seqlab.config import ModelConfig, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.optimizers import make_optimizer
from seqlab.progress import ProgressLines
from seqlab.train import edges
from seqlab.trainer import Trainer
from seqlab.windows import Order, elements

__all__ = ["Network", "Rows", "build", "fit", "predict"]

KEPT = 4  # tasks whose graphs are kept
ROWS = 64  # of every prediction: products of another size round otherwise
HELD_ROWS = 1_024  # of one batch of validation

Weights = list[np.ndarray]
_lock = threading.RLock()  # the networks are shared by the threads of a process


@dataclass(frozen=True)
class Network:
    """What a graph is made for; equal ones share it.

    Attributes:
        model: which layers.
        input_shape: (T, D).
        outputs: P, or the number of classes.
    """

    model: ModelConfig
    input_shape: tuple[int, int]
    outputs: int


@dataclass(frozen=True)
class Rows:
    """Sequences ``[N, T, D]``, what to answer ``[N, P]`` (or ``[N]``) and weights ``[N]``, in float32."""

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def take(self, index: Any) -> tuple[np.ndarray, ...]:
        """The rows at an index of any shape."""
        return self.inputs[index], self.targets[index], self.weights[index]


def build(network: Network, seed: int = 0) -> Any:
    """A new Keras model whose weights, and the noise of its dropout, depend on the seed alone."""
    with _drawn_from(seed):
        return models.build(network.model, network.input_shape, network.outputs)


def fit(
    network: Network, config: TrainConfig, rows: Rows, held: Rows | None = None, verbose: int = 0
) -> tuple[Weights, dict[str, list[float]]]:
    """Train a fresh network on rows.

    Args:
        network: which. With targets ``[N]`` its outputs are the logits of classes.
        config: how, with its number of steps.
        rows: to train on.
        held: rows on which the loss is taken at each evaluation; then the best weights are returned,
            and training stops when they are `config.patience` evaluations old.
        verbose: above 0, print a line per evaluation.

    Returns:
        The weights, and the history: step, loss, learning_rate and perhaps val_loss, each a list.

    Raises:
        SeqlabError: the loss is not finite.
    """
    steps = config.steps or 0
    loss = "mse" if rows.targets.ndim > 1 else "classes"
    with _lock:
        trainer = _trainer(network, _compiled(config), loss)
        _begin(trainer, build(network, config.seed))
        trainer.total_steps = steps
        at, chunks = edges(config, network.input_shape, steps, trainer.count_params())
        with finite(lambda _: _diverged(config)):
            made = trainer.fit(
                _training(rows, config, at),
                epochs=(len(at) - 1) // chunks,
                steps_per_epoch=chunks,
                validation_data=None if held is None else _in_order(held),
                callbacks=_callbacks(config, held, verbose),
                shuffle=False,
                verbose=0,
            )
        weights = trainer.get_weights()
    history = {"step": at[chunks::chunks][: len(made.epoch)], **made.history}
    if not np.isfinite(history["loss"]).all():
        raise SeqlabError(_diverged(config))
    if not np.isfinite(history.get("val_loss", 0.0)).all():
        raise SeqlabError(
            "the loss of the rows held back is not finite: their targets lie far from the others'."
            " Look at these, or use a smaller `validation_fraction`"
        )
    return weights, history


def _diverged(config: TrainConfig) -> str:
    return (
        f"the loss is not finite: the training diverged. Use a smaller `learning_rate` than"
        f" {config.learning_rate:g}"
    )


def predict(network: Network, weights: Weights, inputs: np.ndarray) -> np.ndarray:
    """Outputs ``[N, P]`` for sequences ``[N, T, D]``.

    Every call of the graph takes the same number of rows, so that a row's outputs have the same bits
    whatever other rows it comes with.
    """
    spare = -len(inputs) % ROWS
    padded = np.pad(inputs, [(0, spare), (0, 0), (0, 0)]).astype(np.float32, copy=False)
    with _lock:
        model, run = _predictor(network)
        model.set_weights(weights)
        pieces = [
            run(tf.constant(piece)).numpy() for piece in padded.reshape(-1, ROWS, *inputs.shape[1:])
        ]
    return np.concatenate(pieces)[: len(inputs)]


@lru_cache(maxsize=KEPT)
def _predictor(network: Network) -> tuple[Any, Any]:
    """A model, and the graph of its outputs."""
    model = build(network)
    inputs = tf.TensorSpec((ROWS, *network.input_shape), tf.float32)
    compiled = tf.function(lambda inputs: model(inputs, training=False))
    return model, compiled.get_concrete_function(inputs)


@lru_cache(maxsize=KEPT)
def _trainer(network: Network, config: TrainConfig, loss: str) -> Any:
    """A model that is compiled, with everything made that its graph may not make."""
    model = build(network)
    trainer = Trainer(model.inputs, model.outputs, name="trainer")
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(
        optimizer=make_optimizer(config, config.steps or 0),
        loss=classes if loss == "classes" else "mse",
        jit_compile=False,
    )
    trainer.optimizer.build(trainer.trainable_variables)
    outputs = np.zeros((1, network.outputs), np.float32)
    targets = outputs[:, 0] if loss == "classes" else outputs
    trainer.compute_loss(y=targets, y_pred=outputs, sample_weight=np.ones(1, np.float32))
    return trainer


def _compiled(config: TrainConfig) -> TrainConfig:
    """A config without what does not change the graph."""
    same = {name: getattr(config, name) for name in ("steps", "batch", "learning_rate")}
    return TrainConfig(**same)


def _begin(trainer: Any, fresh: Any) -> None:
    """Give a trainer the weights and seeds of a new model, and an optimizer that has seen nothing."""
    for variable, value in zip(_kept(trainer), fresh.variables, strict=True):
        variable.assign(value)
    for variable in trainer.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))


def _kept(trainer: Any) -> list[Any]:
    """All variables of the layers: not those of the metrics."""
    counters = {id(variable) for variable in trainer.metrics_variables}
    return [variable for variable in trainer.variables if id(variable) not in counters]


def _callbacks(config: TrainConfig, held: Rows | None, verbose: int) -> list[Any]:
    callbacks: list[Any] = [ProgressLines()] if verbose else []
    if held is not None:
        stop = keras.callbacks.EarlyStopping(
            "val_loss", mode="min", patience=config.patience, restore_best_weights=True
        )
        callbacks.append(stop)
    return callbacks


def _training(rows: Rows, config: TrainConfig, at: list[int]) -> Any:
    """Chunks of shuffled batches, all full: permutations of the rows follow each other without a gap."""
    order = Order(len(rows.inputs), config.seed)

    def make(i: int) -> tuple[np.ndarray, ...]:
        indices = order.take(at[i] * config.batch, at[i + 1] * config.batch)
        return rows.take(indices.reshape(-1, config.batch))

    return elements(len(at) - 1, make)


def _in_order(rows: Rows) -> Any:
    """All rows once, in batches."""
    starts = range(0, len(rows.inputs), HELD_ROWS)
    return elements(len(starts), lambda i: rows.take(slice(i * HELD_ROWS, (i + 1) * HELD_ROWS)))


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Have layers made here draw by this seed; Python's generator, which Keras asks, is put back."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
