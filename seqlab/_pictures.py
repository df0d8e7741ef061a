"""Pictures that stay in their files until they are looked at, for folders that do not fit into memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from seqlab.errors import SeqlabError

__all__ = ["Pictures", "decoded", "digest", "each", "pieces"]

PIECE = 2**23  # bytes of images at a time, where all of them are gone through


@dataclass(frozen=True, eq=False)
class Pictures:
    """Bytes ``[N, height, width, C]`` like an array of them; indexed they stay files, until `np.asarray`.

    Attributes:
        files: paths ``[N]``.
        digests: of what is in them; a file that changes meanwhile is an error.
        size: (height, width, C) of each.
    """

    files: np.ndarray
    digests: np.ndarray
    size: tuple[int, int, int]
    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return (*self.files.shape, *self.size)

    @property
    def nbytes(self) -> int:
        """That the array would take."""
        return int(np.prod(self.shape))

    @property
    def flags(self) -> Any:
        """Of the paths, which can be put into another order."""
        return self.files.flags

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, where: Any) -> "Pictures":
        files, digests = (np.array(all_[where], object) for all_ in (self.files, self.digests))
        return replace(self, files=files, digests=digests)

    def __setitem__(self, where: Any, other: "Pictures") -> None:
        self.files[where], self.digests[where] = other.files, other.digests

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        del copy  # there is nothing that could be shared
        made = np.empty((self.files.size, *self.size), np.uint8)
        pairs = zip(self.files.ravel(), self.digests.ravel(), strict=True)
        for i, picture in enumerate(each(self._read, list(pairs))):
            made[i] = picture
        return made.reshape(self.shape).astype(dtype or np.uint8, copy=False)

    def _read(self, known: tuple[str, bytes]) -> np.ndarray:
        file, expected = known
        picture = decoded(file, self.size[:2], self.size[2])
        if digest(picture) != expected:
            raise SeqlabError(f"{file}: was changed while it was used. Begin again")
        return picture


def decoded(file: str | Path, size: tuple[int, int] | None, channels: int) -> np.ndarray:
    """The picture in a file, as bytes ``[height, width, C]``; resized where a size is named.

    Raises:
        SeqlabError: it is no picture.
    """
    from seqlab import preprocessing  # here, because it loads TensorFlow

    picture = preprocessing.decode(file, channels)
    return np.asarray(picture if size is None else preprocessing.resized_bytes(picture, size))


def each(act: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """What `act` gives for each item, in order, by as many threads as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(act, items)


def digest(image: np.ndarray) -> bytes:
    """What tells an image from others."""
    return blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def pieces(images: Any, which: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """All images in order, or those at certain positions, as arrays of a few megabytes."""
    step = max(1, PIECE // int(np.prod(images.shape[1:])))
    for begin in range(0, len(images if which is None else which), step):
        here = slice(begin, begin + step)
        yield np.asarray(images[here if which is None else which[here]])
