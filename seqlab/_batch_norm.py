"""Batch normalisation of images on TensorFlow's one kernel, where Keras takes about ten operations."""

from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["BatchNormalization"]


@keras.saving.register_keras_serializable("seqlab")
class BatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization`` for ``[B, height, width, C]``: the same numbers to rounding.

    Args:
        kwargs: of Keras' layer; the axis is the last one, with scale and offset.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """``[B, height, width, C]`` to the same shape."""
        if not (training and self.trainable):
            return self._kernel(inputs, self.moving_mean, self.moving_variance)[0]
        outputs, mean, variance = self._kernel(inputs)
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (
            tf.maximum(count - 1, 1) / count
        )  # the kernel's divides by one less, Keras' does not
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + found * (1 - self.momentum))
        return outputs

    def _kernel(self, inputs: Any, *statistics: Any) -> tuple[Any, Any, Any]:
        """Outputs, and the statistics: those given, or else the batch's."""
        mean, variance = (tf.convert_to_tensor(s) for s in statistics or (tf.zeros(0), tf.zeros(0)))
        found = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, self.compute_dtype),
            scale=self.gamma,
            offset=self.beta,
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=not statistics,
        )
        return found.y, found.batch_mean, found.batch_variance
