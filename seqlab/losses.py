"""What a forecaster is trained with, by name: a head for its network, and the loss to compile with.

Targets are ``[B, P]``. Point losses compare them with outputs ``[B, P]`` and average over P, as Keras'
own. The others take outputs ``[B, P, M]`` and give a loss per step, so that masks and sample weights are
``[B, P]`` (or ``[B, 1]``).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from math import log, pi
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError, check_choice, check_fraction, check_positive
from seqlab.heads import Head, Parameters, Quantiles
from seqlab.likelihoods import LIKELIHOODS, check_levels

__all__ = [
    "LOSSES",
    "Asymmetric",
    "Huber",
    "NegativeLogLikelihood",
    "Pinball",
    "SparseCrossEntropy",
    "head",
]

ops = keras.ops
LEVELS = (0.1, 0.5, 0.9)


def head(name: str, horizon: int | None = None, **options: Any) -> tuple[Head, keras.losses.Loss]:
    """The layer from a network's last values to its outputs, and the loss to compile with.

    Args:
        name: one of `LOSSES`.
        horizon: P; None where the inputs are ``[B, P, H]``, of any P.
        options: of the loss: `delta` of huber (1.0), `under` and `over` of asymmetric (10.0, 1.0),
            `levels` of quantile (0.1, 0.5, 0.9).

    Raises:
        SeqlabError: a name that does not exist, an option that the loss does not have or cannot use.
    """
    check_choice("loss", name, LOSSES)
    unknown = sorted(set(options) - set(inspect.signature(LOSSES[name]).parameters))
    if unknown:
        legal = ", ".join(inspect.signature(LOSSES[name]).parameters) or "no options"
        raise SeqlabError(f"the loss {name} takes {legal}. Received: {', '.join(unknown)}")
    finish, loss = LOSSES[name](**options)
    return Head(horizon, finish, name="head"), loss


@keras.saving.register_keras_serializable("seqlab")
class Asymmetric(keras.losses.Loss):
    """The absolute error, with a cost of its own for each sign.

    ``under * (y - f)`` where the forecast f is too small, ``over * (f - y)`` where it is too large,
    averaged over P. The best f is the quantile at the level ``under / (under + over)``. With
    ``reduction="sum"`` and P = 1 it is the book's sum.

    Args:
        under: cost of each unit that the forecast is too small.
        over: cost of each unit that it is too large.
        kwargs: of Keras' losses.
    """

    def __init__(self, under: float = 10.0, over: float = 1.0, **kwargs: Any) -> None:
        check_positive("under", under, float)
        check_positive("over", over, float)
        super().__init__(**{"name": "asymmetric", **kwargs})
        self.under = under
        self.over = over

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``[B, P]`` and ``[B, P]`` to ``[B]``."""
        _check_shapes(y_true, y_pred, ())
        short = y_true - y_pred
        return ops.mean(ops.maximum(self.under * short, -self.over * short), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "under": self.under, "over": self.over}


@keras.saving.register_keras_serializable("seqlab")
class Huber(keras.losses.Huber):
    """Keras' own, with a delta that survives a file: the config of Keras 3.15's leaves it out.

    Source: Huber (1964): squares up to delta, and straight lines beyond.

    Args:
        delta: the error at which squares end.
        kwargs: of Keras' losses.
    """

    def __init__(self, delta: float = 1.0, **kwargs: Any) -> None:
        check_positive("delta", delta, float)
        super().__init__(delta, **{"name": "huber", **kwargs})
        self.delta = delta

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "delta": self.delta}


@keras.saving.register_keras_serializable("seqlab")
class Pinball(keras.losses.Loss):
    """The quantile loss, averaged over the levels.

    ``q (y - f)`` where the forecast f of the q-quantile is too small, ``(1 - q) (f - y)`` where it is too
    large. Source: Koenker and Bassett (1978), equation 3.1.

    Args:
        levels: Q probabilities, rising, each between 0 and 1.
        kwargs: of Keras' losses.
    """

    def __init__(self, levels: Iterable[float] = LEVELS, **kwargs: Any) -> None:
        super().__init__(**{"name": "pinball", **kwargs})
        self.levels = check_levels(levels)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``[B, P]`` and ``[B, P, Q]`` to ``[B, P]``."""
        _check_shapes(y_true, y_pred, (len(self.levels),))
        levels = ops.convert_to_tensor(np.array(self.levels), y_pred.dtype)
        short = y_true[..., None] - y_pred
        return ops.mean(ops.maximum(levels * short, (levels - 1) * short), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "levels": list(self.levels)}


@keras.saving.register_keras_serializable("seqlab")
class NegativeLogLikelihood(keras.losses.Loss):
    """Minus the logarithm of the probability (or its density) of the targets.

    It is computed in float64: logarithms of the gamma function of large arguments nearly cancel.

    Args:
        likelihood: a name in `seqlab.likelihoods.LIKELIHOODS`.
        kwargs: of Keras' losses.
    """

    def __init__(self, likelihood: str, **kwargs: Any) -> None:
        check_choice("likelihood", likelihood, LIKELIHOODS)
        super().__init__(**{"name": f"{likelihood}_nll", **kwargs})
        self.likelihood = LIKELIHOODS[likelihood]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``[B, P]`` and parameters ``[B, P, M]`` to ``[B, P]``."""
        size = self.likelihood.size
        _check_shapes(y_true, y_pred, (size,))
        parts = ops.unstack(ops.cast(y_pred, "float64"), size, axis=-1)
        density = LOG_DENSITIES[self.likelihood.name](ops.cast(y_true, "float64"), *parts)
        return ops.cast(-density, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "likelihood": self.likelihood.name}


