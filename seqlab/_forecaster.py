"""What the forecasting models share: their inputs, their head, and steps on what they said before."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from seqlab import losses
from seqlab._loop import output_size, stepper
from seqlab._tensorflow import keras, tf
from seqlab._unroll import array, repeat
from seqlab.attributes import Attributes
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError, check_choice, check_positive
from seqlab.heads import Parameters, Quantiles, Rescale, scale_of_counts

__all__ = ["Forecaster", "at_each_step", "mark_of", "roll"]

ops = keras.ops
INPUTS = {"past": 3, "future": 3, "static": 2, "categories": 2, "series": 1, "phase": 1, "truth": 2}


class Forecaster(keras.Model):
    """A network from a dict of inputs to forecasts ``[B, P]``, or ``[B, P, M]``; see docs/models.md.

    A subclass gives `build` and `call`. Everything but the cells is computed in float32.

    Args:
        network: cell, layers, hidden and dropout; its `model` is not looked at.
        horizon: P.
        loss: a name in `losses.LOSSES` that the model can use.
        loss_options: of that loss.
        categories: for each column of ``categories``, how many codes it has; see `Attributes`.
        marked: whether the last column of ``past`` before those of ``future`` is 1 in rows of values, and
            0 in padding, which stands before them and repeats the first.
        kwargs: of Keras' layers.

    Attributes:
        criterion: the loss to compile with.

    Raises:
        SeqlabError: sizes, names or options that cannot be used; when called, inputs of other shapes.
    """

    legal_losses: tuple[str, ...] = tuple(losses.LOSSES)
    at_once = False  # whether the head is given one ``[B, H]`` for all steps

    def __init__(
        self,
        network: ModelConfig,
        horizon: int,
        loss: str = "mae",
        *,
        loss_options: Mapping[str, Any] | None = None,
        categories: Iterable[int] = (),
        marked: bool = False,
        **kwargs: Any,
    ) -> None:
        check_positive("horizon", horizon)
        check_choice("loss", loss, self.legal_losses)
        super().__init__(autocast=False, **kwargs)
        self.network = network
        self.horizon = horizon
        self.marked = marked
        self.loss_name = loss
        self.loss_options = dict(loss_options or {})
        self.head, self.criterion = losses.head(
            loss, horizon if self.at_once else None, **self.loss_options
        )
        self.rescale = Rescale(loss) if isinstance(self.head.finish, Parameters) else _same
        self.attributes = Attributes(categories, name="attributes")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Check the shapes, before Keras writes its own text around every error."""
        self.check({name: values.shape for name, values in _as_dict(inputs).items()})
        return super().__call__(inputs, *args, **kwargs)

    def check(self, shapes: Mapping[str, Any]) -> None:
        """Refuse inputs of shapes that the model cannot take."""
        _check_ranks(shapes)
        for name in ("future", "truth"):
            if name in shapes and shapes[name][1] not in (self.horizon, None):
                raise SeqlabError(
                    f"`{name}` must hold the {self.horizon} steps of the horizon."
                    f" Received: {shapes[name][1]}"
                )
        if self.known(shapes) >= shapes["past"][-1]:
            raise SeqlabError(
                "the columns of `future` must be the last ones of `past`, behind the target."
                f" Received: {self.known(shapes)} in `future`, {shapes['past'][-1]} in `past`"
            )
        if self.marked and self.known(shapes) + 1 >= shapes["past"][-1]:
            raise SeqlabError(
                "`past` must have a column that marks values, behind the target. Received:"
                f" {shapes['past'][-1]} columns, {self.known(shapes)} of them in `future`"
            )
        columns = shapes["categories"][1] if "categories" in shapes else 0
        if columns != len(self.attributes.categories):
            raise SeqlabError(
                "`categories` must say how many codes each column of categories has."
                f" Received: {list(self.attributes.categories)} for {columns} columns"
            )

    @staticmethod
    def known(shapes: Mapping[str, Any]) -> int:
        """F, the features that are known ahead."""
        return shapes["future"][-1] if "future" in shapes else 0

    def build_ends(self, shapes: Mapping[str, Any], features: int) -> int:
        """Make the attributes' tables and the head for H `features`; returns the attributes' columns."""
        self.attributes.build(None)
        self.head.build((None, features) if self.at_once else (None, self.horizon, features))
        return self.attributes.size(shapes)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Shapes alone, so that building a model traces nothing."""
        del training
        shape = (inputs["past"].shape[0], self.horizon)
        finish = self.head.finish
        return keras.KerasTensor((*shape, finish.size) if finish else shape, "float32")

    def ahead(self, inputs: Mapping[str, Any], about: Any) -> Any:
        """What is known of the steps ahead: ``future`` and the attributes, ``[B, P, F + C]``."""
        steps = ops.repeat(about[:, None], self.horizon, axis=1)
        if "future" not in inputs:
            return steps
        return ops.concatenate([ops.cast(inputs["future"], "float32"), steps], axis=-1)

    def middle(self, outputs: Any) -> Any:
        """One number per step of outputs: itself, the quantile nearest the median, or the mean."""
        finish = self.head.finish
        if finish is None:
            return outputs
        return outputs[..., finish.middle if isinstance(finish, Quantiles) else 0]

    @property
    def counts(self) -> bool:
        """Whether targets are counts, which the network sees scaled, and its likelihood does not."""
        return self.loss_name == "negative_binomial"

    def mark(self, inputs: Mapping[str, Any]) -> int | None:
        """Which column of ``past`` tells values from padding; None where there is no padding."""
        shapes = {name: values.shape for name, values in inputs.items()}
        return mark_of(shapes) if self.marked else None

    def scale(self, inputs: Mapping[str, Any]) -> Any:
        """What the target is divided by inside, ``[B, 1]``: of counts, one more than the window's mean.

        Source: Salinas et al. (2020), section 3.3. All else is scaled before it comes here.
        """
        past = ops.cast(inputs["past"], "float32")
        if self.counts:
            return scale_of_counts(past, self.mark(inputs))
        return ops.ones_like(past[:, :1, 0])

    def finished(self, hidden: Any, scale: Any) -> Any:
        """Hidden values ``[B, P, H]`` to outputs, of counts in original units."""
        outputs = self.head(hidden)
        return self.rescale(outputs, scale) if self.counts else outputs

    def truth(self, inputs: Mapping[str, Any]) -> Any:
        """The targets ``[B, P]``, which training needs as inputs, too."""
        if "truth" not in inputs:
            raise SeqlabError(
                f"`{self.name}` takes its targets as inputs, too, while it is trained: give them as"
                " inputs['truth']"
            )
        return ops.cast(inputs["truth"], "float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **keras.layers.Layer.get_config(self),
            "network": dataclasses.asdict(self.network),
            "horizon": self.horizon,
            "loss": self.loss_name,
            "loss_options": dict(self.loss_options),
            "categories": list(self.attributes.categories),
            "marked": self.marked,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Forecaster":
        """Undo `get_config`."""
        del custom_objects
        return cls(**{**config, "network": ModelConfig(**config["network"])})


def mark_of(shapes: Mapping[str, Any]) -> int:
    """The column of ``past`` that tells values from padding: the last before those known ahead."""
    return int(shapes["past"][-1]) - Forecaster.known(shapes) - 1


def at_each_step(values: Any, about: Any) -> Any:
    """Attributes ``[B, C]`` behind the features ``[B, T, D]`` of every step, in float32."""
    steps = ops.repeat(about[:, None], ops.shape(values)[1], axis=1)
    return ops.concatenate([ops.cast(values, "float32"), steps], axis=-1)


def roll(
    cell: Any,
    first: Any,
    features: Any,
    states: Any,
    feed: Callable[[Any, Any], Any],
    training: bool = False,
) -> Any:
    """Step a cell through the horizon, where each step's input is made from the output before it.

    Args:
        cell: built for inputs of one fed value and C features.
        first: what the first step is fed, ``[B]``.
        features: ``[B, P, C]``.
        states: the state to begin with.
        feed: ``(t, output [B, H]) -> [B]``: what is fed at step t + 1.
        training: whether dropout is on.

    Returns:
        Outputs ``[B, P, H]``, and all that was fed, behind each step: ``[B, P]``.
    """
    xs = ops.swapaxes(features, 0, 1)
    steps = tf.shape(xs)[0]
    run = stepper(cell, tf.shape(first)[0], training)
    rows = first.shape[0]
    hidden = array(cell.compute_dtype, steps, (rows, output_size(cell)))
    fed = array(first.dtype, steps, (rows,))

    def step(t: Any, previous: Any, states: Any, hidden: Any, fed: Any) -> tuple[Any, ...]:
        inputs = tf.concat([previous[:, None], xs[t]], axis=-1)
        output, states = run(inputs, states)
        value = tf.ensure_shape(feed(t, output), (rows,))
        return t + 1, value, states, hidden.write(t, output), fed.write(t, value)

    start = (0, first, states, hidden, fed)
    *_, hidden, fed = repeat(xs, step, start)
    return tuple(ops.swapaxes(made.stack(), 0, 1) for made in (hidden, fed))


def _same(outputs: Any, *_: Any) -> Any:
    return outputs


def _as_dict(inputs: Any) -> Mapping[str, Any]:
    if not isinstance(inputs, Mapping) or "past" not in inputs:
        what = sorted(inputs) if isinstance(inputs, Mapping) else type(inputs).__name__
        raise SeqlabError(
            f"`inputs` must be a dict with at least `past` [B, T, D]. Received: {what}"
        )
    return inputs


def _check_ranks(shapes: Mapping[str, Any]) -> None:
    for name, shape in shapes.items():
        if name not in INPUTS:
            raise SeqlabError(
                f"`inputs` may hold {', '.join(INPUTS)}. Received: {name}, which nothing would read"
            )
        if len(shape) != INPUTS[name]:
            raise SeqlabError(
                f"`{name}` must have {INPUTS[name]} axes. Received: shape {tuple(shape)}"
            )
