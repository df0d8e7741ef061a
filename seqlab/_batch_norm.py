"""Batch normalisation of images: on TensorFlow's one kernel, and statistics that are taken anew."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["BatchNormalization", "Statistics", "layers_of", "normals"]

FEW = 8  # channels: with fewer the kernel takes three times as long as plain operations do


@keras.saving.register_keras_serializable("seqlab")
class BatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization`` for ``[B, height, width, C]``: the same numbers to rounding.

    Keras takes about ten operations, this takes one.

    Args:
        ghost: rows that statistics are taken over in training, where a batch is known to have twice as
            many: ghost batch normalisation, Hoffer et al. (2017), arXiv:1705.08741, algorithm 1.
        options: of Keras' layer; the axis is the last one, with scale and offset.
    """

    def __init__(self, ghost: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.ghost = ghost

    def get_config(self) -> dict[str, Any]:
        """As Keras' layers have."""
        return {**super().get_config(), "ghost": self.ghost}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """``[B, height, width, C]`` to the same shape."""
        if not (training and self.trainable):
            return self._kernel(inputs, self.moving_mean, self.moving_variance)[0]
        rows = inputs.shape[0]
        groups = rows // self.ghost if self.ghost and rows else 1
        if groups < 2:
            return self._group(inputs)
        edges = [rows * i // groups for i in range(groups + 1)]
        sizes = [end - begin for begin, end in pairwise(edges)]
        return tf.concat([self._group(part) for part in tf.split(inputs, sizes)], 0)

    def _group(self, inputs: Any) -> Any:
        """Rows whose statistics are taken together, and move the moving ones."""
        few = inputs.shape[-1] < FEW and inputs.shape[-2] is not None
        outputs, mean, variance = self._by_rows(inputs) if few else self._learned(inputs)
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + found * (1 - self.momentum))
        return outputs

    def _learned(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Outputs, and the statistics of the batch."""
        outputs, mean, variance = self._kernel(inputs)
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        # The kernel's divides by one less, Keras' does not.
        return outputs, mean, variance * tf.maximum(count - 1, 1) / count

    def _by_rows(self, inputs: Any) -> tuple[Any, Any, Any]:
        """The same by plain operations on rows of ``width * C`` numbers."""
        width, channels = inputs.shape[-2:]

        def per_channel(rows: Any) -> Any:
            sums = tf.reshape(tf.reduce_mean(rows, axis=0), (width, channels))
            return tf.reduce_mean(sums, axis=0)

        rows = tf.cast(tf.reshape(inputs, (-1, width * channels)), tf.float32)
        mean = per_channel(rows)
        centred = rows - tf.tile(mean, [width])
        variance = per_channel(tf.square(centred))
        scale = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        outputs = centred * tf.tile(scale, [width]) + tf.tile(self.beta, [width])
        return tf.cast(tf.reshape(outputs, tf.shape(inputs)), self.compute_dtype), mean, variance

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


class Statistics:
    """Takes the moving statistics of batch normalisation anew, as plain means over batches.

    A moving average trails behind weights that move quickly, and then validation scores a network that
    never was. Source: "precise BN", Wu and Johnson (2021), arXiv:2105.07576, section 3.

    Args:
        model: whose layers in training, however deep they lie in others, are given new statistics.
        batches: of training, ``(inputs [1, B, ...], targets)``, gone over each time.
    """

    def __init__(self, model: Any, batches: Any) -> None:
        self.model, self.batches = model, batches
        self.layers = list(normals(model))
        self._one = tf.function(self._take_in, reduce_retracing=True)

    @property
    def variables(self) -> list[Any]:
        """The statistics."""
        return [v for layer in self.layers for v in (layer.moving_mean, layer.moving_variance)]

    def take(self, stop: Any = False) -> None:
        """Go over the batches, with the weights as they are; no further once `stop` is true."""
        for count, (inputs, _) in enumerate(self.batches):
            if stop:
                break
            self._one(inputs[0], tf.constant(count, tf.float32))

    def _take_in(self, inputs: Any, count: Any) -> None:
        """Of the batch after so many others: the mean of them all needs no more than a momentum."""
        with _momentum(self.layers, count / (count + 1)):
            self.model(inputs, training=True)


def normals(model: Any) -> Iterator[Any]:
    """The layers of batch normalisation that do not rest, also those of models inside of the model."""
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            yield layer


def layers_of(model: Any) -> Iterator[Any]:
    """All layers, also those of models inside of the model."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


@contextmanager
def _momentum(layers: Sequence[Any], value: Any) -> Iterator[None]:
    """Inside, all layers have this momentum, and take the statistics of whole batches."""
    own = [(layer.momentum, getattr(layer, "ghost", None)) for layer in layers]
    for layer in layers:
        layer.momentum, layer.ghost = value, None
    try:
        yield
    finally:
        for layer, settings in zip(layers, own, strict=True):
            layer.momentum, layer.ghost = settings
