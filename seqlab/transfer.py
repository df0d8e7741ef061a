"""A trained network for other classes: a new head, parts that rest, and fine-tuning in two phases.

A resting layer's weights do not move. Batch normalisation that rests uses its old statistics, in training
too: those of a small set would spoil what the layers behind it expect.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any

from seqlab import cnn, models, runs, train  # noqa: F401  (models registers layers)
from seqlab._new_head import with_head
from seqlab._pixels import PIXELS, Pixels
from seqlab._safe_models import load_model
from seqlab._tensorflow import keras
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
    if path.suffix == ".npy":
        model = cnn.build("alexnet", input_shape)
        cnn.load_alexnet(model, path)
        return model
    if path.suffix != ".keras":
        raise SeqlabError(f"{path}: must be a run folder, a .keras file, or AlexNet's .npy file")
    try:
        return load_model(path)
    except SeqlabError as error:
        raise SeqlabError(f"{path}: {error}") from error


def freeze(model: Any, *patterns: str) -> list[str]:
    """Let layers rest: their weights stay, and batch normalisation takes its old statistics.

    Compile the model, or start its training, afterwards.

    Args:
        model: any Keras model.
        patterns: of layers' names, such as ``conv*``; a layer inside a layer is ``outer/inner``.

    Returns:
        The names of the layers with weights that rest now because of this.

    Raises:
        SeqlabError: a pattern that fits no layer with weights, with the names that there are.
    """
    return _set(model, patterns, trainable=False)


def unfreeze(model: Any, *patterns: str, batch_norm: bool = False) -> list[str]:
    """Let layers learn again, as `freeze` lets them rest.

    Args:
        model: any Keras model.
        patterns: of layers' names.
        batch_norm: batch normalisation, too; without it that stays as it is.

    Returns:
        The names of the layers with weights that learn now because of this.

    Raises:
        SeqlabError: a pattern that fits no layer with weights, with the names that there are.
    """
    return _set(model, patterns, trainable=True, batch_norm=batch_norm)


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
    patterns = tuple(frozen) or tuple(escape(name) for name, _ in _weighted(model))[:-1]
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
            _set(model, stay, trainable=False)
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
    takes, size = model.input_shape[1:], data.train.input_shape
    if any(want not in (None, has) for want, has in zip(takes, size, strict=True)):
        raise SeqlabError(
            f"the network takes images of {takes}, and these are {size}:"
            " give images.load another `size`, or build the network for them"
        )
    gives, classes = model.output_shape[-1], len(data.train.classes)
    if gives != classes:
        raise SeqlabError(
            f"the network has {gives} outputs, and there are {classes} classes. Use with_head"
        )


def _set(
    model: Any, patterns: Sequence[str], trainable: bool, batch_norm: bool = True
) -> list[str]:
    layers = list(_weighted(model))
    chosen = {pattern: [n for n, _ in layers if fnmatchcase(n, pattern)] for pattern in patterns}
    for pattern, names in chosen.items():
        if not names:
            raise SeqlabError(f"no layer with weights is named {pattern!r}: {_names(layers)}")
    changed = []
    _open(model)
    for name, layer in layers:
        normal = isinstance(layer, keras.layers.BatchNormalization)
        if (batch_norm or not normal) and any(name in names for names in chosen.values()):
            changed += [name] if layer.trainable != trainable else []
            layer.trainable = trainable
    return changed


def _open(model: Any) -> None:
    """Leave it to each layer whether it rests, where a model that holds them rests as a whole."""
    flags = [(layer, layer.trainable) for layer in _single(model)]
    model.trainable = True  # which sets them all
    for layer, flag in flags:
        layer.trainable = flag


def _single(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _single(layer)
        else:
            yield layer


def _weighted(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _weighted(layer, f"{prefix}{layer.name}/")
        elif layer.weights:
            yield prefix + layer.name, layer


def _names(layers: Iterable[tuple[str, Any]]) -> str:
    return "there are " + ", ".join(name for name, _ in layers)
