"""Recurrent cells: one time step each, with the wrappers that cells can wear.

A cell is a Keras layer ``cell(inputs, states, training) -> (output, states)`` with `state_size`,
`output_size` and `get_initial_state`, so that it also runs under ``keras.layers.RNN``. Weight names,
gate order and state order are those of Keras: weights move to and from ``keras.layers.LSTM`` by
``get_weights`` and ``set_weights``. The arithmetic is in pure functions (`rnn_step`, `lstm_step`,
`gru_step`); the classes own weights and call them. `dynamic_rnn` runs a cell over time.
"""

from typing import Any

from seqlab import _fused
from seqlab._drivers import bidirectional_dynamic_rnn, dynamic_rnn, loop, state_at_end
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_positive

__all__ = [
    "CELLS",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "StackedRNNCells",
    "bidirectional_dynamic_rnn",
    "dynamic_rnn",
    "gru_step",
    "lstm_step",
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


class _Cell(keras.layers.Layer):
    """What the three cells share: their weights and their zero state."""

    gates: int
    states: int = 1

    def __init__(self, units: int, **kwargs: Any) -> None:
        check_positive("units", units)
        super().__init__(**kwargs)
        self.units = units
        self.output_size = units
        self.state_size = [units] * self.states

    def build(self, input_shape: Any) -> None:
        columns = self.gates * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], columns))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, columns), initializer="orthogonal"
        )
        self.bias = self.add_weight(
            name="bias", shape=self.bias_shape(), initializer=self.initial_bias
        )

    def bias_shape(self) -> tuple[int, ...]:
        """``[gates H]``."""
        return (self.gates * self.units,)

    def initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        """Zeros."""
        return ops.zeros(shape, dtype)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Zeros, one ``[B, H]`` per state."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps of ``[B, T, D]``: outputs ``[B, T, H]``, zero past the end, and final states."""
        if implementation == "fused":
            raise SeqlabError(f"{type(self).__name__} has no fused kernel. Use implementation='auto'")
        return loop(self, inputs, states, lengths, training)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("seqlab")
class RNNCell(_Cell):
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
class LSTMCell(_Cell):
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
        h, c = lstm_step(inputs, *states, self.kernel, self.recurrent_kernel, self.bias)
        return h, [h, c]

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps by one kernel, unless the loop is asked for or the precision is not float32."""
        if implementation == "loop" or (
            implementation == "auto" and self.compute_dtype != "float32"
        ):
            return loop(self, inputs, states, lengths, training)
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        h, c = _fused.lstm(inputs, *states, *(ops.convert_to_tensor(w) for w in weights))
        return state_at_end(h, [h, c], states, lengths)


@keras.saving.register_keras_serializable("seqlab")
class GRUCell(_Cell):
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


CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
