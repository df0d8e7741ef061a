"""The small networks of the chapters: the perceptron, the LeNets, and the baseline for CIFAR-10.

Each function takes a Keras tensor ``[B, height, width, C]`` and a number of classes, and gives logits.
Penalties are in TensorFlow 1's meaning, ``l2 * sum(w^2) / 2``, and on the weights of dense layers only.
"""

from typing import Any

from seqlab._batch_norm import BatchNormalization
from seqlab._convolution import Conv2D
from seqlab._dropout import Dropout
from seqlab._tensorflow import keras, tf

__all__ = ["baseline", "lenet5", "lenet5_book", "lenet5_sigmoid", "lenet_three", "mlp"]

layers = keras.layers
PADDED = 32  # height and width that LeNet-5 pads smaller images to


def mlp(x: Any, classes: int, hidden: int = 500, activation: str = "relu", l2: float = 1e-4) -> Any:
    """One hidden layer; with ``hidden=0`` none."""
    x = layers.Flatten()(x)
    if hidden:
        x = _dense(hidden, l2, activation, name="hidden")(x)
    return _dense(classes, l2, name="logits")(x)


def lenet5(
    x: Any, classes: int, activation: str = "tanh", pooling: str = "average", gain: float = 1.0
) -> Any:
    """LeNet-5 of 1998 (LeCun et al., 1998, figure 2), its subsampling without weights.

    The first weights of hidden layers are `gain` times as large as Glorot's.
    """
    pool = layers.AveragePooling2D if pooling == "average" else layers.MaxPooling2D
    x = _padded(x)
    for i, filters in enumerate((6, 16), 1):
        x = Conv2D(
            filters, 5, activation=activation, kernel_initializer=_glorot(gain), name=f"conv{i}"
        )(x)
        x = pool(2, 2, name=f"pool{i}")(x)
    x = layers.Flatten()(x)
    for i, units in enumerate((120, 84), 3):
        x = layers.Dense(
            units, activation=activation, kernel_initializer=_glorot(gain), name=f"dense{i}"
        )(x)
    return layers.Dense(classes, name="logits")(x)


def lenet5_sigmoid(x: Any, classes: int, gain: float = 1.0) -> Any:
    """LeNet-5's sizes with sigmoids and maximum pooling, as the lectures had it for CIFAR-10.

    A sigmoid's slope is at most 1/4: with a `gain` of 3 or 4 signals pass through it at the beginning.
    """
    return lenet5(x, classes, "sigmoid", "max", gain)


def lenet5_book(x: Any, classes: int, dropout: float = 0.5, l2: float = 1e-4) -> Any:
    """LeNet-5 of the book: 32 and 64 maps, 512 units."""
    for i, filters in enumerate((32, 64), 1):
        x = Conv2D(
            filters,
            5,
            padding="same",
            activation="relu",
            kernel_initializer=_truncated(),
            name=f"conv{i}",
        )(x)
        x = layers.MaxPooling2D(2, 2, "same", name=f"pool{i}")(x)
    x = _dense(512, l2, "relu", name="hidden")(layers.Flatten()(x))
    return _dense(classes, l2, name="logits")(Dropout(dropout)(x))


def lenet_three(x: Any, classes: int, dropout: float = 0.2, dense_dropout: float = 0.5) -> Any:
    """Three convolutions of 3x3. Each pool reads what comes out of the ReLU."""
    for i, filters in enumerate((32, 64, 128), 1):
        x = Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=_normal(),
            name=f"conv{i}",
        )(x)
        x = layers.MaxPooling2D(2, 2, "same", name=f"pool{i}")(x)
        x = Dropout(dropout)(x)
    x = layers.Dense(625, "relu", kernel_initializer=_normal(), name="hidden")(layers.Flatten()(x))
    x = Dropout(dense_dropout)(x)
    return layers.Dense(classes, kernel_initializer=_normal(), name="logits")(x)


def baseline(
    x: Any,
    classes: int,
    dropout: float = 0.2,
    momentum: float = 0.99,
    ghost: int | None = None,
) -> Any:
    """One convolution with batch normalisation (see `_batch_norm`), one hidden layer."""
    x = Conv2D(6, 5, padding="same", name="conv")(x)
    x = BatchNormalization(ghost, momentum=momentum, name="normal")(x)
    x = layers.MaxPooling2D(2, 2, "same", name="pool")(layers.ReLU()(x))
    x = layers.Flatten()(Dropout(dropout)(x))
    x = Dropout(dropout)(layers.Dense(128, "relu", name="hidden")(x))
    return layers.Dense(classes, name="logits")(x)


def _padded(x: Any) -> Any:
    height, width = (max(0, PADDED - size) for size in x.shape[1:3])
    if not height and not width:
        return x
    sides = [(missing // 2, missing - missing // 2) for missing in (height, width)]
    return layers.ZeroPadding2D(sides, name="padding")(x)


@keras.saving.register_keras_serializable("seqlab")
class L2(keras.regularizers.L2):
    """``l2 * sum(w^2)`` as Keras', in one pass over the weights where Keras takes two."""

    def __call__(self, x: Any) -> Any:
        """The penalty on weights."""
        return 2 * self.l2 * tf.nn.l2_loss(tf.convert_to_tensor(x))


def _dense(units: int, l2: float, activation: str | None = None, name: str | None = None) -> Any:
    """The book's dense layer: weights from a truncated normal, biases from 0.1 on."""
    return layers.Dense(
        units,
        activation,
        kernel_initializer=_truncated(),
        bias_initializer=keras.initializers.Constant(0.1),
        kernel_regularizer=L2(l2 / 2) if l2 else None,
        name=name,
    )


# A new one for each layer: Keras' initializers give the same numbers again.


def _truncated() -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.1)


def _glorot(gain: float) -> Any:
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def _normal() -> Any:
    return keras.initializers.RandomNormal(stddev=0.01)
