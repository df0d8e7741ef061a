"""Reading files that a stranger may have made: bounded sizes, plain values, nothing executed.

JSON and ``.npz`` say themselves how large what they hold is, and may lie: a kilobyte can ask for a
terabyte. Here a size is compared with the bytes that are there before room is made for it.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np

__all__ = [
    "MOST_BYTES",
    "MOST_TEXT",
    "Arrays",
    "arrays",
    "check_archive",
    "opened",
    "parsed",
    "read_json",
    "read_text",
    "unpacked",
]

MOST_TEXT = 2**26  # bytes of a JSON or CSV file in a run
MOST_BYTES = 2**32  # of what an archive holds, unpacked
MOST_ENTRIES = 200_000
BLOCK = 2**20  # bytes that are unpacked at once
# Others Python unpacks without a bound.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What the readers of archives and headers raise for damaged ones, beside OSError and ValueError.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError),
    *(MemoryError, OverflowError, SyntaxError, TypeError, TokenError),
)


def opened(path: Path) -> BinaryIO:
    """A file to be read.

    Raises:
        OSError: it is no plain file, or cannot be opened.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError(0, "not a file", str(path))
    return path.open("rb")


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """A file as text.

    Raises:
        OSError: it is no plain file, or cannot be read.
        ValueError: it is larger than that, or no text.
    """
    with opened(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most} bytes")
    return content.decode()


def read_json(path: Path, most: int = MOST_TEXT) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as `read_text`.
        ValueError: as `read_text`; or it is no JSON, or nested too deeply.
    """
    return parsed(read_text(path, most))


def parsed(text: str) -> Any:
    """What JSON says.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check_archive(archive: zipfile.ZipFile, most: int = MOST_BYTES) -> None:
    """Refuse an archive whose entries are many, large, packed oddly, or named to be written elsewhere.

    Raises:
        ValueError: saying what.
    """
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or size > most:
        raise ValueError(f"it holds {len(entries)} files of {size} bytes, which is too much")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("it holds two files of one name")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] in ("", "~") or ":" in parts[0]:
            raise ValueError(f"it holds a file named {entry.filename!r}")
        if entry.compress_type not in PACKED:
            raise ValueError(f"{entry.filename!r} is packed by another method than Deflate")


def unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    """What an entry holds: as many bytes as the archive's directory says, of which `check_archive` knows.

    Block by block, because the whole would be unpacked before it is cut to that size.

    Raises:
        zipfile.BadZipFile: it holds other bytes than the directory says.
    """
    with archive.open(name) as stream:
        return b"".join(iter(lambda: stream.read(BLOCK), b""))


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an open ``.npz``, each read when asked for.

    Attributes:
        files: their names.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.files:
            raise KeyError(f"{name} is not in it")
        try:
            return _array(unpacked(self._archive, f"{name}.npy"), name)
        except DAMAGED as error:
            raise ValueError(f"{name}: {error or type(error).__name__}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@contextmanager
def arrays(stream: BinaryIO, most: int = MOST_BYTES) -> Iterator[Arrays]:
    """An ``.npz`` as `numpy.load` would give it, without pickles and with sizes that are checked.

    Raises:
        ValueError: the archive or, when it is read, an array is damaged or larger than that.
    """
    try:
        archive = zipfile.ZipFile(stream)
    except DAMAGED as error:
        raise ValueError(f"no archive: {error}") from error
    with archive:
        check_archive(archive, most)
        yield Arrays(archive)


def _array(content: bytes, name: str) -> np.ndarray:
    """The array in a ``.npy`` file; its header must ask for the bytes that follow, and no more."""
    stream = io.BytesIO(content)
    magic = np.lib.format.read_magic(stream)
    if magic not in HEADERS:
        raise ValueError(f"{name}: unknown version {magic}")
    shape, fortran, dtype = HEADERS[magic](stream)
    if dtype.hasobject:
        raise ValueError(f"{name}: holds objects, which only a pickle could make")
    count, start = math.prod(shape), stream.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(content) - start:
        raise ValueError(f"{name}: {len(content) - start} bytes are not an array of shape {shape}")
    made = (
        np.frombuffer(content, dtype, count, start)
        if count and dtype.itemsize
        else np.empty(count, dtype)
    )
    return made.reshape(shape, order="F" if fortran else "C").copy()
