"""Conformal intervals: as wide as a network's errors on held-back windows ask for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqlab.windows import Windows

if TYPE_CHECKING:  # which loads TensorFlow
    from seqlab.predict import Predictor

__all__ = ["Bands", "adaptive_margins", "around", "margins"]

CALMEST = 0.1  # of the mean movement: a window that stands still will not do so forever
Bands = dict[float, tuple[np.ndarray, np.ndarray]]  # nominal share to lower and upper, each [W, P]
RATE = 0.005  # of learning from what intervals held, as in section 4 of Gibbs and Candès (2021)


def around(
    predictor: "Predictor",
    held_back: Windows,
    windows: Windows,
    forecast: np.ndarray,
    nominal: Sequence[float],
    lag: int,
    adaptive: bool,
) -> Bands:
    """Intervals around forecasts ``[W, P]``, from the errors of what held-back windows are forecast.

    Distances are measured in what each window moves by, so that a calm one gets narrow intervals: in its
    mean absolute change over a season, the error of seasonal naive in it, as in MASE.
    Shares for which there are too few held-back windows are left out.
    Source: Lei et al. (2018), section 5.2, locally weighted conformal inference.
    """
    every = slice(None)
    before, now = (_movement(one, lag) for one in (held_back, windows))
    least = CALMEST * before.mean() or 1.0  # of a constant series
    before, now = np.maximum(before, least)[:, None], np.maximum(now, least)[:, None]
    known = _distances(held_back, predictor(held_back)) / before
    centre, made = windows.scaled(every, forecast), {}
    met = _distances(windows, forecast) / now if adaptive else None
    for share in nominal:
        margin = margins(known, share)
        if margin is not None:
            margin = margin if met is None else _adapted(known, met, windows, share)
            ends = (windows.restore(every, centre + sign * margin * now) for sign in (-1, 1))
            made[share] = tuple(ends)
    return made  # type: ignore[return-value]


def margins(distances: np.ndarray, share: float) -> np.ndarray | None:
    """How far truths lie from forecasts in this share of the windows, of distances ``[W, P]``: ``[P]``.

    The ``ceil((W + 1) share)``-th smallest distance, which holds the next one with that probability if
    windows are exchangeable; None where W is too small for it. Windows that overlap are not
    exchangeable, so what intervals hold is measured, and shown beside what they should.
    Source: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), section 2.2.
    """
    rank = int(np.ceil((len(distances) + 1) * share))
    if rank > len(distances):
        return None
    return np.sort(distances, axis=0)[rank - 1]


def adaptive_margins(
    held_back: np.ndarray, distances: np.ndarray, begins: np.ndarray, share: float
) -> np.ndarray:
    """The same, ``[W, P]``, learning at each window from the truths that are known by then.

    Each step ahead has a level of its own, which begins as the share, rises by `RATE` times what
    earlier intervals held too little and falls by what they held too much, so that in the long run they
    hold the share however errors drift. Of a level above what the held-back windows reach, their
    largest distance. Source: Gibbs and Candès (2021), equation 2, once the truth of a step is known.

    Args:
        held_back: ``[V, P]``, distances of the windows that quantiles are taken of.
        distances: ``[W, P]`` of windows of one series, in the order of time.
        begins: ``[W]``, their first rows; step p of a window is known p + 1 rows behind its end.
        share: of truths that intervals are to hold.
    """
    ranked, (count, horizon) = np.sort(held_back, axis=0), distances.shape
    steps, made = np.arange(horizon), np.empty((count, horizon))
    hits = np.zeros((count + 1, horizon), int)  # [k]: intervals of the first k windows that held
    for w in range(count):
        known = np.searchsorted(begins, begins[w] - steps)  # windows whose truth is known, per step
        level = share + RATE * (share * known - hits[known, steps])
        rank = np.ceil((len(ranked) + 1) * level).clip(1, len(ranked)).astype(int)
        made[w] = ranked[rank - 1, steps]
        hits[w + 1] = hits[w] + (distances[w] <= made[w])
    return made


def _distances(windows: Windows, forecast: np.ndarray) -> np.ndarray:
    """Of truths from forecasts, ``[W, P]``, in the network's scale."""
    every = slice(None)
    return np.abs(windows.scaled(every, windows.raw()[1]) - windows.scaled(every, forecast))


def _adapted(known: np.ndarray, met: np.ndarray, windows: Windows, share: float) -> np.ndarray:
    """Margins that adapt in each series by itself, ``[W, P]``."""
    begins, made = windows.begins(slice(None)), np.empty_like(met)
    owner = np.zeros(len(met), int) if windows.owner is None else windows.owner
    for of in np.unique(owner):
        mine = owner == of
        made[mine] = adaptive_margins(known, met[mine], begins[mine], share)
    return made


def _movement(windows: Windows, lag: int) -> np.ndarray:
    """Of each window, ``[W]``, in the network's scale; 1 for all where a window is a single row."""
    if not lag:
        return np.ones(len(windows))
    return windows.scaler_of(slice(None)).movement(windows.raw()[0], lag)
