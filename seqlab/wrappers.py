"""What cells can wear and how they stack; a wrapped cell is a cell again."""

from collections.abc import Callable
from typing import Any

from seqlab._loop import Path, check_cell, check_path, loop, output_size, paths, sequence, stepper
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError

__all__ = [
    "InitialStateWrapper",
    "StackedRNNCells",
    "Step",
    "Wrapper",
    "bare_cells",
    "keeps_output",
    "state_roles",
]

Step = Callable[[Any, Any], tuple[Any, Any]]


class Wrapper(keras.layers.Layer):
    """A cell around a cell. A subclass says what a step is, in `stepper`.

    What is drawn once per sequence is drawn when `stepper` is called; what is drawn anew at each step,
    inside the function that it returns. `_config_names` lists the constructor's further arguments.
    The dtype is the cell's, unless another is given.
    """

    _config_names: tuple[str, ...] = ()

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        check_cell("cell", cell)
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = output_size(cell)

    @property
    def once_per_sequence(self) -> bool:
        """Whether something is drawn once per sequence, here or below."""
        return getattr(self.cell, "once_per_sequence", False)

    @property
    def keeps_output(self) -> bool:
        """Whether the output is a bare cell's own h, untouched."""
        return False

    def state_roles(self) -> list[str]:
        """The wrapped cell's; see `state_roles`."""
        return state_roles(self.cell)

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
        return _single_step(self, inputs, states, training)

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
class InitialStateWrapper(Wrapper):
    """A cell whose initial state is learned: one vector per state, the same for every sequence.

    The vectors are added to the cell's own initial state and start at zero, so a new network starts as
    without them. A state handed to the driver replaces them. Source: Forcada and Carrasco (1995).
    """

    @property
    def keeps_output(self) -> bool:
        """As the wrapped cell."""
        return keeps_output(self.cell)

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell, and make the vectors."""
        super().build(input_shape)
        states = keras.tree.flatten(self.cell.get_initial_state(1))
        self.vectors = [
            self.add_weight(name=f"initial_state_{i}", shape=state.shape[1:], initializer="zeros")
            for i, state in enumerate(states)
        ]

    def get_initial_state(self, batch_size: Any) -> Any:
        """The wrapped cell's, plus what was learned."""
        states = self.cell.get_initial_state(batch_size)
        if not self.built:
            return states  # the vectors would be zero
        flat = zip(keras.tree.flatten(states), self.vectors, strict=True)
        learned = [state + keras.ops.cast(vector, state.dtype) for state, vector in flat]
        return keras.tree.pack_sequence_as(states, learned)

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """The wrapped cell's."""
        return stepper(self.cell, batch_size, training)

    def paths(self, implementation: str = "auto") -> list[Path]:
        """The wrapped cell's."""
        return paths(self.cell, implementation)

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """The wrapped cell's."""
        return sequence(self.cell, inputs, states, lengths, training, implementation)


@keras.saving.register_keras_serializable("seqlab")
class StackedRNNCells(keras.layers.Layer):
    """Cells on top of each other: the output of one is the input of the next, at every step.

    The state is the list of the cells' states, lowest first.

    Raises:
        SeqlabError: no list of cells; or the same cell twice, which would share its weights.
    """

    def __init__(self, cells: list[Any], **kwargs: Any) -> None:
        if not isinstance(cells, (list, tuple)) or not cells:
            raise SeqlabError(f"`cells` must be a list of at least one cell. Received: {cells!r}")
        for i, cell in enumerate(cells):
            check_cell(f"cells[{i}]", cell)
        kwargs.setdefault("dtype", cells[-1].dtype_policy)
        super().__init__(**kwargs)
        bare = [id(bare_cell) for cell in cells for bare_cell in bare_cells(cell)]
        if len(set(bare)) < len(bare):
            raise SeqlabError(
                "`cells` holds the same cell twice, so two layers would share their weights."
                " Make one cell per layer: [LSTMCell(30) for _ in range(2)]"
            )
        self.cells = list(cells)
        self.state_size = [cell.state_size for cell in cells]
        self.output_size = output_size(cells[-1])

    @property
    def once_per_sequence(self) -> bool:
        """Whether a cell draws something once per sequence."""
        return any(getattr(cell, "once_per_sequence", False) for cell in self.cells)

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
        return _single_step(self, inputs, states, training)

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


def keeps_output(cell: Any) -> bool:
    """Whether the output of a cell is a bare cell's, untouched by wrappers and stacks."""
    return getattr(cell, "keeps_output", not hasattr(cell, "cells"))


def state_roles(cell: Any) -> list[str]:
    """What each of a cell's states is, in flat order: ``h``, ``c``, or nothing of the two.

    The first state of a cell is its h, the second its c, in a stack for each cell by itself. What
    follows (a normaliser, say) and what wrappers keep has no role: dropout and zoneout leave it alone.
    """
    if hasattr(cell, "state_roles"):
        return cell.state_roles()
    if hasattr(cell, "cells"):
        return [role for inner in cell.cells for role in state_roles(inner)]
    states = len(keras.tree.flatten(cell.state_size))
    return ["h", "c", *[""] * states][:states]


def _single_step(cell: Any, inputs: Any, states: Any, training: bool) -> tuple[Any, Any]:
    """One step outside our drivers, which cannot know where its sequence began."""
    if training and cell.once_per_sequence:
        raise SeqlabError(
            f"`{cell.name}` draws masks once per sequence (variational=True), which a single step and"
            " keras.layers.RNN cannot do. Train it by dynamic_rnn, or set variational=False"
        )
    return cell.stepper(keras.ops.shape(inputs)[0], training)(inputs, states)
