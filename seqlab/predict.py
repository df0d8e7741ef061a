"""From windows in original units to forecasts in original units, compiled once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seqlab._tensorflow import tf
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError
from seqlab.likelihoods import LIKELIHOODS
from seqlab.windows import Windows

__all__ = ["Predictor"]

BATCH = 4_096  # windows computed at once


class Predictor:
    """A trained model with its scaling around it: ``predictor(windows, indices) -> forecasts``.

    ``model.predict`` spends a tenth of a second per call on its own machinery; this does not.
    """

    def __init__(self, model: Any, like: Windows, config: ModelConfig | None = None) -> None:
        """Take the model, and any windows with the scaler that it was trained with.

        Args:
            model: from a run.
            like: windows of that run.
            config: of the model, which says what its outputs are; by default one number per step.

        Raises:
            SeqlabError: the windows are not those that the model takes.
        """
        self._like, self._config = like, config or ModelConfig()
        shapes = like.input_shape
        named = isinstance(shapes, dict)
        taken = {t.name: t.shape[1:] for t in model.inputs} if named else model.input_shape[1:]
        if (taken if named else tuple(taken)) != shapes:
            raise SeqlabError(
                f"the model takes {taken} and the windows are {shapes}:"
                " the config does not belong to the model. Train the run again"
            )
        compiled = tf.function(lambda inputs: model(inputs, training=False))
        specs = tf.nest.map_structure(
            lambda t: tf.TensorSpec(t.shape, t.dtype), model.input if named else model.inputs[0]
        )
        self._call = compiled.get_concrete_function(specs)

    def __call__(self, windows: Windows, indices: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Point forecasts ``[W, P]`` for these windows, in original units.

        Of a distribution it is the mean; of quantiles the one that is nearest the median.
        """
        return self._each(windows, indices, self._point)

    def quantiles(
        self, windows: Windows, levels: Sequence[float], indices: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Quantiles ``[W, P, Q]`` at these levels, in original units.

        Raises:
            SeqlabError: the model gives single numbers, or quantiles at other levels.
        """

        def chosen(outputs: np.ndarray) -> np.ndarray:
            return self._quantiles(outputs, levels)

        return self._each(windows, indices, chosen)

    def ahead(self, window: np.ndarray, steps: int) -> np.ndarray:
        """Forecast any number of steps from one window ``[T]`` of a single series.

        Beyond the horizon the forecasts themselves are taken as input, P at a time.
        """
        known = np.asarray(window, np.float64)
        size, horizon = len(window), self._like.horizon
        while len(known) < size + steps:
            values = np.concatenate([known[-size:], np.zeros(horizon)])
            tail = replace(self._like, values=values, gaps=None, starts=None, owner=None)
            known = np.concatenate([known, self(tail)[0]])
        return known[size : size + steps]

    def _each(self, windows: Windows, indices: np.ndarray | slice, read: Any) -> np.ndarray:
        """What `read` makes of the scaled outputs, in original units."""
        chosen = np.arange(len(windows))[indices]
        made = []
        for i in range(0, len(chosen), BATCH):
            piece = chosen[i : i + BATCH]
            outputs = read(self._outputs(windows.given(piece)))
            flat = outputs.reshape(*outputs.shape[:2], -1)
            levels = [windows.restore(piece, flat[..., q]) for q in range(flat.shape[2])]
            made.append(np.stack(levels, axis=-1).reshape(outputs.shape))
        return np.concatenate(made)

    def _outputs(self, given: Any) -> np.ndarray:
        if isinstance(given, dict) and self._like.beside is not None and self._like.beside.truth:
            shape = len(given["past"]), self._like.horizon
            given = {
                **given,
                "truth": np.zeros(shape, np.float32),
            }  # which is read in training alone
        return np.asarray(self._call(given))

    def _point(self, outputs: np.ndarray) -> np.ndarray:
        if outputs.ndim == 2:
            return outputs
        if self._config.loss == "quantile":
            levels = np.asarray(self._config.levels)
            return outputs[..., int(np.abs(levels - 0.5).argmin())]
        return LIKELIHOODS[self._config.loss].mean(outputs)

    def _quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        if outputs.ndim == 2:
            raise SeqlabError(
                f"a network trained with --loss {self._config.loss} gives single numbers, not quantiles."
                " Use --loss quantile or --loss gaussian, or conformal intervals"
            )
        if self._config.loss != "quantile":
            return LIKELIHOODS[self._config.loss].quantile(outputs, levels)
        known = list(self._config.levels)
        if missing := [level for level in levels if level not in known]:
            raise SeqlabError(
                f"trained for the levels {known}, not for {missing}. Train with --levels"
            )
        return outputs[..., [known.index(level) for level in levels]]
