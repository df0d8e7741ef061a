"""A run as one function from raw values to answers: scaling, network and scaling back in one graph.

Series: values ``[B, T]`` in original units to forecasts ``[B, P]`` in original units; where the network
sees more in each row, rows ``[B, T + P, 1 + C]`` of it all (`_raw_columns`). What is known of the series
as a whole is a constant. Images: bytes ``[B, height, width, C]`` to probabilities ``[B, K]``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab import preprocessing
from seqlab._graph_scaling import GraphScaler
from seqlab._plain_windows import PlainWindows
from seqlab._raw_columns import RawColumns, columns_of
from seqlab._tensorflow import tf
from seqlab._unroll import unrolled
from seqlab.runs import Run

__all__ = ["RawGraph", "of_images", "of_series", "traced"]


@dataclass(frozen=True)
class RawGraph:
    """The function, and what it takes and gives.

    Attributes:
        run: ``(model call, raw [B, ...]) -> answers [B, ...]``.
        model: of Keras.
        shape: of one raw input, without B.
        dtype: of raw inputs.
        takes: what they are called.
        gives: what the answers are called.
        columns: of the raw inputs of series.
    """

    run: Callable[[Callable[[Any], Any], Any], Any]
    model: Any
    shape: tuple[int, ...]
    dtype: str
    takes: str
    gives: str
    columns: RawColumns | None = None

    def function(self) -> Callable[[Any], Any]:
        """From raw inputs to answers, on the model's own variables and kernels."""
        return lambda raw: self.run(lambda given: self.model(given, training=False), raw)

    def spec(self, batch: int | None) -> Any:
        """Of raw inputs."""
        return tf.TensorSpec((batch, *self.shape), self.dtype, name=self.takes)


def of_series(run: Run, dtype: str, series: str | int | None = None) -> RawGraph:
    """The forecaster of a run, whose values before and after the network are of this type.

    Raises:
        SeqlabError: several series, and none is named.
    """
    from seqlab.predict import Predictor

    predictor = Predictor(run)
    window, plain = predictor.window, predictor.plain.of(series, rows=True)
    columns, scaler = columns_of(run, plain.number), GraphScaler(plain.scaler, dtype)
    table = len(columns.names) > 1

    def forecast(call: Callable[[Any], Any], raw: Any) -> Any:
        rows = raw if table else raw[:, :, None]
        values = rows[:, :window, 0]
        beside = {**columns.inputs(rows), **_repeated(plain.fixed, values)}
        outputs = call(_given(run.model, plain, scaler.inputs(values), beside))
        return scaler.restore(values, _middle(outputs, run))

    shape = (window + predictor.horizon, len(columns.names)) if table else (window,)
    takes = "rows" if table else "values"
    return RawGraph(forecast, run.model, shape, dtype, takes, "forecast", columns)


def of_images(run: Run) -> RawGraph:
    """The classifier of a run, the scaling of its training included."""
    prepare = preprocessing.evaluation(run.config.data.augmentation)

    def classify(call: Callable[[Any], Any], images: Any) -> Any:
        return tf.nn.softmax(tf.cast(call(prepare(images)), tf.float32))

    shape = tuple(run.model.input_shape[1:])
    return RawGraph(classify, run.model, shape, "uint8", "images", "probabilities")


def traced(graph: RawGraph, batch: int | None) -> Any:
    """Its concrete function without variables, loops and kernels; weights are constants, once each."""
    model = graph.model
    trained, fixed = ([np.asarray(v) for v in some] for some in _variables(model))

    def whole(raw: Any) -> Any:
        weights = [[tf.constant(w) for w in some] for some in (trained, fixed)]
        return graph.run(
            lambda given: model.stateless_call(*weights, given, training=False)[0], raw
        )

    with unrolled(), _no_calls():
        return tf.function(whole, autograph=False).get_concrete_function(graph.spec(batch))


@contextmanager
def _no_calls() -> Iterator[None]:
    """Functions inside the function, such as Keras' grouped convolutions, leave operations here."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _variables(model: Any) -> tuple[Any, Any]:
    return model.trainable_variables, model.non_trainable_variables


def _given(model: Any, plain: PlainWindows, scaled: Any, beside: dict[str, Any]) -> Any:
    """The model's inputs; the truth, which is read in training alone, is zeros."""
    if not plain.named:
        return scaled if plain.layout == "steps" else tf.transpose(scaled, (0, 2, 1))
    made = {**beside, "past": scaled}
    if "past" in beside:  # without a first season that is seen through changes alone
        made["past"] = tf.concat([scaled, beside["past"][:, -scaled.shape[1] :]], axis=-1)
    if any(tensor.name == "truth" for tensor in model.inputs):
        made["truth"] = tf.zeros((tf.shape(scaled)[0], model.output_shape[1]))
    return made


def _repeated(fixed: dict[str, np.ndarray], values: Any) -> dict[str, Any]:
    """What is known of the series, ``[1, ...]``, for each window ``[B, T]``."""
    batch = tf.shape(values)[:1]
    return {
        name: tf.tile(array, tf.concat([batch, np.ones(array.ndim - 1, np.int32)], 0))
        for name, array in fixed.items()
    }


def _middle(outputs: Any, run: Run) -> Any:
    """One number a step: itself, the quantile nearest the median, or the mean, which is the first."""
    if outputs.shape.rank == 2:
        return outputs
    config = run.config.model
    if config.loss != "quantile":
        return outputs[..., 0]
    return outputs[..., int(np.abs(np.asarray(config.levels) - 0.5).argmin())]
