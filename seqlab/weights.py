"""A network's weights by name: what there is, and all of it as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from seqlab.errors import SeqlabError
from seqlab.runs import written

__all__ = ["Weight", "listed", "write"]


@dataclass(frozen=True)
class Weight:
    """A variable of a network.

    Attributes:
        name: ``layer/kernel``, or longer for layers inside layers.
        values: an array.
        trained: whether training moves it; the statistics of batch normalisation follow the data instead.
    """

    name: str
    values: np.ndarray
    trained: bool

    def to_json(self) -> dict[str, Any]:
        """All but the values."""
        return {
            "name": self.name,
            "shape": list(self.values.shape),
            "dtype": str(self.values.dtype),
            "trained": self.trained,
        }


def listed(model: Any) -> list[Weight]:
    """The weights of a Keras model, in its order."""
    trained = {id(variable) for variable in model.trainable_variables}
    return [Weight(v.path, np.asarray(v), id(v) in trained) for v in model.weights]


def write(weights: list[Weight], path: Path) -> Path:
    """Write names, shapes and every value, so that a float32 can be read back exactly.

    Each weight has a line ``name shape dtype trained`` (or ``fixed``), then a line of numbers for each
    row along its last axis, then an empty line.

    Raises:
        SeqlabError: the file cannot be written.
    """
    try:
        with written(path) as temporary, temporary.open("w") as file:
            for weight in weights:
                _write(weight, file)
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Use another --out"
        ) from error
    return path


def _write(weight: Weight, file: TextIO) -> None:
    state = "trained" if weight.trained else "fixed"
    shape = "x".join(map(str, weight.values.shape)) or "scalar"
    file.write(f"{weight.name} {shape} {weight.values.dtype} {state}\n")
    file.writelines(f"{row}\n" for row in _rows(weight.values))
    file.write("\n")


def _rows(values: np.ndarray) -> Iterator[str]:
    exact = "d" if values.dtype.kind in "iub" else ".17g" if values.dtype.itemsize > 4 else ".9g"
    for row in values.reshape(-1, values.shape[-1] if values.ndim else 1):
        yield " ".join([format(value, exact) for value in row.tolist()])
