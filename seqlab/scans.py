"""Cells whose state enters linearly, so that a parallel scan over time takes the place of the loop.

The gates and the candidate look at the input alone. A step is ``h' = keep h + add``, with `keep` and
`add` known for all steps at once; see `seqlab._scan`.
"""

from typing import Any

from seqlab import _scan
from seqlab._cell import GatedCell
from seqlab._loop import Path
from seqlab._tensorflow import keras

__all__ = ["MinGRUCell", "MinLSTMCell", "ScanCell", "mingru_gates", "minlstm_gates"]

ops = keras.ops


def mingru_gates(x: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
    """`keep` and `add` of the minGRU's step ``h' = (1 - z) h + z g``, each ``[..., H]``.

    ``z = sigmoid(x K_z + b_z)`` and ``g = x K_g + b_g``, columns in the order z, g. Source: Feng et al.
    (2024), algorithms 1 and 2: the plain form, whose g is linear.

    Args:
        x: ``[..., D]``.
        kernel: ``[D, 2 H]``.
        bias: ``[2 H]``.
    """
    z, g = ops.split(ops.matmul(x, kernel) + bias, 2, axis=-1)
    update = ops.sigmoid(z)
    return 1 - update, update * g


def minlstm_gates(x: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
    """`keep` and `add` of the minLSTM's step ``h' = f h + i g``, each ``[..., H]``.

    The gates are ``sigmoid(x K + b)``, divided by their sum, so that h keeps its scale however long the
    sequence is; ``g = x K_g + b_g``; columns in the order i, f, g. Source: Feng et al. (2024),
    algorithms 3 and 4 ("length independence scaling"): the plain form, whose g is linear.

    Args:
        x: ``[..., D]``.
        kernel: ``[D, 3 H]``.
        bias: ``[3 H]``.
    """
    i, f, g = ops.split(ops.matmul(x, kernel) + bias, 3, axis=-1)
    # i / (f + i) from the gates' logarithms: two tiny gates cannot give 0 / 0
    update = ops.sigmoid(ops.softplus(-f) - ops.softplus(-i))
    return 1 - update, update * g


class ScanCell(GatedCell):
    """One step ``h' = keep h + add``; a subclass says in `coefficients` what they are.

    Weights: kernel ``[D, gates H]`` and bias ``[gates H]``; there is no recurrent kernel. State: ``[h]``.
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``[B, D]``."""
        columns = self.gates * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], columns))
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer=self.initial_bias)

    def coefficients(self, inputs: Any) -> tuple[Any, Any]:
        """`keep` and `add` ``[..., H]`` of inputs ``[..., D]``."""
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        keep, add = self.coefficients(inputs)
        h = keep * states[0] + add
        return h, [h]

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why."""
        if implementation == "loop":
            return [Path(self.name, "loop", "asked for")]
        return [Path(self.name, "scan", "the gates do not look at the state")]

    def whole(self, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
        """All steps by a scan over time."""
        del training
        steps = self.coefficients(_scan.filled(inputs))
        outputs, h = _scan.linear_scan(*steps, states[0], ops.shape(inputs)[1], lengths)
        return outputs, [h]


@keras.saving.register_keras_serializable("seqlab")
class MinGRUCell(ScanCell):
    """The minimal GRU; see `mingru_gates`.

    Weights: kernel ``[D, 2 H]``, bias ``[2 H]``, columns z, g. State: ``[h]``.

    Args:
        units: H.
        forget_bias: where the bias of the gate ``1 - z``, which keeps the state, starts.
    """

    gates = 2

    def initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        """Minus `forget_bias` for z, which is what is not kept; zeros for g."""
        update = ops.arange(shape[0]) < self.units
        return ops.cast(update, dtype) * -self.forget_bias

    def coefficients(self, inputs: Any) -> tuple[Any, Any]:
        """See `mingru_gates`."""
        return mingru_gates(inputs, self.kernel, self.bias)


@keras.saving.register_keras_serializable("seqlab")
class MinLSTMCell(ScanCell):
    """The minimal LSTM; see `minlstm_gates`.

    Weights: kernel ``[D, 3 H]``, bias ``[3 H]``, gates i, f, g. State: ``[h]``.

    Args:
        units: H.
        forget_bias: where the bias of the forget gate starts.
    """

    gates = 3

    def coefficients(self, inputs: Any) -> tuple[Any, Any]:
        """See `minlstm_gates`."""
        return minlstm_gates(inputs, self.kernel, self.bias)
