"""Labelled images: named sets from local files, folders of classes, splits, and batches.

Images stay the bytes that they are on disk; each batch becomes numbers from 0 to 1 when it is used, and
only there. So nothing can be scaled twice, and 60 000 colour images of CIFAR-10 take 184 MB. Pictures of
a folder that would take too much memory stay in their files, and are decoded for each batch.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from seqlab import _image_files, _image_folder
from seqlab._labelled_images import Images, ImageSplit, hold_out, overlap
from seqlab.errors import SeqlabError, check_positive
from seqlab.image_config import MEMORY

__all__ = ["CLASSES", "FOLDERS", "SETS", "ImageSplit", "Images", "hold_out", "load", "overlap"]

SHARE, MOST = 0.15, 5_000  # of the training part for validation, where nothing else is said
DIGITS_TEST = 360  # images of the digits that are the test part, the same for every seed

CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "digits": tuple("0123456789"),
        "mnist": tuple("0123456789"),
        "fashion-mnist": (
            *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ),
        "cifar10": (
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
    }
)
# For lists of what there is: what it shows, its size, and how many images to train and to test on.
SETS: Mapping[str, tuple[str, str, int, int]] = MappingProxyType(
    {
        "digits": ("handwritten digits that come with scikit-learn", "8x8x1", 1_437, 360),
        "mnist": ("handwritten digits (LeCun et al., 1998)", "28x28x1", 60_000, 10_000),
        "fashion-mnist": ("clothes (Xiao et al., 2017)", "28x28x1", 60_000, 10_000),
        "cifar10": ("animals and vehicles (Krizhevsky, 2009)", "32x32x3", 50_000, 10_000),
    }
)
# Where a set's files lie in a data folder, unless they lie directly in it.
FOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mnist": ("mnist",),
        "fashion-mnist": ("fashion-mnist", "fashion_mnist", "fashion"),
        "cifar10": ("cifar-10-batches-py", "cifar10"),
    }
)


def load(
    source: str | Path,
    data_dir: str | Path | None = None,
    *,
    validation: int | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    memory: int = MEMORY,
) -> ImageSplit:
    """A named set of images, or a folder with a sub-folder per class.

    Args:
        source: ``digits`` (always there), ``mnist``, ``fashion-mnist``, ``cifar10``, or a folder, with
            class folders in it, or with ``train`` and ``test`` (and ``validation``) that have them.
        data_dir: where the files of a named set lie; without it Keras downloads them.
        validation: images for validation, out of the training part; by default 15 %, at most 5 000;
            0 for none. A folder with a part ``validation`` uses that one.
        seed: which images become validation, and in a folder without parts also which become test.
        size: (height, width) for a folder whose pictures differ.
        channels: of a folder's pictures: 3, or 1 for grey.
        memory: megabytes up to which each part of a folder is kept in memory; a larger one is read from
            its files for each batch, which gives the same batches.

    Raises:
        SeqlabError: neither a name nor a folder; files that are missing or damaged; sizes that cannot be.
    """
    _check_numbers(validation, size, channels)
    check_positive("memory", memory)
    if str(source) in CLASSES:
        training, test, held = *_named(str(source), data_dir), None
    else:
        training, test, held = _folder(Path(source), size, channels, seed, memory * 10**6)
    if held is None:
        count = min(round(SHARE * len(training)), MOST) if validation is None else validation
        training, held = hold_out(training, count, seed) if count else (training, None)
    return ImageSplit(str(source), training, held, dataclasses.replace(test, split="test"))


def _check_numbers(validation: int | None, size: tuple[int, int] | None, channels: int) -> None:
    if validation not in (None, 0):
        check_positive("validation", validation)
    if size is not None:
        if not isinstance(size, tuple) or len(size) != 2:
            raise SeqlabError(f"`size` must be (height, width). Received: {size!r}")
        check_positive("height", size[0])
        check_positive("width", size[1])
    if channels not in (1, 3):
        raise SeqlabError(f"`channels` must be 3, or 1 for grey. Received: {channels!r}")


def _named(name: str, data_dir: str | Path | None) -> tuple[Images, Images]:
    classes = CLASSES[name]
    if name == "digits":
        return hold_out(Images(*_image_files.digits(), classes), DIGITS_TEST, 0, "test")
    if data_dir is None:
        parts = _image_files.of_keras(name)
    else:
        folder = _find(name, Path(data_dir))
        read = _image_files.cifar10 if name == "cifar10" else _image_files.mnist
        parts = read(folder)
    training, test = (Images(*part, classes) for part in parts)
    return training, test


def _find(name: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise SeqlabError(
            f"{folder}: no such folder. Name one with the files of {name} in --data-dir"
        )
    inside = [folder / sub for sub in FOLDERS[name] if (folder / sub).is_dir()]
    return inside[0] if inside else folder


def _folder(
    folder: Path, size: tuple[int, int] | None, channels: int, seed: int, memory: float
) -> tuple[Images, Images, Images | None]:
    if not folder.is_dir():
        names = ", ".join(CLASSES)
        raise SeqlabError(f"images must be a folder, or one of {names}. Received: {str(folder)!r}")
    parts = _image_folder.parts_of(folder)
    if not parts:
        everything = Images(*_image_folder.read(folder, size, channels, (), memory))
        return *hold_out(everything, max(1, round(SHARE * len(everything))), seed, "test"), None
    training = Images(*_image_folder.read(parts.pop("train"), size, channels, (), memory))
    others = {
        part: Images(*_image_folder.read(path, size, channels, training.classes, memory), part)
        for part, path in parts.items()
    }
    for part, images in others.items():
        _check_same_size(folder, training.input_shape, part, images.input_shape)
    return training, others["test"], others.get("validation")


def _check_same_size(
    folder: Path, size: tuple[int, ...], part: str, other: tuple[int, ...]
) -> None:
    if size != other:
        raise SeqlabError(
            f"{folder}: pictures of {size[0]}x{size[1]} in train, and of {other[0]}x{other[1]} in {part}."
            f" Name one size that all are resized to, such as --size {size[0]} {size[1]}, in Python"
            f" size=({size[0]}, {size[1]})"
        )
