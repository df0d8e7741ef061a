"""Attention of a cell over its own last outputs."""

from typing import Any

from seqlab._loop import stepper
from seqlab._tensorflow import keras
from seqlab.errors import check_positive
from seqlab.wrappers import Step, Wrapper, state_roles

__all__ = ["AttentionWrapper"]

ops = keras.ops
FAR_BELOW = -1e4  # exp of it is zero in every precision, and it is finite in float16


@keras.saving.register_keras_serializable("seqlab")
class AttentionWrapper(Wrapper):
    """A cell that looks back at its last L outputs, at every step.

    With a the context of the step before, and s all states of the cell side by side::

        h, s = cell([x, a] K_x + b_x)
        e_j  = v . tanh(y_j K_y + s K_s + b_s)      for the L outputs y_j before this step
        a'   = sum_j softmax(e)_j y_j
        y    = [h, a'] K_o + b_o

    Outputs from before the first step do not exist and get no weight; at the first step a' is zero.
    The score is additive (Bahdanau et al., 2015, equations 5 and 6, and appendix A.1.2), over the
    network's own past as in Cheng et al. (2016); the whole is TensorFlow 1's
    AttentionCellWrapper, which gives weight to the outputs that do not exist, too.

    State: ``[cell's state, a [B, H], outputs [B, L H], filled [B, L]]``, the newest output last, filled
    one where there is an output and else zero. Weights: input_kernel ``[D + H, D]``, query_kernel
    ``[S, A]`` with S the sum of the cell's state sizes, key_kernel ``[H, A]``, score ``[A]``,
    output_kernel ``[2 H, H]``, and a bias each for input, query and output.

    Args:
        cell: what to wrap.
        length: L, how many outputs it sees.
        units: A, the size of the score's hidden layer; None takes H.

    Raises:
        SeqlabError: a length or a size that is not positive.
    """

    _config_names = ("length", "units")

    def __init__(self, cell: Any, length: int, units: int | None = None, **kwargs: Any) -> None:
        check_positive("length", length)
        if units is not None:
            check_positive("units", units)
        super().__init__(cell, **kwargs)
        self.length = length
        self.units = units
        size = self.output_size
        self.state_size = [cell.state_size, size, length * size, length]

    def state_roles(self) -> list[str]:
        """The wrapped cell's; what is kept here is neither h nor c."""
        return [*state_roles(self.cell), "", "", ""]

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell on inputs of the same size, and make the weights."""
        super().build(input_shape)
        inputs, outputs = input_shape[-1], self.output_size
        hidden = self.units or outputs
        states = sum(keras.tree.flatten(self.cell.state_size))
        self.input_layer = self._affine("input", inputs + outputs, inputs)
        self.query_layer = self._affine("query", states, hidden)
        self.key_kernel = self.add_weight(name="key_kernel", shape=(outputs, hidden))
        self.score = self.add_weight(name="score", shape=(hidden,))
        self.output_layer = self._affine("output", 2 * outputs, outputs)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The wrapped cell's, no context and no outputs yet."""
        sizes = self.state_size[1:]
        zeros = [ops.zeros((batch_size, size), self.compute_dtype) for size in sizes]
        return [self.cell.get_initial_state(batch_size), *zeros]

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """One step: the cell on inputs and context, the next context, and the output from both."""
        step = stepper(self.cell, batch_size, training)

        def run(inputs: Any, states: Any) -> tuple[Any, list[Any]]:
            cell_states, context, window, filled = states
            inputs = ops.cast(inputs, context.dtype)
            output, cell_states = step(_apply(self.input_layer, inputs, context), cell_states)
            query = _apply(self.query_layer, *keras.tree.flatten(cell_states))
            context = self._look_back(query, window, filled)
            output = _apply(self.output_layer, output, context)
            window = ops.concatenate([window[:, self.output_size :], output], axis=1)
            filled = ops.concatenate([filled[:, 1:], ops.ones_like(filled[:, :1])], axis=1)
            return output, [cell_states, context, window, filled]

        return run

    def _look_back(self, query: Any, window: Any, filled: Any) -> Any:
        """The context ``[B, H]`` for a query ``[B, A]``."""
        outputs = ops.reshape(window, (-1, self.length, self.output_size))
        keys = outputs @ ops.cast(self.key_kernel, outputs.dtype)  # [B, L, A]
        hidden = ops.tanh(keys + query[:, None, :])
        scores = ops.sum(hidden * ops.cast(self.score, hidden.dtype), axis=-1)  # [B, L]
        weights = ops.softmax(ops.where(filled > 0, scores, FAR_BELOW)) * filled
        return ops.sum(weights[:, :, None] * outputs, axis=1)

    def _affine(self, name: str, inputs: int, outputs: int) -> list[Any]:
        return [
            self.add_weight(name=f"{name}_kernel", shape=(inputs, outputs)),
            self.add_weight(name=f"{name}_bias", shape=(outputs,), initializer="zeros"),
        ]


def _apply(layer: list[Any], *parts: Any) -> Any:
    """Parts side by side, times the kernel, plus the bias."""
    inputs = ops.concatenate(parts, axis=-1)
    kernel, bias = (ops.cast(weight, inputs.dtype) for weight in layer)
    return inputs @ kernel + bias
