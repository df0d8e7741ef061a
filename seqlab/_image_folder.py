"""A folder with one sub-folder of pictures per class."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._labelled_images import PARTS
from seqlab._pictures import Pictures, decoded, digest, each
from seqlab.errors import SeqlabError

__all__ = ["parts_of", "read"]

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
SHOWN = 3  # bad files named in an error, and sizes


def parts_of(folder: Path) -> dict[str, Path]:
    """The parts that are folders of their own (``train/`` and perhaps the others), or none."""
    found = {part: folder / part for part in PARTS if (folder / part).is_dir()}
    if found and not {"train", "test"} <= set(found):
        raise SeqlabError(
            f"{folder}: has {', '.join(found)}, and needs train and test. Add the other part, or put the"
            " class folders directly into the folder"
        )
    return found


def read(
    folder: Path,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    classes: Sequence[str] = (),
    memory: float = math.inf,
) -> tuple[Any, np.ndarray, tuple[str, ...]]:
    """All pictures of the class folders.

    Args:
        folder: holds one folder per class, and in each at least one picture.
        size: (height, width) that every picture is resized to; None where all have one size already.
        channels: 3, or 1 for grey.
        classes: the names in their order, such as those of the training part; by default sorted.
        memory: bytes of images from which on they stay in their files.

    Returns:
        Images uint8 ``[N, height, width, C]`` or `Pictures`, labels int32 ``[N]``, and the classes.

    Raises:
        SeqlabError: no folder, fewer than two classes, an empty class, files that are no pictures (all
            of them are looked at, and the first are named), sizes that differ.
    """
    files, names = _files(folder, tuple(classes))
    paths = [path for path, _ in files]
    labels = np.array([label for _, label in files], np.int32)
    first = _seen(paths[0], size, channels)
    if isinstance(first, np.ndarray) and len(paths) * first.nbytes > memory:
        found = _good(each(lambda path: _known(path, size, channels), paths))
        _check_sizes(folder, paths, [shape for shape, _ in found])
        digests = np.array([one for _, one in found], object)
        return (
            Pictures(np.array([str(p) for p in paths], object), digests, found[0][0]),
            labels,
            names,
        )
    pictures = _good(each(lambda path: _seen(path, size, channels), paths))
    _check_sizes(folder, paths, [picture.shape for picture in pictures])
    return np.stack(pictures), labels, names


def _files(
    folder: Path, classes: tuple[str, ...]
) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every picture's path and label, in the order of the names."""
    if not folder.is_dir():
        raise SeqlabError(
            f"{folder}: no such folder. It must hold one folder of pictures per class"
        )
    found = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "."))
    classes = classes or found
    if len(classes) < 2:
        raise SeqlabError(
            f"{folder}: {len(classes)} class folders. Two or more are needed, one per class"
        )
    if set(found) != set(classes):
        raise SeqlabError(
            f"{folder}: class folders {', '.join(found)}. Needed are {', '.join(classes)}"
        )
    files = []
    for label, name in enumerate(classes):
        inside = sorted(p for p in (folder / name).rglob("*") if _is_picture(p.relative_to(folder)))
        if not inside:
            raise SeqlabError(
                f"{folder / name}: no pictures ({', '.join(ENDINGS)}). Add some, or remove the folder"
            )
        files += [(path, label) for path in inside]
    return files, classes


def _is_picture(path: Path) -> bool:
    """Whether it is named as a picture, and neither it nor a folder that it is in is hidden."""
    return path.suffix.lower() in ENDINGS and not any(part[0] == "." for part in path.parts)


def _seen(path: Path, size: tuple[int, int] | None, channels: int) -> np.ndarray | SeqlabError:
    """The picture, or what is wrong with it."""
    try:
        return decoded(path, size, channels)
    except SeqlabError as error:
        return error


def _known(path: Path, size: tuple[int, int] | None, channels: int) -> Any:
    """The picture's shape and digest, or what is wrong with it."""
    found = _seen(path, size, channels)
    return found if isinstance(found, SeqlabError) else (found.shape, digest(found))


def _good(found: Iterable[Any]) -> list[Any]:
    """All of it, where nothing is wrong.

    Raises:
        SeqlabError: with the first few faults.
    """
    all_ = list(found)
    bad = [str(one) for one in all_ if isinstance(one, SeqlabError)]
    if bad:
        more = f" (and {len(bad) - SHOWN} more)" if len(bad) > SHOWN else ""
        raise SeqlabError(f"{'; '.join(bad[:SHOWN])}{more}. Remove or mend the files")
    return all_


def _check_sizes(folder: Path, paths: list[Path], shapes: list[tuple[int, ...]]) -> None:
    """Where sizes differ, the commonest are shown, and a file of each."""
    sizes = Counter(shape[:2] for shape in shapes)
    if len(sizes) == 1:
        return
    first = {s[:2]: path.name for path, s in reversed(list(zip(paths, shapes, strict=True)))}
    shown = ", ".join(f"{h}x{w} ({first[h, w]})" for (h, w), _ in sizes.most_common(SHOWN))
    height, width = sizes.most_common(1)[0][0]
    raise SeqlabError(
        f"{folder}: pictures of {len(sizes)} sizes: {shown}. Name one that all are resized to, such as"
        f" --size {height} {width}, in Python size=({height}, {width})"
    )
