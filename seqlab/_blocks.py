"""Blocks of image networks, each usable alone in a functional Keras model.

A block takes a Keras tensor ``[B, height, width, C]`` and gives another. Batch normalisation is never
told whether it trains: Keras says so, and its statistics are learned in training and used in evaluation.
`momentum` is how much of its moving statistics remains after a step. With 49 steps in an epoch they need
0.9: with Keras' usual 0.99 they are still 61 % those of the beginning after the first epoch.
"""

from typing import Any

from seqlab._batch_norm import BatchNormalization
from seqlab._convolution import Conv2D
from seqlab._tensorflow import keras, tf
from seqlab.errors import check_positive

__all__ = [
    "LocalResponseNormalization",
    "conv_bn_relu",
    "inception",
    "pooled_residual",
    "residual",
]

layers = keras.layers
MOMENTUM = 0.99


def conv_bn_relu(
    inputs: Any,
    filters: int,
    kernel_size: int = 3,
    strides: int = 1,
    *,
    padding: str = "same",
    use_bias: bool = True,
    activation: str | None = "relu",
    momentum: float = MOMENTUM,
) -> Any:
    """Convolution, batch normalisation, activation (None for none)."""
    x = Conv2D(filters, kernel_size, strides, padding, use_bias=use_bias)(inputs)
    x = BatchNormalization(momentum=momentum)(x)
    return x if activation is None else layers.Activation(activation)(x)


def inception(inputs: Any, filters: int, strides: int = 1, momentum: float = MOMENTUM) -> Any:
    """Four branches, joined on channels, of which there are four times `filters`.

    1x1; 1x1 then 3x3; 1x1 then 5x5; max pooling 3x3 then 1x1. The stride is that of the 1x1 units.
    Source: Szegedy et al. (2015), figure 2 (b), with batch normalisation.
    """

    def unit(x: Any, kernel_size: int, step: int = 1) -> Any:
        return conv_bn_relu(x, filters, kernel_size, step, momentum=momentum)

    branches = [
        unit(inputs, 1, strides),
        unit(unit(inputs, 1, strides), 3),
        unit(unit(inputs, 1, strides), 5),
        unit(layers.MaxPooling2D(3, 1, "same")(inputs), 1, strides),
    ]
    return layers.Concatenate()(branches)


def residual(inputs: Any, filters: int, strides: int = 1, momentum: float = MOMENTUM) -> Any:
    """Two 3x3 convolutions without bias beside a shortcut; added, then ReLU.

    The shortcut is the input, or where the shape changes a 1x1 convolution with batch normalisation.
    Source: He et al. (2016), figure 2 and option B.
    """
    plain: dict[str, Any] = {"use_bias": False, "momentum": momentum}
    x = conv_bn_relu(inputs, filters, 3, strides, **plain)
    x = conv_bn_relu(x, filters, 3, activation=None, **plain)
    shortcut = inputs
    if strides != 1 or inputs.shape[-1] != filters:
        shortcut = conv_bn_relu(inputs, filters, 1, strides, activation=None, **plain)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def pooled_residual(inputs: Any, filters: int, strides: int = 1, momentum: float = MOMENTUM) -> Any:
    """Two units of convolution, batch normalisation, ReLU beside a shortcut without weights; added.

    Where the shape changes, the shortcut is averaged over 2x2 and gets channels of zeros on both sides.
    """
    x = conv_bn_relu(inputs, filters, 3, strides, momentum=momentum)
    x = conv_bn_relu(x, filters, 3, momentum=momentum)
    shortcut = inputs
    if strides != 1:
        shortcut = layers.AveragePooling2D(strides, strides, "same")(shortcut)
    missing = filters - inputs.shape[-1]
    if missing:
        sides = (missing // 2, missing - missing // 2)
        shortcut = keras.ops.pad(shortcut, ((0, 0), (0, 0), (0, 0), sides))
    return layers.Add()([x, shortcut])


@keras.saving.register_keras_serializable("seqlab")
class LocalResponseNormalization(keras.layers.Layer):
    """``x / (bias + alpha * sum of x^2 over the channels within radius) ** beta``.

    Source: Krizhevsky et al. (2012), section 3.3. Caffe divides its alpha by the channels of the sum: its
    1e-4 over five channels is 2e-5 here.

    Args:
        radius: channels on each side.
        alpha: of the sum.
        beta: the power.
        bias: in the base.
        kwargs: of Keras' layers.
    """

    def __init__(
        self,
        radius: int = 2,
        alpha: float = 2e-5,
        beta: float = 0.75,
        bias: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_positive("radius", radius)
        super().__init__(**kwargs)
        self.radius, self.alpha, self.beta, self.bias = radius, alpha, beta, bias

    def call(self, inputs: Any) -> Any:
        """``[B, height, width, C]`` to the same shape."""
        found = tf.nn.local_response_normalization(
            tf.cast(inputs, tf.float32), self.radius, self.bias, self.alpha, self.beta
        )
        return tf.cast(found, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("radius", "alpha", "beta", "bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
