"""One network over window and horizon, whose forecast is drawn step by step from a likelihood."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab import cells
from seqlab._forecaster import Forecaster, at_each_step, roll
from seqlab._stacks import stack
from seqlab._tensorflow import keras, tf
from seqlab.config import ModelConfig
from seqlab.errors import check_positive, check_seed
from seqlab.likelihoods import LIKELIHOODS

__all__ = ["DRAWS", "Autoregressive"]

ops = keras.ops


@keras.saving.register_keras_serializable("seqlab")
class Autoregressive(Forecaster):
    """At each step: the target before it and what is known of the step, to a likelihood's parameters.

    The input at step t is the target at t - 1 (and what else ``past`` holds of that step, which in the
    horizon stays as it was last), the F features of step t that are known ahead, ``static`` and
    ``categories``. The first step of the window has no target before it and is no input.

    Training shows the truth at every step of window and horizon, in one sequence; outputs, and so the
    loss, are of the horizon alone. Windows overlap, so a loss on the window would weigh the same values
    once more; and its early steps, which have seen little, are not what is forecast.

    Without training, the outputs ``[B, P, M]`` are along one path that is fed with the means: enough to
    compare trainings by their loss, but too sure of itself, for it does not see that steps before may
    turn out otherwise. A forecast is `sample`.

    Counts (`negative_binomial`) come unscaled; the network sees them over one plus the window's mean.

    Source: Salinas et al. (2020), DeepAR.

    Args:
        network: cell, layers, hidden and dropout.
        horizon: P.
        loss: a likelihood: a name in `likelihoods.LIKELIHOODS`.
        categories: see `Attributes`.
        kwargs: of `Forecaster`.

    Raises:
        SeqlabError: see `Forecaster`; in training, no ``truth``.
    """

    legal_losses = tuple(LIKELIHOODS)

    def __init__(
        self,
        network: ModelConfig,
        horizon: int,
        loss: str = "gaussian",
        *,
        categories: Iterable[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(network, horizon, loss, categories=categories, **kwargs)
        self.steps = cells.DynamicRNN(stack(network, "layer", self.dtype_policy), name="steps")
        self._drawn: dict[Any, Callable[..., Any]] = {}

    def build(self, input_shape: Any) -> None:
        """Make all weights."""
        about = self.build_ends(input_shape, self.network.hidden)
        self.steps.build((None, None, input_shape["past"][-1] + about))

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Parameters ``[B, P, M]`` of the steps ahead."""
        window, first, features, scale = self._parts(inputs)
        if training:
            truth = self.truth(inputs) / scale
            fed = ops.concatenate([first[:, None], truth[:, :-1]], axis=1)
            horizon = ops.concatenate([fed[:, :, None], features], axis=-1)
            sequence = ops.concatenate([window, horizon], axis=1)
            hidden = self.steps(sequence, training=True)[0][:, -self.horizon :]
        else:
            _, states = self.steps(window, training=False)
            means = self._fed(lambda _, parameters: parameters[..., 0])
            hidden, _ = roll(self.steps.cell, first, features, states, means)
        return self.finished(hidden, scale)

    def sample(self, inputs: Mapping[str, Any], count: int, seed: int = 0) -> np.ndarray:
        """Paths ``[B, count, P]`` that may come, in the units of the targets.

        Each step is drawn given the draws before it. All paths run as one batch of B times count
        sequences; it is compiled once for all sizes, counts and seeds.

        Args:
            inputs: as for a forecast; ``truth`` is not looked at.
            count: paths of each sequence.
            seed: equal seeds give equal paths, from 0 to 2**31 - 1.

        Raises:
            SeqlabError: a count or a seed that cannot be used, inputs of other shapes.
        """
        check_positive("count", count)
        check_seed(seed)
        given = {name: tf.convert_to_tensor(v) for name, v in inputs.items() if name != "truth"}
        if not self.built:
            self(given)
        self.check({name: values.shape for name, values in given.items()})
        return self._compiled(given)(given, count, seed).numpy()

    def _compiled(self, given: dict[str, Any]) -> Callable[..., Any]:
        """`_paths` for inputs of these names and shapes, of any B."""
        key = tuple((name, v.dtype.name, *v.shape[1:]) for name, v in sorted(given.items()))
        if key not in self._drawn:
            shapes = {
                name: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for name, v in given.items()
            }
            numbers = [tf.TensorSpec((), tf.int32)] * 2
            self._drawn[key] = tf.function(self._paths, input_signature=[shapes, *numbers])
        return self._drawn[key]

    def _paths(self, inputs: dict[str, Any], count: Any, seed: Any) -> Any:
        window, first, features, scale = self._parts(inputs)
        _, states = self.steps(window, training=False)
        begin = keras.tree.map_structure(
            lambda v: tf.repeat(v, count, axis=0), (first, features, states, scale)
        )
        first, features, states, scale = begin

        def draw(t: Any, parameters: Any) -> Any:
            if self.counts:
                parameters = self.rescale(parameters, scale[:, 0])
            parts = tf.unstack(ops.cast(parameters, "float64"), axis=-1)
            value = DRAWS[self.loss_name](tf.stack([seed, t]), *parts)
            return ops.cast(value, "float32") / scale[:, 0]

        _, fed = roll(self.steps.cell, first, features, states, self._fed(draw))
        return tf.reshape(fed * scale, (-1, count, self.horizon))

    def _fed(self, choose: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """What `roll` feeds, from the parameters ``[B, M]`` of a step."""
        return lambda t, output: choose(t, self.head(output[:, None])[:, 0])

    def _parts(self, inputs: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
        """Inputs of the window's steps from the second on; the first fed value; features ahead; scale."""
        past = ops.cast(inputs["past"], "float32")
        about = self.attributes(inputs)
        scale = self.scale(inputs)
        past = ops.concatenate([past[:, :, :1] / scale[:, :, None], past[:, :, 1:]], axis=-1)
        own = past.shape[-1] - self.known({name: v.shape for name, v in inputs.items()})
        window = ops.concatenate([past[:, :-1, :own], past[:, 1:, own:]], axis=-1)
        held = ops.repeat(past[:, -1:, 1:own], self.horizon, axis=1)
        features = ops.concatenate([held, self.ahead(inputs, about)], axis=-1)
        return at_each_step(window, about), past[:, -1, 0], features, scale


def _gaussian(seed: Any, mean: Any, std: Any) -> Any:
    return mean + std * tf.random.stateless_normal(tf.shape(mean), seed, dtype=mean.dtype)


def _student(seed: Any, mean: Any, scale: Any, freedom: Any) -> Any:
    """A normal draw over the root of one of chi-square over its degrees of freedom."""
    normal = tf.random.stateless_normal(tf.shape(mean), seed, dtype=mean.dtype)
    half = freedom / 2
    other = tf.random.experimental.stateless_fold_in(seed, 1)
    chi_square = 2 * tf.random.stateless_gamma(tf.shape(mean), other, half, dtype=mean.dtype)
    return mean + scale * normal * tf.sqrt(freedom / chi_square)


def _negative_binomial(seed: Any, mean: Any, shape: Any) -> Any:
    """Poisson, with a rate from a gamma distribution."""
    other = tf.random.experimental.stateless_fold_in(seed, 1)
    gamma = tf.random.stateless_gamma(tf.shape(mean), other, 1 / shape, dtype=mean.dtype)
    rate = gamma * shape * mean
    return tf.random.stateless_poisson(tf.shape(mean), seed, rate, dtype=mean.dtype)


# How a compiled function draws: (seed [2], *parameters [B] each) -> [B].
DRAWS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"gaussian": _gaussian, "student": _student, "negative_binomial": _negative_binomial}
)
