"""The cells of TensorFlow 1: which variables each has, and the shapes that these must have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from seqlab.errors import SeqlabError

__all__ = [
    "CHECK",
    "DIAGONALS",
    "EXPECTED",
    "KINDS",
    "PROJECTION",
    "Kind",
    "Part",
    "described",
    "fitted",
    "part",
]

Shapes = Mapping[str, tuple[int, ...]]

DIAGONALS = ("w_i_diag", "w_f_diag", "w_o_diag")
PROJECTION = "projection/kernel"


@dataclass(frozen=True)
class Kind:
    """A cell of TensorFlow 1: its class, the gates in its first kernel, the ends of its names."""

    name: str
    gates: int
    needed: tuple[str, ...] = ("kernel", "bias")
    optional: tuple[str, ...] = ()


GATED = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
KINDS = {
    "basic_rnn_cell": Kind("BasicRNNCell", 1),
    "basic_lstm_cell": Kind("BasicLSTMCell", 4),
    "lstm_cell": Kind("LSTMCell", 4, optional=(*DIAGONALS, PROJECTION)),
    "gru_cell": Kind("GRUCell", 2, GATED),
}
EXPECTED = (
    "Expected BasicRNNCell, BasicLSTMCell, LSTMCell or GRUCell under the names that dynamic_rnn and"
    " MultiRNNCell give: rnn/basic_lstm_cell/kernel, say"
)
CHECK = "Check that the checkpoint is whole, and all of it of one model"


@dataclass(frozen=True)
class Part:
    """The variables of one cell.

    Attributes:
        path: what their names have in common: ``rnn/multi_rnn_cell/cell_0/lstm_cell``.
        kind: which cell it is.
        names: their names, by end: ``kernel``, ``gates/bias``.
        shapes: their shapes, by end.
    """

    path: str
    kind: Kind
    names: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    @property
    def units(self) -> int:
        """H."""
        return self.shapes[self.kind.needed[0]][1] // self.kind.gates

    @property
    def outputs(self) -> int:
        """The size of the projection; without one H."""
        return self.shapes[PROJECTION][1] if PROJECTION in self.shapes else self.units

    @property
    def features(self) -> int:
        """D: a kernel has the rows of the input, then those of the cell's last output."""
        return self.shapes[self.kind.needed[0]][0] - self.outputs


def part(path: str, kind: Kind, names: dict[str, str], shapes: Shapes) -> Part:
    """One cell, complete and with shapes that fit each other.

    Raises:
        SeqlabError: a variable is missing, or has a shape that it cannot have.
    """
    peepholes = DIAGONALS if set(DIAGONALS) & set(names) else ()
    lost = [end for end in (*kind.needed, *peepholes) if end not in names]
    if lost:
        found = described(names.values(), shapes)
        raise SeqlabError(f"{path}/{lost[0]} is missing beside {found}. {CHECK}")
    made = Part(path, kind, names, {end: shapes[name] for end, name in names.items()})
    _check_kernel(made)
    for end, right in _right_shapes(made).items():
        if made.shapes.get(end, right) != right:
            found = described([names[kind.needed[0]], names[end]], shapes)
            raise SeqlabError(f"shapes do not fit each other: {found}. {CHECK}")
    if made.features < 1:
        raise SeqlabError(
            f"{described([names[kind.needed[0]]], shapes)} has no row for an input beside those for"
            f" {made.outputs} outputs. {CHECK}"
        )
    return made


def fitted(parts: list[Part]) -> list[Part]:
    """The cells of a stack, lowest first.

    Raises:
        SeqlabError: one takes another number of features than the one below gives.
    """
    for below, above in pairwise(parts):
        if above.features != below.outputs:
            raise SeqlabError(
                f"{above.path} takes {above.features} features, {below.path} gives {below.outputs}."
                f" {CHECK}"
            )
    return parts


def described(names: Iterable[str], shapes: Shapes, limit: int = 4) -> str:
    """Variables and their shapes, the first few."""
    names = list(names)
    shown = ", ".join(f"{name} {list(shapes[name])}" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _check_kernel(made: Part) -> None:
    gates, shape = made.kind.gates, made.shapes[made.kind.needed[0]]
    if len(shape) != 2 or shape[1] == 0 or shape[1] % gates:
        name = made.names[made.kind.needed[0]]
        raise SeqlabError(
            f"{name} {list(shape)} is no kernel of a {made.kind.name}: that has a multiple of {gates}"
            f" columns. {CHECK}"
        )


def _right_shapes(made: Part) -> dict[str, tuple[int, ...]]:
    """By the kernel's, those of all variables that a cell may have."""
    rows, columns = made.shapes[made.kind.needed[0]]
    units = made.units
    return {
        "bias": (columns,),
        "gates/bias": (columns,),
        "candidate/kernel": (rows, units),
        "candidate/bias": (units,),
        **dict.fromkeys(DIAGONALS, (units,)),
        PROJECTION: (units, *made.shapes.get(PROJECTION, ())[-1:]),
    }
