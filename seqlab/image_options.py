"""From the options of `seqlab train` to the config of a run of images."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from seqlab import bases, recipes
from seqlab.config import Config, ImageConfig, NetworkConfig
from seqlab.errors import SeqlabError
from seqlab.image_config import IMAGE_SETS, MEMORY, NETWORKS

__all__ = [
    "IMAGES_ONLY",
    "SERIES_ONLY",
    "check_kind",
    "is_images",
    "make_image_config",
    "with_data",
]

SERIES_ONLY = frozenset(
    (
        *("--target", "--id", "--wide", "--time", "--past", "--future", "--static", "--categories"),
        *("--calendar", "--window", "--horizon", "--season", "--missing", "--short", "--scaling"),
        *("--transform", "--difference", "--test", "--strategy", "--weigh", "--look-back"),
        *(
            "--synthetic",
            "--segment",
            "--straight",
            "--affine",
            "--cell",
            "--layers",
            "--bidirectional",
        ),
        *("--loss", "--levels", "--under"),
    )
)
OF_BASES = ("--freeze", "--batch-norm", "--pixels")
# What decides a network, or begins with one that knows nothing.
NOT_OF_BASES = ("--model", "--recipe", "--dropout", "--hidden")
IMAGES_ONLY = frozenset(
    (
        *("--recipe", "--data-dir", "--augment", "--label-smoothing", "--size", "--channels"),
        "--precise-bn",
        *("--memory", "--from", *OF_BASES),
    )
)
OF_NETWORKS = ("dropout", "hidden")  # options that some networks have, under the same name
USUAL = "lenet5_book"


def with_data(options: Namespace) -> Namespace:
    """The options with the images that a network of images has where no DATA is named.

    Raises:
        SeqlabError: nothing says that images are meant.
    """
    if options.data is not None:
        return options
    if options.model not in NETWORKS and "--recipe" not in given(options):
        raise SeqlabError(
            "name DATA: a CSV or Parquet file, a folder of images, or one of `seqlab data`, such as sin."
            " See seqlab train --help"
        )
    return Namespace(**vars(options) | {"data": "digits"})


def is_images(options: Namespace) -> bool:
    """Whether a command's DATA, or its --model, is of images."""
    data = options.data
    return data in IMAGE_SETS or options.model in NETWORKS or _has_folders(data)


def check_kind(options: Namespace) -> None:
    """Refuse options of the other kind of data.

    Raises:
        SeqlabError: naming the first of them.
    """
    images = is_images(options)
    devices = {"--strategy"} if getattr(options, "spread", None) is not None else set()
    wrong = sorted((given(options) - devices) & (SERIES_ONLY if images else IMAGES_ONLY))
    if wrong:
        other, own = ("series", "images") if images else ("images", "series")
        who = options.model if options.model in NETWORKS else options.data
        raise SeqlabError(f"`{wrong[0]}` is for {other}, and {who} is for {own}. Leave it out")
    if images and options.model is not None and options.model not in NETWORKS:
        raise SeqlabError(
            f"{options.data} are images: `--model` must be one of {', '.join(NETWORKS)}."
            f" Received: {options.model}"
        )


def _has_folders(path: str) -> bool:
    if not os.path.isdir(path):
        return False
    with os.scandir(path) as entries:
        return any(inside.is_dir() for inside in entries)


def given(options: Namespace) -> set[str]:
    """The options that were written out, such as ``--seed``."""
    return getattr(options, "given", set())


def make_image_config(options: Namespace, train: dict[str, Any]) -> Config:
    """The config of images.

    Args:
        options: of the command.
        train: those of them that are fields of TrainConfig.

    Raises:
        SeqlabError: values that cannot be used.
    """
    named = options.data in IMAGE_SETS
    folder = os.path.abspath(options.data)
    recipe = _recipe(options)
    images = ImageConfig(
        options.data if named or not os.path.isdir(folder) else folder,
        os.path.abspath(options.data_dir) if options.data_dir else None,
        0 if options.no_validation else options.validation,
        options.seed,
        tuple(options.size) if options.size else None,
        options.channels or 3,
        options.augment or recipe.augment,
        options.memory or MEMORY,
    )
    if options.base is not None:
        learned = bases.record(Path(options.base)).get("train", {})
        train = {name: learned[name] for name in ("precision",) if name in learned} | train
    return Config(images, _network(options, recipe), recipe.trained(**train))


def _network(options: Namespace, recipe: recipes.Recipe) -> NetworkConfig:
    """A new network, or with ``--from`` a trained one."""
    wrong = sorted(given(options) & set(OF_BASES if options.base is None else NOT_OF_BASES))
    if wrong and options.base is None:
        raise SeqlabError(f"`{wrong[0]}` is of a trained network. Name one, as --from RUN")
    if wrong:
        raise SeqlabError(
            f"`{wrong[0]}` is of a new network, not of one from {options.base}. Leave it out"
        )
    smoothing = options.label_smoothing
    smoothing = recipe.label_smoothing if smoothing is None else smoothing
    if options.base is not None:
        return bases.of(
            options.base, options.freeze or (), options.batch_norm, options.pixels, smoothing
        )
    set_to = {n: getattr(options, n) for n in OF_NETWORKS if f"--{n}" in given(options)}
    return NetworkConfig(options.model or USUAL, {**recipe.options, **set_to}, smoothing)


def _recipe(options: Namespace) -> recipes.Recipe:
    if options.recipe is None:
        return recipes.USUAL
    return recipes.find(options.model or USUAL, options.recipe, options.data)
