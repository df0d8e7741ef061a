"""Made-up series beside the real ones, in the training part alone: what a short series cannot teach.

Validation, test, scalers, baselines and scores are of the real series, as ever.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqlab.config import Config
from seqlab.datasets import Panel, PanelSplit, Series, Split, split
from seqlab.errors import SeqlabError
from seqlab.structural import simulate
from seqlab.windows import Windows

__all__ = ["Accompanied", "accompanied", "advice", "companions"]

FEW = 300  # windows to learn from, below which there is something to say
LENGTH = 2  # windows with their horizons that have room in one, end to end


@dataclass(frozen=True)
class Accompanied:
    """The parts of real series, and what weights are fitted on: their windows and the companions'.

    Attributes:
        real: the parts.
        train: windows of the real training part, then of the companions.
    """

    real: Split | PanelSplit
    train: Windows

    def __getattr__(self, name: str) -> Any:
        """All else is the real series'."""
        return getattr(self.real, name)


def accompanied(config: Config, data: Any) -> Any:
    """What a network of this config is trained on: these parts, with companions if it asks for some."""
    if config.kind == "images" or not config.data.synthetic:
        return data
    made = companions(config, data)
    return Accompanied(data, Windows.joined([*(part.train for part in data.parts), *made]))


def companions(config: Config, data: Split | PanelSplit) -> list[Windows]:
    """The windows of as many made-up series as the config asks for, a set for each.

    They have the real series' season, a length of their own, and depend on the seed alone: they know
    nothing of any value. Where a transform asks for positive values they are positive.
    """
    about, season = config.data, data.parts[0].series.season
    rows = LENGTH * (about.window + about.ahead) + about.horizon
    logs = simulate(about.synthetic, rows, season, config.train.seed)
    if about.transform == "none":
        values, transform = logs, "none"
    else:  # and their own power of Box and Cox is that of a logarithm
        values, transform = np.exp(logs), "log"
    series = tuple(Series(f"synthetic {i}", row, season=season) for i, row in enumerate(values))
    # All their rows are for training; a split wants a test part, of which nothing is used.
    whole = replace(
        about, transform=transform, test=str(about.horizon), validate=False, look_back=True
    )
    return [part.train for part in split(Panel("synthetic", series), whole, config.needs).parts]


def advice(config: Config, data: Split | PanelSplit) -> tuple[str, ...]:
    """A sentence where a network has few windows to learn from, and companions could join them."""
    windows = len(data.train)
    if config.data.synthetic or windows >= FEW:
        return ()
    try:
        replace(config, data=replace(config.data, synthetic=1))
    except SeqlabError:  # of this config there can be none
        return ()
    season = data.parts[0].series.season
    kind = f"of a season of {season} rows" if season else "without a season"
    return (
        f"Only {windows} windows to learn from: --synthetic 1000 adds made-up series {kind}."
        " Compare both by seqlab backtest (docs/forecasting.md, A short series).",
    )
