"""What a trained network wants its pixels to be, as the first layer of the model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from seqlab._tensorflow import keras
from seqlab.errors import check_choice
from seqlab.preprocessing import CAFFE_MEANS

__all__ = ["PIXELS", "Pixels"]

# Whether channels are reversed, then a factor and a summand for what comes from 0 to 1. The last four are
# those of `keras.applications`: see its `preprocess_input` for each network.
PIXELS: Mapping[str, tuple[bool, Any, Any]] = MappingProxyType(
    {
        "unit": (False, 1.0, 0.0),  # 0 to 1: networks of seqlab
        "alexnet": (True, 255.0, [-mean for mean in CAFFE_MEANS]),  # the .npy file
        "bytes": (False, 255.0, 0.0),  # 0 to 255: EfficientNet, ConvNeXt, MobileNetV3
        "symmetric": (False, 2.0, -1.0),  # -1 to 1: MobileNet, Inception, Xception, ResNetV2
        "standard": (  # each channel by ImageNet's mean and deviation: DenseNet
            False,
            [1 / 0.229, 1 / 0.224, 1 / 0.225],
            [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
        ),
        "caffe": (True, 255.0, [-103.939, -116.779, -123.68]),  # VGG16, VGG19, ResNet50 and so on
    }
)


@keras.saving.register_keras_serializable("seqlab")
class Pixels(keras.layers.Layer):
    """Images ``[B, height, width, C]`` from 0 to 1 as another network was trained on them."""

    def __init__(self, kind: str = "unit", **options: Any) -> None:
        """Take one of `PIXELS`.

        Raises:
            SeqlabError: there is no such kind.
        """
        super().__init__(**options)
        check_choice("pixels", kind, PIXELS)
        self.kind = kind

    def call(self, images: Any) -> Any:
        """The same images, in the other range and order of channels."""
        reverse, factor, summand = PIXELS[self.kind]
        turned = keras.ops.flip(images, axis=-1) if reverse else images
        factor, summand = (keras.ops.cast(value, turned.dtype) for value in (factor, summand))
        return turned * factor + summand

    def get_config(self) -> dict[str, Any]:
        """What `__init__` takes."""
        return {**super().get_config(), "kind": self.kind}
