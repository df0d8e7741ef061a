"""The stack of cells that a config describes."""

from typing import Any

from seqlab import cells
from seqlab.config import ModelConfig

__all__ = ["make_cell", "stack"]


def stack(config: ModelConfig, name: str, dtype: Any = None) -> Any:
    """`layers` cells on top of each other, named ``name_0``, ``name_1``, ...

    Args:
        config: which cells, how many, how wide; `dropout` is of each layer's outputs.
        name: beginning of the cells' names.
        dtype: their precision; None is Keras' own setting.
    """
    layers = [make_cell(config, f"{name}_{i}", dtype) for i in range(config.layers)]
    return cells.StackedRNNCells(layers)


def make_cell(config: ModelConfig, name: str, dtype: Any = None) -> Any:
    """One cell, with dropout where the config asks for it."""
    cell = cells.CELLS[config.cell](config.hidden, name=name, dtype=dtype)
    if config.dropout:
        return cells.DropoutWrapper(cell, output_keep_prob=1 - config.dropout)
    return cell
