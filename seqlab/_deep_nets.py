"""The deep networks of the chapters: AlexNet, VGG16, Inception-10 and the residual networks.

Each function takes a Keras tensor ``[B, height, width, C]`` and a number of classes, and gives logits.
"""

from typing import Any

from seqlab import _blocks
from seqlab._convolution import Conv2D
from seqlab._dropout import Dropout
from seqlab._tensorflow import keras

__all__ = ["alexnet", "alexnet8", "inception10", "resnet18", "resnet_small", "vgg16"]

layers = keras.layers
VGG16 = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


def alexnet8(x: Any, classes: int, dropout: float = 0.5, momentum: float = 0.99) -> Any:
    """AlexNet's eight layers in the sizes of the lectures, for images of 32x32."""
    for filters in (96, 256):
        x = _blocks.conv_bn_relu(x, filters, padding="valid", momentum=momentum)
        x = layers.MaxPooling2D(3, 2)(x)
    for filters in (384, 384, 256):
        x = Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2)(x))
    return _dense_top(x, (2048, 2048), classes, dropout)


def alexnet(x: Any, classes: int, dropout: float = 0.5) -> Any:
    """AlexNet of 2012 in the form of the Caffe weights, whose layer names it has.

    Source: Krizhevsky et al. (2012), section 3; normalisation before pooling, groups of two.
    """
    x = Conv2D(96, 11, 4, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2)(_blocks.LocalResponseNormalization()(x))
    x = Conv2D(256, 5, padding="same", groups=2, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, 2)(_blocks.LocalResponseNormalization()(x))
    for i, (filters, groups) in enumerate(((384, 1), (384, 2), (256, 2)), 3):
        x = Conv2D(filters, 3, padding="same", groups=groups, activation="relu", name=f"conv{i}")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2)(x))
    return _dense_top(x, (4096, 4096), classes, dropout, names=("fc6", "fc7", "fc8"))


def vgg16(x: Any, classes: int, dropout: float = 0.2, momentum: float = 0.99) -> Any:
    """VGG16 (Simonyan and Zisserman, 2015, table 1, D), batch normalisation, smaller dense layers."""
    for block in VGG16:
        for filters in block:
            x = _blocks.conv_bn_relu(x, filters, momentum=momentum)
        x = Dropout(dropout)(layers.MaxPooling2D(2, 2, "same")(x))
    return _dense_top(layers.Flatten()(x), (512, 512), classes, dropout)


def inception10(x: Any, classes: int, filters: int = 16, momentum: float = 0.9) -> Any:
    """Two groups of two inception blocks; `filters` of the stem, and of each branch of the first group.

    The momentum suits batches of 1024: an epoch of CIFAR-10 then has 49 steps.
    """
    x = _blocks.conv_bn_relu(x, filters, momentum=momentum)
    for group in range(2):
        for strides in (2, 1):
            x = _blocks.inception(x, filters * 2**group, strides, momentum)
    return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x))


def resnet18(
    x: Any, classes: int, filters: int = 64, l2: float = 0.01, momentum: float = 0.99
) -> Any:
    """ResNet18 for small images (He et al., 2016): a stem of 3x3, four groups of two blocks.

    The penalty on the last weights is in Keras' meaning, ``l2 * sum(w^2)``.
    """
    x = _blocks.conv_bn_relu(x, filters, use_bias=False, momentum=momentum)
    for group in range(4):
        for i in range(2):
            strides = 2 if group and not i else 1
            x = _blocks.residual(x, filters * 2**group, strides, momentum)
    x = layers.GlobalAveragePooling2D()(x)
    penalty = keras.regularizers.L2(l2) if l2 else None
    return layers.Dense(classes, kernel_regularizer=penalty, name="logits")(x)


def resnet_small(x: Any, classes: int, filters: int = 32, momentum: float = 0.99) -> Any:
    """Blocks [2, 3, 2] whose shortcuts have no weights."""
    x = _blocks.conv_bn_relu(x, filters, momentum=momentum)
    for group, count in enumerate((2, 3, 2)):
        for i in range(count):
            strides = 2 if group and not i else 1
            x = _blocks.pooled_residual(x, filters * 2**group, strides, momentum)
    return layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(x))


def _dense_top(
    x: Any,
    units: tuple[int, ...],
    classes: int,
    dropout: float,
    names: tuple[str, ...] = ("dense1", "dense2", "logits"),
) -> Any:
    for count, name in zip(units, names[:-1], strict=True):
        x = Dropout(dropout)(layers.Dense(count, "relu", name=name)(x))
    return layers.Dense(classes, name=names[-1])(x)
