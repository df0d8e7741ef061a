"""Cells from a TensorFlow 1 checkpoint: the same outputs, without the code that wrote it.

What TensorFlow 1 has in another way is put right while the weights are copied:

- it has one kernel for input and state, ``[D + H, ...]`` with the input's rows first; here are two;
- the columns of its LSTM are the gates i, j, f, o, with j for what is g here, in the order i, f, g, o;
- it adds ``forget_bias`` to the forget gate at every step; here that is part of the bias;
- its GRU has r and u (here z) in one kernel and the candidate in another; here are z, r, g in one;
- the state of its LSTM is (c, h), here [h, c].

A checkpoint holds variables alone. The forget bias and the clips have to be said again; the activations
are taken for the tanh that is the default. Source: TensorFlow 1.15, python/ops/rnn_cell_impl.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import _tf1_cells, _tf1_files, _tf1_names
from seqlab._tensorflow import keras, tf
from seqlab._tf1_parts import PROJECTION, Part
from seqlab.cells import BidirectionalDynamicRNN, DynamicRNN, StackedRNNCells
from seqlab.errors import SeqlabError, check_finite, check_positive
from seqlab.runs import written

__all__ = ["Imported", "load", "save"]


@dataclass(frozen=True)
class Imported:
    """What was in a checkpoint.

    Attributes:
        checkpoint: where it is.
        scope: which network of it this is.
        cell: of `seqlab.cells`, with the weights; a `StackedRNNCells` for a MultiRNNCell; for both
            directions a pair, forward first.
        features: D of its inputs.
        used: for each variable that was taken the weights that it went to, ``cell.kernel`` among them.
        unused: the variables that were not, a dense head, say; see `value`. Those that serve training
            alone (an optimizer's, averages, counters) are not among them.
        shapes: of all variables of the checkpoint.
        assumed: what a checkpoint does not hold, as it was said or by default.
    """

    checkpoint: Path
    scope: str
    cell: Any
    features: int
    used: dict[str, list[str]]
    unused: list[str]
    shapes: dict[str, tuple[int, ...]]
    assumed: dict[str, Any]

    def value(self, name: str) -> np.ndarray:
        """A variable of the checkpoint, as it is there.

        Raises:
            SeqlabError: it has no such variable.
        """
        if name not in self.shapes:
            raise SeqlabError(
                f"{self.checkpoint}: no variable {name!r}. Take one of {', '.join(self.shapes)}"
            )
        return _read(self.checkpoint, name)

    def model(self) -> keras.Model:
        """``model([x, lengths])`` gives what the network's `dynamic_rnn` gave: outputs and final states.

        ``x`` is ``[B, T, D]``; ``lengths``, integers ``[B]``, may be None.
        """
        pair = isinstance(self.cell, tuple)
        dtype = (self.cell[0] if pair else self.cell).compute_dtype
        x = keras.Input((None, self.features), dtype=dtype, name="inputs")
        lengths = keras.Input((), dtype="int32", optional=True, name="lengths")
        if pair:
            layer = BidirectionalDynamicRNN(*self.cell, name="rnn", dtype=dtype)
        else:
            layer = DynamicRNN(self.cell, name="rnn", dtype=dtype)
        return keras.Model([x, lengths], layer(x, lengths))

    def to_json(self) -> dict[str, Any]:
        """What went where, for scripts."""
        return {
            "checkpoint": str(self.checkpoint),
            "scope": self.scope,
            "features": self.features,
            "used": [
                {"name": name, "shape": list(self.shapes[name]), "weights": weights}
                for name, weights in self.used.items()
            ],
            "unused": [{"name": name, "shape": list(self.shapes[name])} for name in self.unused],
            "assumed": self.assumed,
        }


def load(
    checkpoint: str | Path,
    *,
    scope: str | None = None,
    forget_bias: float = 1.0,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
) -> Imported:
    """Read BasicRNNCell, BasicLSTMCell, LSTMCell, GRUCell or a MultiRNNCell of them.

    Args:
        checkpoint: ``model.ckpt-10000``, one of its files, or their folder, of which the newest is taken.
        scope: the beginning of the variables' names; needed where there are several networks.
        forget_bias: as the LSTM cells were given it. It is not in the checkpoint.
        cell_clip: the same; LSTMCell alone has it.
        proj_clip: the same; only for a projected output.

    Raises:
        SeqlabError: no such file, or one that cannot be read; no such cells, or several networks; a
            variable is missing; shapes do not fit; a clip for cells that have none.
    """
    options = {"forget_bias": forget_bias, "cell_clip": cell_clip, "proj_clip": proj_clip}
    prefix = _tf1_files.find(checkpoint)
    shapes = _shapes(prefix)
    try:
        name, networks = _tf1_names.find(shapes, scope)
        _check_options(networks, options)
    except SeqlabError as error:
        raise SeqlabError(f"{prefix}: {error}") from None
    cells = [_network(prefix, parts, options) for parts in networks]
    used = _used(networks)
    unused = [n for n in shapes if n not in used and not _tf1_names.is_training(n, shapes)]
    cell = cells[0] if len(cells) == 1 else tuple(cells)
    features, assumed = networks[0][0].features, _assumed(networks, options)
    return Imported(prefix, name, cell, features, used, unused, shapes, assumed)


def save(made: Imported, path: str | Path) -> Path:
    """Write its `model` as a ``.keras`` file.

    Raises:
        SeqlabError: another ending, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise SeqlabError(f"{path}: a model is written as a .keras file. Name one")
    model = made.model()
    try:
        with written(path) as temporary:
            model.save(temporary)
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Name another file"
        ) from error
    return path


