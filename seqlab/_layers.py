"""The layers under the drivers: a cell run over time, in one direction and in both."""

from typing import Any

from seqlab import _parts
from seqlab._loop import check_cell, check_features, check_path, output_size, paths
from seqlab._over_time import OverTime
from seqlab._states import CarriedState, CompiledStep, check_state, state_spec
from seqlab._steps import as_array, check_inputs, reverse
from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError, check_choice
from seqlab.wrappers import bare_cells

__all__ = ["BidirectionalDynamicRNN", "DynamicRNN"]

ops = keras.ops
KERNELS = ("fused", "cudnn")
IMPLEMENTATIONS = ("auto", "loop", *KERNELS)


@keras.saving.register_keras_serializable("seqlab")
class DynamicRNN(OverTime):
    """`dynamic_rnn` as a layer: ``layer(inputs, sequence_length, initial_state)``.

    Args:
        cell: as for `dynamic_rnn`.
        implementation: as for `dynamic_rnn`.
        stateful: whether a call without `initial_state` goes on from the state that the last one ended
            with, also in `fit`; gradients stop there. The batch size must be fixed.
        kwargs: of Keras' layers. The precision is the cell's, unless `dtype` says otherwise.

    Raises:
        SeqlabError: when called, as `dynamic_rnn`; or stateful and the batch size open or another.
    """

    def __init__(
        self, cell: Any, implementation: str = "auto", stateful: bool = False, **kwargs: Any
    ) -> None:
        check_cell("cell", cell)
        check_choice("implementation", implementation, IMPLEMENTATIONS)
        super().__init__(**{"dtype": cell.dtype_policy, **kwargs})
        ways = [path for bare in bare_cells(cell) for path in paths(bare, implementation)]
        # Keras then leaves XLA out, and says so; wrappers that step their cell could do with it
        self.supports_jit = all(path.implementation not in KERNELS for path in ways)
        self.cell = cell
        self.implementation = implementation
        self.stateful = stateful
        self._carried: CarriedState | None = None
        self._compiled_step: CompiledStep | None = None

    def build_cells(self, inputs_shape: Any) -> None:
        """Make the cell's weights, and room for the state of a stateful layer."""
        if not self.cell.built:
            self.cell.build((inputs_shape[0], inputs_shape[-1]))
        if self.stateful and self._carried is None:
            self._carried = CarriedState(self.cell, inputs_shape[0])

    def check(self, inputs_shape: Any) -> None:
        """Refuse another D, to be fused without a kernel, a batch that the carried state does not fit."""
        check_features(self.cell, inputs_shape[-1])
        if self.implementation in KERNELS:
            for path in paths(self.cell, self.implementation):
                check_path(path, self.implementation)
        if self.stateful:
            self._check_batch(inputs_shape[0])

    def checked_state(self, state: Any, inputs_shape: Any) -> Any:
        """The state, structured as the cell's own; or None."""
        if state is None:
            return None
        self.build_cells(inputs_shape)  # a state may have the shapes of weights
        return check_state(self.cell, state, inputs_shape[0])

    def _check_batch(self, batch: int | None) -> None:
        fixed = None if self._carried is None else self._carried.batch
        if fixed is None and batch is None:
            raise SeqlabError(
                f"`{self.name}` is stateful, so its batch size must be fixed: Input(..., batch_size=32)"
            )
        if None not in (fixed, batch) and fixed != batch:
            raise SeqlabError(
                f"`{self.name}` carries the state of {fixed} sequences. Received: {batch}."
                " Give it batches of one size, or its cell to another layer"
            )

    def run(self, inputs: Any, lengths: Any, states: Any, training: bool) -> tuple[Any, Any]:
        """The cell over all steps, from the state carried here where the layer is stateful."""
        carried, cell = self._carried, self.cell
        if carried is not None:
            inputs = carried.checked(inputs)
            states = carried.begin(cell) if states is None else states
        states = _started(cell, states, ops.shape(inputs)[0])
        inputs = ops.cast(inputs, cell.compute_dtype)
        outputs, states = _whole(cell, inputs, states, lengths, training, self.implementation)
        if carried is not None:
            carried.keep(states)
        return outputs, states

    def compute_output_spec(self, inputs: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Shapes alone, so that building a model traces nothing."""
        outputs = (*inputs.shape[:2], output_size(self.cell))
        states = state_spec(self.cell, inputs.shape[0])
        return keras.KerasTensor(outputs, self.cell.compute_dtype), states

    def step(self, inputs: Any, state: Any = None) -> tuple[Any, Any]:
        """One step, for streams: compiled once for all batch sizes, without dropout.

        Args:
            inputs: ``[B, D]``, tensor or array.
            state: what the last step returned; None begins at the cell's initial state. The state that
                a stateful layer carries is neither used nor changed.

        Returns:
            The output ``[B, H]``, and the state to give to the next step.

        Raises:
            SeqlabError: another number of features than the cell's; a state that is not the cell's.
        """
        inputs = as_array("inputs", inputs)
        check_inputs(inputs, "B, D")
        batch, features = inputs.shape
        check_features(self.cell, features)
        if self._compiled_step is None:
            if not self.cell.built:
                self.cell.build((batch, features))
            self._compiled_step = CompiledStep(self.cell, features)
        if state is None:
            state = self.cell.get_initial_state(batch)
        return self._compiled_step(inputs, state)

    @property
    def state(self) -> Any:
        """What the next call of a stateful layer begins with; None if it is not, or not yet built."""
        return None if self._carried is None else self._carried.begin(self.cell)

    def reset_state(self) -> None:
        """Let the next call of a stateful layer begin at the cell's initial state."""
        if self._carried is not None:
            self._carried.reset()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cell serialised."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "implementation": self.implementation,
            "stateful": self.stateful,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DynamicRNN":
        """Undo `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


@keras.saving.register_keras_serializable("seqlab")
class BidirectionalDynamicRNN(OverTime):
    """`bidirectional_dynamic_rnn` as a layer: ``layer(inputs, sequence_length, (fw, bw))``.

    Raises:
        SeqlabError: the same cell twice; `stateful`; and when called, as `dynamic_rnn`.
    """

    def __init__(
        self, cell_fw: Any, cell_bw: Any, implementation: str = "auto", **kwargs: Any
    ) -> None:
        check_cell("cell_fw", cell_fw)
        check_cell("cell_bw", cell_bw)
        forward, backward = ({id(c) for c in bare_cells(cell)} for cell in (cell_fw, cell_bw))
        if forward & backward:
            raise SeqlabError(
                "`cell_fw` and `cell_bw` hold the same cell. Make one for each direction"
            )
        if kwargs.pop("stateful", False):
            raise SeqlabError(
                "both directions cannot be stateful: the backward one would begin with the state after"
                " chunks that are yet to come. Use DynamicRNN(cell, stateful=True)"
            )
        super().__init__(**{"dtype": cell_fw.dtype_policy, **kwargs})
        policy = self.dtype_policy
        self.forward = DynamicRNN(cell_fw, implementation, name="forward", dtype=policy)
        self.backward = DynamicRNN(cell_bw, implementation, name="backward", dtype=policy)

    def build_cells(self, inputs_shape: Any) -> None:
        """Make the weights of both cells."""
        for layer in (self.forward, self.backward):
            if not layer.built:
                layer.build(inputs_shape)

    def check(self, inputs_shape: Any) -> None:
        """As `DynamicRNN`'s, for each direction."""
        for layer in (self.forward, self.backward):
            layer.check(inputs_shape)

    def checked_state(self, state: Any, inputs_shape: Any) -> Any:
        """The pair of states, each structured as its cell's own or None; or None."""
        if state is None:
            return None
        if not isinstance(state, (list, tuple)) or len(state) != 2:
            raise SeqlabError(
                "`initial_state` must be a pair: the forward cell's, the backward cell's"
            )
        pairs = zip((self.forward, self.backward), state, strict=True)
        return tuple(layer.checked_state(part, inputs_shape) for layer, part in pairs)

    def run(self, inputs: Any, lengths: Any, states: Any, training: bool) -> tuple[Any, Any]:
        """Both cells, the backward one over each sequence turned round at its own end."""
        state_fw, state_bw = states or (None, None)
        fw, end_fw = self.forward.run(inputs, lengths, state_fw, training)
        bw, end_bw = self.backward.run(reverse(inputs, lengths), lengths, state_bw, training)
        return (fw, reverse(bw, lengths)), (end_fw, end_bw)

    def compute_output_spec(self, inputs: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Shapes alone, as `DynamicRNN` gives them."""
        specs = (layer.compute_output_spec(inputs) for layer in (self.forward, self.backward))
        outputs, states = zip(*specs, strict=True)
        return outputs, states

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cells serialised."""
        cells = {"cell_fw": self.forward.cell, "cell_bw": self.backward.cell}
        cells = {name: keras.saving.serialize_keras_object(cell) for name, cell in cells.items()}
        return {**super().get_config(), **cells, "implementation": self.forward.implementation}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BidirectionalDynamicRNN":
        """Undo `get_config`."""
        names = ("cell_fw", "cell_bw")
        cells = {name: keras.saving.deserialize_keras_object(config[name]) for name in names}
        return cls(**{**config, **cells})


def _started(cell: Any, states: Any, batch: Any) -> Any:
    """The given states in the types of the cell's own; or those at which it begins."""
    initial = cell.get_initial_state(batch)
    if states is None:
        return initial
    return keras.tree.map_structure(lambda s, i: ops.cast(s, i.dtype), states, initial)


def _whole(cell: Any, inputs: Any, states: Any, lengths: Any, *how: Any) -> tuple[Any, Any]:
    """As `sequence`, but also of no steps at all, which loops and kernels do not take.

    Where only the running function knows T, they get a step to run, and what they make of it is left
    out.
    """
    if inputs.shape[1]:
        return _parts.run(cell, inputs, states, lengths, *how)
    steps = tf.shape(inputs)[1]
    inputs = tf.pad(inputs, [[0, 0], [0, tf.cast(steps == 0, "int32")], [0, 0]])
    outputs, ends = _parts.run(cell, inputs, states, lengths, *how)
    ends = keras.tree.map_structure(lambda new, old: tf.where(steps > 0, new, old), ends, states)
    return outputs[:, :steps], ends
