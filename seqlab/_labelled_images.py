"""Labelled images, as bytes in memory or in files: their batches, parts and overlaps."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab._pictures import Pictures, digest
from seqlab.augmentation import NONE, Augmentation
from seqlab.errors import SeqlabError, check_positive
from seqlab.windows import Order, elements

__all__ = ["PARTS", "ImageSplit", "Images", "hold_out", "overlap"]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Images:
    """N images of one size, and the class of each.

    Attributes:
        images: uint8 ``[N, height, width, C]``: an array, or `Pictures` that stay in their files.
        labels: integers ``[N]``, positions in `classes`.
        classes: the names of the classes.
        split: what they are for: train, validation or test.
        augmentation: what `training` does to them; `dataset` takes only its scaling.

    Raises:
        SeqlabError: arrays of another kind, or labels that are no positions.
    """

    images: Any
    labels: np.ndarray
    classes: tuple[str, ...]
    split: str = "train"
    augmentation: Augmentation = NONE

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_labels(self.labels, len(self.images), len(self.classes))
        grey = self.images.shape[-1] != 3
        colours = {"saturation", "hue"} & set(self.augmentation.colours)
        if grey and colours:
            raise SeqlabError(
                f"`{colours.pop()}` needs images in colour, and these have one channel"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of one image: ``(height, width, C)``."""
        return tuple(self.images.shape[1:])

    def dataset(self, batch: int) -> Any:
        """Every image once, in order and unchanged, as a ``tf.data.Dataset`` of batches.

        Elements are (images float32 ``[B, height, width, C]`` in [0, 1], labels int32 ``[B]``).
        """
        check_positive("batch", batch)
        from seqlab import preprocessing
        from seqlab._tensorflow import ahead

        starts = range(0, len(self), batch)
        found = elements(len(starts), lambda i: self._take(slice(starts[i], starts[i] + batch)))
        prepare = preprocessing.evaluation(self.augmentation)
        return ahead(found.map(lambda images, labels: (prepare(images), labels)))

    def training(
        self, batch: int, seed: int, edges: Sequence[int], rows: slice = slice(None)
    ) -> Any:
        """Shuffled and augmented batches, as a ``tf.data.Dataset`` of chunks.

        Every epoch is a new permutation, and epochs follow each other without a gap, so every batch is
        full. What step s holds, and how its images are changed, depends on the seed and on s alone,
        however often a run was interrupted before.

        Args:
            batch: B.
            seed: of the permutations and of the augmentation.
            edges: the steps at which chunks begin, and the one where the last ends (exclusive).
            rows: of each batch, those that are given: the share of one worker.

        Returns:
            Elements (images float32 ``[K, B, height, width, C]``, labels int32 ``[K, B]``).
        """
        check_positive("batch", batch)
        from seqlab import preprocessing
        from seqlab._tensorflow import ahead

        order, count = Order(len(self), seed), self.augmentation.draws

        def make(i: int) -> tuple[np.ndarray, ...]:
            indices = order.take(edges[i] * batch, edges[i + 1] * batch).reshape(-1, batch)
            draws, orders = _draws(seed, range(edges[i], edges[i + 1]), batch, count)
            return *self._take(indices[:, rows]), draws[:, rows], orders

        prepare = preprocessing.training(self.augmentation)
        chunks = elements(len(edges) - 1, make)
        return ahead(chunks.map(lambda images, labels, *draws: (prepare(images, *draws), labels)))

    def augmented(self, augmentation: Augmentation) -> "Images":
        """The same images with another augmentation."""
        return dataclasses.replace(self, augmentation=augmentation)

    def _take(self, where: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.images[where]), self.labels[where].astype(np.int32)


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """A set of images in three parts.

    Attributes:
        name: of the set, or the folder.
        train: what weights are fitted on.
        validation: what chooses the best weights, taken from the training part; None for none.
        test: what is scored, and nothing else.
    """

    name: str
    train: Images
    validation: Images | None
    test: Images

    @property
    def data(self) -> "ImageSplit":
        """What the parts were made of: nothing but themselves."""
        return self

    @property
    def notes(self) -> list[str]:
        """Which parts are not in memory, in one line."""
        parts = {name: part for name in PARTS if (part := getattr(self, name)) is not None}
        names = [name for name, part in parts.items() if isinstance(part.images, Pictures)]
        if not names:
            return []
        count = sum(len(parts[name]) for name in names)
        size, where = sum(parts[name].images.nbytes for name in names) / 1e6, ", ".join(names)
        return [
            f"{count:,} pictures of {size:,.0f} MB ({where}) are read from their files for each"
            " batch: they are more than --memory allows."
        ]

    def augmented(self, augmentation: Augmentation) -> "ImageSplit":
        """The same parts, the training part changed at random, all three scaled alike."""
        parts = {
            name: part.augmented(augmentation)
            for name in PARTS
            if (part := getattr(self, name)) is not None
        }
        return dataclasses.replace(self, **parts)


