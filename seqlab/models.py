"""Recurrent models by name, from a frozen config."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqlab import cells, losses
from seqlab._forecaster import mark_of
from seqlab._stacks import stack
from seqlab._tensorflow import keras
from seqlab.affine import Affine
from seqlab.attributes import Labels
from seqlab.autoregressive import Autoregressive
from seqlab.config import COUNTS, ModelConfig
from seqlab.encoder_decoder import EncoderDecoder
from seqlab.heads import Counts, Rescale
from seqlab.segments import segmented
from seqlab.smoothed import Smoothed

__all__ = ["FORECASTERS", "MODELS", "Facts", "ModelConfig", "build", "summary"]

Shapes = tuple[int, int] | dict[str, tuple[int, ...]]
Named = Mapping[str, Any]  # tensors


@dataclass(frozen=True)
class Facts:
    """What the data say to a model beside the shapes of its inputs.

    Attributes:
        sizes: codes of each category, the 0 for what is unknown included.
        series: S.
        season: rows per season; 1 where none is known.
        steps: of the training.
        marked: whether the last past column says which rows are values, and which padding.
    """

    sizes: tuple[int, ...] = ()
    series: int = 1
    season: int = 1
    steps: int = 1000
    marked: bool = False


def build(
    config: ModelConfig, input_shape: Shapes, horizon: int = 1, facts: Facts | None = None
) -> Any:
    """A Keras model from inputs ``[B, T, D]`` to outputs ``[B, P]``, or ``[B, P, M]`` as its loss needs.

    Args:
        config: which model; see `seqlab.config.ModelConfig`.
        input_shape: (T, D); T may be None. Or the shapes of inputs by name; see
            `seqlab.covariates.Covariates.inputs`.
        horizon: P.
        facts: of the data.
    """
    facts = facts or Facts()
    if isinstance(input_shape, dict):
        inputs = {
            name: keras.Input(shape, name=name, dtype=_type(name))
            for name, shape in input_shape.items()
        }
        seen = dict(inputs)
    else:
        inputs = keras.Input(input_shape, name="window")
        seen = {"past": inputs}
    if config.model in FORECASTERS:
        outputs = _forecaster(config, horizon, facts)(seen)
    else:
        outputs = _headed(config, _embedded(seen, facts.sizes), horizon, facts.marked)
    return keras.Model(inputs, outputs, name=config.model)


def _headed(config: ModelConfig, seen: dict[str, Any], horizon: int, marked: bool) -> Any:
    """Features of the window, and the head that the loss asks for; counts in their own scale again."""

    def inside(past: Any) -> Any:
        features = MODELS[config.model](config, {**seen, "past": past}, horizon)
        head, _ = losses.head(config.loss, horizon, **config.loss_options)
        return head(features)

    if config.loss == COUNTS:
        mark = mark_of({name: tensor.shape for name, tensor in seen.items()}) if marked else None
        past, scale = Counts(mark, name="counts")(seen["past"])
        return Rescale(COUNTS)(inside(past), scale)
    if config.affine:
        affine = Affine(config.loss, name="affine")
        return affine(inside(affine(seen["past"])), back=True)
    return inside(seen["past"])


def _forecaster(config: ModelConfig, horizon: int, facts: Facts) -> Any:
    """A model that brings its own head, because it feeds on what that says, or scales it."""
    options: dict[str, Any] = {"name": config.model}
    if config.model == "encoder_decoder":
        options["forcing"] = (0, max(1, facts.steps // 2))
    elif config.model == "smoothed":
        options |= {"season": facts.season, "series": facts.series}
    return FORECASTERS[config.model](
        config,
        horizon,
        config.loss,
        loss_options=config.loss_options,
        categories=tuple(size - 1 for size in facts.sizes),
        marked=facts.marked,
        **options,
    )


def summary(model: Any) -> list[tuple[str, list[tuple[int, ...]], int]]:
    """Per layer that has weights: its name, their shapes, and how many parameters that is."""
    rows: dict[str, list[tuple[int, ...]]] = {}
    for weight in model.weights:
        rows.setdefault(weight.path.rsplit("/", 1)[0], []).append(tuple(weight.shape))
    return [(name, shapes, sum(map(_product, shapes))) for name, shapes in rows.items()]


def _stacked(config: ModelConfig, inputs: Named, horizon: int) -> Any:
    """Layers on top of each other, reading forwards."""
    _, states = cells.dynamic_rnn(stack(config, "layer"), _each_step(inputs))
    return _with_future(config, _dropped(config, states[-1][0]), inputs, horizon)


def _bidirectional(config: ModelConfig, inputs: Named, horizon: int) -> Any:
    """Two independent stacks, one of them reading backwards; their final outputs side by side."""
    stacks = stack(config, "forward"), stack(config, "backward")
    _, ends = cells.bidirectional_dynamic_rnn(*stacks, _each_step(inputs))
    end = keras.layers.Concatenate()([states[-1][0] for states in ends])
    return _with_future(config, _dropped(config, end), inputs, horizon)


def _dropped(config: ModelConfig, end: Any) -> Any:
    """The last layer's output with its dropout, which the cells' states do not have."""
    return keras.layers.Dropout(config.dropout)(end) if config.dropout else end


def _each_step(inputs: Named) -> Any:
    """The window ``[B, T, D]`` with what is known of the series at each of its steps."""
    past = inputs["past"]
    if "static" not in inputs:
        return past
    static = keras.layers.RepeatVector(past.shape[1])(inputs["static"])
    return keras.layers.Concatenate()([past, static])


def _with_future(config: ModelConfig, end: Any, inputs: Named, horizon: int) -> Any:
    """The window's last output ``[B, H]``; or ``[B, P, H]``, each step with what is known of it."""
    if "future" not in inputs:
        return end
    size = config.hidden
    steps = keras.layers.Dense(horizon * size, activation="tanh", name="steps")(end)
    steps = keras.layers.Reshape((horizon, size))(steps)
    both = keras.layers.Concatenate()([steps, inputs["future"]])
    return keras.layers.Dense(size, activation="tanh", name="with_future")(both)


def _embedded(inputs: dict[str, Any], sizes: Sequence[int]) -> dict[str, Any]:
    """With categories as learned vectors among the attributes ``[B, C]``."""
    codes = inputs.pop("categories", None)
    if codes is None:
        return inputs
    vectors = [
        Labels(size, min(50, (size + 1) // 2), name=f"category_{i}")(codes[:, i])
        for i, size in enumerate(sizes)
    ]
    found = [*([inputs["static"]] if "static" in inputs else []), *vectors]
    inputs["static"] = keras.layers.Concatenate()(found) if len(found) > 1 else found[0]
    return inputs


def _type(name: str) -> str:
    return "int32" if name in ("categories", "series", "phase") else "float32"


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


MODELS: dict[str, Callable[[ModelConfig, Named, int], Any]] = {
    "stacked": _stacked,
    "bidirectional": _bidirectional,
    "segments": segmented,
}
FORECASTERS = {
    "encoder_decoder": EncoderDecoder,
    "autoregressive": Autoregressive,
    "smoothed": Smoothed,
}
