"""What the layers that run cells over time share: checks at the door, masks, and marked outputs."""

from typing import Any

from seqlab._steps import MarkSteps, asserted, checked, over_existing
from seqlab._tensorflow import keras

__all__ = ["OverTime"]


class OverTime(keras.layers.Layer):
    """``layer(inputs, sequence_length, initial_state, mask, training) -> (outputs, states)``.

    A subclass says how: `build_cells`, `check`, `checked_state`, and `run` over checked arguments.
    Outputs are one ``[B, T, H]`` or several.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mark = MarkSteps(name="mark")

    def build(
        self,
        inputs_shape: Any,
        sequence_length_shape: Any = None,
        initial_state_shape: Any = None,
    ) -> None:
        del sequence_length_shape, initial_state_shape  # Keras hands over all three
        self.build_cells(inputs_shape)

    def build_cells(self, inputs_shape: Any) -> None:
        """Make the weights for inputs ``[B, T, D]``, where they are not made yet."""
        raise NotImplementedError

    def check(self, inputs_shape: Any) -> None:
        """Refuse inputs ``[B, T, D]`` that this layer cannot run."""
        raise NotImplementedError

    def checked_state(self, state: Any, inputs_shape: Any) -> Any:
        """The state that the caller gave, structured as the cell's own; or None."""
        raise NotImplementedError

    def run(self, inputs: Any, lengths: Any, states: Any, training: bool) -> tuple[Any, Any]:
        """All steps: outputs that are zero past the end, and final states."""
        raise NotImplementedError

    def __call__(
        self,
        inputs: Any,
        sequence_length: Any = None,
        initial_state: Any = None,
        mask: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """Check the arguments, before Keras writes its own text around every error."""
        inputs, lengths, mask = checked(inputs, sequence_length, mask)
        self.check(inputs.shape)
        state = self.checked_state(initial_state, inputs.shape)
        return super().__call__(inputs, lengths, state, mask=mask, **kwargs)

    def call(
        self,
        inputs: Any,
        sequence_length: Any = None,
        initial_state: Any = None,
        training: bool = False,
        mask: Any = None,
        inputs_mask: Any = None,
    ) -> tuple[Any, Any]:
        """See `dynamic_rnn`. Keras fills in `inputs_mask` instead of `mask` if there are more tensors."""

        def run(inputs: Any, lengths: Any) -> tuple[Any, Any]:
            return self.run(inputs, lengths, initial_state, bool(training))

        lengths = asserted(sequence_length, inputs)
        mask = inputs_mask if mask is None else mask
        outputs, states, exist = over_existing(run, inputs, lengths, mask)
        if exist is not None:
            outputs = keras.tree.map_structure(lambda part: self.mark([part, exist]), outputs)
        return outputs, states

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """None: `call` marks the outputs itself, and final states have no time axis to mask."""
        del inputs, previous_mask
