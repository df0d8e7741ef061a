"""What is done to training images at random, and how all images are scaled: frozen values.

`seqlab.preprocessing` does it. This module loads nothing heavy, so that wrong values are refused at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any

from seqlab.errors import SeqlabError

__all__ = ["CHAINS", "CHAPTER_RESNET", "DRAWS", "NONE", "Augmentation"]

DRAWS = 7  # numbers from [0, 1) for one image: flip, shift along two axes, the four colour changes
TURNS = 2  # and behind them where they are asked for, so that other chains stay as they are: angle, size


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images, whose pixels are in [0, 1], and the scaling of all images.

    Evaluation images are scaled and never changed.

    Attributes:
        flip: mirror left and right, every other image.
        shift: move by up to so many pixels along each axis; zeros come in.
        rotate: turn by up to so many degrees either way, about the centre; zeros come in.
        zoom: make larger or smaller by up to so much of the size.
        brightness: add up to so much, or take it away.
        contrast: multiply the distance from the channel's mean by a factor between these two.
        saturation: the same for the saturation.
        hue: turn the hue by up to so much of the circle, at most 0.5.
        standardise: scale each image to mean zero and variance one, at the end, in evaluation too.

    Raises:
        SeqlabError: a value that cannot be meant.
    """

    flip: bool = False
    shift: int = 0
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    hue: float = 0.0
    standardise: bool = False
    rotate: float = 0.0
    zoom: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "standardise"):
            _check(name, isinstance(getattr(self, name), bool), "true or false", self)
        shift = self.shift
        _check("shift", type(shift) is int and shift >= 0, "an integer from 0 on", self)
        _check(
            "brightness", _between(0, self.brightness, 1), "from 0 to 1, the range of pixels", self
        )
        _check("hue", _between(0, self.hue, 0.5), "from 0 to 0.5", self)
        _check("rotate", _between(0, self.rotate, 180), "from 0 to 180 degrees", self)
        _check("zoom", _between(0, self.zoom, 0.9), "from 0 to 0.9 of the size", self)
        for name in ("contrast", "saturation"):
            _check(
                name, _is_range(getattr(self, name)), "two factors from 0 on, the lower first", self
            )

    @property
    def draws(self) -> int:
        """How many numbers one image takes."""
        return DRAWS + TURNS if self.rotate or self.zoom else DRAWS

    @property
    def colours(self) -> tuple[str, ...]:
        """Those of the four colour changes that are on."""
        off = Augmentation.__dataclass_fields__
        names = ("brightness", "contrast", "saturation", "hue")
        return tuple(name for name in names if getattr(self, name) != off[name].default)

    @property
    def order_matters(self) -> bool:
        """Brightness and contrast give the same in both orders, since nothing is clipped between."""
        return len(self.colours) > 1 and bool({"saturation", "hue"} & set(self.colours))

    def range_of(self, name: str) -> tuple[float, float]:
        """The least and the largest amount of a colour change."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (-value, value)


def _between(low: float, value: Any, high: float) -> bool:
    return isinstance(value, (int, float)) and isfinite(value) and low <= value <= high


def _is_range(value: Any) -> bool:
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and all(_between(0, v, 1e6) for v in value) and value[0] <= value[1]


def _check(name: str, right: bool, rule: str, of: Augmentation) -> None:
    if not right:
        raise SeqlabError(f"`{name}` must be {rule}. Received: {getattr(of, name)!r}")


NONE = Augmentation()
# Of the chapters' small residual network, whose file means pixels from 0 to 255.
CHAPTER_RESNET = Augmentation(flip=True, brightness=63 / 255, contrast=(0.2, 1.8), standardise=True)
# By name, for runs and the command line.
CHAINS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "none": NONE,
        "standardise": Augmentation(standardise=True),
        "shift-1": Augmentation(shift=1),
        "shift": Augmentation(shift=2),
        "turn-1": Augmentation(shift=1, rotate=15, zoom=0.15),
        "turn": Augmentation(shift=2, rotate=10, zoom=0.1),
        "flip-standardise": Augmentation(flip=True, standardise=True),
        "flip-shift-2": Augmentation(flip=True, shift=2),
        "flip-shift": Augmentation(flip=True, shift=4),
        "flip-shift-colour": Augmentation(
            flip=True, shift=4, brightness=0.1, contrast=(0.8, 1.2), saturation=(0.8, 1.2)
        ),
        "chapter": CHAPTER_RESNET,
    }
)
