"""Penalties on the weights of whatever network is trained; see `TrainConfig.l1` and `l2`."""

from dataclasses import dataclass
from typing import Any

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError
from seqlab.train_config import TrainConfig

__all__ = ["Penalty", "penalty"]

KERNELS = (
    "kernel",
    "projection",
)  # how names of weights end that inputs or states are multiplied by


@dataclass(frozen=True)
class Penalty:
    """``l1 * sum |w| + l2 * sum(w^2) / 2``: TensorFlow 1's meaning, as of the networks' own `l2`.

    A class, not a list: Keras would count the weights in one as the trainer's a second time.

    Attributes:
        l1: of absolute values; None for none.
        l2: of halved squares; None for none.
        weights: that it is on.
    """

    l1: float | None
    l2: float | None
    weights: tuple[Any, ...]

    def __call__(self) -> Any:
        """The penalty on the present values."""
        values = [tf.convert_to_tensor(weight) for weight in self.weights]
        sums = [] if self.l1 is None else [self.l1 * tf.reduce_sum(tf.abs(v)) for v in values]
        return tf.add_n(
            sums + ([] if self.l2 is None else [self.l2 * tf.nn.l2_loss(v) for v in values])
        )


def penalty(model: keras.Model, config: TrainConfig) -> Penalty | None:
    """What a config asks for, on the kernels of a model that learn: no biases, gains or embeddings.

    Raises:
        SeqlabError: there are none.
    """
    if config.l1 is None and config.l2 is None:
        return None
    found = tuple(v for v in model.trainable_variables if _is_kernel(v))
    if not found:
        raise SeqlabError(
            "`l1` and `l2` are for kernels, and this model has none that learn. Leave them out"
        )
    return Penalty(config.l1, config.l2, found)


def _is_kernel(weight: Any) -> bool:
    """By its name, too: biases of a GRU have two axes, and so has an embedding."""
    return len(weight.shape) > 1 and weight.name.endswith(KERNELS)
