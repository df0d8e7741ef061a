"""Convolutions of small images, the gradient of whose filters is a convolution, too, in training."""

from collections.abc import Callable
from typing import Any

from seqlab._cudnn import gpu
from seqlab._fused import has_amx
from seqlab._tensorflow import keras, once_per_shape, tf

__all__ = ["Conv2D"]

FEW = 64  # pixels


@keras.saving.register_keras_serializable("seqlab")
class Conv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D``: the same numbers to rounding.

    Where images have few pixels, TensorFlow's kernel for the gradient of the filters takes up to two and
    a half times as long in bfloat16 as the convolution that it is: of images, one per channel, whose
    channels are the rows of the batch.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """``[B, height, width, C]`` to ``[B, height', width', filters]``."""
        if not (training and self._few(inputs)):
            return super().call(inputs)
        outputs = _convolved(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias)
        return self.activation(outputs)

    def _few(self, inputs: Any) -> bool:
        known = self.data_format == "channels_last" and None not in inputs.shape
        if self.compute_dtype != "bfloat16" or not known or not _slow():
            return False
        plain = {*self.strides, *self.dilation_rate, self.groups} == {1}
        centred = self.padding == "same" and all(size % 2 for size in self.kernel_size)
        return plain and centred and inputs.shape[1] * inputs.shape[2] <= FEW


def _slow() -> bool:
    """Whether TensorFlow's kernel was seen to be the slower one: on a processor without AMX."""
    return not gpu() and not has_amx()


@once_per_shape
@tf.custom_gradient
def _convolved(x: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """``[B, height, width, C]`` and filters ``[k, l, C, F]``: same padding, strides of one."""
    sides = [(size // 2, size // 2) for size in kernel.shape[:2]]

    def gradient(grad: Any) -> tuple[Any, Any]:
        back = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape,
            filter=kernel,
            out_backprop=grad,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        images, filters = tf.transpose(x, (3, 1, 2, 0)), tf.transpose(grad, (1, 2, 0, 3))
        found = tf.nn.conv2d(images, filters, 1, [(0, 0), *sides, (0, 0)])
        return back, tf.transpose(found, (1, 2, 0, 3))

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient
