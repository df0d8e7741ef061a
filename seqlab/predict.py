"""From windows in original units to forecasts in original units, compiled once.

``predictor(windows)`` takes cut `Windows`, with the columns that belong to them; ``predictor(values)``
takes plain arrays, where the network sees nothing but the values; ``predictor.step`` takes one value at
a time. A predictor may be called from many threads at once: a call changes nothing in it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from seqlab._plain_windows import PlainWindows
from seqlab._tensorflow import tf
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError, check_positive, check_seed
from seqlab.likelihoods import LIKELIHOODS
from seqlab.runs import Run
from seqlab.windows import Windows

__all__ = ["Predictor"]

LEVELS = (0.025, 0.1, 0.9, 0.975)  # of the quantiles shown beside a forecast, where all can be had
DRAWS = 200  # paths, for the quantiles of a model that draws them
BATCH = 4_096  # windows computed at once
MOST_PATHS = 10**5  # of a window: of a batch that is as many rows as TensorFlow can count


class Predictor:
    """A trained model with its scaling around it, for windows, arrays or single values in turn.

    ``model.predict`` spends a tenth of a second per call on its own machinery; this does not.

    Attributes:
        horizon: P of the network itself; forecasts may go further.
        steps: of a forecast from arrays, unless told otherwise: the run's horizon, or P.
        window: T.
        plain: what arrays go through.
    """

    def __init__(
        self, model: Any, like: Windows | None = None, config: ModelConfig | None = None
    ) -> None:
        """Take a run; or a model, and any windows with the scaler that it was trained with.

        Args:
            model: a finished `Run`, which brings the other two; or a model from one.
            like: windows of that run.
            config: of the model, which says what its outputs are; by default one number per step.

        Raises:
            SeqlabError: a run that is not finished, or of images; windows that the model does not take.
        """
        names: tuple[str, ...] = ()
        steps = None
        if isinstance(model, Run):
            model.demand("series")
            steps, names = model.config.data.horizon, _names(model)
            model, like, config = model.model, model.split.train, model.config.model
        if like is None:
            raise SeqlabError("`like` must be windows that the model takes. Or give a run alone")
        self.horizon: int = model.output_shape[1]  # of the network itself
        self.steps, self.window = steps or self.horizon, like.window
        self._like = replace(like, horizon=self.horizon)
        self.plain = PlainWindows(self._like, names)
        self._config = config or ModelConfig()
        self._draw = next((one.sample for one in model.layers if hasattr(one, "sample")), None)
        shapes = self._like.input_shape
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

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the quantiles to show beside a forecast; none for single numbers."""
        if self._config.loss == "quantile":
            return tuple(self._config.levels)
        return LEVELS if self._config.loss in LIKELIHOODS else ()

    @property
    def every_level(self) -> tuple[float, ...]:
        """Levels of all its quantiles, where it has them at some levels alone; else none."""
        return tuple(self._config.levels) if self._config.loss == "quantile" else ()

    @property
    def distribution(self) -> bool:
        """Whether the network gives more than single numbers."""
        return bool(self.levels)

    def gives(self, levels: Sequence[float]) -> bool:
        """Whether it gives quantiles at these levels."""
        if self._config.loss == "quantile":
            return all(np.isclose(level, self._config.levels).any() for level in levels)
        return self.distribution

    def __call__(
        self,
        windows: Any,
        indices: np.ndarray | slice = slice(None),
        *,
        steps: int | None = None,
        series: str | int | None = None,
    ) -> np.ndarray:
        """Point forecasts in original units: ``[W, P]`` for windows.

        Of a distribution it is the mean; of quantiles the one that is nearest the median. Where the
        horizon is longer than what the network gives, it goes on from its own forecasts.

        Args:
            windows: `Windows`, whose horizon P says how far; or an array of values in original units,
                ``[T]`` for a forecast ``[steps]`` or ``[W, T]`` for ``[W, steps]``. An array is enough
                where the network was trained without columns, padding and calendar.
            indices: which of `Windows`.
            steps: for an array, how far; see `Predictor.steps`.
            series: for an array, whose it is, where several series were trained on: name or number.

        Raises:
            SeqlabError: an array of another T, or with gaps; a network that sees more in each row.
        """
        if not isinstance(windows, Windows):
            return self._from_values(windows, steps, series)
        if windows.horizon > self.horizon:
            return self._rolled(windows, np.arange(len(windows))[indices], self._point)
        return self._each(windows, indices, self._point)

    def step(
        self, value: Any, state: np.ndarray | None = None, *, series: str | int | None = None
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """One new value of a stream, and the forecast from it on; for as many streams as you like.

        A forecaster sees windows, each scaled by itself, so the state of a stream is its last T values:
        what comes back is an array to give to the next step, and to keep with ``numpy.save``.

        Args:
            value: a number, or ``[B]`` of B streams that go side by side.
            state: what the last step returned, ``[n]`` or ``[B, n]``; None begins.
            series: as for a call.

        Returns:
            The forecast ``[steps]`` or ``[B, steps]``, None until T values have come; and the state.

        Raises:
            SeqlabError: a value that is no number, or a state of other streams.
        """
        state = self.plain.pushed(value, state)
        if state.shape[-1] < self.window:
            return None, state
        return self._from_values(state, None, series), state

    def quantiles(
        self, windows: Windows, levels: Sequence[float], indices: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Quantiles ``[W, P, Q]`` at these levels, in original units.

        Raises:
            SeqlabError: the model gives single numbers, or quantiles at other levels.
        """

        def chosen(given: Any) -> np.ndarray:
            if self._draw is None:
                return self._quantiles(self._outputs(given), levels)
            paths = self._drawn_at_once(DRAWS, 0, given)  # whose steps depend on each other
            return np.moveaxis(np.quantile(paths, levels, axis=-1), 0, -1)

        return self._each(windows, indices, chosen)

    def paths(
        self,
        windows: Windows,
        count: int,
        seed: int = 0,
        indices: np.ndarray | slice = slice(None),
    ) -> np.ndarray:
        """Paths ``[W, count, P]`` that may come, in original units: each step given those before it.

        An autoregressive network draws them itself (Salinas et al., 2020). One of a single step is shown
        its own draws, one after the other, as far as the horizon goes.

        Args:
            windows: from which to go on; their horizon P says how far.
            count: paths of each window.
            seed: equal seeds give equal paths, from 0 to 2**31 - 1.
            indices: which windows.

        Raises:
            SeqlabError: a network that is of no likelihood, or gives several steps side by side.
        """
        check_positive("count", count, most=MOST_PATHS)
        check_seed(seed)
        self._check_paths()
        chosen = np.arange(len(windows))[indices]
        if self._draw is not None and windows.horizon <= self.horizon:
            made = self._each(windows, chosen, partial(self._drawn_at_once, count, seed))
            return np.moveaxis(made, -1, 1)
        each = partial(self._drawn, np.random.default_rng(seed))
        whole = self._rolled(windows, np.repeat(chosen, count), each)
        return whole.reshape(len(chosen), count, -1)

    def ahead(self, window: np.ndarray, steps: int) -> np.ndarray:
        """Forecast any number of steps from one window ``[T]`` of a single series without columns.

        Beyond the network's own steps the forecasts themselves are taken as input.
        """
        return self(window, steps=steps)

    def _from_values(self, values: Any, steps: int | None, series: Any) -> np.ndarray:
        """Forecasts ``[..., steps]`` from arrays ``[..., T]``, in as many rounds as it takes."""
        steps = self.steps if steps is None else steps
        check_positive("steps", steps)
        plain = self.plain.of(series)
        windows = plain.checked(values)
        rows = windows if windows.ndim == 2 else windows[None]
        pieces = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        made = [self._onward(plain, piece, steps) for piece in pieces]
        whole = np.concatenate(made) if made else np.empty((0, steps))
        return whole if windows.ndim == 2 else whole[0]

    def _onward(self, plain: PlainWindows, rows: np.ndarray, steps: int) -> np.ndarray:
        """Forecasts ``[B, steps]``; each round sees what the last one gave."""
        seen = rows
        while seen.shape[1] - self.window < steps:
            now = seen[:, -self.window :]
            made = plain.restored(now, self._point(plain.given(now)))
            seen = np.concatenate([seen, made], axis=1)
        return seen[:, self.window :][:, :steps]

    def _rolled(self, windows: Windows, indices: np.ndarray, read: Any) -> np.ndarray:
        """Forecasts ``[W, P]`` by as many rounds as it takes, each on what `read` made of the last."""
        pieces = [indices[i : i + BATCH] for i in range(0, len(indices), BATCH)]
        return np.concatenate([self._rounds(windows, piece, read) for piece in pieces])

    def _rounds(self, windows: Windows, indices: np.ndarray, read: Any) -> np.ndarray:
        own, rounds = self.horizon, -(-windows.horizon // self.horizon)
        copied = windows.copied(indices, rounds * own)
        values = copied.values.reshape(
            len(indices), -1
        )  # a view: what is written, the next round sees
        begins = copied.begins(slice(None))
        for done in range(windows.window, values.shape[1], own):
            now = replace(copied, starts=begins + done - windows.window, horizon=own)
            values[:, done : done + own] = self._each(now, slice(None), read)
        return values[:, windows.window :][:, : windows.horizon]

    def _each(self, windows: Windows, indices: np.ndarray | slice, read: Any) -> np.ndarray:
        """What `read` makes of the network's inputs, its scaled outputs, in original units."""
        chosen = np.arange(len(windows))[indices]
        made = []
        for i in range(0, len(chosen), BATCH):
            piece = chosen[i : i + BATCH]
            outputs = read(windows.given(piece))
            flat = outputs.reshape(*outputs.shape[:2], -1)
            levels = [windows.restore(piece, flat[..., q]) for q in range(flat.shape[2])]
            made.append(np.stack(levels, axis=-1).reshape(outputs.shape))
        return np.concatenate(made)

    def _outputs(self, given: Any) -> np.ndarray:
        if isinstance(given, dict) and self._like.beside is not None and self._like.beside.truth:
            shape = len(given["past"]), self.horizon
            given = {
                **given,
                "truth": np.zeros(shape, np.float32),
            }  # which is read in training alone
        return np.asarray(self._call(given))

    def _point(self, given: Any) -> np.ndarray:
        outputs = self._outputs(given)
        if outputs.ndim == 2:
            return outputs
        if self._config.loss == "quantile":
            levels = np.asarray(self._config.levels)
            return outputs[..., int(np.abs(levels - 0.5).argmin())]
        return LIKELIHOODS[self._config.loss].mean(outputs)

    def _check_paths(self) -> None:
        if self._config.loss not in LIKELIHOODS:
            raise SeqlabError(
                f"paths are drawn from a likelihood, and --loss {self._config.loss} is none. Train with"
                " --model autoregressive --loss gaussian, student or negative_binomial"
            )
        if self._draw is None and self.horizon > 1:
            raise SeqlabError(
                f"the network says how each of {self.horizon} steps is distributed, not how they hang"
                " together, so that it has no paths. Train with --model autoregressive, or with"
                " --strategy recursive"
            )

    def _drawn_at_once(self, count: int, seed: int, given: Any) -> np.ndarray:
        """Paths ``[B, P, count]`` of an autoregressive network, scaled."""
        return np.moveaxis(self._draw(given, count, seed), 1, -1)  # type: ignore[misc]

    def _drawn(self, rng: np.random.Generator, given: Any) -> np.ndarray:
        """One path ``[B, P]`` of each window, scaled."""
        if self._draw is not None:
            return self._drawn_at_once(1, int(rng.integers(2**31)), given)[..., 0]
        return LIKELIHOODS[self._config.loss].sample(self._outputs(given), 1, rng)[0]

    def _quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        if outputs.ndim == 2:
            raise SeqlabError(
                f"a network trained with --loss {self._config.loss} gives single numbers, not quantiles."
                " Use --loss quantile or --loss gaussian, or conformal intervals"
            )
        if self._config.loss != "quantile":
            return LIKELIHOODS[self._config.loss].quantile(outputs, levels)
        known = np.array(self._config.levels)
        if missing := [level for level in levels if not self.gives([level])]:
            raise SeqlabError(
                f"trained for the levels {known.tolist()}, not for {missing}. Train with --levels"
            )
        return outputs[..., [int(np.abs(known - level).argmin()) for level in levels]]


def _names(run: Run) -> tuple[str, ...]:
    """Of the series of a run, where there are several."""
    parts = run.split.parts
    return tuple(part.series.name for part in parts) if len(parts) > 1 else ()
