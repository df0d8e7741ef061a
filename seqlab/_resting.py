"""Layers that rest: which of a model's weights move in training, chosen by patterns of names."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError

__all__ = ["change", "freeze", "rest", "unfreeze", "weighted"]


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
    return change(model, patterns, trainable=False)


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
    return change(model, patterns, trainable=True, batch_norm=batch_norm)


def rest(model: Any, patterns: Sequence[str], batch_norm: bool = False) -> None:
    """Let these layers rest and all others learn, whatever they did before; the last one always learns.

    Args:
        model: any Keras model.
        patterns: of layers' names.
        batch_norm: whether batch normalisation that no pattern names learns; else it rests, too.

    Raises:
        SeqlabError: a pattern that fits no layer with weights.
    """
    layers = [layer for _, layer in weighted(model)]
    freeze(model, *patterns)  # first, because it refuses patterns
    unfreeze(model, "*", batch_norm=True)
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization) and not batch_norm:
            layer.trainable = False
    freeze(model, *patterns)
    layers[-1].trainable = True


def change(
    model: Any, patterns: Sequence[str], trainable: bool, batch_norm: bool = True
) -> list[str]:
    """What `freeze` and `unfreeze` do; without `batch_norm` that stays as it is."""
    layers = list(weighted(model))
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


def weighted(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The layers with weights, however deep, and their names."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from weighted(layer, f"{prefix}{layer.name}/")
        elif layer.weights:
            yield prefix + layer.name, layer


def _names(layers: Iterable[tuple[str, Any]]) -> str:
    return "there are " + ", ".join(name for name, _ in layers)