def _network(prefix: Path, parts: list[Part], options: dict[str, float | None]) -> Any:
    """A cell, or a stack of them."""
    cells = []
    for part in parts:
        values = {end: _read(prefix, name) for end, name in part.names.items()}
        cells.append(_tf1_cells.build(part, values, options))
    if len(cells) == 1:
        return cells[0]
    stack = StackedRNNCells(cells, dtype=cells[0].dtype_policy)
    stack.build((None, parts[0].features))
    return stack


def _used(networks: list[list[Part]]) -> dict[str, list[str]]:
    """The weights that each variable went to, as expressions."""
    found = {}
    for way, parts in enumerate(networks):
        for layer, part in enumerate(parts):
            owner = f"cell[{way}]" if len(networks) > 1 else "cell"
            owner += f".cells[{layer}]" if len(parts) > 1 else ""
            for end, name in part.names.items():
                found[name] = [f"{owner}.{weight}" for weight in _tf1_cells.WEIGHTS[end]]
    return found


def _meant_for(part: Part) -> list[str]:
    """The options that a cell of TensorFlow 1 takes."""
    names = ["forget_bias"] if "LSTM" in part.kind.name else []
    names += ["cell_clip"] if part.kind.name == "LSTMCell" else []
    return names + (["proj_clip"] if PROJECTION in part.names else [])


def _assumed(networks: list[list[Part]], options: dict[str, float | None]) -> dict[str, Any]:
    """The options that some cell took, and what none can be told."""
    taken = {name for parts in networks for part in parts for name in _meant_for(part)}
    return {
        "activation": "tanh",
        **{name: value for name, value in options.items() if name in taken},
    }


def _check_options(networks: list[list[Part]], options: dict[str, float | None]) -> None:
    """Refuse what is no number, and a clip without effect."""
    check_finite("forget_bias", options["forget_bias"])
    taken = _assumed(networks, options)
    for name, where in (("cell_clip", "an LSTMCell"), ("proj_clip", "a projection")):
        if options[name] is not None:
            check_positive(name, options[name], float)
            if name not in taken:
                kinds = {part.kind.name for parts in networks for part in parts}
                raise SeqlabError(
                    f"`{name}` belongs to {where}; here is {', '.join(sorted(kinds))} without one."
                    " Leave it out"
                )


def _shapes(prefix: Path) -> dict[str, tuple[int, ...]]:
    """Of all variables, by name."""
    with _readable(prefix):
        found = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    return {name: tuple(found[name]) for name in sorted(found)}


def _read(prefix: Path, name: str) -> np.ndarray:
    with _readable(prefix):
        return np.asarray(tf.train.load_variable(str(prefix), name))


@contextmanager
def _readable(prefix: Path) -> Iterator[None]:
    """Say of a damaged file what TensorFlow says of it."""
    try:
        yield
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
        raise SeqlabError(
            f"{prefix}: cannot be read as a checkpoint: {str(error).rstrip('.?')}. Copy its files again"
        ) from error
