"""Dropout of images from half as many random bits as Keras takes."""

from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["Dropout"]

LEVELS = 2**16  # of 16 random bits


@keras.saving.register_keras_serializable("seqlab")
class Dropout(keras.layers.Dropout):
    """``keras.layers.Dropout``, whose rate is rounded to 1 / 65 536: two elements share 32 random bits.

    To draw them takes longer than all else. What is kept is divided by the share that is, as rounded.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """``[B, ...]`` to the same shape."""
        dropped = round(self.rate * LEVELS)
        if not training or not 0 < dropped < LEVELS or self.noise_shape is not None:
            return super().call(inputs, training)
        bits = _bits(tf.size(inputs), self.seed_generator.next())
        kept = tf.reshape(bits, tf.shape(inputs)) >= tf.constant(dropped, tf.uint16)
        return inputs * (tf.cast(kept, inputs.dtype) * (LEVELS / (LEVELS - dropped)))


def _bits(count: Any, seed: Any) -> Any:
    """So many times 16 random bits."""
    pairs = tf.random.stateless_uniform([(count + 1) // 2], seed, None, None, tf.uint32)
    return tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:count]
