"""A picture of what the microscope saw: gradient by lag, half-lives, saturation of gates."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqlab.microscope import SHARE, Memory
from seqlab.plots import MARK, NETWORK, TRUTH

__all__ = ["memory"]

LONGEST = 1e4  # steps; half-lives beyond are drawn there
FADED = 1e-6  # of the largest gradient: what is less is drawn as that
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def memory(found: Memory, name: str = "") -> Figure:
    """The gradient at each lag over the whole width; below it half-lives and gates of each layer."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplot_mosaic([["gradient", "gradient"], ["half-lives", "gates"]])
    _gradient(axes["gradient"], found, name)
    _half_lives(axes["half-lives"], found)
    _saturation(axes["gates"], found)
    return figure


def _gradient(axes: Any, found: Memory, name: str) -> None:
    largest = found.gradient.max() or 1
    lags = np.arange(len(found.gradient))
    axes.plot(lags, np.maximum(found.gradient / largest, FADED), color=NETWORK, marker=".")
    if found.gradient.any():
        label = f"{100 * SHARE:g} % lies to the left"
        axes.axvline(found.reach() - 0.5, color=MARK, ls=":", label=label)
        axes.legend()
    axes.set_yscale("log")
    axes.set(
        xlabel="lag of the input, in steps; 0 is the newest", ylabel="gradient over its largest"
    )
    axes.set_title(f"{name}: {found.verdict}" if name else found.verdict, fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _half_lives(axes: Any, found: Memory) -> None:
    """Units of each layer by their half-life, the shortest first."""
    for layer, colour in zip(found.layers, COLOURS * len(found.layers), strict=False):
        values = np.clip(np.sort(layer.half_life), 1e-2, LONGEST)
        shares = (np.arange(len(values)) + 0.5) / len(values)
        axes.plot(shares, values, color=colour, marker=".", label=layer.name)
    axes.axhline(len(found.gradient), color=TRUTH, ls="--", lw=1, label="window")
    axes.set_yscale("log")
    axes.set(xlabel="share of the units", ylabel="half-life, steps", title="memory of the units")
    axes.legend(fontsize=8)


def _saturation(axes: Any, found: Memory) -> None:
    """Of each gate the share of the time that it is shut, and open."""
    rows = [(f"{one.name} {gate}", *s) for one in found.layers for gate, s in one.gates.items()]
    places = np.arange(len(rows))[::-1]
    low, high = (np.array([row[i] for row in rows]) for i in (1, 2))
    axes.barh(places, low, color=MARK, label="below 0.1")
    axes.barh(places, high, left=1 - high, color=NETWORK, label="above 0.9")
    axes.set_yticks(places, [row[0] for row in rows], fontsize=8)
    axes.set(xlim=(0, 1), xlabel="share of the steps", title="gates: shut and open")
    axes.legend(fontsize=8)
