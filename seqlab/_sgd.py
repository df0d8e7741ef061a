"""Gradient descent with one operation per variable, where Keras' own takes two."""

from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["SGD"]


@keras.saving.register_keras_serializable("seqlab")
class SGD(keras.optimizers.SGD):
    """``keras.optimizers.SGD``, without momentum on TensorFlow's kernel: the same numbers to rounding."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        if self.momentum:
            super().update_step(gradient, variable, learning_rate)
            return
        rate = tf.cast(learning_rate, variable.dtype)
        tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
