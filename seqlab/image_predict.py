"""What a network sees in picture files: the likeliest classes of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._labelled_images import Images
from seqlab.augmentation import NONE, Augmentation
from seqlab.errors import SeqlabError
from seqlab.image_scores import TOP, probabilities, ranked
from seqlab.runs import Run

__all__ = ["Guess", "check_model", "classes_of", "classify", "logits", "pictures", "predict"]
__all__ += ["predict_alexnet"]

SHOWN = 3  # bad files named in an error
BATCH = 256  # images at a time


@dataclass(frozen=True)
class Guess:
    """The likeliest classes of one picture, the likeliest first, and their probabilities."""

    file: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        both = zip(self.classes, self.probabilities, strict=True)
        return {
            "file": self.file,
            "classes": [{"class": name, "probability": value} for name, value in both],
        }


def predict(run: Run, files: Sequence[str | Path]) -> list[Guess]:
    """The likeliest classes of pictures, by a run of images; its own images are not needed.

    Raises:
        SeqlabError: the run is not finished, or is of series; files that are no pictures.
    """
    run.demand("images")
    classes = classes_of(run)
    return classify(run.model, files, classes, run.config.data.augmentation)


def predict_alexnet(
    path: str | Path, files: Sequence[str | Path], names: str | Path | None = None
) -> list[Guess]:
    """The likeliest classes of pictures, by the published weights of AlexNet.

    Args:
        path: the ``.npy`` file.
        files: JPEG, PNG, GIF or BMP, of any size.
        names: a text file with a class per line; by default classes are numbers, from 0 on.

    Raises:
        SeqlabError: a file that is missing, damaged, or something else; other than a name per class.
    """
    from seqlab._first_network import of_unit  # here, because it loads TensorFlow

    if not Path(path).is_file():
        raise SeqlabError(f"{path}: no such file")
    model = of_unit(Path(path))
    numbers = list(map(str, range(model.output_shape[-1])))
    return classify(model, files, numbers if names is None else _lines(Path(names)))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SeqlabError(
            f"{path}: cannot be read: {error}. Name a text file, a class per line"
        ) from error


def classes_of(run: Run) -> list[str]:
    """The names of a run's classes.

    Raises:
        SeqlabError: its config.json has none.
    """
    classes = run.record.get("classes")
    if not isinstance(classes, list) or not classes or not all(isinstance(n, str) for n in classes):
        raise SeqlabError(f"{run.path}/config.json: names no classes. Train the run again")
    return classes


def classify(
    model: Any,
    files: Sequence[str | Path],
    classes: Sequence[str],
    augmentation: Augmentation = NONE,
    count: int = TOP,
) -> list[Guess]:
    """The likeliest classes of pictures.

    Args:
        model: from float32 ``[B, height, width, C]`` to logits ``[B, K]``.
        files: JPEG, PNG, GIF or BMP, of any size.
        classes: K names.
        augmentation: of the model's training; only its scaling counts.
        count: how many classes each picture gets.

    Raises:
        SeqlabError: files that are no pictures; a number of names that is not the model's of classes.
    """
    check_model(model, len(classes))
    values = pictures(files, tuple(model.input_shape[1:]))
    images = Images(values, np.zeros(len(values), np.int32), tuple(classes), "test", augmentation)
    found = probabilities(logits(model, images))
    return [
        Guess(str(file), tuple(classes[i] for i in order), tuple(float(row[i]) for i in order))
        for file, row, order in zip(files, found, ranked(found, count), strict=True)
    ]


def check_model(model: Any, classes: int, shape: tuple[int, ...] | None = None) -> None:
    """Refuse a model that does not take images, or not these, or gives other classes.

    Args:
        model: of Keras.
        classes: K.
        shape: of an image, (height, width, C); by default any.

    Raises:
        SeqlabError: what it takes and gives.
    """
    given, made = model.input_shape, model.output_shape
    plain = (
        isinstance(given, tuple) and isinstance(made, tuple) and (len(given), len(made)) == (4, 2)
    )
    if not plain or None in given[1:] or (shape is not None and tuple(given[1:]) != tuple(shape)):
        raise SeqlabError(
            f"the model takes {given} and gives {made}: it is none for these images. Train the run again"
        )
    if made[1] != classes:
        raise SeqlabError(
            f"`classes` must be {made[1]} names, as the model has so many outputs. Received: {classes}"
        )


def logits(model: Any, images: Images, batch: int = BATCH) -> np.ndarray:
    """What a model says of images, in order ``[N, K]``; float32 whatever its precision."""
    from seqlab._tensorflow import new_graphs, own_errors  # here, because it loads TensorFlow

    with new_graphs(), own_errors():
        return np.asarray(model.predict(images.dataset(batch), verbose=0), np.float32)


def pictures(files: Sequence[str | Path], input_shape: tuple[int, ...]) -> np.ndarray:
    """Files as bytes ``[N, height, width, C]`` of the size and channels that a network takes.

    Pictures in colour become grey for a network of one channel, and grey ones get three equal channels;
    height and width are resized apart, as those of a folder of classes are.

    Raises:
        SeqlabError: files that are no pictures: all are looked at, and the first are named.
    """
    from seqlab import preprocessing  # here, because it loads TensorFlow

    height, width, channels = input_shape
    made, bad = [], []
    for file in files:
        try:
            picture = preprocessing.decode(file, channels)
            made.append(preprocessing.resized_bytes(picture, (height, width)))
        except SeqlabError as error:
            bad.append(str(error))
    if bad:
        more = f" (and {len(bad) - SHOWN} more)" if len(bad) > SHOWN else ""
        raise SeqlabError(f"{'; '.join(bad[:SHOWN])}{more}. Name JPEG, PNG, GIF or BMP files")
    return np.stack(made)
