"""What cells can wear and how they stack; a wrapped cell is a cell again."""

from typing import Any

from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError

__all__ = ["DropoutWrapper", "StackedRNNCells", "bare_cells"]


@keras.saving.register_keras_serializable("seqlab")
class DropoutWrapper(keras.layers.Layer):
    """A cell with dropout on its inputs and outputs, only while training, never on its state.

    Each element of each step is kept with this probability and then divided by it. Source: Zaremba
    et al. (2014), section 3.1; the arguments are those of TensorFlow 1.

    Raises:
        SeqlabError: a probability outside (0, 1].
    """

    def __init__(
        self, cell: Any, input_keep_prob: float = 1.0, output_keep_prob: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, keep in (("input", input_keep_prob), ("output", output_keep_prob)):
            if not 0 < keep <= 1:
                raise SeqlabError(
                    f"`{name}_keep_prob` must be above 0 and at most 1. Received: {keep!r}"
                )
        self.cell = cell
        self.input_keep_prob = input_keep_prob
        self.output_keep_prob = output_keep_prob
        self.state_size = cell.state_size
        self.output_size = cell.output_size
        self.random = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell."""
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size: Any) -> Any:
        """The wrapped cell's."""
        return self.cell.get_initial_state(batch_size)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """One step of the wrapped cell, with a mask of this step's own."""
        inputs = self._drop(inputs, self.input_keep_prob, training)
        output, states = self.cell(inputs, states, training=training)
        return self._drop(output, self.output_keep_prob, training), states

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps; the masks are drawn for the whole sequence, another for every step."""
        inputs = self._drop(inputs, self.input_keep_prob, training)
        outputs, states = self.cell.sequence(inputs, states, lengths, training, implementation)
        return self._drop(outputs, self.output_keep_prob, training), states

    def _drop(self, values: Any, keep: float, training: bool) -> Any:
        if not training or keep == 1:
            return values
        return keras.random.dropout(values, 1 - keep, seed=self.random)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cell serialised."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "input_keep_prob": self.input_keep_prob,
            "output_keep_prob": self.output_keep_prob,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DropoutWrapper":
        """Undo `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


@keras.saving.register_keras_serializable("seqlab")
class StackedRNNCells(keras.layers.Layer):
    """Cells on top of each other: the output of one is the input of the next, at every step.

    The state is the list of the cells' states, lowest first.

    Raises:
        SeqlabError: no cells; or the same cell twice, which would share its weights.
    """

    def __init__(self, cells: list[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not cells:
            raise SeqlabError("`cells` must hold at least one cell. Received: []")
        bare = [id(bare_cell) for cell in cells for bare_cell in bare_cells(cell)]
        if len(set(bare)) < len(bare):
            raise SeqlabError(
                "`cells` holds the same cell twice, so two layers would share their weights."
                " Make one cell per layer: [LSTMCell(30) for _ in range(2)]"
            )
        self.cells = list(cells)
        self.state_size = [cell.state_size for cell in cells]
        self.output_size = cells[-1].output_size

    def build(self, input_shape: Any) -> None:
        """Build the cells, each on the size of the one below."""
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
            input_shape = (*input_shape[:-1], cell.output_size)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The cells' initial states."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step through all cells."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = cell(inputs, state, training=training)
            new_states.append(state)
        return inputs, new_states

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, list[Any]]:
        """All steps, cell by cell: the same values, and each cell by its fastest way."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = cell.sequence(inputs, state, lengths, training, implementation)
            new_states.append(state)
        return inputs, new_states

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cells serialised."""
        cells = [keras.saving.serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "StackedRNNCells":
        """Undo `get_config`."""
        cells = [keras.saving.deserialize_keras_object(cell) for cell in config["cells"]]
        return cls(**{**config, "cells": cells})


def bare_cells(cell: Any) -> list[Any]:
    """The cells that own weights, below all wrappers and stacks."""
    if isinstance(cell, StackedRNNCells):
        return [bare for inner in cell.cells for bare in bare_cells(inner)]
    return bare_cells(cell.cell) if isinstance(cell, DropoutWrapper) else [cell]
