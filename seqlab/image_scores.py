"""How well a network knows images: accuracy beside baselines, class by class, and its worst mistakes.

Shapes: N images, K classes. What a network says comes as probabilities ``[N, K]``.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from seqlab._labelled_images import Images
from seqlab._pictures import pieces
from seqlab.errors import SeqlabError

__all__ = [
    "TOP",
    "ClassScore",
    "ImageScore",
    "Mistake",
    "baselines",
    "percent",
    "probabilities",
    "ranked",
]

TOP = 5  # guesses that are looked at
ONE_ANSWER = 0.95  # share of equal answers from which on a network is said to give one only
WRITTEN = 25  # mistakes in JSON


@dataclass(frozen=True)
class ClassScore:
    """One class: how many images it has, how often it was said, and how often rightly.

    Attributes:
        name: of the class.
        images: that are of this class.
        said: how often it was the answer.
        precision: share of right ones among those answers; NaN if it was never said.
        recall: share of its images that were found; NaN if it has none.
        f1: harmonic mean of both; NaN if it has no images and was never said.
        mistaken: the class that its images were taken for most often, and how often; None for never.
    """

    name: str
    images: int
    said: int
    precision: float
    recall: float
    f1: float
    mistaken: tuple[str, int] | None


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: which image, what it is, what was said, and the probabilities of both."""

    index: int
    truth: str
    said: str
    probability: float
    of_truth: float


@dataclass(frozen=True, eq=False)
class ImageScore:
    """How a network's answers compare with the truth and with the baselines.

    Attributes:
        probabilities: ``[N, K]``, rows that sum to one; see `probabilities`.
        labels: integers ``[N]``, positions in `classes`.
        classes: K names.
        name: of the data.
        baselines: name of the baseline to its ``accuracy`` and ``top5``; see `baselines`.

    Raises:
        SeqlabError: shapes that do not fit, or rows that are no probabilities.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str = "images"
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.labels), len(self.classes))
        if self.probabilities.shape != shape or not len(self.labels):
            raise SeqlabError(
                f"`probabilities` must be of shape {shape}: images, classes."
                f" Received: {self.probabilities.shape}"
            )
        if not np.isfinite(self.probabilities).all():
            raise SeqlabError("the network's answers are not finite: its training diverged")
        away = np.abs(self.probabilities.sum(axis=1, dtype=np.float64) - 1).max()
        if self.probabilities.min() < 0 or away > 1e-2:
            raise SeqlabError(
                "`probabilities` must be from 0 on, and sum to one in each row."
                " Give image_scores.probabilities(logits)"
            )

    @cached_property
    def answers(self) -> np.ndarray:
        """The likeliest class of each image ``[N]``."""
        return ranked(self.probabilities, 1)[:, 0]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """``accuracy``, ``top5``, ``loss``, ``f1``.

        ``top5`` is NaN for five classes or fewer. ``loss`` is the cross entropy, without any penalty.
        ``f1`` is the plain mean over classes, so rare ones count as much as frequent ones.
        """
        return {
            **_shares(self.probabilities, self.labels),
            "loss": self._loss(),
            "f1": float(np.nanmean([one.f1 for one in self.per_class])),
        }

    @property
    def accuracy(self) -> float:
        """Share of images whose likeliest class is right."""
        return self.metrics["accuracy"]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on other such images is to be expected: Wilson's interval of 95 %."""
        from scipy.stats import binomtest

        right = int((self.answers == self.labels).sum())
        made = binomtest(right, len(self.labels)).proportion_ci(0.95, "wilson")
        return float(made.low), float(made.high)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts ``[K, K]``: the row is the truth, the column the answer."""
        from sklearn.metrics import confusion_matrix

        every = np.arange(len(self.classes))
        return confusion_matrix(self.labels, self.answers, labels=every)

    @cached_property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Each class by itself, in the order of `classes`."""
        from sklearn.metrics import precision_recall_fscore_support

        every = np.arange(len(self.classes))
        columns = precision_recall_fscore_support(
            self.labels, self.answers, labels=every, zero_division=np.nan
        )
        said = self.confusion.sum(axis=0)
        return tuple(
            ClassScore(
                name, int(images), int(said[i]), float(p), float(r), float(f), self._mistaken(i)
            )
            for i, (name, p, r, f, images) in enumerate(zip(self.classes, *columns, strict=True))
        )

    @cached_property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Every wrong answer, the surest first."""
        wrong = np.flatnonzero(self.answers != self.labels)
        said = self.probabilities[wrong, self.answers[wrong]]
        return tuple(
            Mistake(
                int(i),
                self.classes[self.labels[i]],
                self.classes[self.answers[i]],
                float(self.probabilities[i, self.answers[i]]),
                float(self.probabilities[i, self.labels[i]]),
            )
            for i in wrong[np.argsort(-said, kind="stable")]
        )

    @property
    def best_baseline(self) -> str | None:
        """The one with the highest accuracy."""
        everyone = self.baselines
        return max(everyone, key=lambda n: everyone[n]["accuracy"]) if everyone else None

    @property
    def verdict(self) -> str:
        """How the network stands, in one sentence; and in another if it always says the same."""
        count = len(self.labels)
        own, low, high = (percent(v, count) for v in (self.accuracy, *self.interval))
        right = f"{own} of {count:,} images right (95 % interval: {low} to {high})"
        return f"{self._standing(right)}.{self._one_answer()}"

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; undefined values are null."""
        return {
            "data": self.name,
            "images": len(self.labels),
            "classes": list(self.classes),
            "metrics": _finite(self.metrics),
            "accuracy_interval": list(self.interval),
            "baselines": {name: _finite(values) for name, values in self.baselines.items()},
            "best_baseline": self.best_baseline,
            "verdict": self.verdict,
            "per_class": [_finite(vars(one)) for one in self.per_class],
            "confusion": self.confusion.tolist(),
            "mistakes": [vars(one) for one in self.mistakes[:WRITTEN]],
        }

    def _loss(self) -> float:
        # Not scikit-learn's: it cuts probabilities at 2e-16, so very sure mistakes cost too little.
        said = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        return float(-np.log(np.maximum(said, np.finfo(np.float64).tiny)).mean())

    def _mistaken(self, label: int) -> tuple[str, int] | None:
        others = self.confusion[label].copy()
        others[label] = 0
        most = int(others.argmax())
        return (self.classes[most], int(others[most])) if others[most] else None

    def _standing(self, right: str) -> str:
        best = self.best_baseline
        if best is None:
            return f"The network gets {right}"
        lowest, (low, high) = self.baselines[best]["accuracy"], self.interval
        against = f"{percent(lowest, len(self.labels))} of {best.replace('_', ' ')}"
        if low > lowest:
            return f"The network beats every baseline: {right}, against {against}, the best"
        if high < lowest:
            return f"The network loses to a baseline: {right}, against {against}"
        return f"The network cannot be told from a baseline: {right}, against {against}"

    def _one_answer(self) -> str:
        said = self.confusion.sum(axis=0)
        share = said.max() / said.sum()
        if share < ONE_ANSWER or share <= self.confusion.sum(axis=1).max() / said.sum():
            return ""
        return f" It answers {self.classes[said.argmax()]!r} for {100 * share:.0f} % of them."


