"""A cell of TensorFlow 1 as a cell of ours: kernels split, gates reordered, the forget bias folded in."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqlab._tf1_parts import DIAGONALS, PROJECTION, Part
from seqlab.cells import GRUCell, LSTMCell, RNNCell

__all__ = ["WEIGHTS", "build"]

Values = Mapping[str, np.ndarray]

# The weights that hold a variable now, by the end of its name.
WEIGHTS = {
    "kernel": ("kernel", "recurrent_kernel"),
    "bias": ("bias",),
    "gates/kernel": ("kernel", "recurrent_kernel"),
    "gates/bias": ("bias",),
    "candidate/kernel": ("kernel", "recurrent_kernel"),
    "candidate/bias": ("bias",),
    **dict.fromkeys(DIAGONALS, ("peepholes",)),
    PROJECTION: ("projection",),
}


def build(part: Part, values: Values, options: Mapping[str, float | None]) -> Any:
    """A cell with these weights.

    Args:
        part: what the cell is.
        values: of its variables, by the ends of their names.
        options: forget_bias, cell_clip and proj_clip, as `tf1.load` takes them; each cell has those
            that its kind has.
    """
    dtype = values[part.kind.needed[0]].dtype.name
    make = {"BasicRNNCell": _rnn, "GRUCell": _gru}.get(part.kind.name, _lstm)
    cell, weights = make(part, values, options, dtype)
    cell.build((None, part.features))
    for name, value in weights.items():
        getattr(cell, name).assign(value)
    return cell


def _rnn(part: Part, values: Values, options: Any, dtype: str) -> tuple[Any, dict[str, Any]]:
    del options
    kernel, recurrent_kernel = _split(part, values["kernel"])
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": values["bias"]}
    return RNNCell(part.units, dtype=dtype), weights


def _gru(part: Part, values: Values, options: Any, dtype: str) -> tuple[Any, dict[str, Any]]:
    """Gates r and u in one variable, the candidate in another: u, r, candidate."""
    del options
    joined = {}
    for end in ("kernel", "bias"):
        r, u = np.split(values[f"gates/{end}"], 2, axis=-1)
        joined[end] = np.concatenate([u, r, values[f"candidate/{end}"]], axis=-1)
    kernel, recurrent_kernel = _split(part, joined["kernel"])
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": joined["bias"]}
    return GRUCell(part.units, reset_after=False, dtype=dtype), weights


def _lstm(part: Part, values: Values, options: Any, dtype: str) -> tuple[Any, dict[str, Any]]:
    """Gates i, j, f, o: i, f, j, o, with what TensorFlow 1 adds to f at every step in its bias."""
    given: dict[str, Any] = {"forget_bias": options["forget_bias"]}
    kernel, recurrent_kernel = _split(part, _ifgo(values["kernel"]))
    bias = _ifgo(values["bias"])
    bias[part.units : 2 * part.units] += options["forget_bias"]
    weights = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    if part.kind.name == "LSTMCell":
        given["cell_clip"] = options["cell_clip"]
    if DIAGONALS[0] in values:
        given["use_peepholes"] = True
        weights["peepholes"] = np.stack([values[end] for end in DIAGONALS])
    if PROJECTION in values:
        given |= {"num_proj": part.outputs, "proj_clip": options["proj_clip"]}
        weights["projection"] = values[PROJECTION]
    return LSTMCell(part.units, dtype=dtype, **given), weights


def _split(part: Part, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the input, and those of the state."""
    return kernel[: part.features], kernel[part.features :]


def _ifgo(columns: np.ndarray) -> np.ndarray:
    """Gates i, j, f, o as i, f, j, o."""
    i, j, f, o = np.split(columns, 4, axis=-1)
    return np.concatenate([i, f, j, o], axis=-1)
