"""The trained network that a training of images begins with: where it lies, and what is known of it.

Nothing heavy is imported, so that a wrong path is refused before TensorFlow is loaded.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqlab.augmentation import CHAINS
from seqlab.config import Config
from seqlab.errors import SeqlabError
from seqlab.image_config import NetworkConfig

__all__ = ["changed", "check", "file_of", "new_head", "note", "of", "record"]

USUAL_PIXELS = {".npy": "alexnet"}  # by the file's ending; else unit


def of(
    source: str | Path,
    freeze: Sequence[str] = (),
    batch_norm: bool = False,
    pixels: str | None = None,
    label_smoothing: float = 0.0,
) -> NetworkConfig:
    """The network of a run that begins with a trained one.

    Its head is replaced, unless it comes from a run on images of the same classes. Batch normalisation
    rests, and the last layer never does.

    Args:
        source: a finished run of images, a ``.keras`` file, or AlexNet's ``.npy`` file.
        freeze: patterns of layers that rest; see `seqlab.transfer.freeze`.
        batch_norm: whether batch normalisation that no pattern names learns.
        pixels: what a file's network was trained on; see `seqlab.transfer.with_head`.
        label_smoothing: see `seqlab.losses.SparseCrossEntropy`.

    Raises:
        SeqlabError: no such run or file, or a run that is unfinished or of series.
    """
    path = Path(source).resolve()
    file = file_of(path)
    if file.parent == path and pixels is not None:
        raise SeqlabError(
            f"`--pixels` is for files, and {source} is a run, which knows its pixels. Leave it out"
        )
    return NetworkConfig(
        record(path).get("model", {}).get("network") or path.stem,
        label_smoothing=label_smoothing,
        base=str(path),
        base_sha256=_fingerprint(file),
        freeze=tuple(freeze),
        batch_norm=batch_norm,
        pixels=pixels or USUAL_PIXELS.get(path.suffix, "unit"),
    )


def file_of(path: Path) -> Path:
    """The file with the weights: of a run its ``model.keras``.

    Raises:
        SeqlabError: there is none.
    """
    if not path.exists():
        raise SeqlabError(f"{path}: no such run or file to begin with")
    if path.is_file():
        if path.suffix not in (".keras", ".npy"):
            raise SeqlabError(
                f"{path}: must be a run folder, a .keras file, or AlexNet's .npy file"
            )
        return path
    kind = record(path).get("kind")
    if kind != "images":
        what = f"a run of {kind}" if kind else "not a run"
        raise SeqlabError(f"{path}: {what}; to begin with, it must be a run of images")
    if not (path / "model.keras").exists():
        raise SeqlabError(f"{path}: its training is not finished. Go on with it first, by --resume")
    return path / "model.keras"


def record(path: Path) -> dict[str, Any]:
    """What a run's ``config.json`` says; of anything else nothing."""
    try:
        return dict(json.loads((path / "config.json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def new_head(network: NetworkConfig, classes: Sequence[str]) -> bool:
    """Whether the head is replaced: it stays where a run knows the same classes."""
    return list(classes) != record(Path(network.base or "")).get("classes")


def changed(network: NetworkConfig) -> bool:
    """Whether the file is another than when the run began.

    Raises:
        SeqlabError: it is gone.
    """
    now = _fingerprint(file_of(Path(network.base or "")))
    return network.base_sha256 not in (None, now)


def check(config: Config) -> None:
    """Refuse a training that would show the network other pixels, or compute otherwise, than it learned.

    Raises:
        SeqlabError: saying what to use.
    """
    found = record(Path(config.model.base))
    learned = found.get("data", {}).get("augment", "none")
    if CHAINS[learned].standardise != config.data.augmentation.standardise:
        raise SeqlabError(
            f"{config.model.base} was trained with --augment {learned}, and"
            f" --augment {config.data.augment} shows it others: standardise both, or neither"
        )
    precision = found.get("train", {}).get("precision", config.train.precision)
    if precision != config.train.precision:
        raise SeqlabError(
            f"{config.model.base} was trained with --precision {precision}. Use the same"
        )


def note(network: NetworkConfig, classes: Sequence[str]) -> str:
    """In one sentence, what becomes of the network."""
    head = (
        f"a new head for {len(classes)} classes" if new_head(network, classes) else "the old head"
    )
    resting = f"{', '.join(network.freeze)} rest" if network.freeze else "every layer learns"
    normal = "" if network.batch_norm else "; batch normalisation rests"
    return f"Begins with {network.base}: {head}; {resting}{normal}."


def _fingerprint(file: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
