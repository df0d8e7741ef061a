"""Distributions that a network can forecast, given their parameters: the half that needs no TensorFlow.

Parameters are arrays ``[..., M]``, one after the other in the last axis, in the order of `parameters`.
The other half, what a network is trained with, is in `seqlab.losses`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError

__all__ = [
    "LIKELIHOODS",
    "Gaussian",
    "Likelihood",
    "NegativeBinomial",
    "StudentT",
    "check_levels",
]


class Likelihood(ABC):
    """A family of distributions over one value per step.

    Attributes:
        name: in `LIKELIHOODS`.
        parameters: name of each of the M parameters, and the bound that it stays above; None if free.
    """

    name: str
    parameters: Mapping[str, float | None]

    @property
    def size(self) -> int:
        """M, the numbers per step that a network gives."""
        return len(self.parameters)

    def mean(self, parameters: np.ndarray) -> np.ndarray:
        """The mean: ``[..., M]`` to ``[...]``, float64. In all families here it is the first number."""
        return self._parts(parameters)[0]

    def quantile(self, parameters: np.ndarray, levels: Iterable[float]) -> np.ndarray:
        """The values that are not exceeded at these levels: ``[..., M]`` to ``[..., Q]``, float64.

        Args:
            parameters: ``[..., M]``.
            levels: Q probabilities, rising, each between 0 and 1.
        """
        parts = (part[..., None] for part in self._parts(parameters))
        return self._quantile(np.array(check_levels(levels)), *parts)

    def sample(
        self, parameters: np.ndarray, count: int, seed: int | np.random.Generator
    ) -> np.ndarray:
        """Independent draws: ``[..., M]`` to ``[count, ...]``, float64.

        Args:
            parameters: ``[..., M]``.
            count: draws of each value.
            seed: equal seeds give equal draws; a generator goes on from where it is.
        """
        first, *rest = self._parts(parameters)
        draws = self._sample(np.random.default_rng(seed), (count, *first.shape), first, *rest)
        return draws.astype(np.float64)

    def rescale(
        self, parameters: Any, scale: Any, shift: Any = None, stack: Callable[..., Any] = np.stack
    ) -> Any:
        """Parameters ``[..., M]`` of the distribution of ``shift + scale * y``.

        Args:
            parameters: of the distribution of y.
            scale: above zero, broadcast to ``[...]``.
            shift: broadcast to ``[...]``; None for zero.
            stack: ``keras.ops.stack`` for tensors.

        Raises:
            SeqlabError: a scale that is not above zero; a shift of counts.
        """
        if _known(scale) and not np.all(np.asarray(scale) > 0):
            raise SeqlabError(f"`scale` must be above 0. Received: {np.min(scale)}")
        parts = [parameters[..., i] for i in range(self.size)]
        return stack(self._rescale(scale, shift, *parts), axis=-1)

    def _parts(self, parameters: np.ndarray) -> list[np.ndarray]:
        parameters = np.asarray(parameters, np.float64)
        if parameters.shape[-1:] != (self.size,):
            names = ", ".join(self.parameters)
            raise SeqlabError(
                f"`parameters` of {self.name} must be {names} in the last axis."
                f" Received: shape {parameters.shape}"
            )
        return [parameters[..., i] for i in range(self.size)]

    @abstractmethod
    def _quantile(self, levels: np.ndarray, *parts: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _sample(self, rng: np.random.Generator, shape: Any, *parts: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _rescale(self, scale: Any, shift: Any, *parts: Any) -> list[Any]: ...


class Gaussian(Likelihood):
    """The normal distribution: mean, and std above 0."""

    name = "gaussian"
    parameters = MappingProxyType({"mean": None, "std": 0.0})

    def _quantile(self, levels: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        mean, std = parts
        return mean + std * ndtri(levels)

    def _sample(self, rng: np.random.Generator, shape: Any, *parts: np.ndarray) -> np.ndarray:
        mean, std = parts
        return mean + std * rng.standard_normal(shape)

    def _rescale(self, scale: Any, shift: Any, *parts: Any) -> list[Any]:
        mean, std = parts
        return [_moved(mean, scale, shift), std * scale]


class StudentT(Likelihood):
    """Student's t: mean, scale above 0, and degrees of freedom above 2, so that there is a variance.

    It is ``scale ** 2 * freedom / (freedom - 2)``: the scale is not the standard deviation.
    """

    name = "student"
    parameters = MappingProxyType({"mean": None, "scale": 0.0, "freedom": 2.0})

    def _quantile(self, levels: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        mean, scale, freedom = parts
        return mean + scale * stdtrit(freedom, levels)

    def _sample(self, rng: np.random.Generator, shape: Any, *parts: np.ndarray) -> np.ndarray:
        mean, scale, freedom = parts
        return mean + scale * rng.standard_t(freedom, shape)

    def _rescale(self, scale: Any, shift: Any, *parts: Any) -> list[Any]:
        mean, spread, freedom = parts
        return [_moved(mean, scale, shift), spread * scale, freedom]


class NegativeBinomial(Likelihood):
    """Counts that vary more than Poisson's: mean above 0, and shape above 0.

    The variance is ``mean + shape * mean ** 2``. Source: Salinas et al. (2020), section 3.2: their mu
    and alpha. Draws are Poisson with a rate from a gamma distribution.
    """

    name = "negative_binomial"
    parameters = MappingProxyType({"mean": 0.0, "shape": 0.0})

    def _quantile(self, levels: np.ndarray, *parts: np.ndarray) -> np.ndarray:
        from scipy.stats import nbinom  # here, because it takes a while to load

        mean, shape = parts
        return nbinom.ppf(levels, 1 / shape, 1 / (1 + shape * mean))

    def _sample(self, rng: np.random.Generator, shape: Any, *parts: np.ndarray) -> np.ndarray:
        mean, form = parts
        return rng.poisson(rng.gamma(1 / form, form * mean, shape))

    def _rescale(self, scale: Any, shift: Any, *parts: Any) -> list[Any]:
        """As Salinas et al. (2020), section 3.3: a choice, for a count times a number is no count."""
        if shift is not None and not (_known(shift) and not np.any(shift)):
            raise SeqlabError(
                "`negative_binomial` is of counts: they can be scaled, not shifted."
                " Use a scaling without a shift, or another likelihood"
            )
        mean, shape = parts
        return [mean * scale, shape / scale**0.5]


def check_levels(levels: Iterable[float]) -> tuple[float, ...]:
    """Levels of quantiles as a tuple.

    Raises:
        SeqlabError: no levels, or not rising, or not between 0 and 1.
    """
    found = tuple(levels) if isinstance(levels, Iterable) else (levels,)
    right = isinstance(levels, Iterable) and bool(found)
    right &= all(isinstance(level, Real) and 0 < level < 1 for level in found)
    if not right or any(low >= high for low, high in pairwise(found)):
        raise SeqlabError(
            f"`levels` must rise, each above 0 and below 1, as (0.1, 0.5, 0.9). Received: {found}"
        )
    return tuple(map(float, found))


def _moved(value: Any, scale: Any, shift: Any) -> Any:
    return value * scale if shift is None else value * scale + shift


def _known(value: Any) -> bool:
    """Whether a value can be looked at now: a tensor in a graph cannot."""
    return isinstance(value, (Real, np.ndarray))


LIKELIHOODS: Mapping[str, Likelihood] = MappingProxyType(
    {kind.name: kind() for kind in (Gaussian, StudentT, NegativeBinomial)}
)
