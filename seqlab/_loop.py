"""What a driver asks of a cell, and the plain loop over time that serves every cell.

A cell is a Keras layer ``cell(inputs, states, training) -> (output, states)`` with `state_size` and
`get_initial_state`; any cell of Keras will do. Ours add, all optional:

- ``stepper(batch_size, training)``: the step function of one sequence, for cells that draw something
  once per sequence (a dropout mask, say);
- ``sequence(inputs, states, lengths, training, implementation)``: all steps at once;
- ``paths(implementation)``: how `sequence` would run each layer, and why.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seqlab._tensorflow import keras, tf
from seqlab._unroll import array, repeat, unrolling
from seqlab.errors import SeqlabError

__all__ = [
    "Path",
    "SlowPathWarning",
    "check_cell",
    "check_features",
    "check_path",
    "loop",
    "output_size",
    "paths",
    "sequence",
    "stepper",
]

ops = keras.ops


class SlowPathWarning(UserWarning):
    """A layer runs slower than it could, for a reason that the caller can change; said once."""


@dataclass(frozen=True)
class Path:
    """How a cell is run over time, and why.

    Attributes:
        cell: name of the cell.
        implementation: ``fused`` (one kernel for the whole sequence), ``cudnn`` (NVIDIA's),
            ``scan`` (parallel over time) or ``loop``.
        reason: why, in words.
        remedy: what would make it faster; empty where nothing does.
    """

    cell: str
    implementation: str
    reason: str
    remedy: str = ""


def sequence(
    cell: Any, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
) -> tuple[Any, Any]:
    """All steps of ``[B, T, D]``: outputs ``[B, T, H]``, zero past the end, and final states."""
    if unrolling():
        return loop(cell, inputs, states, lengths, training)
    if hasattr(cell, "sequence"):
        return cell.sequence(inputs, states, lengths, training, implementation)
    check_path(paths(cell)[0], implementation)
    return loop(cell, inputs, states, lengths, training)


def paths(cell: Any, implementation: str = "auto") -> list[Path]:
    """How `dynamic_rnn` runs a cell, layer by layer, and why."""
    if hasattr(cell, "paths"):
        return list(cell.paths(implementation))
    return [Path(cell.name, "loop", f"{type(cell).__name__} has no kernel")]


def check_cell(name: str, cell: Any) -> None:
    """Refuse what is no cell: a class, a layer over time, a number of units.

    Raises:
        SeqlabError: naming the argument and what it is.
    """
    right = isinstance(cell, keras.layers.Layer) and hasattr(cell, "state_size")
    if not right or isinstance(cell, keras.layers.RNN):
        kind = f"the class {cell.__name__}" if isinstance(cell, type) else type(cell).__name__
        raise SeqlabError(f"`{name}` must be a cell: LSTMCell(30), say. Received: {kind}")


def check_features(cell: Any, features: int | None) -> None:
    """Refuse inputs of another D than a cell was built for, or of an unknown one.

    Raises:
        SeqlabError: with both.
    """
    lowest = cell
    while hasattr(lowest, "cells") or hasattr(lowest, "cell"):
        lowest = lowest.cells[0] if hasattr(lowest, "cells") else lowest.cell
    # of our cells and of Keras'; what another's kernel is, nobody knows
    known = hasattr(lowest, "paths") or hasattr(lowest, "reset_dropout_mask")
    built = getattr(lowest, "kernel", None) if known else None
    wanted = features if built is None else built.shape[0]
    if features is None or features != wanted:
        rule = "a known number of" if built is None else f"{wanted}"
        raise SeqlabError(
            f"`inputs` of `{cell.name}` must have {rule} features. Received: {features}"
        )


def check_path(path: Path, implementation: str) -> None:
    """Refuse a forced kernel that there is none of; report once a slow path that could be fast."""
    wanted = {"fused": ("fused", "scan"), "cudnn": ("cudnn",)}
    if path.implementation not in wanted.get(implementation, (path.implementation,)):
        remedy = path.remedy or "Use implementation='auto'"
        raise SeqlabError(f"no {implementation} kernel for `{path.cell}`: {path.reason}. {remedy}")
    if implementation == "auto" and path.implementation == "loop" and path.remedy:
        message = f"`{path.cell}` runs the plain loop: {path.reason}. {path.remedy}"
        if path.reason not in _said:
            _said.add(path.reason)
            warnings.warn(message, SlowPathWarning, stacklevel=2)


_said: set[str] = set()


def stepper(cell: Any, batch_size: Any, training: bool) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The step ``(inputs, states) -> (output, states)`` of one sequence."""
    if hasattr(cell, "stepper"):
        return cell.stepper(batch_size, training)
    if hasattr(cell, "reset_dropout_mask"):
        _draw_masks(cell, batch_size, training)

    def run(inputs: Any, states: Any) -> tuple[Any, Any]:
        output, new_states = cell(inputs, states, training=training)
        # Keras' stack of one cell returns that cell's state instead of a list with it.
        return output, keras.tree.pack_sequence_as(states, keras.tree.flatten(new_states))

    return run


def _draw_masks(cell: Any, batch_size: Any, training: bool) -> None:
    """Draw the dropout masks of a cell of Keras, which keeps them until it is told to forget.

    Before the loop, because what is made inside one step does not exist in the next.
    """
    cell.reset_dropout_mask()
    cell.reset_recurrent_dropout_mask()
    if training:
        cell.get_dropout_mask(tf.ones((batch_size, cell.kernel.shape[0]), cell.compute_dtype))
        cell.get_recurrent_dropout_mask(tf.ones((batch_size, cell.units), cell.compute_dtype))


def output_size(cell: Any) -> int:
    """H; for a cell of Keras that does not say, the size of its first state."""
    size = getattr(cell, "output_size", None)
    return keras.tree.flatten(cell.state_size)[0] if size is None else size


def loop(cell: Any, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
    """Step a cell through ``[B, T, D]``; a sequence that has ended keeps its state and outputs 0."""
    xs = ops.swapaxes(inputs, 0, 1)
    steps = tf.shape(xs)[0]
    run = stepper(cell, tf.shape(inputs)[0], training)
    # Keras' own scan wants outputs structured as the state, hence TensorFlow's loop.
    shape = (inputs.shape[0], output_size(cell))
    outputs = array(cell.compute_dtype, steps, shape)

    def step(t: Any, states: Any, outputs: Any) -> tuple[Any, Any, Any]:
        output, new_states = run(xs[t], states)
        if lengths is not None:
            going = t < lengths  # [B]
            output = _where(going, output, tf.zeros_like(output))
            new_states = tf.nest.map_structure(
                lambda new, old: _where(going, new, old), new_states, states
            )
        return t + 1, new_states, outputs.write(t, output)

    _, states, outputs = repeat(xs, step, (0, states, outputs))
    return ops.swapaxes(outputs.stack(), 0, 1), states


def _where(rows: Any, new: Any, old: Any) -> Any:
    """Choose by row ``[B]`` between two ``[B, ...]``."""
    return tf.where(tf.reshape(rows, [-1] + [1] * (len(new.shape) - 1)), new, old)
