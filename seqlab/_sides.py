"""The batch of a small convolutional network in parts, whose steps run side by side on the cores.

Its operations are shorter than a hand-over between threads, so one operation at a time leaves the other
cores idle (docs/results/images.md, the time beside plain Keras). How many parts there are changes what is
computed by rounding alone.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from seqlab._batch_norm import normals
from seqlab._cudnn import gpu
from seqlab._parts import MOST, ROWS, cores
from seqlab._replicas import NO_MEANS, ONE, One
from seqlab._tensorflow import keras, tf

__all__ = ["Sides", "sides"]

FEW = 2**18  # weights; adding up the gradients of more costs what the parts save


class Sides(One):
    """One device, and on it several parts of a batch, each with Keras' own step up to the gradient.

    Args:
        parts: how many.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def step(self, one_batch: Callable[[Any], Any], trainer: Any) -> Any:
        """From Keras' training step to one that takes the parts side by side."""
        alone = tf.distribute.get_replica_context().merge_call
        optimizer, batch = trainer.optimizer, trainer.batch
        edges = [part * batch // self.parts for part in range(self.parts + 1)]

        def gradients(rows: Any, begin: int, end: int) -> list[Any]:
            with optimizer.gradients() as found:
                one_batch(tf.nest.map_structure(lambda values: values[begin:end], rows))
            share = (end - begin) / batch  # a part's loss is the mean over its rows
            return [g if g is None else share * tf.convert_to_tensor(g) for g in found]

        def whole(_: Any, rows: Any) -> None:
            made = [gradients(rows, *ends) for ends in pairwise(edges)]
            pairs = zip(*made, strict=True)
            optimizer.apply_sums([None if g[0] is None else tf.add_n(g) for g in pairs])

        return lambda rows: alone(whole, args=(rows,))


def sides(model: Any, batch: int, loss: Any) -> One:
    """What a training on one device runs on: parts side by side where that is faster.

    Not where TensorFlow shares out each operation among the cores (`_parts.set_threads` has it not to),
    nor where parts would draw other random numbers, or take other statistics, than the whole batch.
    """
    shared = tf.config.threading.get_intra_op_parallelism_threads() != 1 or gpu()
    small = model.count_params() < FEW and _convolves(model)
    if shared or not small or _draws(model) or getattr(loss, "reduction", None) in NO_MEANS:
        return ONE
    most = min(cores(), MOST, batch // ROWS)
    parts = next((n for n in range(most, 1, -1) if _fits(model, batch, n)), 1)
    return ONE if parts == 1 else Sides(parts)


def _fits(model: Any, batch: int, parts: int) -> bool:
    """Whether each batch normalisation finds whole groups of its rows in every part."""
    ghosts = [getattr(layer, "ghost", None) or batch for layer in normals(model)]
    return all(batch % ghost == 0 and batch // ghost % parts == 0 for ghost in ghosts)


def _convolves(model: Any) -> bool:
    return any(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)


def _draws(model: Any) -> bool:
    return any(getattr(layer, "seed_generator", None) is not None for layer in model.layers)
