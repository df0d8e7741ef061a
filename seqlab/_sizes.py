"""What a training on series needs at least, beside what there is: known before anything is made of it."""

import os
from pathlib import Path

from seqlab.config import Config
from seqlab.errors import SeqlabError

__all__ = ["check_memory", "least_memory", "machine_memory"]

LINEAR = ("mingru", "minlstm")  # whose first layer multiplies its state by no matrix
COPIES = 3  # of each weight: itself, its gradient, the best so far
BYTES = 4  # of a float32
MADE = (
    2 * 100
)  # bytes for a row of each made-up series, which is two windows long, while it is made
GROUP = Path("/sys/fs/cgroup/memory.max")  # of a container


def check_memory(config: Config) -> None:
    """Refuse sizes that cannot be trained here, whatever the data are.

    Raises:
        SeqlabError: naming them, and how much they need.
    """
    least, have = least_memory(config), machine_memory()
    if have is not None and least > have:
        model, data = config.model, config.data
        more = f" and {data.synthetic} synthetic series" if data.synthetic else ""
        raise SeqlabError(
            f"{model.layers} layers of {model.hidden} units, on batches of {config.train.batch} windows"
            f" of {data.window} rows{more}, need at least {least // 10**9} GB of memory, and"
            f" {have // 10**9} are here. Use a smaller --hidden, --layers, --batch or --window"
            + (", or fewer --synthetic" if data.synthetic else "")
        )


def least_memory(config: Config) -> int:
    """Bytes: of the weights between a layer's units, and of what each layer says at each step."""
    model, data, batch = config.model, config.data, config.train.batch
    squares = model.layers - (model.cell in LINEAR)
    steps = max(1, data.window // (model.segment or 1)) if data.layout == "steps" else 1
    outputs = batch * (data.window + steps * model.hidden * model.layers)
    made = MADE * data.synthetic * (data.window + data.horizon + (data.season or 0))
    return BYTES * (COPIES * squares * model.hidden**2 + outputs) + made


def machine_memory() -> int | None:
    """Bytes that this machine, or container, has; None where that cannot be known."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    try:
        return min(there, int(GROUP.read_text()))
    except (OSError, ValueError):  # no container, or one without a bound
        return there
