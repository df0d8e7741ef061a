"""Recurrent cells, one time step each; their wrappers and drivers are at hand here, too.

A cell is a Keras layer ``cell(inputs, states, training) -> (output, states)`` with `state_size`,
`output_size` and `get_initial_state`, so that it also runs under ``keras.layers.RNN``. Weight names,
gate order and state order are those of Keras: weights move to and from ``keras.layers.LSTM`` by
``get_weights`` and ``set_weights``. The arithmetic is in pure functions (`rnn_step`, `lstm_step`,
`gru_step`); the classes own weights and call them. `dynamic_rnn` runs a cell over time, for which a cell
also has ``sequence(inputs, states, lengths, training, implementation)``; `loop` serves any cell there.
"""

from typing import Any

from seqlab import _fused
from seqlab._cell import Cell
from seqlab._drivers import bidirectional_dynamic_rnn, dynamic_rnn, reset_state
from seqlab._layers import BidirectionalDynamicRNN, DynamicRNN
from seqlab._loop import Path, SlowPathWarning, paths
from seqlab._tensorflow import keras
from seqlab.wrappers import DropoutWrapper, StackedRNNCells

__all__ = [
    "CELLS",
    "BidirectionalDynamicRNN",
    "DropoutWrapper",
    "DynamicRNN",
    "GRUCell",
    "LSTMCell",
    "Path",
    "RNNCell",
    "SlowPathWarning",
    "StackedRNNCells",
    "bidirectional_dynamic_rnn",
    "dynamic_rnn",
    "gru_step",
    "lstm_step",
    "paths",
    "reset_state",
    "rnn_step",
]

ops = keras.ops


def rnn_step(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """One step of the basic cell: ``h' = tanh(x K + h R + b)``, ``[B, H]``.

    Source: Elman (1990).
    """
    return ops.tanh(x @ kernel + h @ recurrent_kernel + bias)


def lstm_step(
    x: Any, h: Any, c: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, Any]:
    """One step of the LSTM: ``c' = f c + i g``, ``h' = o tanh(c')``, each ``[B, H]``.

    The gates are the columns of ``x K + h R + b`` in the order i, f, g, o; g goes through tanh, the
    others through the sigmoid. Source: Hochreiter and Schmidhuber (1997), with the forget gate of
    Gers et al. (2000).
    """
    i, f, g, o = ops.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(c), c


def gru_step(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """One step of the GRU: ``h' = z h + (1 - z) g``, ``[B, H]``.

    ``g = tanh(x K_g + b_g + r (h R_g + b'_g))``: the reset gate comes after the product, as in Keras
    and cuDNN, so the bias is ``[2, 3 H]``, one row for x and one for h. Columns in the order z, r, g.
    Source: Cho et al. (2014), in the variant of its first arXiv version.
    """
    from_x = ops.split(x @ kernel + bias[0], 3, axis=-1)
    from_h = ops.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z = ops.sigmoid(from_x[0] + from_h[0])
    r = ops.sigmoid(from_x[1] + from_h[1])
    return z * h + (1 - z) * ops.tanh(from_x[2] + r * from_h[2])


@keras.saving.register_keras_serializable("seqlab")
class RNNCell(Cell):
    """The basic recurrent cell; see `rnn_step`.

    Weights: kernel ``[D, H]``, recurrent_kernel ``[H, H]``, bias ``[H]``. State: ``[h]``.
    """

    gates = 1

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training  # taken because every cell is called with it
        h = rnn_step(inputs, states[0], self.kernel, self.recurrent_kernel, self.bias)
        return h, [h]


@keras.saving.register_keras_serializable("seqlab")
class LSTMCell(Cell):
    """The LSTM cell; see `lstm_step`.

    Weights: kernel ``[D, 4 H]``, recurrent_kernel ``[H, 4 H]``, bias ``[4 H]``, gates i, f, g, o.
    State: ``[h, c]``. The bias of the forget gate starts at one, so that a new network remembers
    (Jozefowicz et al., 2015).
    """

    gates = 4
    states = 2

    def initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        """Ones for the forget gate, zeros for the others."""
        forget = ops.arange(shape[0]) // self.units == 1
        return ops.cast(forget, dtype)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        weights = self.kernel, self.recurrent_kernel, self.bias
        h, c = lstm_step(inputs, states[0], states[1], *weights)
        return h, [h, c]

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why."""
        if self.compute_dtype != "float32":
            reason = f"the kernel computes in float32, this cell in {self.compute_dtype}"
            return [Path(self.name, "loop", reason)]
        if implementation == "loop":
            return [Path(self.name, "loop", "asked for")]
        return [Path(self.name, "fused", "float32 on a CPU")]

    def whole(self, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
        """All steps by one kernel."""
        del training
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        return _fused.lstm(inputs, states, lengths, *weights)


@keras.saving.register_keras_serializable("seqlab")
class GRUCell(Cell):
    """The GRU cell with the reset gate after the product; see `gru_step`.

    Weights: kernel ``[D, 3 H]``, recurrent_kernel ``[H, 3 H]``, bias ``[2, 3 H]``, gates z, r, g.
    State: ``[h]``.
    """

    gates = 3

    def bias_shape(self) -> tuple[int, ...]:
        """``[2, 3 H]``: for the inputs, and for the state."""
        return (2, self.gates * self.units)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        h = gru_step(inputs, states[0], self.kernel, self.recurrent_kernel, self.bias)
        return h, [h]


CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
