"""Layers at the end of a network: from hidden values to forecasts, quantiles or parameters."""

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import numpy as np

from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_choice, check_positive
from seqlab.likelihoods import LIKELIHOODS, check_levels

__all__ = ["FLOOR", "Counts", "Head", "Parameters", "Quantiles", "Rescale", "scale_of_counts"]

ops = keras.ops
FLOOR = 1e-5  # how far a bounded parameter stays from its bound; targets are scaled to about 1


@keras.saving.register_keras_serializable("seqlab")
class Quantiles(keras.layers.Layer):
    """Raw outputs ``[..., Q]`` to quantiles ``[..., Q]`` that cannot cross.

    The quantile nearest the median is the raw output itself. Each other one lies a positive step beyond
    its neighbour: softplus of its raw output, in units in which zeros give a normal distribution.

    Args:
        levels: Q probabilities, rising, each between 0 and 1.

    Attributes:
        middle: place of the level that is nearest to the median.
    """

    def __init__(self, levels: Iterable[float], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.levels = check_levels(levels)
        self.supports_masking = True
        self.size = len(self.levels)
        self.middle = int(np.argmin(np.abs(np.array(self.levels) - 0.5)))
        normal = [NormalDist().inv_cdf(level) for level in self.levels]
        self._units = np.diff(normal) / np.log(2)  # softplus(0) is log 2

    def call(self, inputs: Any) -> Any:
        """Steps are summed outwards from the middle; sums of positive numbers never fall."""
        at = self.middle
        middle = inputs[..., at : at + 1]
        others = ops.concatenate([inputs[..., :at], inputs[..., at + 1 :]], axis=-1)
        steps = ops.softplus(others) * ops.cast(self._units, inputs.dtype)
        above = ops.cumsum(steps[..., at:], axis=-1)
        below = ops.flip(ops.cumsum(ops.flip(steps[..., :at], axis=-1), axis=-1), axis=-1)
        return ops.concatenate([middle - below, middle, middle + above], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the inputs'."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "levels": list(self.levels)}


class _OfLikelihood(keras.layers.Layer):
    """A layer that a likelihood's name decides, computing in float32 unless told otherwise."""

    def __init__(self, likelihood: str, **kwargs: Any) -> None:
        check_choice("likelihood", likelihood, LIKELIHOODS)
        super().__init__(**{"dtype": "float32", **kwargs})
        self.likelihood = LIKELIHOODS[likelihood]
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "likelihood": self.likelihood.name}


@keras.saving.register_keras_serializable("seqlab")
class Parameters(_OfLikelihood):
    """Raw outputs ``[..., M]`` to parameters ``[..., M]`` of a likelihood.

    What has a bound becomes softplus plus the bound, and a little (`FLOOR`) more, so that a standard
    deviation never is zero.

    Args:
        likelihood: a name in `seqlab.likelihoods.LIKELIHOODS`.
    """

    @property
    def size(self) -> int:
        """M."""
        return self.likelihood.size

    def call(self, inputs: Any) -> Any:
        """Each parameter by its bound."""
        bounds = self.likelihood.parameters.values()
        parts = [
            raw if bound is None else ops.softplus(raw) + (bound + FLOOR)
            for raw, bound in zip(ops.unstack(inputs, self.size, axis=-1), bounds, strict=True)
        ]
        return ops.stack(parts, axis=-1)


@keras.saving.register_keras_serializable("seqlab")
class Rescale(_OfLikelihood):
    """``layer(parameters, scale, shift)``: parameters ``[B, P, M]`` of what is scaled back.

    With it a network sees scaled series, and the loss their values in original units.
    See `seqlab.likelihoods.Likelihood.rescale`; scale and shift are ``[B, 1]`` or ``[B, P]``.

    Args:
        likelihood: a name in `seqlab.likelihoods.LIKELIHOODS`.
    """

    def call(self, parameters: Any, scale: Any, shift: Any = None) -> Any:
        """Rescaled parameters, of the same shape."""
        return self.likelihood.rescale(parameters, scale, shift, ops.stack)


@keras.saving.register_keras_serializable("seqlab")
class Counts(keras.layers.Layer):
    """``layer(past)``: windows ``[B, T, D]``, the target over one and its mean; and that ``[B, 1]``.

    Counts go into a network scaled; their likelihood, to which `Rescale` gives the scale back, is of the
    counts themselves. Source: Salinas et al. (2020), section 3.3.

    Args:
        mark: the feature that is 1 in rows of values and 0 in padding, which has no part in the mean;
            None where there is no padding.
        kwargs: of Keras' layers.
    """

    def __init__(self, mark: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mark = mark

    def call(self, past: Any) -> tuple[Any, Any]:
        """The target is the first feature; the others stay."""
        scale = scale_of_counts(past, self.mark)
        target = past[:, :, :1] / scale[:, :, None]
        return ops.concatenate([target, past[:, :, 1:]], axis=-1), scale

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "mark": self.mark}


def scale_of_counts(past: Any, mark: int | None = None) -> Any:
    """One more than the mean of the first feature of ``[B, T, D]``, ``[B, 1]``; see `Counts`."""
    target = past[:, :, 0]
    if mark is None:
        return 1 + ops.mean(target, axis=1, keepdims=True)
    real = past[:, :, mark]
    total = ops.sum(real * target, axis=1, keepdims=True)
    return 1 + total / ops.sum(real, axis=1, keepdims=True)


@keras.saving.register_keras_serializable("seqlab")
class Head(keras.layers.Layer):
    """A dense layer, and what makes its outputs valid.

    Inputs ``[B, H]`` give all P steps at once; inputs ``[B, P, H]`` give each step from its own H
    values, with the same weights for all. Outputs are ``[B, P]``, or ``[B, P, M]`` where `finish`
    takes M numbers; they are float32 in any precision.

    Args:
        horizon: P; None takes ``[B, P, H]`` alone, of any P.
        finish: `Quantiles`, `Parameters`, or None for one number per step as it is.

    Raises:
        SeqlabError: when called, on inputs of another shape; one number per step under a mask.
    """

    def __init__(self, horizon: int | None = None, finish: Any = None, **kwargs: Any) -> None:
        if horizon is not None:
            check_positive("horizon", horizon)
        super().__init__(**{"dtype": "float32", **kwargs})
        self.horizon = horizon
        self.finish = finish
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the dense layer."""
        at_once = self._check(input_shape)
        numbers = self.finish.size if self.finish else 1
        units = numbers * self.horizon if self.horizon and at_once else numbers
        self.dense = keras.layers.Dense(units, name="dense", dtype=self.dtype_policy)
        self.dense.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Inputs ``[B, H]`` or ``[B, P, H]`` to outputs ``[B, P]`` or ``[B, P, M]``."""
        raw = self.dense(inputs)
        if self._check(inputs.shape) and self.finish:
            raw = ops.reshape(raw, (-1, self.horizon, self.finish.size))
        if self.finish:
            return self.finish(raw)
        return raw if len(raw.shape) == 2 else raw[..., 0]

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask ``[B, P]`` of the inputs; Keras' point losses take their mean before they see it."""
        del inputs
        if previous_mask is not None and self.finish is None:
            raise SeqlabError(
                "steps of a point forecast cannot be masked: Keras' losses average over them."
                " Drop the mask and weigh the samples, or forecast quantiles or a likelihood"
            )
        return previous_mask

    def _check(self, shape: Any) -> bool:
        """Whether all steps come at once."""
        at_once = len(shape) == 2 and self.horizon is not None
        per_step = len(shape) == 3 and None in (self.horizon, shape[1])
        if not at_once and not per_step and not (len(shape) == 3 and shape[1] == self.horizon):
            steps = "P" if self.horizon is None else self.horizon
            legal = f"[B, {steps}, H]" if self.horizon is None else f"[B, H] or [B, {steps}, H]"
            raise SeqlabError(f"`{self.name}` takes {legal}. Received: shape {tuple(shape)}")
        return at_once

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the last layer serialised."""
        finish = self.finish and keras.saving.serialize_keras_object(self.finish)
        return {**super().get_config(), "horizon": self.horizon, "finish": finish}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Head":
        """Undo `get_config`."""
        finish = config["finish"] and keras.saving.deserialize_keras_object(config["finish"])
        return cls(**{**config, "finish": finish})
