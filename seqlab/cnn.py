"""Image networks by name, as functional Keras models that end in logits; and their blocks.

The networks take images in [0, 1], as `seqlab.images` gives them.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seqlab import _deep_nets, _lenets
from seqlab._alexnet_file import load_alexnet
from seqlab._blocks import (
    LocalResponseNormalization,
    conv_bn_relu,
    inception,
    pooled_residual,
    residual,
)
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_choice

__all__ = [
    "ABLATION",
    "NETWORKS",
    "LocalResponseNormalization",
    "Network",
    "build",
    "check",
    "conv_bn_relu",
    "feature_maps",
    "inception",
    "load_alexnet",
    "pooled_residual",
    "residual",
]


@dataclass(frozen=True)
class Network:
    """How to make a network, and what for.

    Attributes:
        make: from a Keras tensor, the number of classes and options to logits.
        shape: (height, width, C) that the chapter gives it.
        least: the smallest height and width that it can take.
        classes: that the chapter gives it.
        small: whether its operations are shorter than a hand-over between threads.
    """

    make: Callable[..., Any]
    shape: tuple[int, int, int]
    least: int = 1
    classes: int = 10
    small: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What can be chosen, with its defaults."""
        parameters = list(inspect.signature(self.make).parameters.values())[2:]
        return {parameter.name: parameter.default for parameter in parameters}


MNIST, CIFAR = (28, 28, 1), (32, 32, 3)
NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "mlp": Network(_lenets.mlp, MNIST, small=True),
        "lenet5": Network(_lenets.lenet5, MNIST, small=True),
        "lenet5_book": Network(_lenets.lenet5_book, MNIST),
        "lenet_three": Network(_lenets.lenet_three, MNIST),
        "baseline": Network(_lenets.baseline, CIFAR, small=True),
        "lenet5_sigmoid": Network(_lenets.lenet5_sigmoid, CIFAR, small=True),
        "alexnet8": Network(_deep_nets.alexnet8, CIFAR, least=21),
        "alexnet": Network(_deep_nets.alexnet, (227, 227, 3), least=67, classes=1000),
        "vgg16": Network(_deep_nets.vgg16, CIFAR),
        "inception10": Network(_deep_nets.inception10, CIFAR),
        "resnet18": Network(_deep_nets.resnet18, CIFAR),
        "resnet_small": Network(_deep_nets.resnet_small, CIFAR),
    }
)
# The variants of the multilayer perceptron whose networks differ; the others differ in their training.
ABLATION: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "chapter": {},
        "no hidden layer": {"hidden": 0},
        "no activation": {"activation": "linear"},
        "no regularisation": {"l2": 0.0},
    }
)


def build(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    **options: Any,
) -> Any:
    """A network: a Keras model from images ``[B, height, width, C]`` to logits, one per class.

    Args:
        name: one of `NETWORKS`.
        input_shape: (height, width, C); by default the chapter's.
        classes: by default the chapter's.
        options: of the network, such as ``dropout``; see ``NETWORKS[name].options``.

    Raises:
        SeqlabError: a name or an option that does not exist; images that are too small, with the least
            size.
    """
    shape, classes = check(name, input_shape, classes, **options)
    inputs = keras.Input(shape, name="images")
    return keras.Model(inputs, NETWORKS[name].make(inputs, classes, **options), name=name)


def check(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    **options: Any,
) -> tuple[tuple[int, int, int], int]:
    """Refuse what `build` would refuse; (input_shape, classes), where not given the chapter's.

    Raises:
        SeqlabError: as `build`.
    """
    check_choice("name", name, NETWORKS)
    network = NETWORKS[name]
    unknown = sorted(set(options) - set(network.options))
    if unknown:
        legal = ", ".join(network.options) or "no options"
        raise SeqlabError(f"{name} takes {legal}. Received: {', '.join(unknown)}")
    classes = network.classes if classes is None else classes
    if not isinstance(classes, int) or classes < 2:
        raise SeqlabError(f"`classes` must be an integer from 2 on. Received: {classes!r}")
    return _checked_shape(name, input_shape or network.shape), classes


def feature_maps(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Each layer's name and what it gives for one image: (height, width, C), or (units,)."""
    return [(layer.name, tuple(layer.output.shape[1:])) for layer in model.layers]


def _checked_shape(name: str, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise SeqlabError(f"`input_shape` must be (height, width, channels). Received: {shape!r}")
    least = NETWORKS[name].least
    if min(shape[:2]) < least:
        raise SeqlabError(
            f"{name} takes images from {least}x{least} on. Received: {shape[0]}x{shape[1]}."
            " Enlarge them (a folder's: --size), or take a network for smaller ones: "
            + ", ".join(other for other, net in NETWORKS.items() if net.least <= min(shape[:2]))
        )
    return shape
