"""A new head on a trained network, behind a copy of its layers."""

from itertools import count
from typing import Any

from seqlab._pixels import PIXELS, Pixels
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_choice, check_fraction, check_positive

__all__ = ["with_head"]

POOLINGS = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Flatten,
)


def with_head(
    model: Any,
    classes: int,
    features: str | None = None,
    dropout: float = 0.0,
    pixels: str = "unit",
) -> Any:
    """A copy of a network that ends in logits of other classes; the given one stays as it is.

    The old head is the last layer with weights, and all behind it. A network without one, that ends in
    a feature map, in a pooling or in a flattening, keeps all its layers. Feature maps are averaged.

    Args:
        model: a functional or sequential Keras model with one input and one output, such as
            ``cnn.build``, a run's ``model`` or ``keras.applications`` give.
        classes: of the new head.
        features: the layer whose output the new head takes, where the rule above finds another.
        dropout: share of the features dropped in training.
        pixels: what the network was trained on, one of `PIXELS`; images come from 0 to 1.

    Raises:
        SeqlabError: another kind of model, a layer that does not exist, or numbers that cannot be.
    """
    check_positive("classes", classes)
    if classes < 2:
        raise SeqlabError(f"`classes` must be an integer from 2 on. Received: {classes!r}")
    check_fraction("dropout", dropout)
    check_choice("pixels", pixels, PIXELS)
    body = _copied(model, pixels)
    x = _layer(body, features).output if features else _features(body)
    body = keras.Model(body.input, x)  # without the old head, whose names are free again
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name=_fresh("pooled", body))(x)
    if len(x.shape) != 2:
        raise SeqlabError(
            f"a head takes feature maps or vectors, and this gives {tuple(x.shape[1:])}."
            f" Name another layer as `features`: {', '.join(one.name for one in body.layers)}"
        )
    if dropout:
        x = keras.layers.Dropout(dropout, name=_fresh("head_dropout", body))(x)
    logits = keras.layers.Dense(classes, name=_fresh("logits", body))(x)
    return keras.Model(body.input, logits, name=model.name)


def _copied(model: Any, pixels: str) -> Any:
    """The same layers anew, with the same weights, behind the layer for the pixels."""
    whole = _functional(model)
    images = keras.Input(whole.input_shape[1:], name="images")
    scaled = images
    if pixels != "unit":
        if any(isinstance(layer, Pixels) for layer in whole.layers):
            raise SeqlabError(
                f"{model.name} changes its pixels already. Leave out `pixels`: twice is once too often"
            )
        scaled = Pixels(pixels, name="pixels")(images)

    def call(layer: Any, *given: Any, **options: Any) -> Any:
        of_images = keras.tree.map_structure(
            lambda value: scaled if value is images else value, given
        )
        return layer(*of_images, **options)

    copy = keras.models.clone_model(whole, input_tensors=images, call_function=call)
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(whole.get_layer(layer.name).get_weights())
    return copy


def _functional(model: Any) -> Any:
    try:
        inputs, outputs = model.inputs, model.outputs
        if len(inputs) == len(outputs) == 1:
            return keras.Model(inputs[0], outputs[0])
    except (AttributeError, TypeError, ValueError):  # subclassed, or not built
        pass
    raise SeqlabError(
        "`model` must be a functional or sequential Keras model, built, with one input and one output"
    )


def _features(body: Any) -> Any:
    """What the old head takes, less its dropout; of a network without one its output."""
    x, headless = body.output, (*POOLINGS, keras.layers.InputLayer)
    if len(x.shape) != 2:
        return x
    layer = _giving(body, x)
    while not (layer.weights or isinstance(layer, headless)):
        x = layer.input
        layer = _giving(body, x)
    if layer.weights:
        x = layer.input
        layer = _giving(body, x)
    while isinstance(layer, keras.layers.Dropout):
        x = layer.input
        layer = _giving(body, x)
    return x


def _giving(body: Any, x: Any) -> Any:
    """The layer that gives a tensor."""
    for layer in body.layers:
        try:
            if layer.output is x:
                return layer
        except AttributeError:  # used in several places
            continue
    raise SeqlabError(
        f"where the head of {body.name} begins cannot be told. Name the layer before it as `features`:"
        f" {', '.join(layer.name for layer in body.layers)}"
    )


def _layer(body: Any, name: str) -> Any:
    check_choice("features", name, [layer.name for layer in body.layers])
    return body.get_layer(name)


def _fresh(name: str, body: Any) -> str:
    """The name, with a number if a layer has it."""
    taken = {layer.name for layer in body.layers}
    numbered = (f"{name}{i}" for i in count(2))
    return name if name not in taken else next(one for one in numbered if one not in taken)