def hold_out(
    data: Images, count: int, seed: int, split: str = "validation"
) -> tuple[Images, Images]:
    """Take some images out, by chance, each class in its share: (the rest, those taken out).

    Both are views: the arrays of `data` are put into another order, in place, so that nothing is copied.

    Args:
        data: the images.
        count: how many to take out.
        seed: of the choice.
        split: what they are for.

    Raises:
        SeqlabError: fewer images than that, or arrays that are read-only.
    """
    check_positive("count", count)
    if not (data.images.flags.writeable and data.labels.flags.writeable):
        raise SeqlabError("the arrays are read-only, and are to be reordered. Give copies of them")
    keep = len(data) - count
    if keep < 1:
        raise SeqlabError(f"{count} images cannot be taken out of {len(data)}. Take fewer")
    chosen = np.zeros(len(data), bool)
    chosen[_by_class(data.labels, count, seed)] = True
    to, back = np.flatnonzero(~chosen[keep:]) + keep, np.flatnonzero(chosen[:keep])
    for array in (data.images, data.labels):
        array[to], array[back] = array[back], array[to]
    rest = dataclasses.replace(data, images=data.images[:keep], labels=data.labels[:keep])
    taken = dataclasses.replace(
        data, images=data.images[keep:], labels=data.labels[keep:], split=split
    )
    return rest, taken


def overlap(first: Images, second: Images) -> np.ndarray:
    """The positions in `second` of images that are also in `first`, byte for byte."""
    known = set(_digests(first.images))
    return np.array([i for i, one in enumerate(_digests(second.images)) if one in known], int)


def _draws(seed: int, steps: range, batch: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The chance in each step: `count` numbers ``[K, B, count]`` and an order of four ``[K, 4]``."""
    generators = [np.random.default_rng((seed, step, 1)) for step in steps]
    draws = np.empty((len(steps), batch, count), np.float32)  # there may be no steps
    orders = np.empty((len(steps), 4), np.int32)
    for k, generator in enumerate(generators):
        draws[k], orders[k] = generator.random((batch, count), np.float32), generator.permutation(4)
    return draws, orders


def _digests(images: Any) -> Iterable[bytes]:
    return images.digests if isinstance(images, Pictures) else map(digest, images)


def _by_class(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions by chance: of each class its share, to within one image."""
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]  # class after class, shuffled inside
    evenly = (np.arange(count) * 2 + 1) * len(labels) // (2 * count)
    return by_class[evenly]


def _check_images(images: Any) -> None:
    shape, dtype = np.shape(images), getattr(images, "dtype", type(images).__name__)
    if dtype != np.uint8 or len(shape) != 4 or 0 in shape or shape[-1] not in (1, 3):
        raise SeqlabError(
            "`images` must be bytes (uint8, 0 to 255) of shape [N, height, width, 1 or 3], N not zero."
            f" Received: {dtype} of shape {shape}"
        )


def _check_labels(labels: Any, count: int, classes: int) -> None:
    kind = getattr(getattr(labels, "dtype", None), "kind", "")
    if kind not in ("i", "u") or labels.shape != (count,):
        raise SeqlabError(f"`labels` must be an array of {count} integers, one per image")
    if classes < 2 or labels.min() < 0 or labels.max() >= classes:
        raise SeqlabError(
            f"`labels` must be positions in `classes`, of which there are {classes} (at least 2)."
            f" Received: {labels.min()} to {labels.max()}"
        )
