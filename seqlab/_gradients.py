"""Optimizers that take no step on a loss or gradient that is not finite; and what to say then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError
from seqlab.train_config import TrainConfig

__all__ = ["checked", "explain", "finite"]

ops = keras.ops
NOT_FINITE = "seqlab: the {} is not finite"
LARGE = 1e4  # of inputs and targets, which networks want near 1


class _Checked:
    """Checks loss and gradient's norm before any variable changes, so that the weights stay good ones.

    Attributes:
        norms: the sum of these norms, before clipping; whoever reads it begins it anew.
        there: for each variable, whether the last gradients that `gradients` gave had one of it;
            and for the loss behind them.
    """

    global_clipnorm: float | None
    there: tuple[bool, ...] = ()
    _take: Callable[[Any], None] | None = None
    _loss: Any = None

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.norms = tf.Variable(
            0.0, trainable=False
        )  # of TensorFlow: Keras counts its own as state

    @contextmanager
    def gradients(self) -> Iterator[list[Any]]:
        """Inside, Keras' training step leaves its gradients here, and its loss; nothing is applied.

        `apply_sums` takes them, added up.
        """
        found: list[Any] = []
        self._take = found.extend  # a list Keras would copy
        try:
            yield found
        finally:
            self._take, self.there = None, tuple(gradient is not None for gradient in found)

    def scale_loss(self, loss: Any) -> Any:
        """Keras' own, which its training step calls with each loss; the loss is noted."""
        self._loss = loss
        return super().scale_loss(loss)  # type: ignore[misc]

    def apply_sums(self, sums: Any) -> Any:
        """Take a step on what `gradients` gave, of which the last is the loss."""
        *grads, self._loss = sums
        return self.apply(grads)

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """As Keras', which computes the same norm, and clips by it, in the same numbers."""
        loss, self._loss = self._loss, None
        if self._take is not None:
            return self._take([*grads, loss])
        # A gradient may be finite where its loss is not; which of the two is said, must not be chance.
        known = [] if loss is None else [_assured(loss, "loss")]
        # In one pass over the gradient, where a square and a sum take two.
        halves = [tf.nn.l2_loss(tf.convert_to_tensor(g)) for g in grads if g is not None]
        with tf.control_dependencies(known):
            norm = _assured(ops.sqrt(2.0 * ops.sum(ops.stack(halves))), "gradient")
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


def _assured(number: Any, what: str) -> Any:
    return tf.debugging.check_numerics(number, NOT_FINITE.format(what))


def checked(kind: type) -> type:
    """This kind of Keras optimizer, with the check."""
    return type(kind.__name__, (_Checked, kind), {})


@contextmanager
def finite(explained: Callable[[str], str]) -> Iterator[None]:
    """Inside, where a check fails, that is a `SeqlabError` with this explanation of what failed."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        for what in ("loss", "gradient"):
            if NOT_FINITE.format(what) in str(error):
                raise SeqlabError(explained(what)) from None
        raise


def explain(what: str, trainer: Any, part: Any, config: TrainConfig) -> str:
    """Step, batch and likely cause of what was not finite; the weights are those before it."""
    done = int(trainer.optimizer.iterations)
    epoch, row = divmod(done * config.batch, len(part))
    (chunk,) = part.training(config.batch, config.seed, [done, done + 1])
    largest = max(float(np.max(np.abs(values[0]))) for values in tf.nest.flatten(chunk))
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
