"""Recurrence over every d-th step, by the kernels."""

from typing import Any

from seqlab._layers import DynamicRNN
from seqlab._loop import output_size
from seqlab._tensorflow import keras, tf
from seqlab.errors import check_positive

__all__ = ["DilatedRNN"]

ops = keras.ops


@keras.saving.register_keras_serializable("seqlab")
class DilatedRNN(keras.layers.Layer):
    """A cell whose state at step t comes from step t - d: ``[B, T, D]`` to ``[B, T, H]``.

    The first d steps begin at the initial state. Steps that are d apart form a sequence of their own, so
    the d sequences run side by side, as a batch of B times d, and the cell by its fastest way.

    Source: Chang et al. (2017), dilated recurrent skip connections.

    Args:
        cell: a cell of `seqlab.cells`.
        dilation: d; 1 is the plain recurrence.
        kwargs: of Keras' layers.

    Raises:
        SeqlabError: no cell, a dilation that is not positive.
    """

    def __init__(self, cell: Any, dilation: int, **kwargs: Any) -> None:
        check_positive("dilation", dilation)
        rnn = DynamicRNN(cell, name="rnn")
        super().__init__(**{"dtype": cell.dtype_policy, **kwargs})
        self.rnn = rnn
        self.dilation = dilation

    def build(self, input_shape: Any) -> None:
        """Make the cell's weights."""
        self.rnn.build((None, None, input_shape[-1]))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Time cut into rows of d steps, each column a sequence; zeros fill the last row."""
        d, steps, features = self.dilation, ops.shape(inputs)[1], inputs.shape[-1]
        inputs = tf.pad(inputs, [[0, 0], [0, -steps % d], [0, 0]])
        rows = ops.shape(inputs)[1] // d
        columns = ops.transpose(ops.reshape(inputs, (-1, rows, d, features)), (0, 2, 1, 3))
        outputs, _ = self.rnn(ops.reshape(columns, (-1, rows, features)), training=training)
        units = outputs.shape[-1]
        outputs = ops.transpose(ops.reshape(outputs, (-1, d, rows, units)), (0, 2, 1, 3))
        return ops.reshape(outputs, (-1, rows * d, units))[:, :steps]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[B, T, H]``."""
        return (*input_shape[:2], output_size(self.rnn.cell))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cell serialised."""
        cell = keras.saving.serialize_keras_object(self.rnn.cell)
        return {**super().get_config(), "cell": cell, "dilation": self.dilation}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DilatedRNN":
        """Undo `get_config`."""
        return cls(**{**config, "cell": keras.saving.deserialize_keras_object(config["cell"])})
