"""Which variables of a TensorFlow 1 checkpoint make which cells, by their names and shapes alone.

The names are those of `tf.nn.rnn_cell`, TensorFlow 1.0 to 1.15: ``SCOPE/basic_lstm_cell/kernel``, in a
stack ``SCOPE/multi_rnn_cell/cell_0/basic_lstm_cell/kernel``, in both directions ``SCOPE/fw/...`` and
``SCOPE/bw/...``. Before 1.2 a kernel was called ``weights`` and a bias ``biases``. Sources: TensorFlow's
python/ops/rnn_cell_impl.py, and contrib/rnn/python/tools/checkpoint_convert.py for the older names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from seqlab._tf1_parts import CHECK, EXPECTED, KINDS, Kind, Part, described, fitted, part
from seqlab.errors import SeqlabError

__all__ = ["find", "is_training"]

Shapes = Mapping[str, tuple[int, ...]]

STACKED = re.compile(r"((?:.*/)?multi_rnn_cell(?:_\d+)?)/cell_(\d+)/([^/]+)/?(.*)")
ALONE = re.compile(r"((?:.*/)?([^/]+_cell(?:_\d+)?))/(.+)")
COUNTERS = re.compile(r"(beta[12]_power|global_step)(_\d+)?")
SLOT = re.compile(r"[A-Z]\w*")  # Adam, Adam_1, Momentum, ExponentialMovingAverage

# These change what a cell reads or gives, by variables of their own or by none at all.
WRAPPERS = (
    "attention_cell_wrapper",
    "attention_wrapper",
    "embedding_wrapper",
    "input_projection_wrapper",
)
HIGHWAY = (
    "carry_w",
    "carry_b",
    "transform_w",
    "transform_b",
)  # of a HighwayWrapper, beside its cell


@dataclass(frozen=True)
class Row:
    """One variable and its place: network, layer, cell, and the end of its name."""

    name: str
    network: str
    layer: int
    cell: str
    end: str

    @property
    def kind(self) -> Kind:
        """Which cell it belongs to: one without variables, if it is not known here."""
        last = self.cell.rpartition("/")[2]
        return KINDS.get(re.sub(r"_\d+$", "", last), Kind(last, 1, ()))

    @property
    def known(self) -> bool:
        """Whether such a cell has such a variable."""
        return self.end in self.kind.needed + self.kind.optional


def is_training(name: str, shapes: Shapes) -> bool:
    """Whether a variable serves training alone: counters, and what belongs to a variable.

    An optimizer's slots and averages are named after their variable, ``rnn/gru_cell/gates/bias/Adam``; an
    optimizer in a scope puts that in front.
    """
    *above, last = name.split("/")
    of_one = any("/".join(above[i:]) in shapes for i in range(len(above)))
    return bool(COUNTERS.fullmatch(last) or (SLOT.fullmatch(last) and of_one))


def find(shapes: Shapes, scope: str | None) -> tuple[str, list[list[Part]]]:
    """The network in a scope: its name, and its cells, lowest first; of both directions, forward first.

    Args:
        shapes: of all variables, by name.
        scope: the beginning of the variables' names; None where there is one network.

    Raises:
        SeqlabError: no network or several; a variable is missing, or shapes do not fit each other.
    """
    shapes = {name: shape for name, shape in shapes.items() if not is_training(name, shapes)}
    networks = _networks(shapes)
    strange = {path: _strange(path, rows, shapes) for path, rows in networks.items()}
    known = [path for path in networks if not strange[path]]
    paired = _paired(known)
    inside = _inside(paired, scope) or _inside({path: [path] for path in known}, scope)
    if not inside:
        unknown = _inside({path: names for path, names in strange.items() if names}, scope)
        raise SeqlabError(_nothing(shapes, scope, unknown, list(paired)))
    if len(inside) > 1:
        raise SeqlabError(
            f"holds {len(inside)} networks: {', '.join(inside)}. Pick one by `scope` (--scope)"
        )
    ((name, paths),) = inside.items()
    found = [_parts(path, networks[path], shapes) for path in paths]
    if len({parts[0].features for parts in found}) > 1:
        sizes = " and ".join(f"{parts[0].path} {parts[0].features}" for parts in found)
        raise SeqlabError(
            f"the two directions take different numbers of features: {sizes}. {CHECK}"
        )
    return name, found


def _networks(shapes: Shapes) -> dict[str, list[Row]]:
    """The variables of cells, known or not, by network."""
    found: dict[str, list[Row]] = {}
    for name in sorted(shapes):
        row = _row(name)
        if row:
            found.setdefault(row.network, []).append(row)
    return found


def _row(name: str) -> Row | None:
    stacked, alone = STACKED.fullmatch(name), ALONE.fullmatch(name)
    if stacked:
        network, layer, cell, end = stacked.groups()
        cell = f"{network}/cell_{layer}/{cell}"
    elif alone:
        network, _, end = alone.groups()
        layer, cell = "0", network
    else:
        return None
    end = re.sub(r"\bweights$", "kernel", re.sub(r"\bbiases$", "bias", end))
    return Row(name, network, int(layer), cell, end)


def _strange(path: str, rows: list[Row], shapes: Shapes) -> list[str]:
    """The variables that say that a network is more than cells known here."""
    above = path.rpartition("/")[0]
    if above.rpartition("/")[2] in WRAPPERS:
        return [name for name in shapes if name.startswith(f"{above}/")]
    beside = [f"{above}/{end}".lstrip("/") for end in HIGHWAY]
    return [row.name for row in rows if not row.known] + [n for n in beside if n in shapes]


def _paired(paths: list[str]) -> dict[str, list[str]]:
    """Networks by name: the two directions of one together, forward first; the others alone."""
    ways: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        both, way = _direction(path)
        ways.setdefault(both, {}).setdefault(way, []).append(path)
    found = {}
    for path in paths:
        both, way = _direction(path)
        pair = [ways[both].get(way, []) for way in ("fw", "bw")]
        if way in ("fw", "bw") and [len(part) for part in pair] == [1, 1]:
            found[both] = [part[0] for part in pair]
        else:
            found[path] = [path]
    return found


def _direction(path: str) -> tuple[str, str]:
    """``SCOPE/fw/basic_lstm_cell`` as ``SCOPE`` and ``fw``."""
    above = path.rpartition("/")[0]
    both, _, way = above.rpartition("/")
    return both, way


def _inside(networks: dict[str, list[str]], scope: str | None) -> dict[str, list[str]]:
    """Those of this very name; else those that begin with it."""
    if scope is None:
        return networks
    scope = scope.strip("/")
    if scope in networks:
        return {scope: networks[scope]}
    return {name: found for name, found in networks.items() if name.startswith(f"{scope}/")}


def _nothing(
    shapes: Shapes, scope: str | None, unknown: dict[str, list[str]], known: list[str]
) -> str:
    """Why there is no network: what was found, and what was expected."""
    if "_CHECKPOINTABLE_OBJECT_GRAPH" in shapes:
        return "a checkpoint of TensorFlow 2, not 1. Load it with the Keras model that it is of"
    if unknown:
        path, names = next(iter(unknown.items()))
        found = described(names, shapes)
        return f"{path} has variables of a cell or wrapper not known here: {found}. {EXPECTED}"
    if known:
        return (
            f"no network in the scope {scope!r}. Leave it out, or take one of: {', '.join(known)}"
        )
    found = described(shapes, shapes) or "nothing"
    return f"no variables of recurrent cells; found {found}. {EXPECTED}"


def _parts(path: str, rows: list[Row], shapes: Shapes) -> list[Part]:
    """The cells of a network, lowest first.

    Raises:
        SeqlabError: see `find`.
    """
    layers: dict[int, list[Row]] = {}
    for row in rows:
        layers.setdefault(row.layer, []).append(row)
    lost = set(range(max(layers))) - set(layers)
    if lost:
        raise SeqlabError(f"{path}/cell_{min(lost)} is missing below cell_{max(layers)}. {CHECK}")
    return fitted([_part(layers[i], shapes) for i in sorted(layers)])


def _part(rows: list[Row], shapes: Shapes) -> Part:
    names = {row.end: row.name for row in rows}
    if len(names) < len(rows) or len({row.cell for row in rows}) > 1:
        raise SeqlabError(
            f"two cells in one place: {described((row.name for row in rows), shapes)}. {CHECK}"
        )
    return part(rows[0].cell, rows[0].kind, names, shapes)
