"""What a training of images begins with, where that is a trained network and not a new one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqlab import bases, cnn
from seqlab._new_head import with_head
from seqlab._pixels import Pixels
from seqlab._resting import rest
from seqlab._safe_models import load_model
from seqlab._tensorflow import keras
from seqlab.config import Config
from seqlab.errors import SeqlabError

__all__ = ["build", "check_size", "of_unit", "read"]


def build(config: Config, input_shape: tuple[int, int, int], classes: Sequence[str]) -> Any:
    """The network of `seqlab.bases.of`, its head and what rests as the config says.

    Raises:
        SeqlabError: it is gone, or another than when the run began; it does not fit the images, or a
            pattern none of its layers.
    """
    network = config.model
    if bases.changed(network):
        raise SeqlabError(
            f"{network.base}: not the network that this training began with. Train again, or give it back"
        )
    bases.check(config)
    model = read(bases.file_of(Path(network.base)), input_shape)
    if bases.new_head(network, classes):
        model = with_head(model, len(classes), pixels=network.pixels)
    check_size(model, input_shape)
    rest(model, network.freeze, network.batch_norm)
    return model


def check_size(model: Any, input_shape: tuple[int, int, int]) -> None:
    """Refuse images of a size that the model does not take.

    Raises:
        SeqlabError: saying both.
    """
    takes = model.input_shape[1:]
    if any(want not in (None, has) for want, has in zip(takes, input_shape, strict=True)):
        raise SeqlabError(
            f"the network takes images of {takes}, and these are {input_shape}: give images.load (or"
            " the command) another `size` or `channels`, or build the network for them"
        )


def of_unit(path: Path) -> Any:
    """The network in AlexNet's ``.npy`` file, taking images ``[B, height, width, C]`` from 0 to 1.

    Raises:
        SeqlabError: it is damaged, or something else.
    """
    model = read(path)
    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, model(Pixels(bases.USUAL_PIXELS[path.suffix])(inputs)))


def read(path: Path, input_shape: tuple[int, int, int] | None = None) -> Any:
    """The network in a ``.keras`` file or in AlexNet's ``.npy`` file; see `seqlab.transfer.load`.

    Raises:
        SeqlabError: it is damaged, or something else.
    """
    if path.suffix == ".npy":
        return _alexnet(path, input_shape)
    if path.suffix != ".keras":
        raise SeqlabError(f"{path}: must be a run folder, a .keras file, or AlexNet's .npy file")
    try:
        return load_model(path)
    except SeqlabError as error:
        raise SeqlabError(f"{path}: {error}") from error


def _alexnet(path: Path, input_shape: tuple[int, int, int] | None) -> Any:
    model = cnn.build("alexnet", input_shape)
    try:
        cnn.load_alexnet(model, path)
    except SeqlabError as error:
        usual = cnn.build("alexnet").input_shape[1:]
        if input_shape in (None, usual):
            raise
        raise SeqlabError(
            f"{error}. Images are {input_shape} here, and the published weights take {usual}: resize"
        ) from error
    return model
