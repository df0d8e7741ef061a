"""A picture of a search for a learning rate."""

import numpy as np
from matplotlib.figure import Figure

from seqlab.plots import MARK, NETWORK, TRUTH
from seqlab.rates import Rates

__all__ = ["rates"]


def rates(found: Rates, name: str) -> Figure:
    """The loss at each rate, what is suggested, and where it diverges."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=NETWORK, marker=".")
    if found.suggested is not None:
        label = f"suggested: {found.suggested:.2g}"
        axes.axvline(found.suggested, color=MARK, ls="--", label=label)
    if found.diverges is not None:
        axes.axvline(found.diverges, color=TRUTH, ls=":", label=f"diverges: {found.diverges:.2g}")
    low, high = _range(found.losses)
    axes.set(xscale="log", ylim=(low, high), xlabel="learning rate", ylabel="training loss, scaled")
    axes.set_title(f"{name}: the loss while the learning rate rises", fontsize=10)
    axes.legend(loc="upper left")
    return figure


def _range(losses: np.ndarray) -> tuple[float, float]:
    """Where the loss began and how low it came; how high it rose at the end does not matter."""
    finite = losses[np.isfinite(losses)]
    low, begun = float(finite.min()), float(finite[: len(finite) // 4 + 1].max())
    margin = 0.15 * (begun - low or 1.0)
    return low - margin, begun + 3 * margin
