"""What a run keeps of its data, and how it finds them again: one store for each kind of run.

Series are small, and a run should outlive their file: its folder holds a copy. Images are large, and stay
where they are: the folder holds their fingerprint, and whoever reads them again gets the same ones or
an error.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab import images, series_files
from seqlab._bounded_files import read_json
from seqlab._labelled_images import PARTS, ImageSplit
from seqlab._pictures import pieces
from seqlab._sizes import check_memory
from seqlab.config import Config
from seqlab.datasets import Panel, PanelSplit, Series, Split, load, split
from seqlab.errors import SeqlabError

__all__ = ["STORES", "Data", "Parts", "Store", "parts"]

Data = Series | Panel | ImageSplit
Parts = Split | PanelSplit | ImageSplit


@dataclass(frozen=True)
class Store:
    """How runs of one kind handle their data.

    Attributes:
        load: from a config to the data that it names.
        split: from data and a config to the parts that are trained on and scored.
        record: from data to what ``config.json`` says of them.
        read: from a run's folder and config to its data.
        arrays: from data to the arrays of the copy, ``series.npz``; None where no copy is kept.
    """

    load: Callable[[Config], Any]
    split: Callable[[Any, Config], Any]
    record: Callable[[Any], dict[str, Any]]
    read: Callable[[Path, Config], Any]
    arrays: Callable[[Any], dict[str, np.ndarray]] | None = None


def parts(config: Config) -> tuple[Any, Any]:
    """The data that a config names, and their parts.

    Raises:
        SeqlabError: data that are not there, are damaged, or cannot be split like that.
    """
    store = STORES[config.kind]
    data = store.load(config)
    found = store.split(data, config)
    if config.kind == "images" and config.model.base is not None:
        from seqlab import _first_network  # here, because it loads TensorFlow

        # That it can be built is known before there is a folder; later only its training needs the base.
        _first_network.build(config, data.train.input_shape, data.train.classes)
    return data, found


def _series_record(data: Series | Panel) -> dict[str, Any]:
    rows = len(data) if isinstance(data, Series) else sum(map(len, data.series))
    return {"rows": rows, "data_sha256": series_files.fingerprint(data)}


def _split_series(data: Series | Panel, config: Config) -> Split | PanelSplit:
    """The parts, once it is known that a network can be trained on them."""
    check_memory(config)
    return split(data, config.data, config.needs)


def _load_images(config: Config) -> ImageSplit:
    data = config.data
    return images.load(
        data.source,
        data.data_dir,
        validation=data.validation,
        seed=data.seed,
        size=data.size,
        channels=data.channels,
        memory=data.memory,
    )


def _split_images(data: ImageSplit, config: Config) -> ImageSplit:
    """The parts with their augmentation, once the network is known to be able to take them."""
    from seqlab import cnn  # here, because it loads TensorFlow

    there = np.unique(data.train.labels)
    if len(there) < 2:
        raise SeqlabError(
            f"{data.name}: every training image is of the class {data.train.classes[there[0]]!r}."
            " A network needs images of at least two"
        )
    network = config.model
    if network.base is None:
        shape, classes = data.train.input_shape, len(data.train.classes)
        cnn.check(network.network, shape, classes, **network.options)
    return data.augmented(config.data.augmentation)


def _images_record(data: ImageSplit) -> dict[str, Any]:
    counts = {part: len(getattr(data, part) or ()) for part in PARTS}
    return {
        "images": counts,
        "classes": list(data.train.classes),
        "data_sha256": _fingerprint(data),
    }


def _fingerprint(data: ImageSplit) -> str:
    """SHA-256 of every image and label of the three parts, in hexadecimal."""
    found = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        if part is not None:
            found.update(repr(part.images.shape).encode())
            for some in pieces(part.images):
                found.update(np.ascontiguousarray(some).data)
            found.update(np.ascontiguousarray(part.labels, "<i4").data)
    return found.hexdigest()


def _read_images(folder: Path, config: Config) -> ImageSplit:
    """The images of a run, from where they are now."""
    data = _load_images(config)
    try:
        kept = read_json(folder / "config.json")["data_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SeqlabError(f"{folder}/config.json: cannot be read: {error}") from error
    if _fingerprint(data) != kept:
        raise SeqlabError(
            f"{data.name}: not the images that {folder} was trained on. Name the folder that has them in"
            " --data-dir, or train again"
        )
    return data


STORES: Mapping[str, Store] = MappingProxyType(
    {
        "series": Store(
            load=lambda config: load(config.data),
            split=_split_series,
            record=_series_record,
            read=lambda folder, _: series_files.read(folder / "series.npz"),
            arrays=series_files.arrays_of,
        ),
        "images": Store(
            load=_load_images,
            split=_split_images,
            record=_images_record,
            read=_read_images,
        ),
    }
)
