"""From windows in original units to forecasts in original units, compiled once."""

from typing import Any

import numpy as np

from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError
from seqlab.windows import Windows

__all__ = ["Predictor"]

BATCH = 4_096  # windows computed at once


class Predictor:
    """A trained model with its scaling around it: ``predictor(windows) -> forecasts``.

    ``model.predict`` spends a tenth of a second per call on its own machinery; this does not.
    """

    def __init__(self, model: Any, like: Windows) -> None:
        """Take the model, and any windows with the scaler that it was trained with."""
        self._like = like
        if tuple(model.input_shape[1:]) != like.input_shape:
            raise SeqlabError(
                f"the model takes {model.input_shape[1:]} and the windows are {like.input_shape}:"
                " the config does not belong to the model. Train the run again"
            )
        compiled = tf.function(lambda inputs: model(inputs, training=False))
        inputs = tf.TensorSpec((None, *like.input_shape), tf.float32)
        self._call = compiled.get_concrete_function(inputs)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Forecast ``[W, P]`` from windows ``[W, T]``, both in original units."""
        pieces = [self._piece(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
        return np.concatenate(pieces)

    def ahead(self, window: np.ndarray, steps: int) -> np.ndarray:
        """Forecast any number of steps from one window ``[T]``.

        Beyond the horizon the forecasts themselves are taken as input, P at a time.
        """
        known = np.asarray(window, np.float64)
        while len(known) < len(window) + steps:
            forecast = self(known[None, -len(window) :])[0]
            known = np.concatenate([known, forecast])
        return known[len(window) : len(window) + steps]

    def _piece(self, windows: np.ndarray) -> np.ndarray:
        outputs = self._call(self._like.network_inputs(windows)).numpy()
        return self._like.scaler.restore(windows, outputs)
