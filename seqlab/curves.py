"""Losses and accuracies over a training: of one run, or of several in one figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from seqlab.errors import SeqlabError

__all__ = ["History", "curves", "together"]

FEW = 30  # highest loss over lowest below which powers of ten alone would label too little
CLOSE = 5  # and below which even these do
History = Mapping[str, Sequence[float]]  # columns of history.csv

TRAINING, VALIDATION = "#444444", "#d62728"
COLOURS = [f"C{i}" for i in range(10)]
RING = "lowest validation loss"
PANELS = {"loss": "loss", "accuracy": "accuracy"}  # a column, whose partner is val_ and the same


def curves(history: History, title: str, epoch: float | None = None) -> Figure:
    """Training and validation, loss and accuracy, in one figure; the best validation loss is ringed.

    Args:
        history: columns of ``history.csv``; accuracy and val_accuracy may be missing.
        title: of the figure.
        epoch: steps in an epoch, for an axis of epochs; None for steps.
    """
    figure, panels = _panels([history])
    for name, axes in panels.items():
        over = np.asarray(history["step"]) / (epoch or 1)
        axes.plot(over, history[name], color=TRAINING, marker=".", label="training")
        _validation(axes, over, history, name, {"color": VALIDATION, "label": "validation"})
        _dress(axes, name, epoch)
        axes.legend()
    figure.suptitle(title)
    return figure


def together(histories: Mapping[str, History]) -> Figure:
    """Several runs over their steps: validation as lines, training dotted, the best evaluation ringed.

    Raises:
        SeqlabError: no history at all.
    """
    if not histories:
        raise SeqlabError(
            "there are no curves: none of these runs has been evaluated in training yet"
        )
    figure, panels = _panels(list(histories.values()))
    for (run, history), colour in zip(histories.items(), _colours(len(histories)), strict=True):
        for name, axes in panels.items():
            if not _there(history, name):
                continue
            steps = np.asarray(history["step"])
            axes.plot(steps, history[name], color=colour, ls=":", lw=1.2)
            _validation(axes, steps, history, name, {"color": colour})
        panels["loss"].plot([], [], color=colour, label=run)
    for name, axes in panels.items():
        _dress(axes, name, None)
    panels["loss"].plot([], [], color="black", ls=":", lw=1.2, label="training (lines: validation)")
    panels["loss"].plot([], [], "o", ms=9, mfc="none", color="black", label=RING)
    figure.legend(*panels["loss"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _panels(histories: Sequence[History]) -> tuple[Figure, dict[str, Any]]:
    names = [name for name in PANELS if any(_there(history, name) for history in histories)]
    figure = Figure(figsize=(5.5 * len(names) + 1.5, 4.5), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    return figure, dict(zip(names, axes, strict=True))


def _validation(axes: Any, over: Any, history: History, name: str, style: dict[str, Any]) -> None:
    """The line, and a ring where the validation loss was best: there the weights were taken."""
    if not _there(history, f"val_{name}"):
        return
    values = np.asarray(history[f"val_{name}"])
    axes.plot(over, values, marker=".", **style)
    if _there(history, "val_loss"):
        best = int(np.nanargmin(history["val_loss"]))
        label = RING if "label" in style else None
        axes.plot(
            over[best], values[best], "o", ms=9, mfc="none", color=style["color"], label=label
        )


def _there(history: History, name: str) -> bool:
    return name in history and not np.isnan(np.asarray(history[name], float)).all()


def _dress(axes: Any, name: str, epoch: float | None) -> None:
    axes.set(xlabel="epoch" if epoch else "step", ylabel=PANELS[name])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if name == "loss" and lowest > 0:
        axes.set_yscale("log")
        marks = (1.0, 2.0, 3.0, 5.0) if highest < FEW * lowest else (1.0,)
        marks = (1.0, 1.5, *marks[1:], 4.0, 7.0) if highest < CLOSE * lowest else marks
        axes.yaxis.set_major_locator(LogLocator(subs=marks))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _colours(count: int) -> list[Any]:
    if count <= len(COLOURS):
        return COLOURS[:count]
    return [tuple(colour) for colour in colormaps["turbo"](np.linspace(0, 1, count))]
