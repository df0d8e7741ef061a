"""Running a cell over time: `dynamic_rnn`, `bidirectional_dynamic_rnn`, and the reset between."""

import weakref
from typing import Any

from seqlab._layers import BidirectionalDynamicRNN, DynamicRNN

__all__ = [
    "bidirectional_dynamic_rnn",
    "dynamic_rnn",
    "reset_state",
]

# A cell is given the same layer again, as long as a model holds it: one layer that a model calls twice is
# saved and loaded as one, two layers around one cell are not.
_layers: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    *,
    mask: Any = None,
    training: bool | None = None,
    implementation: str = "auto",
) -> tuple[Any, Any]:
    """Run a cell over a batch of sequences that may differ in length.

    At steps that do not exist the outputs are zero and the state stays as it is, so the returned state
    is the one after each sequence's own last step. The outputs carry a mask of the steps that exist,
    for Keras' layers, losses and metrics. Works on symbolic and on eager tensors.

    Args:
        cell: a cell of `seqlab.cells`, wrapped and stacked as you like, or one of Keras.
        inputs: ``[B, T, D]``.
        sequence_length: steps of each sequence, integers ``[B]`` from 0 to T; None means T.
        initial_state: as ``cell.get_initial_state`` gives it, which is the default: zeros.
        mask: booleans ``[B, T]``, true where a step exists, which may be anywhere; by default the one
            that Keras' `Masking` or `Embedding` gave the inputs. A step exists if mask and length say so.
        training: whether dropout is on; by default what Keras says.
        implementation: ``loop`` steps through time, ``fused`` runs each layer by one kernel, ``cudnn``
            by NVIDIA's (`docs/cells.md`), ``auto`` takes a kernel where there is one. The weights are
            the same.

    Returns:
        Outputs ``[B, T, H]``, and the final state, structured as the initial one.

    Raises:
        SeqlabError: no cell; inputs that are no numbers, or of another D than before; lengths outside 0
            to T; a mask or state of another shape; no fused kernel.
            Lengths that only a compiled function knows are checked when it runs, by TensorFlow.
    """
    layer = _layer(DynamicRNN, (cell,), implementation)
    return layer(inputs, sequence_length, initial_state, mask=mask, training=training)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    *,
    mask: Any = None,
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
        mask: as for `dynamic_rnn`.
        training: as for `dynamic_rnn`.
        implementation: as for `dynamic_rnn`.

    Returns:
        ((outputs_fw ``[B, T, H]``, outputs_bw), (state_fw, state_bw)).

    Raises:
        SeqlabError: the same cell twice; and as `dynamic_rnn`.
    """
    layer = _layer(BidirectionalDynamicRNN, (cell_fw, cell_bw), implementation)
    states = None
    if initial_state_fw is not None or initial_state_bw is not None:
        states = (initial_state_fw, initial_state_bw)
    return layer(inputs, sequence_length, states, mask=mask, training=training)


def reset_state(model: Any) -> None:
    """Let every stateful layer of a model, also of models inside it, begin at its initial state."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            reset_state(layer)
        elif getattr(layer, "stateful", False):
            layer.reset_state()


def _layer(kind: type, cells: tuple[Any, ...], implementation: str) -> Any:
    key = (*map(id, cells), implementation)  # ids last: the layer holds its cells
    layer = _layers.get(key)
    if layer is None:
        layer = _layers[key] = kind(*cells, implementation)
    return layer