@keras.saving.register_keras_serializable("seqlab")
class SparseCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy of logits with the number of the class, of which a share may be smoothed.

    The target is ``1 - smoothing`` for the class, and ``smoothing`` spread evenly over all of them.
    Source: Szegedy et al. (2016), section 7.

    Args:
        smoothing: that share.
        kwargs: of Keras' losses.
    """

    def __init__(self, smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**{"name": "cross_entropy", **kwargs})
        check_fraction("smoothing", smoothing)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``[B]`` and ``[B, classes]`` to ``[B]``."""
        labels = ops.cast(y_true, "int32")
        right = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        if not self.smoothing:
            return right
        evenly = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.smoothing) * right + self.smoothing * evenly

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "smoothing": self.smoothing}


def _gaussian(y: Any, mean: Any, std: Any) -> Any:
    return -0.5 * (log(2 * pi) + ops.square((y - mean) / std)) - ops.log(std)


def _student(y: Any, mean: Any, scale: Any, freedom: Any) -> Any:
    half = freedom / 2
    constant = tf.math.lgamma(half + 0.5) - tf.math.lgamma(half) - 0.5 * ops.log(pi * freedom)
    tails = (half + 0.5) * ops.log1p(ops.square((y - mean) / scale) / freedom)
    return constant - ops.log(scale) - tails


def _negative_binomial(y: Any, mean: Any, shape: Any) -> Any:
    """Source: Salinas et al. (2020), section 3.2. Negative numbers have no probability."""
    failures = 1 / shape
    ways = tf.math.lgamma(y + failures) - tf.math.lgamma(y + 1) - tf.math.lgamma(failures)
    spread = shape * mean
    mass = ways + y * (ops.log(spread) - ops.log1p(spread)) - failures * ops.log1p(spread)
    return ops.where(y < 0, -float("inf"), mass)


def _check_shapes(y_true: Any, y_pred: Any, last: tuple[int, ...]) -> None:
    """Refuse what would be broadcast into a number that means something else."""
    expected, found = (*y_true.shape, *last), tuple(y_pred.shape)
    pairs = zip(expected, found, strict=False)
    differ = any(one != other and None not in (one, other) for one, other in pairs)
    if differ or len(expected) != len(found):
        raise SeqlabError(
            f"for targets {tuple(y_true.shape)} the outputs must have shape {expected}. Received: {found}"
        )


def _likelihood(name: str) -> Callable[[], tuple[Any, Any]]:
    return lambda: (Parameters(name), NegativeLogLikelihood(name))


def _quantile(levels: Iterable[float] = LEVELS) -> tuple[Any, Any]:
    levels = check_levels(levels)
    return Quantiles(levels), Pinball(levels)


def _asymmetric(under: float = 10.0, over: float = 1.0) -> tuple[Any, Any]:
    return None, Asymmetric(under, over)


def _huber(delta: float = 1.0) -> tuple[Any, Any]:
    return None, Huber(delta)


LOG_DENSITIES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"gaussian": _gaussian, "student": _student, "negative_binomial": _negative_binomial}
)
# What each takes as options, and gives: the last layer (None: the numbers as they are), and the loss.
LOSSES: Mapping[str, Callable[..., tuple[Any, Any]]] = MappingProxyType(
    {
        "mse": lambda: (None, keras.losses.MeanSquaredError()),
        "mae": lambda: (None, keras.losses.MeanAbsoluteError()),
        "huber": _huber,
        "asymmetric": _asymmetric,
        "quantile": _quantile,
        **{name: _likelihood(name) for name in LIKELIHOODS},
    }
)
