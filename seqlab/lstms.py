"""Relatives of the LSTM: layer-normalised, with coupled gates, with exponential gates.

Each is a pure function of one step and a class that owns the weights. Columns of gates are in the order
of Keras, i, f, g, o; the coupled cell, which has no i, leaves it out.
"""

from typing import Any

from seqlab._cell import GatedCell
from seqlab._tensorflow import keras
from seqlab.errors import check_choice, check_positive

__all__ = [
    "CoupledLSTMCell",
    "LayerNormLSTMCell",
    "SLSTMCell",
    "coupled_lstm_step",
    "layer_norm_lstm_step",
    "slstm_step",
]

ops = keras.ops
NOTHING_YET = -1e4  # the sLSTM's m before the first step: exp(m) is zero, and float16 can hold it


def layer_norm_lstm_step(
    x: Any,
    h: Any,
    c: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    input_gain: Any,
    recurrent_gain: Any,
    cell_gain: Any,
    cell_bias: Any,
    *,
    epsilon: float,
) -> tuple[Any, Any]:
    """One step of the LSTM with layer normalisation: h' and c', each ``[B, H]``.

    The gates are the columns of ``LN(x K) + LN(h R) + b``, and ``h' = o tanh(LN(c'))``, where LN takes a
    row to mean 0 and variance 1, times a gain of its own. Source: Ba, Kiros and Hinton (2016), equations
    20 to 22. The biases of their first two LN are added to b there: here b is all three.

    Args:
        x: ``[B, D]``.
        h: ``[B, H]``.
        c: ``[B, H]``; it is carried as it is, not normalised.
        kernel: ``[D, 4 H]``, gates i, f, g, o.
        recurrent_kernel: ``[H, 4 H]``.
        bias: ``[4 H]``.
        input_gain: ``[4 H]``.
        recurrent_gain: ``[4 H]``.
        cell_gain: ``[H]``.
        cell_bias: ``[H]``.
        epsilon: added to the variance.
    """
    from_x = _normalised(x @ kernel, epsilon) * input_gain
    from_h = _normalised(h @ recurrent_kernel, epsilon) * recurrent_gain
    i, f, g, o = ops.split(from_x + from_h + bias, 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(_normalised(c, epsilon) * cell_gain + cell_bias), c


def _normalised(values: Any, epsilon: float) -> Any:
    """Rows with mean 0 and variance 1, computed in float32 or wider."""
    dtype = keras.backend.standardize_dtype(values.dtype)
    values = _wide(values)
    values = values - ops.mean(values, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(values), axis=-1, keepdims=True)
    return ops.cast(values * ops.rsqrt(variance + epsilon), dtype)


def _wide(values: Any) -> Any:
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))


