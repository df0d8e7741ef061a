"""AlexNet's published Caffe weights: a ``.npy`` file with a dict from layers to [weights, biases]."""

from pathlib import Path
from typing import Any

import numpy as np

from seqlab._unpickle import load_npy
from seqlab.errors import SeqlabError

__all__ = ["load_alexnet"]


def load_alexnet(model: Any, path: str | Path, skip: tuple[str, ...] = ()) -> list[str]:
    """Give a model's layers the weights of a file, by the layers' names; nothing of the file is run.

    The published weights want images of 227x227 as ``preprocessing.caffe`` gives them.

    Args:
        model: such as ``cnn.build("alexnet")``.
        path: the ``.npy`` file.
        skip: layers that keep their own weights, such as ``("fc8",)`` for another number of classes.

    Returns:
        The layers that were given weights.

    Raises:
        SeqlabError: the file cannot be read or holds something else, or a layer is missing or has
            weights of another shape; the model is then as it was.
    """
    content = load_npy(path)
    if not isinstance(content, dict):
        raise SeqlabError(f"{path}: no dict from layers to [weights, biases]")
    layers = [layer for layer in model.layers if layer.weights and layer.name not in skip]
    found = {layer.name: _checked(path, layer, content) for layer in layers}
    for layer in layers:
        layer.set_weights(found[layer.name])
    return list(found)


def _checked(path: str | Path, layer: Any, content: dict[Any, Any]) -> list[np.ndarray]:
    values = content.get(layer.name, content.get(layer.name.encode()))
    arrays = list(values) if isinstance(values, (list, tuple, np.ndarray)) else []
    shapes = [getattr(array, "shape", None) for array in arrays]
    expected = [tuple(weight.shape) for weight in layer.weights]
    if shapes != expected or any(array.dtype.kind != "f" for array in arrays):
        has = f"shapes {shapes}" if arrays else "nothing"
        raise SeqlabError(
            f"{path}: layer {layer.name} needs shapes {expected}, and the file has {has}."
            " Use another file, or skip the layer"
        )
    return arrays
