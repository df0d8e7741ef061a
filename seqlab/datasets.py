"""Data for training: a series, split by time, scaled and cut into windows; and labelled sequences."""

from pathlib import Path

from seqlab.config import DataConfig
from seqlab.errors import SeqlabError
from seqlab.panel import Panel
from seqlab.scaling import Scaler
from seqlab.sequence_files import load_sequences
from seqlab.sequences import LabelledSequences, batches
from seqlab.series import NAMED, Series, airline, mackey_glass, multisine, sin, sunspots
from seqlab.splits import PanelSplit, Split, split
from seqlab.windows import Windows

__all__ = [
    "NAMED",
    "DataConfig",
    "LabelledSequences",
    "Panel",
    "PanelSplit",
    "Scaler",
    "Series",
    "Split",
    "Windows",
    "airline",
    "batches",
    "load",
    "load_sequences",
    "mackey_glass",
    "multisine",
    "sin",
    "split",
    "sunspots",
]


def load(config: DataConfig) -> Series | Panel:
    """The series that a config names: one of `NAMED`, or those of a CSV or Parquet file.

    Raises:
        SeqlabError: neither a name nor a readable file; see `seqlab.panel_tables`.
    """
    if config.source in NAMED:
        if config.target is not None or config.id is not None or config.wide:
            raise SeqlabError(
                f"{config.source!r} has one column: leave out --target, --id and --wide"
            )
        return NAMED[config.source].make()
    if "." not in Path(config.source).name and not Path(config.source).exists():
        raise SeqlabError(
            f"`DATA` must be a file or one of {', '.join(NAMED)}. Received: {config.source!r}"
        )
    from seqlab import panel_tables  # here, because pandas takes half a second to load

    return panel_tables.read(config.source, config)
