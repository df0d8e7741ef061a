"""What a run of images is made of: the set, and the network; frozen values that a JSON file can hold.

This module imports nothing heavy, so that a wrong argument is refused before TensorFlow is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqlab.augmentation import CHAINS, Augmentation
from seqlab.errors import SeqlabError, check_choice, check_fraction

__all__ = ["IMAGE_SETS", "MEMORY", "NETWORKS", "PIXELS", "ImageConfig", "NetworkConfig"]

# A test holds these equal to images.CLASSES, cnn.NETWORKS and transfer.PIXELS.
IMAGE_SETS = ("digits", "mnist", "fashion-mnist", "cifar10")
NETWORKS = (
    *("mlp", "lenet5", "lenet5_book", "lenet_three", "baseline", "lenet5_sigmoid"),
    *("alexnet8", "alexnet", "vgg16", "inception10", "resnet18", "resnet_small"),
)
MEMORY = 2_000  # megabytes of a part of a folder
PIXELS = ("unit", "alexnet", "bytes", "symmetric", "standard", "caffe")


@dataclass(frozen=True)
class ImageConfig:
    """Which images, and what is done to them; see `images.load`."""

    source: str = "digits"  # one of IMAGE_SETS, or a folder with a sub-folder per class
    # Where the files of a named set are. They may move, so it does not tell two configs apart.
    data_dir: str | None = field(default=None, compare=False)
    validation: int | None = None  # images for validation, 0 for none; None: see images.load
    seed: int = 0  # of the choice of validation images
    size: tuple[int, int] | None = None  # (height, width) for a folder whose pictures differ
    channels: int = 3  # of a folder's pictures
    augment: str = "none"  # see augmentation.CHAINS
    # Megabytes of a part of a folder that are kept in memory. The batches are the same without.
    memory: int = field(default=MEMORY, compare=False)

    def __post_init__(self) -> None:
        if self.size is not None:  # which JSON knows as a list
            object.__setattr__(self, "size", tuple(self.size))
        check_choice("augment", self.augment, CHAINS)

    @property
    def augmentation(self) -> Augmentation:
        """What that name stands for."""
        return CHAINS[self.augment]


@dataclass(frozen=True)
class NetworkConfig:
    """A network for images: everything but the shapes, which the images decide; see `cnn.build`.

    One that begins with a trained network, its `base`, is made by `bases.of`.
    """

    network: str = "lenet5_book"
    options: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0  # see losses.SparseCrossEntropy
    base: str | None = None  # the run or file whose weights it begins with
    base_sha256: str | None = None  # of that file
    freeze: tuple[str, ...] = ()  # patterns of layers that rest
    batch_norm: bool = False  # of a base: whether batch normalisation learns
    pixels: str = "unit"  # of a base: what it was trained on

    def __post_init__(self) -> None:
        object.__setattr__(self, "freeze", tuple(self.freeze))  # which JSON knows as a list
        check_fraction("label_smoothing", self.label_smoothing)
        check_choice("pixels", self.pixels, PIXELS)
        if self.base is None:
            check_choice("network", self.network, NETWORKS)
        elif self.options:
            raise SeqlabError(
                f"a network from elsewhere has its options already. Received: {dict(self.options)}"
            )
        if self.base is None and (self.freeze or self.batch_norm or self.pixels != "unit"):
            raise SeqlabError("`freeze`, `batch_norm` and `pixels` are of a network with a `base`")

    @property
    def name(self) -> str:
        """As in the names of runs."""
        return self.network

    @property
    def about(self) -> str:
        """As in lists of runs."""
        return self.network if self.base is None else f"{self.network} from {Path(self.base).name}"