def probabilities(logits: Any) -> np.ndarray:
    """Logits ``[N, K]`` to probabilities; in float64, so that even sure mistakes keep their size."""
    from scipy.special import softmax

    return softmax(np.asarray(logits, np.float64), axis=1)


def ranked(values: np.ndarray, count: int = TOP) -> np.ndarray:
    """The positions of the highest values in each row ``[N, count]``, the highest first.

    Of equal values the first position comes first, as in ``argmax``; so top-1 is within top-5.
    """
    return np.argsort(-values, axis=1, kind="stable")[:, :count]


def baselines(train: Images, test: Images) -> dict[str, dict[str, float]]:
    """What no network is needed for: ``accuracy`` and ``top5`` on the test part.

    ``most_frequent_class`` of the training part; ``nearest_mean_image`` by Euclidean distance of bytes.
    """
    counts = np.bincount(train.labels, minlength=len(train.classes))
    made = {
        "most_frequent_class": np.broadcast_to(counts, (len(test), len(counts))),
        "nearest_mean_image": _closeness(train, test),
    }
    return {name: _shares(values, test.labels) for name, values in made.items()}


def percent(share: float, count: int) -> str:
    """A share of so many images, with the digits that they can tell."""
    return f"{100 * share:.{1 if count < 2_000 else 2}f} %"


def _closeness(train: Images, test: Images) -> np.ndarray:
    """``[N, K]``: higher where the class's mean image is nearer; classes without images come last."""
    there = np.bincount(train.labels, minlength=len(train.classes)) > 0
    means = np.zeros((len(there), int(np.prod(train.input_shape))))
    for label in np.flatnonzero(there):
        own = np.flatnonzero(train.labels == label)
        some = pieces(train.images, own)
        means[label] = sum(_flat(piece).sum(axis=0) for piece in some) / len(own)
    half = np.where(there, np.square(means).sum(axis=1) / 2, np.inf)
    return np.concatenate([_flat(piece) @ means.T - half for piece in pieces(test.images)])


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64)


def _shares(values: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of labels that are first, and that are among the first five, where that means something."""
    hits = ranked(values) == labels[:, None]
    some = values.shape[1] > TOP
    return {
        "accuracy": float(hits[:, 0].mean()),
        "top5": float(hits.any(axis=1).mean()) if some else np.nan,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in values.items()
    }
