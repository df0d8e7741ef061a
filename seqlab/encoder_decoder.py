"""One network reads the window, a second one writes the forecast, each step from the one before."""

from collections.abc import Iterable, Mapping
from typing import Any

from seqlab import cells
from seqlab._forecaster import Forecaster, at_each_step, roll
from seqlab._stacks import stack
from seqlab._tensorflow import keras, tf
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError

__all__ = ["EncoderDecoder"]

ops = keras.ops


@keras.saving.register_keras_serializable("seqlab")
class EncoderDecoder(Forecaster):
    """An encoder over ``past``, and a decoder that begins with its final states.

    The decoder's input at a step is the target before it, and what is known of the step: ``future``,
    ``static`` and ``categories``. In a forecast the target before is the decoder's own: the number
    forecast, the quantile nearest the median, or the mean. In training it is the truth with a
    probability that falls from batch to batch (scheduled sampling), drawn for each sequence and step;
    gradients go back through what it is fed of its own. While the probability is 1 the decoder runs as
    one sequence, by the kernels.

    Counts (`negative_binomial`) come unscaled; the network sees them over one plus the window's mean.

    Sources: Sutskever et al. (2014), Cho et al. (2014); for scheduled sampling Bengio et al. (2015),
    their linear decay.

    Args:
        network: cell, layers, hidden and dropout, of encoder and decoder each.
        horizon: P.
        loss: any of `losses.LOSSES`.
        forcing: (begin, end): batches after which the probability of the truth begins to fall from 1,
            and after which it is 0. (0, 0) never shows the truth; None always does.
        loss_options: of the loss.
        categories: see `Attributes`.
        kwargs: of Keras' layers.

    Raises:
        SeqlabError: see `Forecaster`; in training, no ``truth``.
    """

    def __init__(
        self,
        network: ModelConfig,
        horizon: int,
        loss: str = "mae",
        *,
        forcing: Iterable[int] | None = (0, 1000),
        loss_options: Mapping[str, Any] | None = None,
        categories: Iterable[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            network, horizon, loss, loss_options=loss_options, categories=categories, **kwargs
        )
        self.forcing = _checked_forcing(forcing)
        self.supports_jit = (
            forcing is None
        )  # XLA takes no loop inside a condition; Keras then leaves it out
        policy = self.dtype_policy
        self.encoder = cells.DynamicRNN(stack(network, "encoder", policy), name="encoder")
        self.decoder = cells.DynamicRNN(stack(network, "decoder", policy), name="decoder")
        self.seeds = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Make all weights, and the count of batches that were trained on."""
        about = self.build_ends(input_shape, self.network.hidden)
        self.encoder.build((None, None, input_shape["past"][-1] + about))
        self.decoder.build((None, self.horizon, 1 + self.known(input_shape) + about))
        self.batches = self.add_weight(
            name="batches", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    @property
    def truth_probability(self) -> Any:
        """With which the next batch of a training is shown the truth, at each step."""
        if self.forcing is None:
            return ops.ones(())
        begin, end = self.forcing
        left = ops.cast(end - self.batches, "float32") / max(1, end - begin)
        return ops.clip(left, 0.0, 1.0)

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """The forecast ``[B, P]`` or ``[B, P, M]``."""
        past = ops.cast(inputs["past"], "float32")
        scale = self.scale(inputs)
        target = past[:, :, :1] / scale[:, :, None]
        about = self.attributes(inputs)
        past = at_each_step(ops.concatenate([target, past[:, :, 1:]], axis=-1), about)
        _, states = self.encoder(past, training=training)
        begin = (target[:, -1, 0], self.ahead(inputs, about), states)
        if not training:
            return self.finished(self._rolled(*begin), scale)
        return self.finished(self._trained(*begin, self.truth(inputs) / scale), scale)

    def _trained(self, first: Any, features: Any, states: Any, truth: Any) -> Any:
        """Hidden values ``[B, P, H]``, and one batch counted."""
        probability = self.truth_probability
        self.batches.assign_add(1)

        def shown() -> Any:
            fed = ops.concatenate([first[:, None], truth[:, :-1]], axis=1)
            inputs = ops.concatenate([fed[:, :, None], features], axis=-1)
            return self.decoder(inputs, initial_state=states, training=True)[0]

        def mixed() -> Any:
            drawn = keras.random.uniform(ops.shape(truth), seed=self.seeds)
            return self._rolled(first, features, states, truth, drawn < probability)

        if self.forcing is None:
            return shown()
        return tf.cond(probability >= 1, shown, mixed)

    def _rolled(
        self, first: Any, features: Any, states: Any, truth: Any = None, show: Any = None
    ) -> Any:
        """Hidden values of steps on their own output, or on the truth ``[B, P]`` where `show` is true."""

        def feed(t: Any, output: Any) -> Any:
            own = self.middle(self.head(output[:, None]))[:, 0]
            return own if truth is None else tf.where(show[:, t], truth[:, t], own)

        training = truth is not None
        return roll(self.decoder.cell, first, features, states, feed, training)[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        forcing = None if self.forcing is None else list(self.forcing)
        return {**super().get_config(), "forcing": forcing}


def _checked_forcing(forcing: Any) -> tuple[int, int] | None:
    if forcing is None:
        return None
    found = tuple(forcing) if isinstance(forcing, Iterable) else (forcing,)
    right = len(found) == 2 and all(type(batches) is int for batches in found)
    if not right or not 0 <= found[0] <= found[1]:
        raise SeqlabError(
            "`forcing` must be two numbers of batches that do not fall, as (0, 1000), or None."
            f" Received: {forcing!r}"
        )
    return found[0], found[1]
