"""What cells can wear and how they stack; a wrapped cell is a cell again."""

from collections.abc import Callable
from typing import Any

from seqlab._loop import Path, check_path, loop, output_size, paths, sequence, stepper
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError

__all__ = ["DropoutWrapper", "StackedRNNCells", "Wrapper", "bare_cells"]

Step = Callable[[Any, Any], tuple[Any, Any]]


class Wrapper(keras.layers.Layer):
    """A cell around a cell. A subclass says what a step is, in `stepper`.

    What is drawn once per sequence is drawn when `stepper` is called; what is drawn anew at each step,
    inside the function that it returns. `_config_names` lists the constructor's further arguments.
    """

    _config_names: tuple[str, ...] = ()

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = output_size(cell)

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell."""
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size: Any) -> Any:
        """The wrapped cell's."""
        return self.cell.get_initial_state(batch_size)

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """The step ``(inputs, states) -> (output, states)`` of one sequence."""
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        """One step, as a sequence of its own."""
        return self.stepper(keras.ops.shape(inputs)[0], training)(inputs, states)

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why."""
        del implementation
        return [Path(self.name, "loop", f"{type(self).__name__} acts at every step")]

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps of ``[B, T, D]``: outputs ``[B, T, H]``, zero past the end, and final states."""
        check_path(self.paths(implementation)[0], implementation)
        return loop(self, inputs, states, lengths, training)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cell serialised."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            **{name: getattr(self, name) for name in self._config_names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Wrapper":
        """Undo `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


@keras.saving.register_keras_serializable("seqlab")
class DropoutWrapper(Wrapper):
    """A cell with dropout on its inputs and outputs, only while training, never on its state.

    Each element of each step is kept with this probability and then divided by it. Source: Zaremba
    et al. (2014), section 3.1; the arguments are those of TensorFlow 1.

    Raises:
        SeqlabError: a probability outside (0, 1].
    """

    _config_names = ("input_keep_prob", "output_keep_prob")

    def __init__(
        self, cell: Any, input_keep_prob: float = 1.0, output_keep_prob: float = 1.0, **kwargs: Any
    ) -> None:
        for name, keep in (("input", input_keep_prob), ("output", output_keep_prob)):
            if not 0 < keep <= 1:
                raise SeqlabError(
                    f"`{name}_keep_prob` must be above 0 and at most 1. Received: {keep!r}"
                )
        super().__init__(cell, **kwargs)
        self.input_keep_prob = input_keep_prob
        self.output_keep_prob = output_keep_prob
        self.random = keras.random.SeedGenerator()

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """A mask of each step's own."""
        step = stepper(self.cell, batch_size, training)

        def run(inputs: Any, states: Any) -> tuple[Any, Any]:
            inputs = self._drop(inputs, self.input_keep_prob, training)
            output, states = step(inputs, states)
            return self._drop(output, self.output_keep_prob, training), states

        return run

    def paths(self, implementation: str = "auto") -> list[Path]:
        """The wrapped cell's."""
        return paths(self.cell, implementation)

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps; the masks are drawn for the whole sequence, another for every step."""
        inputs = self._drop(inputs, self.input_keep_prob, training)
        outputs, states = sequence(self.cell, inputs, states, lengths, training, implementation)
        return self._drop(outputs, self.output_keep_prob, training), states

    def _drop(self, values: Any, keep: float, training: bool) -> Any:
        if not training or keep == 1:
            return values
        return keras.random.dropout(values, 1 - keep, seed=self.random)


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
        self.output_size = output_size(cells[-1])

    def build(self, input_shape: Any) -> None:
        """Build the cells, each on the size of the one below."""
        for cell in self.cells:
            if not cell.built:
                cell.build(input_shape)
            input_shape = (*input_shape[:-1], output_size(cell))

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The cells' initial states."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """One step through all cells."""
        steps = [stepper(cell, batch_size, training) for cell in self.cells]

        def run(inputs: Any, states: Any) -> tuple[Any, list[Any]]:
            new_states = []
            for step, state in zip(steps, states, strict=True):
                inputs, state = step(inputs, state)
                new_states.append(state)
            return inputs, new_states

        return run

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step, as a sequence of its own."""
        return self.stepper(keras.ops.shape(inputs)[0], training)(inputs, states)

    def paths(self, implementation: str = "auto") -> list[Path]:
        """The cells', lowest first."""
        return [path for cell in self.cells for path in paths(cell, implementation)]

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, list[Any]]:
        """All steps, cell by cell: the same values, and each cell by its fastest way."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            inputs, state = sequence(cell, inputs, state, lengths, training, implementation)
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
    return bare_cells(cell.cell) if isinstance(cell, Wrapper) else [cell]
