"""One trial of a search: train a network, and score its forecasts of the validation part."""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import interval_metrics, metrics, train
from seqlab._tensorflow import threads
from seqlab.config import Config, ModelConfig
from seqlab.datasets import Panel, PanelSplit, Series, Split, split
from seqlab.errors import SeqlabError
from seqlab.intervals import LEVELS
from seqlab.likelihoods import LIKELIHOODS
from seqlab.predict import Predictor
from seqlab.windows import Windows

__all__ = ["Tried", "measure_of", "try_config", "validation_loss"]

Tried = tuple[float, float, str]  # loss, seconds, and why there is none


def try_config(config: Config, data: Series | Panel, longest: int, parent: int) -> Tried:
    """Train one network on data without a test part, and score it; what cannot be trained has no loss.

    Args:
        config: of the network.
        data: of `seqlab.spaces.blinded`.
        longest: the longest window of the search.
        parent: the process that searches; in one of our own, TensorFlow takes one thread.
    """
    if os.getpid() != parent:
        threads(1)
    begun = time.monotonic()
    try:
        parts = split(data, config.data, config.needs)
        with tempfile.TemporaryDirectory() as folder:
            model, _ = train.fitted(config, parts, Path(folder))
        predictor = Predictor(model, parts.train, config.model)
        loss = validation_loss(predictor, parts, config, longest)
    except SeqlabError as error:
        return float("inf"), time.monotonic() - begun, str(error)
    return loss, time.monotonic() - begun, ""


def measure_of(config: Config, several: bool) -> str:
    """The name of `validation_loss`, as a person knows it."""
    names = {"mse": "RMSE", "huber": "RMSE", "asymmetric": "cost", "quantile": "quantile loss"}
    names |= dict.fromkeys(LIKELIHOODS, "CRPS") | {"mae": "MAE"}
    name = names[config.model.loss]
    if config.data.strategy == "recursive" and name in ("quantile loss", "CRPS"):
        name = "MAE"
    return f"{name} in MASE's scale" if several else name


def validation_loss(
    predictor: Any, data: Split | PanelSplit, config: Config, longest: int | None = None
) -> float:
    """What the network is trained for, of its forecasts of the validation part, in the file's units.

    The root mean squared error for squares, the mean absolute one for absolute errors, the cost, the
    quantile loss, and for likelihoods the CRPS at 19 levels. Of several series, whose units may differ,
    values are first divided by the mean change over a season in the training part, as for MASE. A network
    that runs on its own output has no distribution, so that there it is the mean absolute error.

    Args:
        predictor: of the network.
        data: its split.
        config: of the run.
        longest: of the windows that are compared: only rows that lie behind it count, for all alike.

    Raises:
        SeqlabError: forecasts that are not finite.
    """
    windows, chosen = _compared(data, config, longest or config.data.window)
    owner = windows.owner
    scale = (
        1.0 if isinstance(data, Split) or owner is None else _scales(data)[owner[chosen]][:, None]
    )
    truth = windows.raw(chosen)[1].astype(np.float64) / scale
    model = config.model
    if config.data.strategy == "recursive" or model.loss not in ("quantile", *LIKELIHOODS):
        return _of_points(model, truth, predictor(windows, chosen) / scale)
    levels = np.array(model.levels if model.loss == "quantile" else LEVELS)
    made = predictor.quantiles(windows, levels, chosen) / np.asarray(scale)[..., None]
    if model.loss == "quantile":
        return float(interval_metrics.pinball(truth, made, levels).mean())
    return interval_metrics.crps_from_quantiles(truth, made, levels)


def _of_points(model: ModelConfig, truth: np.ndarray, forecast: np.ndarray) -> float:
    if model.loss in ("mse", "huber"):
        return metrics.rmse(truth, forecast)
    if model.loss == "asymmetric":
        error = truth - forecast
        return float(np.mean(np.maximum(model.under * error, -error)))
    return metrics.mae(truth, forecast)


def _compared(data: Split | PanelSplit, config: Config, longest: int) -> tuple[Windows, np.ndarray]:
    """The validation windows as far ahead as is forecast, and those whose targets all windows have."""
    parts = [part.validation for part in data.parts if part.validation is not None]
    longer = [replace(part, horizon=config.data.horizon) for part in parts]
    windows = longer[0] if isinstance(data, Split) else Windows.joined(longer)
    skipped = [0 if part.back else longest - config.data.window for part in data.parts]
    kept = [np.arange(len(part)) >= rows for part, rows in zip(longer, skipped, strict=True)]
    return windows, np.flatnonzero(np.concatenate(kept))


def _scales(data: PanelSplit) -> np.ndarray:
    """``[S]``; that of a series which does not change over a season is its size."""
    found = [metrics.mase_scale(part.train.known, part.series.season) for part in data.parts]
    sizes = [float(np.abs(part.train.known).mean()) or 1.0 for part in data.parts]
    return np.array([scale or size for scale, size in zip(found, sizes, strict=True)])
