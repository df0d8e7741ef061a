"""Pictures of how a network knows images: what it takes for what, and its surest mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from seqlab.curves import curves
from seqlab.errors import SeqlabError
from seqlab.image_scores import ImageScore, Mistake, percent
from seqlab.runs import Run

__all__ = ["all_of", "confusion", "mistakes", "sheet"]

NUMBERED = 20  # classes up to which each field has its count, and each class its name
SHEET = 25  # pictures on a sheet of mistakes
ACROSS = 5
NAME = 14  # letters of a class that fit over a picture
DARK = 0.55  # share of the colour scale from which numbers are white


def confusion(score: ImageScore) -> Figure:
    """Truth by answer, each row coloured by its shares; counts where there are few enough classes."""
    counts, names = score.confusion, score.classes
    few = len(names) <= NUMBERED
    side = max(5.0, 0.55 * len(names) + 1.8) if few else 9.0
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Mistakes are rare: the root of their shares brings out what a straight scale would hide.
    shown = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    bar = figure.colorbar(shown, ax=axes, shrink=0.8, label="share of the class's images")
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1 %", "5 %", "20 %", "50 %", "100 %"])
    if few:
        _count(axes, counts, np.sqrt(shares))
        places = np.arange(len(names))
        upright = max(map(len, names)) > 3
        axes.set_xticks(
            places, names, rotation=45 if upright else 0, ha="right" if upright else "center"
        )
        axes.set_yticks(places, names)
    accuracy = percent(score.accuracy, len(score.labels))
    axes.set(xlabel="answer", ylabel="truth", title=f"{score.name}: {accuracy} right")
    return figure


def mistakes(score: ImageScore, images: Any, count: int = SHEET) -> Figure:
    """A sheet of the surest mistakes.

    Args:
        score: of these images.
        images: bytes ``[N, height, width, 1 or 3]``.
        count: pictures at most.

    Raises:
        SeqlabError: there are no mistakes, or the images are not those of the score.
    """
    if len(images) != len(score.labels):
        raise SeqlabError(
            f"`images` must be the {len(score.labels)} that were scored. Received: {len(images)}"
        )
    if not score.mistakes:
        raise SeqlabError("there are no mistakes to show: every answer is right")
    shown = score.mistakes[:count]
    titles = [_title(one) for one in shown]
    figure = sheet(np.asarray(images[[one.index for one in shown]]), titles)
    wrong = f"{len(score.mistakes):,} of {len(score.labels):,} wrong"
    which = (
        "all of them here" if len(shown) == len(score.mistakes) else f"the {len(shown)} surest here"
    )
    figure.suptitle(f"{score.name}: {wrong}; {which}")
    return figure


def sheet(images: np.ndarray, titles: Sequence[str], across: int = ACROSS) -> Figure:
    """Images ``[N, height, width, 1 or 3]`` in rows, each with its title and its pixels as they are."""
    across = min(across, len(images))
    down = -(-len(images) // across)
    figure = Figure(figsize=(max(5.0, 1.75 * across), 2.1 * down + 0.5), layout="constrained")
    places = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axes in places:
        axes.axis("off")
    for axes, image, title in zip(places, images, titles, strict=False):
        grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.shape[-1] == 1 else {}
        axes.imshow(image.squeeze(-1) if grey else image, interpolation="nearest", **grey)
        axes.set_title(title, fontsize=8)
    return figure


def all_of(run: Run, score: ImageScore) -> dict[str, Figure]:
    """Every picture of a scored run, by file name; no sheet of mistakes where there are none."""
    epoch = len(run.split.train) / run.config.train.batch
    figures = {
        "learning_curves.png": curves(run.history, run.path.name, epoch),
        "confusion.png": confusion(score),
    }
    if score.mistakes:
        figures["mistakes.png"] = mistakes(score, run.split.test.images)
    return figures


def _count(axes: Any, counts: np.ndarray, depth: np.ndarray) -> None:
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "white" if depth[row, column] > DARK else "black"
            axes.text(column, row, f"{number}", ha="center", va="center", color=colour, fontsize=8)


def _title(one: Mistake) -> str:
    said, truth = (n if len(n) <= NAME else f"{n[: NAME - 1]}…" for n in (one.said, one.truth))
    return f"says {said}: {100 * one.probability:.0f} %\nis {truth}: {100 * one.of_truth:.0f} %"
