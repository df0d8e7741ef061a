"""Running a cell over time: `dynamic_rnn`, `bidirectional_dynamic_rnn` and the layers under them."""

from typing import Any

import numpy as np

from seqlab import _parts
from seqlab._loop import output_size
from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError, check_choice
from seqlab.wrappers import bare_cells

__all__ = [
    "BidirectionalDynamicRNN",
    "DynamicRNN",
    "bidirectional_dynamic_rnn",
    "dynamic_rnn",
]

ops = keras.ops
IMPLEMENTATIONS = ("auto", "loop", "fused")


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    *,
    training: bool | None = None,
    implementation: str = "auto",
) -> tuple[Any, Any]:
    """Run a cell over a batch of sequences that may differ in length.

    Past the end of a sequence the outputs are zero and the state stays as it is, so the returned
    state is the one after each sequence's own last step. Works on symbolic and on eager tensors.

    Args:
        cell: a cell of `seqlab.cells`, wrapped and stacked as you like.
        inputs: ``[B, T, D]``.
        sequence_length: steps of each sequence, integers ``[B]`` from 0 to T; None means T.
        initial_state: as ``cell.get_initial_state`` gives it, which is the default: zeros.
        training: whether dropout is on; by default what Keras says.
        implementation: ``loop`` steps through time, ``fused`` runs each layer by one kernel, ``auto``
            takes the kernel where there is one. The weights are the same.

    Returns:
        Outputs ``[B, T, H]``, and the final state, structured as the initial one.

    Raises:
        SeqlabError: lengths outside 0 to T; a state of another structure; no fused kernel.
    """
    inputs, sequence_length = _as_arrays(inputs, sequence_length)
    layer = DynamicRNN(cell, implementation, dtype=cell.dtype_policy)
    return layer(inputs, sequence_length, initial_state, training=training)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    *,
    training: bool | None = None,
    implementation: str = "auto",
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Run one cell forwards and another backwards over the same batch of sequences.

    The backward cell starts at each sequence's own last step. Its outputs are put back in the order
    of time, so that at step t they depend on the steps from t on.

    Args:
        cell_fw: reads from the first step to the last.
        cell_bw: reads from the last step to the first; not the same object.
        inputs: ``[B, T, D]``.
        sequence_length: as for `dynamic_rnn`.
        initial_state_fw: as for `dynamic_rnn`.
        initial_state_bw: as for `dynamic_rnn`.
        training: as for `dynamic_rnn`.
        implementation: as for `dynamic_rnn`.

    Returns:
        ((outputs_fw ``[B, T, H]``, outputs_bw), (state_fw, state_bw)).

    Raises:
        SeqlabError: the same cell twice; and as `dynamic_rnn`.
    """
    inputs, sequence_length = _as_arrays(inputs, sequence_length)
    layer = BidirectionalDynamicRNN(cell_fw, cell_bw, implementation, dtype=cell_fw.dtype_policy)
    states = None
    if initial_state_fw is not None or initial_state_bw is not None:
        states = (initial_state_fw, initial_state_bw)
    return layer(inputs, sequence_length, states, training=training)


@keras.saving.register_keras_serializable("seqlab")
class DynamicRNN(keras.layers.Layer):
    """`dynamic_rnn` as a layer: ``layer(inputs, sequence_length, initial_state)``."""

    def __init__(self, cell: Any, implementation: str = "auto", **kwargs: Any) -> None:
        check_choice("implementation", implementation, IMPLEMENTATIONS)
        super().__init__(**kwargs)
        self.cell = cell
        self.implementation = implementation

    def build(
        self,
        inputs_shape: Any,
        sequence_length_shape: Any = None,
        initial_state_shape: Any = None,
    ) -> None:
        del sequence_length_shape, initial_state_shape  # Keras hands over all three
        if not self.cell.built:
            self.cell.build((inputs_shape[0], inputs_shape[-1]))

    def call(
        self,
        inputs: Any,
        sequence_length: Any = None,
        initial_state: Any = None,
        training: bool = False,
    ) -> tuple[Any, Any]:
        """See `dynamic_rnn`."""
        return _run(
            self.cell, inputs, sequence_length, initial_state, training, self.implementation
        )

    def compute_output_spec(self, inputs: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Shapes alone, so that building a model traces nothing."""
        return _spec(self.cell, inputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the cell serialised."""
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "implementation": self.implementation,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DynamicRNN":
        """Undo `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


@keras.saving.register_keras_serializable("seqlab")
class BidirectionalDynamicRNN(keras.layers.Layer):
    """`bidirectional_dynamic_rnn` as a layer: ``layer(inputs, sequence_length, (fw, bw))``."""

    def __init__(
        self, cell_fw: Any, cell_bw: Any, implementation: str = "auto", **kwargs: Any
    ) -> None:
        forward, backward = ({id(c) for c in bare_cells(cell)} for cell in (cell_fw, cell_bw))
        if forward & backward:
            raise SeqlabError(
                "`cell_fw` and `cell_bw` hold the same cell. Make one for each direction"
            )
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.forward = DynamicRNN(cell_fw, implementation, name="forward", dtype=policy)
        self.backward = DynamicRNN(cell_bw, implementation, name="backward", dtype=policy)

    def build(
        self,
        inputs_shape: Any,
        sequence_length_shape: Any = None,
        initial_state_shape: Any = None,
    ) -> None:
        del sequence_length_shape, initial_state_shape
        for layer in (self.forward, self.backward):
            if not layer.built:
                layer.build(inputs_shape)

    def call(
        self,
        inputs: Any,
        sequence_length: Any = None,
        initial_state: Any = None,
        training: bool = False,
    ) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """See `bidirectional_dynamic_rnn`."""
        state_fw, state_bw = initial_state or (None, None)
        fw, state_fw = self.forward(inputs, sequence_length, state_fw, training=training)
        backwards = _reversed(inputs, sequence_length)
        bw, state_bw = self.backward(backwards, sequence_length, state_bw, training=training)
        return (fw, _reversed(bw, sequence_length)), (state_fw, state_bw)

    def compute_output_spec(self, inputs: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Shapes alone, as `DynamicRNN` gives them."""
        cells = self.forward.cell, self.backward.cell
        outputs, states = zip(*(_spec(c, inputs, self.compute_dtype) for c in cells), strict=True)
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


def _run(
    cell: Any, inputs: Any, lengths: Any, states: Any, training: bool, implementation: str
) -> tuple[Any, Any]:
    zeros = cell.get_initial_state(ops.shape(inputs)[0])
    if states is None:
        states = zeros
    else:
        shapes = [
            [tuple(state.shape)[1:] for state in keras.tree.flatten(found)]
            for found in (states, zeros)
        ]
        if shapes[0] != shapes[1]:
            raise SeqlabError(
                "`initial_state` must hold states as cell.get_initial_state(batch_size) does, of shapes"
                f" (B, ...) {shapes[1]}. Received: {shapes[0]}"
            )
        states = keras.tree.pack_sequence_as(zeros, keras.tree.flatten(states))  # (h, c), too
    if lengths is not None:
        lengths = ops.cast(lengths, "int32")
    return _parts.run(cell, inputs, states, lengths, bool(training), implementation)


def _spec(cell: Any, inputs: Any, dtype: str) -> tuple[Any, Any]:
    batch, steps = inputs.shape[:2]
    sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]
    states = keras.tree.map_structure(lambda size: keras.KerasTensor((batch, size), dtype), sizes)
    return keras.KerasTensor((batch, steps, output_size(cell)), dtype), states


def _reversed(inputs: Any, lengths: Any) -> Any:
    """Each sequence backwards; what lies past its end stays where it is."""
    if lengths is None:
        return ops.flip(inputs, axis=1)
    lengths = ops.cast(lengths, "int32")[:, None]
    steps = ops.arange(ops.shape(inputs)[1])[None, :]
    sources = ops.where(steps < lengths, lengths - 1 - steps, steps)
    return ops.take_along_axis(inputs, sources[:, :, None], axis=1)


def _swap(values: Any) -> Any:
    """``[B, T, ...]`` to ``[T, B, ...]`` and back."""
    return ops.swapaxes(values, 0, 1)


def _as_arrays(inputs: Any, lengths: Any) -> tuple[Any, Any]:
    """Lists as arrays; and lengths refused that cannot be, where their values are known already."""
    inputs, lengths = (
        np.asarray(v) if isinstance(v, (list, tuple)) else v for v in (inputs, lengths)
    )
    if lengths is None or isinstance(lengths, keras.KerasTensor):
        return inputs, lengths
    if tf.is_tensor(lengths) and not hasattr(lengths, "numpy"):
        return inputs, lengths
    values, (batch, steps) = np.asarray(lengths), inputs.shape[:2]
    if values.dtype.kind not in "iu" or (batch is not None and values.shape != (batch,)):
        raise SeqlabError(
            f"`sequence_length` must hold one integer per sequence, shape ({batch},)."
            f" Received: {values.dtype} of shape {values.shape}"
        )
    if values.size and (values.min() < 0 or (steps is not None and values.max() > steps)):
        raise SeqlabError(
            f"`sequence_length` must lie between 0 and the {steps} steps of the input."
            f" Received: {values.min()} to {values.max()}"
        )
    return inputs, lengths
