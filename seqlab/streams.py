"""States on disk: where a stream or a stateful training stopped, to go on from there.

`cells.DynamicRNN.step` makes the steps; `save_state` and `load_state` carry their state from one process
to the next. A file holds plain arrays and no pickles.
"""

import json
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._bounded_files import arrays, opened
from seqlab._loop import check_cell
from seqlab._states import check_parts, state_spec
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError
from seqlab.runs import written

__all__ = ["load_state", "save_state"]


def save_state(path: str | PathLike[str], state: Any) -> None:
    """Write a state: of a step, of `dynamic_rnn`, or `DynamicRNN.state` of a stateful layer.

    The file appears when it is complete; one that was there before stays whole until then.

    Args:
        path: of the file, ``.npz``.
        state: arrays or tensors ``[B, ...]``, nested as the cell nests them.

    Raises:
        SeqlabError: no state; the file cannot be written.
    """
    if any(part is None for part in keras.tree.flatten(state)):
        raise SeqlabError(
            f"`state` must be what a step or `dynamic_rnn` returned. Received: {state!r}. A stateful"
            " layer has one after its first call"
        )
    parts = [keras.ops.convert_to_tensor(part) for part in keras.tree.flatten(state)]
    arrays = {f"part_{i}": _plain(part) for i, part in enumerate(parts)}
    arrays["structure"] = np.array(_structure(state))
    path = Path(path)
    try:
        with written(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror or error}. Name another file"
        ) from error


def load_state(path: str | PathLike[str], cell: Any) -> Any:
    """Read a state for this cell.

    Args:
        path: of the file.
        cell: the cell, or one built alike. It must be built if its initial state has weights.

    Returns:
        Tensors ``[B, ...]``, nested and typed as the cell's own state.

    Raises:
        SeqlabError: no such file, or a damaged one; the state of another cell.
    """
    check_cell("cell", cell)
    spec = state_spec(cell)
    wanted = keras.tree.flatten(spec)
    try:
        with opened(Path(path)) as stream, arrays(stream) as file:
            structure = str(file["structure"])
            parts = [file[f"part_{i}"] for i in range(len(file.files) - 1)]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SeqlabError(
            f"{path}: no state could be read: {error}. Write one by save_state"
        ) from error
    batch = parts[0].shape[0] if parts and parts[0].ndim else None
    check_parts(str(path), parts, wanted, batch)
    if structure != _structure(spec):
        own = _structure(spec)
        raise SeqlabError(f"{path}: of another cell, nested as {structure}, not as {own}")
    tensors = (keras.ops.convert_to_tensor(p, s.dtype) for p, s in zip(parts, wanted, strict=True))
    return keras.tree.pack_sequence_as(spec, list(tensors))


def _plain(part: Any) -> np.ndarray:
    """As an array of a type that NumPy itself knows; bfloat16 fits into float32."""
    return np.asarray(keras.ops.cast(part, "float32") if part.dtype == "bfloat16" else part)


def _structure(state: Any) -> str:
    """How a state is nested, as JSON; lists and tuples are the same."""
    return json.dumps(keras.tree.map_structure(lambda _: 0, state))