def coupled_lstm_step(
    x: Any, h: Any, c: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> tuple[Any, Any]:
    """One step of the LSTM whose input gate is ``1 - f``: h' and c', each ``[B, H]``.

    ``c' = f c + (1 - f) g``: what is written takes the place of what is forgotten. Columns in the order
    f, g, o. Source: Greff et al. (2017), variant CIFG.
    """
    f, g, o = ops.split(x @ kernel + h @ recurrent_kernel + bias, 3, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(-f) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(c), c


def slstm_step(
    x: Any,
    states: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    *,
    forget_gate: str = "sigmoid",
) -> list[Any]:
    """One step of the sLSTM with one head: the new [h, c, n, m], each ``[B, H]``.

    ``c' = f c + i g``, ``n' = f n + i``, ``h' = o c' / n'``, with ``i = exp(.)``, so that a new input can
    outweigh all that was stored. The exponentials would overflow: c and n are held divided by ``exp(m)``,
    which h does not notice, with ``m' = max(log f + m, log i)``. Source: Beck et al. (2024), equations 8
    to 17; g is their z. All but the products is computed in float32 or wider.

    Args:
        x: ``[B, D]``.
        states: [h, c, n, m], each ``[B, H]``.
        kernel: ``[D, 4 H]``, gates i, f, g, o.
        recurrent_kernel: ``[H, 4 H]``.
        bias: ``[4 H]``.
        forget_gate: ``sigmoid`` or ``exp``.
    """
    h, c, n, before = states
    gates = ops.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    i, f, g, o, c, n, before = (_wide(part) for part in (*gates, c, n, before))
    kept = before + (f if forget_gate == "exp" else ops.log_sigmoid(f))
    m = ops.maximum(kept, i)
    i, f = ops.exp(i - m), ops.exp(kept - m)
    c, n = f * c + i * ops.tanh(g), f * n + i
    return [ops.cast(part, h.dtype) for part in (ops.sigmoid(o) * c / n, c, n, m)]


@keras.saving.register_keras_serializable("seqlab")
class LayerNormLSTMCell(GatedCell):
    """The LSTM cell with layer normalisation; see `layer_norm_lstm_step`.

    Weights: kernel ``[D, 4 H]``, recurrent_kernel ``[H, 4 H]``, bias ``[4 H]``, gates i, f, g, o;
    input_gain and recurrent_gain ``[4 H]``, cell_gain and cell_bias ``[H]``. State: ``[h, c]``.

    Args:
        units: H.
        epsilon: added to the variances.
        forget_bias: where the bias of the forget gate starts.
    """

    gates = 4
    states = 2
    _config_names = ("units", "forget_bias", "epsilon")

    def __init__(self, units: int, *, epsilon: float = 1e-5, **kwargs: Any) -> None:
        check_positive("epsilon", epsilon, float)
        super().__init__(units, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``[B, D]``."""
        super().build(input_shape)
        wide, narrow = (self.gates * self.units,), (self.units,)
        self.input_gain = self.add_weight(name="input_gain", shape=wide, initializer="ones")
        self.recurrent_gain = self.add_weight(name="recurrent_gain", shape=wide, initializer="ones")
        self.cell_gain = self.add_weight(name="cell_gain", shape=narrow, initializer="ones")
        self.cell_bias = self.add_weight(name="cell_bias", shape=narrow, initializer="zeros")

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        weights = self.kernel, self.recurrent_kernel, self.bias
        gains = self.input_gain, self.recurrent_gain, self.cell_gain, self.cell_bias
        given = (inputs, *states, *weights, *gains)
        h, c = layer_norm_lstm_step(*given, epsilon=self.epsilon)
        return h, [h, c]


@keras.saving.register_keras_serializable("seqlab")
class CoupledLSTMCell(GatedCell):
    """The LSTM cell with coupled input and forget gates; see `coupled_lstm_step`.

    Weights: kernel ``[D, 3 H]``, recurrent_kernel ``[H, 3 H]``, bias ``[3 H]``, gates f, g, o.
    State: ``[h, c]``.

    Args:
        units: H.
        forget_bias: where the bias of the forget gate starts.
    """

    gates = 3
    states = 2
    forget_column = 0

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        weights = self.kernel, self.recurrent_kernel, self.bias
        h, c = coupled_lstm_step(inputs, states[0], states[1], *weights)
        return h, [h, c]


@keras.saving.register_keras_serializable("seqlab")
class SLSTMCell(GatedCell):
    """The sLSTM cell of the xLSTM, with one head; see `slstm_step`.

    Weights: kernel ``[D, 4 H]``, recurrent_kernel ``[H, 4 H]``, bias ``[4 H]``, gates i, f, g, o.
    State: ``[h, c, n, m]``: output, memory, normaliser and stabiliser.

    Args:
        units: H.
        forget_gate: ``sigmoid`` or ``exp``, equation 13.
        forget_bias: where the bias of the forget gate starts.
    """

    gates = 4
    states = 4
    _config_names = ("units", "forget_bias", "forget_gate")

    def __init__(self, units: int, *, forget_gate: str = "sigmoid", **kwargs: Any) -> None:
        check_choice("forget_gate", forget_gate, ("sigmoid", "exp"))
        super().__init__(units, **kwargs)
        self.forget_gate = forget_gate

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Zeros ``[B, H]`` for h, c and n; for m a value that says that nothing is stored."""
        h, c, n, m = super().get_initial_state(batch_size)
        return [h, c, n, m + NOTHING_YET]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        weights = self.kernel, self.recurrent_kernel, self.bias
        states = slstm_step(inputs, states, *weights, forget_gate=self.forget_gate)
        return states[0], states
