"""What the trainer is given for a run: a model, its loss, and what else is measured of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab import _first_network, _parts, cnn, losses, models, naive
from seqlab._labelled_images import ImageSplit
from seqlab._tensorflow import keras
from seqlab.config import Config
from seqlab.datasets import PanelSplit, Split
from seqlab.image_config import IMAGE_SETS

__all__ = ["Task", "set_threads", "task"]

BATCH = 128  # up to which the threads of a small network were measured


@dataclass(frozen=True)
class Task:
    """A model before its training.

    Attributes:
        model: from the inputs of a batch to its outputs.
        loss: of Keras.
        metrics: of Keras, taken beside the loss.
    """

    model: Any
    loss: Any
    metrics: tuple[str, ...] = ()


def set_threads(config: Config) -> None:
    """Set this process to what suits the network of a config, before its first computation."""
    if config.kind == "series":  # whose operations are small
        _parts.set_threads(8 * config.model.hidden**2)
    elif _small(config):
        _parts.set_threads(_parts.WEIGHTS)


def _small(config: Config) -> bool:
    """Whether a network of images is small, as are the images and the batch that it was measured with."""
    known = config.model.base is None and config.data.source in IMAGE_SETS
    return known and config.train.batch <= BATCH and cnn.NETWORKS[config.model.network].small


def task(config: Config, data: Any, steps: int) -> Task:
    """The task of a config.

    Args:
        config: of the run.
        data: its parts.
        steps: how long it is trained.

    Raises:
        SeqlabError: a network that does not fit the data.
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.train.precision)
    try:
        return TASKS[config.kind](config, data, steps)
    finally:
        keras.config.set_dtype_policy(usual)


def _series(config: Config, data: Split | PanelSplit, steps: int) -> Task:
    facts = models.Facts(
        data.encoding.sizes,
        len(data.parts),
        data.parts[0].series.season or 1,
        steps,
        config.data.short == "pad",
    )
    model = models.build(config.model, data.train.input_shape, config.data.ahead, facts)
    if config.model.model == "smoothed" and facts.season > 1:
        factors = [_factors(part.train.known, facts.season) for part in data.parts]
        model.get_layer("smoothed").start_factors(np.stack(factors))
    _, loss = losses.head(config.model.loss, **config.model.loss_options)
    return Task(model, loss)


def _factors(values: np.ndarray, season: int) -> np.ndarray:
    """What seasonal factors begin at, ``[season]``: of padded series, which are too short, at ones."""
    if len(values) < 2 * season:
        return np.ones(season)
    return naive.seasonal_indices(values, season)


def _images(config: Config, data: ImageSplit, _: int) -> Task:
    network, shape, classes = config.model, data.train.input_shape, data.train.classes
    if network.base is not None:
        model = _first_network.build(config, shape, classes)
    else:
        model = cnn.build(network.network, shape, len(classes), **network.options)
    return Task(model, losses.SparseCrossEntropy(network.label_smoothing), ("accuracy",))


TASKS: Mapping[str, Callable[[Config, Any, int], Task]] = MappingProxyType(
    {"series": _series, "images": _images}
)
