"""Image sets as they come in files: MNIST's idx form, CIFAR-10's pickles, scikit-learn's digits.

Each reader gives whole parts or an error that names the file, never some of the images.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seqlab._unpickle import load_pickle
from seqlab.errors import SeqlabError

__all__ = ["Part", "cifar10", "digits", "mnist", "of_keras"]

Part = tuple[np.ndarray, np.ndarray]  # images uint8 [N, height, width, C], labels int32 [N]

IDX_BYTES = 0x08  # the code of unsigned bytes in the third byte of a magic number
IDX_LARGEST = 2**31  # bytes of content
CIFAR_SHAPE = (3, 32, 32)  # channels first
CIFAR_LARGEST = 2**26  # bytes of a batch; the real ones have 31 million
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def mnist(folder: Path) -> tuple[Part, Part]:
    """Training and test part out of four idx files, gzipped or not.

    Raises:
        SeqlabError: a file is missing, truncated, of another form, or two do not fit together.
    """
    training, test = _mnist_part(folder, "train"), _mnist_part(folder, "t10k")
    sizes = ["x".join(map(str, images.shape[1:3])) for images, _ in (training, test)]
    if sizes[0] != sizes[1]:
        raise SeqlabError(
            f"{folder}: train-images-idx3-ubyte has images of {sizes[0]}, t10k-images-idx3-ubyte of"
            f" {sizes[1]}: these are files of two sets. Get all four again"
        )
    return training, test


def cifar10(folder: Path) -> tuple[Part, Part]:
    """Training and test part out of the python version's six pickles.

    Raises:
        SeqlabError: a file is missing, damaged, or holds something else.
    """
    training = _cifar_part([folder / f"data_batch_{i}" for i in range(1, 6)])
    return training, _cifar_part([folder / "test_batch"])


def digits() -> Part:
    """The 1 797 digits of 8x8 pixels that scikit-learn carries; 0 to 16 become 0 to 255."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return images, found.target.astype(np.int32)


def of_keras(name: str) -> tuple[Part, Part]:
    """Training and test part by way of Keras, which downloads them once and keeps them.

    CIFAR-10's archive comes from where ``keras.datasets`` takes it, but is read by `cifar10`:
    Keras' own reader runs the pickles.

    Raises:
        SeqlabError: no network, or the download failed.
    """
    from seqlab._tensorflow import keras

    try:
        if name == "cifar10":
            folder = keras.utils.get_file(
                "cifar-10-batches-py-target", CIFAR_URL, extract=True, file_hash=CIFAR_SHA256
            )
        else:
            parts = getattr(keras.datasets, name.replace("-", "_")).load_data()
    except Exception as error:  # Keras raises plain ones
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SeqlabError(
            f"{name} could not be downloaded: {reason}. Name a folder with its files: --data-dir"
        ) from error
    if name == "cifar10":
        return cifar10(Path(folder) / "cifar-10-batches-py")
    training, test = ((x[..., None], y.astype(np.int32)) for x, y in parts)
    return training, test


# idx


def _mnist_part(folder: Path, name: str) -> Part:
    images, images_path = _idx(folder / f"{name}-images-idx3-ubyte", 3)
    labels, labels_path = _idx(folder / f"{name}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise SeqlabError(
            f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels."
            " Get both files again"
        )
    _check_labels(labels_path, labels, 10)
    return images[..., None], labels.astype(np.int32)


def _idx(path: Path, axes: int) -> tuple[np.ndarray, Path]:
    """The array of an idx file, and its path: this one, or the same with ``.gz``."""
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    try:
        opener: Callable[[Path], Any] = (
            gzip.open if path.suffix == ".gz" else partial(open, mode="rb")
        )
        with opener(path) as file:
            return _idx_content(path, file, axes), path
    except FileNotFoundError:
        raise SeqlabError(f"{path}: no such file, with or without .gz. Mend --data-dir") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SeqlabError(f"{path}: truncated or damaged: {error}. Get it again") from error
    except OSError as error:
        raise SeqlabError(f"{path}: cannot be read: {error.strerror or error}") from error


def _idx_content(path: Path, file: BinaryIO, axes: int) -> np.ndarray:
    magic = file.read(4)
    expected = bytes([0, 0, IDX_BYTES, axes])
    if magic != expected:
        raise SeqlabError(
            f"{path}: the magic number is {magic.hex() or 'missing'}, and {expected.hex()} means bytes"
            f" along {axes} axes. This is another file: get it again"
        )
    sizes = file.read(4 * axes).ljust(4 * axes, b"\0")
    shape = struct.unpack(f">{axes}I", sizes)
    size = prod(shape)
    if not 0 < size <= IDX_LARGEST:
        raise SeqlabError(f"{path}: a header that cannot be: shape {shape}. Get it again")
    content = np.empty(size, np.uint8)
    found = _read_into(file, content.data)
    if found < size or file.read(1):
        more = "more" if found == size else str(found)
        raise SeqlabError(
            f"{path}: the header says {size} bytes, and there are {more}. Get it again"
        )
    return content.reshape(shape)


def _read_into(file: Any, content: memoryview) -> int:
    """Fill it as far as the file reaches; how far that was. A long header fills no memory."""
    at = 0
    while at < len(content):
        count = file.readinto(content[at : at + 2**20])
        if not count:
            break
        at += count
    return at


# CIFAR-10


def _cifar_part(paths: Sequence[Path]) -> Part:
    """All batches in one array, filled batch by batch: only one file is in memory beside it."""
    images = labels = np.empty(0, np.uint8)
    for i, path in enumerate(paths):
        rows, found = _cifar_batch(path)
        count = len(rows)
        if i == 0:
            images = np.empty((len(paths) * count, 32, 32, 3), np.uint8)
            labels = np.empty(len(images), np.int32)
        if count * len(paths) != len(images):
            raise SeqlabError(
                f"{path}: {count} images, and {len(images) // len(paths)} in {paths[0].name}."
                " Get the files again"
            )
        here = slice(i * count, (i + 1) * count)
        images[here] = rows.reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
        labels[here] = found
    return images, labels


def _cifar_batch(path: Path) -> Part:
    """Rows of bytes ``[N, 3072]`` and labels ``[N]``."""
    content = load_pickle(path, CIFAR_LARGEST)
    names = content if isinstance(content, dict) else {}
    found = {str(k, "latin1") if isinstance(k, bytes) else k: v for k, v in names.items()}
    rows, labels = found.get("data"), found.get("labels")
    size = prod(CIFAR_SHAPE)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (size,):
        raise SeqlabError(f"{path}: no batch of CIFAR-10: `data` must be bytes [N, {size}]")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise SeqlabError(f"{path}: no batch of CIFAR-10: `labels` must be a list of integers")
    if len(labels) != len(rows):
        raise SeqlabError(f"{path}: {len(rows)} images and {len(labels)} labels. Get it again")
    if not labels:
        raise SeqlabError(f"{path}: no images. Get it again")
    _check_labels(path, np.array(labels, object), 10)
    return rows, np.array(labels, np.int32)


def _check_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    if labels.min() < 0 or labels.max() >= classes:
        raise SeqlabError(
            f"{path}: labels from {labels.min()} to {labels.max()}, not 0 to {classes - 1}"
        )
