"""Made-up series beside the real ones, in the training part alone: what a short series cannot teach.

Validation, test, scalers, baselines and scores are of the real series, as ever.
"""

from collections import Counter
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
LARGEST = 600.0  # of a logarithm either way, whose number float64 still holds


@dataclass(frozen=True)
class Accompanied:
    """The parts of real series for a training; its windows are theirs, and behind them the companions'.

    Attributes:
        real: the parts.
        train: what weights are fitted on.
    """

    real: Split | PanelSplit
    train: Windows

    @property
    def validation(self) -> Windows | None:
        """The windows that choose the best weights."""
        return self.real.validation

    @property
    def parts(self) -> tuple[Split, ...]:
        """One for each real series."""
        return self.real.parts

    @property
    def encoding(self) -> Any:
        """Of the columns beside the values."""
        return self.real.encoding


def accompanied(config: Config, data: Any) -> Any:
    """What a network of this config is trained on: these parts, with companions if it asks for some.

    Args:
        config: of the run.
        data: its parts, of series or of images.
    """
    if config.kind == "images" or not config.data.synthetic:
        return data
    made = companions(config, data)
    return Accompanied(data, Windows.joined([*(part.train for part in data.parts), *made]))


def companions(config: Config, data: Split | PanelSplit) -> list[Windows]:
    """The training windows of as many made-up series as the config asks for, a set for each.

    They have the real series' season (of several the most frequent one) and a length of their own, and
    depend on the seed alone: they know nothing of any value. Where a transform asks for positive values
    they are positive.
    """
    about, season = config.data, _season(data)
    rows = LENGTH * (about.window + about.ahead) + about.ahead
    values, transform = simulate(about.synthetic, rows, season, config.train.seed), "none"
    if about.transform != "none":  # and their own power of Box and Cox is that of a logarithm
        values, transform = np.exp(np.clip(values, -LARGEST, LARGEST)), "log"
    series = tuple(Series(f"synthetic {i}", row, season=season) for i, row in enumerate(values))
    # All their rows are for training; a split wants a test part, of which nothing is used.
    whole = replace(
        about,
        transform=transform,
        horizon=about.ahead,
        strategy="direct",
        test=str(about.ahead),
        validate=False,
        look_back=True,
    )
    return [part.train for part in split(Panel("synthetic", series), whole, config.needs).parts]


def advice(config: Config, data: Split | PanelSplit) -> tuple[str, ...]:
    """A sentence where a network has few windows to learn from, and companions could join them."""
    windows = len(data.train)
    if config.data.synthetic or windows >= FEW:
        return ()
    options = ["--synthetic 1000", "--scaling recent"]
    if all(part.series.values.min() > 0 for part in data.parts):
        options.append("--transform log")
    try:
        replace(config, data=replace(config.data, synthetic=1, scaling="recent"))
    except SeqlabError:  # of this config there can be none
        return ()
    return (
        f"Only {windows} windows to learn from: {' '.join(options)} adds made-up series with the same"
        " season. Compare both by seqlab backtest (docs/forecasting.md, A short series).",
    )


def _season(data: Split | PanelSplit) -> int | None:
    found = Counter(part.series.season for part in data.parts if part.series.season)
    return found.most_common(1)[0][0] if found else None
