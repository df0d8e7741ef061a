"""Optimizers that take no step on a gradient that is not finite; and what to say then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError
from seqlab.train_config import TrainConfig

__all__ = ["checked", "explain", "finite"]

ops = keras.ops
NOT_FINITE = "seqlab: the gradient is not finite"
LARGE = 1e4  # of inputs and targets, which networks want near 1


class _Checked:
    """Checks the gradient's norm before any variable changes, so that the weights stay good ones.

    Attributes:
        norms: the sum of these norms, before clipping; whoever reads it begins it anew.
        there: for each variable, whether the last gradients that `gradients` gave had one of it.
    """

    global_clipnorm: float | None
    there: tuple[bool, ...] = ()
    _take: Callable[[Any], None] | None = None

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.norms = tf.Variable(
            0.0, trainable=False
        )  # of TensorFlow: Keras counts its own as state

    @contextmanager
    def gradients(self) -> Iterator[list[Any]]:
        """Inside, Keras' training step leaves its gradients here, and nothing is applied."""
        found: list[Any] = []
        self._take = found.extend  # a list Keras would copy
        try:
            yield found
        finally:
            self._take, self.there = None, tuple(gradient is not None for gradient in found)

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """As Keras', which computes the same norm, and clips by it, in the same numbers."""
        if self._take is not None:
            return self._take(grads)
        # In one pass over the gradient, where a square and a sum take two.
        halves = [tf.nn.l2_loss(tf.convert_to_tensor(g)) for g in grads if g is not None]
        norm = tf.debugging.check_numerics(ops.sqrt(2.0 * ops.sum(ops.stack(halves))), NOT_FINITE)
        bound, self.global_clipnorm = self.global_clipnorm, None  # it is done here
        if bound:
            scale = bound * ops.minimum(1.0 / norm, 1.0 / bound)
            grads = [None if g is None else g * scale for g in grads]
        try:
            with tf.control_dependencies([norm]):
                self.norms.assign_add(tf.cast(norm, tf.float32))
                return super().apply(grads, trainable_variables)  # type: ignore[misc]
        finally:
            self.global_clipnorm = bound


def checked(kind: type) -> type:
    """This kind of Keras optimizer, with the check."""
    return type(kind.__name__, (_Checked, kind), {})


@contextmanager
def finite(explained: Callable[[], str]) -> Iterator[None]:
    """Inside, where the check fails, that is a `SeqlabError` with this explanation."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if NOT_FINITE not in str(error):
            raise
        raise SeqlabError(explained()) from None


def explain(trainer: Any, part: Any, config: TrainConfig) -> str:
    """Step, batch and likely cause of a gradient that was not finite; the weights are those before it."""
    done = int(trainer.optimizer.iterations)
    epoch, row = divmod(done * config.batch, len(part))
    (chunk,) = part.training(config.batch, config.seed, [done, done + 1])
    batch = [values[0] for values in tf.nest.flatten(chunk)]
    x, y, *weights = tf.nest.map_structure(lambda values: values[0], chunk)
    loss = trainer.test_on_batch(x, y, *weights, return_dict=True)["loss"]
    largest = max(float(np.max(np.abs(values))) for values in batch)
    what = "gradient" if np.isfinite(loss) else "loss"
    return (
        f"the {what} is not finite in step {done + 1} (batch {row // config.batch + 1} of epoch"
        f" {epoch + 1}): {_cause(largest, config)}"
    )


def _cause(largest: float, config: TrainConfig) -> str:
    if not np.isfinite(largest):
        return "the batch holds values that are not finite. Look for them in the data"
    if largest > LARGE:
        return f"the batch holds values up to {largest:.3g}. Use another --scaling"
    return f"the training diverged. Use a smaller --learning-rate than {config.learning_rate:g}"
