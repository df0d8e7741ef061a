"""What goes wrong silently in training on images, each said once, in one line, with the remedy.

Rows C2, C9, C11 and C14 of the chapters: a loss at chance level, statistics of batch normalisation that
do not move or trail behind, pixels in another range, test images among those that choose or train.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlab._batch_norm import layers_of, normals
from seqlab._labelled_images import Images, ImageSplit, overlap
from seqlab._pixels import Pixels
from seqlab._tensorflow import keras

__all__ = ["Diagnosis", "of_data"]

SHARED = 0.001  # share of a part's images that are in another, too, from which on it is said
LOOKED_AT = 512  # images whose pixels are looked at
DARK = 8  # of 255: the highest pixel up to which images look as if they had been scaled to [0, 1] before
CHANCE = 0.98  # of the loss of guessing: what counts as no better
PATIENCE = 100, 0.2  # steps, and share of them all, in which a loss may be there
TRAILING = 0.3  # share of the beginning in moving statistics, from which on it is said


def of_data(data: ImageSplit) -> Iterator[str]:
    """What the images themselves show, before any training."""
    for part in (data.train, data.validation, data.test):
        if part is not None:
            yield from _dark(part)
    yield from _shared(data, "train", "test")
    yield from _shared(data, "validation", "test")
    yield from _shared(data, "train", "validation")


def _shared(data: ImageSplit, first: str, second: str) -> Iterator[str]:
    known, part = getattr(data, first), getattr(data, second)
    if known is None or part is None:
        return
    count = len(overlap(known, part))
    if count >= max(1, SHARED * len(part)):
        yield (
            f"{count:,} of {len(part):,} {second} images are in the {first} part, too, byte for byte:"
            " a score on them says little of others. Remove them from one of the two"
        )


class Diagnosis(keras.callbacks.Callback):
    """Beside a training: says what its images and its evaluations show.

    Args:
        data: the images.
        say: what is called with each line.
    """

    def __init__(self, data: ImageSplit, say: Callable[[str], None] = print) -> None:
        super().__init__()
        self.data, self.say = data, say
        self.said: set[str] = set()
        self.begun: dict[str, np.ndarray] = {}
        self.rate = 0.0  # the highest so far: at its end a schedule may have come down to nothing

    def on_train_begin(self, logs: Any = None) -> None:
        """Look at the images, and remember the statistics."""
        del logs
        if not self._step():
            for line in (*of_data(self.data), *_of_network(self.model)):
                self.say(line)
        self.begun = {mean.path: np.asarray(mean) for mean in _means(self.model)}

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keras' name for: a chunk is over."""
        del batch
        self.rate = max(self.rate, float((logs or {}).get("learning_rate", 0.0)))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look at what the stretch between two evaluations has left."""
        del epoch
        for kind, line in (*self._chance(logs or {}), *self._statistics()):
            if kind not in self.said:
                self.said.add(kind)
                self.say(f"step {self._step()}: {line}")

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _chance(self, logs: dict[str, float]) -> Iterator[tuple[str, str]]:
        counts = np.bincount(self.data.train.labels)
        shares = counts[counts > 0] / counts.sum()
        guessing = float(-(shares * np.log(shares)).sum())
        steps, share = PATIENCE
        total = self.model.total_steps
        late = min(total, max(steps, share * total))
        if self._step() >= late and logs.get("loss", 0.0) >= CHANCE * guessing:
            yield (
                "chance",
                f"the data loss of {logs['loss']:.3g} is no better than guessing ({guessing:.3g}):"
                f" nothing has been learned. Use another --learning-rate than {self.rate:.2g}, first a"
                " smaller one",
            )

    def _statistics(self) -> Iterator[tuple[str, str]]:
        layers = list(normals(self.model))
        still = [
            mean.path.split("/")[-2]
            for mean in _means(self.model)
            if np.array_equal(self.begun[mean.path], np.asarray(mean))
        ]
        if still:
            yield (
                "still",
                f"batch normalisation does not move its statistics ({', '.join(still[:3])}), so"
                " validation uses those of the beginning. Call it without training=False",
            )
        left = max((layer.momentum ** self._step() for layer in layers), default=0.0)
        if not still and left > TRAILING and self.model.statistics is None:
            momentum = max(layer.momentum for layer in layers)
            fitting = math.floor(100 * TRAILING ** (1 / self._step())) / 100
            yield (
                "trailing",
                f"the statistics of batch normalisation are still {100 * left:.0f} % those of the"
                f" beginning (momentum {momentum:g}), and validation suffers. Use --precise-bn"
                f" 5000, or a momentum of {fitting:g} or less",
            )


def _means(model: Any) -> Iterator[Any]:
    """The moving means of batch normalisation that does not rest, however deep it lies in others."""
    learned = {weight.path.rsplit("/", 1)[0] for weight in model.trainable_variables}
    for weight in model.non_trainable_variables:
        layer, _, name = weight.path.rpartition("/")
        if name == "moving_mean" and layer in learned:
            yield weight


def _dark(part: Images) -> Iterator[str]:
    highest = int(np.asarray(part.images[:LOOKED_AT]).max())
    if highest <= DARK:
        yield (
            f"the brightest pixel of the {part.split} images is {highest} of 255, as if they had been"
            " scaled before: seqlab divides bytes by 255 itself. Give them as bytes from 0 to 255"
        )


def _of_network(model: Any) -> Iterator[str]:
    """Whether it scales once more what has been scaled already."""
    found = list(layers_of(model))
    own = [one for one in found if _scales(one)]
    if own and not any(isinstance(one, Pixels) and one.kind == "bytes" for one in found):
        yield (
            f"the network scales pixels itself ({own[0].name}), and gets them from 0 to 1: they are"
            " scaled twice. Use --pixels bytes, or leave that layer out"
        )


def _scales(layer: Any) -> bool:
    """Whether it makes bytes small, as the first layers of EfficientNet and of ConvNeXt do."""
    if isinstance(layer, keras.layers.Normalization):
        variance = getattr(layer, "variance", None)  # there is none before it was built
        return variance is not None and float(np.max(variance)) > DARK**2 and not layer.invert
    return isinstance(layer, keras.layers.Rescaling) and np.max(np.abs(layer.scale)) < 1 / DARK
