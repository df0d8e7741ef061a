"""A trained network for other classes: a new head, parts that rest, and fine-tuning in two phases.

A resting layer's weights do not move. Batch normalisation that rests uses its old statistics, in training
too: those of a small set would spoil what the layers behind it expect.
"""

import dataclasses
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

from seqlab import _first_network, runs, train
from seqlab._new_head import with_head
from seqlab._pixels import PIXELS, Pixels
from seqlab._resting import change, freeze, unfreeze, weighted
from seqlab.config import TrainConfig
from seqlab.errors import SeqlabError
from seqlab.losses import SparseCrossEntropy

__all__ = ["PIXELS", "Pixels", "fine_tune", "freeze", "load", "unfreeze", "with_head"]

SLOWER = 10  # times lower is the learning rate of the second phase


def load(source: str | Path, input_shape: tuple[int, int, int] | None = None) -> Any:
    """A trained network from disk; of a file nothing is run.

    Args:
        source: a finished run's folder, a ``.keras`` file, or a ``.npy`` file with AlexNet's weights.
        input_shape: of AlexNet, whose file does not say it; by default 227x227x3.

    Raises:
        SeqlabError: it is missing, damaged, or something else.
    """
    path = Path(source)
    if path.is_dir():
        return runs.load(path).model
    if not path.exists():
        raise SeqlabError(f"{path}: no such run or file")
    return _first_network.read(path, input_shape)


def fine_tune(
    model: Any,
    data: Any,
    config: TrainConfig,
    folder: Path,
    *,
    unfreeze_after: int,
    rate: float | None = None,
    frozen: Sequence[str] = (),
    stay: Sequence[str] = (),
    batch_norm: bool = False,
    callbacks: Sequence[Any] = (),
) -> dict[str, list[float]]:
    """Train a new head, then the network under it at a lower rate; both through ``train.fit``.

    Each phase has a schedule of its own, keeps its best weights, and goes on from its checkpoints if
    there are some. The second begins with the first one's best, so it cannot end with worse ones.

    Args:
        model: such as `with_head` gives; ends in logits.
        data: an ``images.ImageSplit`` of the model's size.
        config: how to train; its steps are those of both phases, its rate is the first one's.
        folder: for checkpoints, in a sub-folder for each phase.
        unfreeze_after: steps of the first phase; 0 for the second alone.
        rate: the learning rate of the second phase; by default a tenth of the first one's.
        frozen: patterns of layers that rest in the first phase; by default all but the last.
        stay: patterns of layers that rest in the second phase, too.
        batch_norm: whether batch normalisation that rested learns in the second phase.
        callbacks: any Keras callbacks, for both phases.

    Returns:
        The history as of `seqlab.train.fit`, the steps of the second phase counted on.

    Raises:
        SeqlabError: images or steps that do not fit, or patterns that fit nothing.
    """
    total = train.count_steps(config, len(data.train))
    _check(model, data, unfreeze_after, total)
    patterns = tuple(frozen) or tuple(escape(name) for name, _ in weighted(model))[:-1]
    lower = config.learning_rate / SLOWER if rate is None else rate
    phases = (
        ("head", unfreeze_after, config.learning_rate),
        ("whole", total - unfreeze_after, lower),
    )
    history: dict[str, list[float]] = {}
    freeze(model, *patterns, *stay)
    for name, steps, speed in phases:
        if name == "whole":
            unfreeze(model, *patterns, batch_norm=batch_norm)
            change(model, stay, trainable=False)
        if steps:
            settings = dataclasses.replace(config, steps=steps, epochs=None, learning_rate=speed)
            history = _joined(history, _fit(model, data, settings, folder / name, callbacks))
    return history


def _fit(model: Any, data: Any, config: TrainConfig, folder: Path, callbacks: Any) -> Any:
    if not model.trainable_variables:
        raise SeqlabError("every layer rests, so there is nothing to learn: freeze fewer of them")
    return train.fit(model, data, config, folder, callbacks, SparseCrossEntropy(), ("accuracy",))


def _joined(first: dict[str, list[float]], then: dict[str, list[float]]) -> dict[str, list[float]]:
    """One history; what the second begins with is what the first ended with, so it is left out."""
    if not first:
        return then
    steps = [first["step"][-1] + step for step in then["step"]]
    return {name: first[name] + (then | {"step": steps})[name][1:] for name in first}


def _check(model: Any, data: Any, unfreeze_after: int, total: int) -> None:
    if not isinstance(unfreeze_after, int) or not 0 <= unfreeze_after <= total:
        raise SeqlabError(
            f"`unfreeze_after` must be from 0 to {total}, the steps in all. Received: {unfreeze_after!r}"
        )
    _first_network.check_size(model, data.train.input_shape)
    gives, classes = model.output_shape[-1], len(data.train.classes)
    if gives != classes:
        raise SeqlabError(
            f"the network has {gives} outputs, and there are {classes} classes. Use with_head"
        )
