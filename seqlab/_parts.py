"""A batch in parts that run side by side: the steps of one recurrence cannot, its sequences can."""

import os
from typing import Any

from seqlab._cudnn import gpu
from seqlab._loop import sequence
from seqlab._tensorflow import tf, threads
from seqlab._unroll import unrolling
from seqlab.wrappers import bare_cells

__all__ = ["MOST", "ROWS", "cores", "run", "set_threads"]

# Measured (docs/results/train_step.md): below these, handing parts to the cores costs more than it saves.
ROWS = 16
WEIGHTS = 2**14
MOST = 4


def run(
    cell: Any, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
) -> tuple[Any, Any]:
    """As `sequence`; a large cell inside a graph with the batch in as many parts as there are cores."""
    given = {"inputs": inputs, "states": states}
    if lengths is not None:
        given["lengths"] = lengths
    given = _same_rows(given)
    parts = _parts(cell, given["inputs"].shape[0])
    made = [
        sequence(cell, p["inputs"], p["states"], p.get("lengths"), training, implementation)
        for p in (_split(given, parts) if parts > 1 else [given])
    ]
    if parts < 2:
        return made[0]
    return tf.nest.map_structure(lambda *values: tf.concat(values, axis=0), *made)


def _same_rows(given: Any) -> Any:
    """B written on every tensor, where one of them knows it: loops ask for shapes that agree."""
    flat = tf.nest.flatten(given)
    rows = next((value.shape[0] for value in flat if value.shape[0] is not None), None)
    aligned = [tf.ensure_shape(value, [rows, *value.shape[1:]]) for value in flat]
    return tf.nest.pack_sequence_as(given, aligned)


def _parts(cell: Any, rows: int | None) -> int:
    """One where there is nothing to gain: eagerly, unrolled, on a GPU, for small cells and batches."""
    ours = all(hasattr(bare, "sequence") for bare in bare_cells(cell))
    alone = tf.executing_eagerly() or unrolling() or gpu()
    if alone or not ours or cell.count_params() < WEIGHTS:
        return 1
    parts = min(cores(), MOST)
    return parts if rows is None else min(parts, rows // ROWS)


def _split(values: Any, parts: int) -> list[Any]:
    """Each ``[B, ...]`` of a structure cut along B; the last part takes the remainder."""
    flat = tf.nest.flatten(values)
    rows = flat[0].shape[0]
    rows = tf.shape(flat[0])[0] if rows is None else rows
    each = rows // parts
    sizes = [each] * (parts - 1) + [rows - each * (parts - 1)]
    cut = zip(*(tf.split(value, sizes, axis=0) for value in flat), strict=True)
    return [tf.nest.pack_sequence_as(values, part) for part in cut]


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(weights: int) -> None:
    """Set this process to what suits a layer of that many weights, before its first computation.

    A small layer runs on one thread, a large one with a thread per part. A machine with more cores than
    parts keeps TensorFlow's own setting, in which one operation may use many.
    """
    if weights < WEIGHTS:
        threads(1)
    elif cores() <= MOST:
        threads(cores())
