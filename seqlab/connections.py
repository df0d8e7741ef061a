"""Wrappers that join a cell's inputs to its outputs at every step: residual and highway connections."""

from typing import Any

from seqlab._loop import Path, paths, sequence, stepper
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_finite
from seqlab.wrappers import Step, Wrapper

__all__ = ["Connection", "HighwayWrapper", "ResidualWrapper"]

ops = keras.ops


class Connection(Wrapper):
    """A cell whose output is joined to its input; a subclass says how, in `join`.

    That takes nothing from other steps, so the whole sequence is joined at once behind whatever way the
    cell itself runs.

    Raises:
        SeqlabError: on `build`, if inputs and outputs differ in size.
    """

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell on inputs of the size of its outputs."""
        if input_shape[-1] != self.output_size:
            raise SeqlabError(
                f"`{type(self).__name__}` joins inputs and outputs of `{self.cell.name}`, which must have"
                f" one size. Received: {input_shape[-1]} inputs, {self.output_size} outputs."
                f" Make the cell {input_shape[-1]} wide, or wrap only the layers above the first"
            )
        super().build(input_shape)

    def join(self, inputs: Any, outputs: Any) -> Any:
        """Inputs and outputs, ``[B, H]`` or ``[B, T, H]`` each, to the new outputs."""
        raise NotImplementedError

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """The cell's step, joined."""
        step = stepper(self.cell, batch_size, training)

        def run(inputs: Any, states: Any) -> tuple[Any, Any]:
            output, states = step(inputs, states)
            return self._joined(inputs, output), states

        return run

    def paths(self, implementation: str = "auto") -> list[Path]:
        """The wrapped cell's."""
        return paths(self.cell, implementation)

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps of the cell, then all joined; zero past the end, where the inputs are not."""
        outputs, states = sequence(self.cell, inputs, states, lengths, training, implementation)
        outputs = self._joined(inputs, outputs)
        if lengths is not None:
            going = ops.arange(ops.shape(inputs)[1])[None, :] < lengths[:, None]
            outputs = ops.where(going[:, :, None], outputs, ops.zeros_like(outputs))
        return outputs, states

    def _joined(self, inputs: Any, outputs: Any) -> Any:
        return self.join(ops.cast(inputs, outputs.dtype), outputs)


@keras.saving.register_keras_serializable("seqlab")
class ResidualWrapper(Connection):
    """A cell whose inputs are added to its outputs: ``y' = y + x``, ``[B, H]``.

    Source: He et al. (2016), equation 1; between recurrent layers Wu et al. (2016), section 3.1, and
    Prakash et al. (2016).

    Raises:
        SeqlabError: on `build`, if inputs and outputs differ in size.
    """

    def join(self, inputs: Any, outputs: Any) -> Any:
        """The sum."""
        return outputs + inputs


@keras.saving.register_keras_serializable("seqlab")
class HighwayWrapper(Connection):
    """A cell with gates that decide how much of its input passes it by: ``y' = x C + y (1 - C)``.

    The carry gate is ``C = sigmoid(x K + b)``, ``[B, H]``, of the input alone. Uncoupled, the output has
    a transform gate of its own in place of ``1 - C``. Weights: carry_kernel ``[H, H]`` and carry_bias
    ``[H]``; uncoupled also transform_kernel and transform_bias. Source: Srivastava et al. (2015),
    equation 3, and equation 2 for two gates. They start in favour of the input, as TensorFlow 1's.

    Args:
        cell: its inputs and outputs must have one size.
        carry_bias: where the bias of the carry gate starts; that of a transform gate starts at its
            negative.
        couple_gates: one gate, and what it leaves; or two gates.

    Raises:
        SeqlabError: a bias that is not finite; on `build`, if inputs and outputs differ in size.
    """

    _config_names = ("carry_bias", "couple_gates")

    def __init__(
        self, cell: Any, carry_bias: float = 1.0, *, couple_gates: bool = True, **kwargs: Any
    ) -> None:
        check_finite("carry_bias", carry_bias)
        super().__init__(cell, **kwargs)
        self.carry_bias = carry_bias
        self.couple_gates = couple_gates

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell, and make the gates' weights."""
        super().build(input_shape)
        self.carry = self._gate_weights("carry", self.carry_bias)
        if not self.couple_gates:
            self.transform = self._gate_weights("transform", -self.carry_bias)

    def join(self, inputs: Any, outputs: Any) -> Any:
        """Input and output, each by its gate."""
        carry = _gate(inputs, self.carry)
        transform = 1 - carry if self.couple_gates else _gate(inputs, self.transform)
        return inputs * carry + outputs * transform

    def _gate_weights(self, name: str, bias: float) -> list[Any]:
        start = keras.initializers.Constant(bias)
        size = self.output_size
        return [
            self.add_weight(name=f"{name}_kernel", shape=(size, size)),
            self.add_weight(name=f"{name}_bias", shape=(size,), initializer=start),
        ]


def _gate(inputs: Any, weights: list[Any]) -> Any:
    kernel, bias = (ops.cast(weight, inputs.dtype) for weight in weights)
    return ops.sigmoid(inputs @ kernel + bias)
