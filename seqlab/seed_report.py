"""What `seqlab train --seeds` prints."""

import math
from collections.abc import Iterable, Sequence

from rich.table import Table

from seqlab.baselines import spoken
from seqlab.report import number, table
from seqlab.seeds import Seeds, Spread

__all__ = ["seed_tables"]


def seed_tables(found: Seeds, names: Sequence[str]) -> Iterable[Table | str]:
    """Each seed; then mean and spread beside the baselines; and the verdict.

    Args:
        found: the runs.
        names: of the metrics to show.
    """
    places = range(len(found.runs))
    rows = [
        (
            str(found.runs[i].config.train.seed),
            number(found.validation.values[i]),
            *(number(found.metrics[name].values[i]) for name in names),
            str(found.runs[i].path),
        )
        for i in places
    ]
    titles = ("validation loss", *(f"test {name}" for name in names))
    yield table(("seed", *titles, "run"), rows)
    own = ("network", *map(_spread, (found.validation, *(found.metrics[n] for n in names))))
    others = (
        (spoken(who), "-", *(number(values.get(name, math.nan)) for name in names))
        for who, values in found.baselines.items()
    )
    count = f"mean ± standard deviation of {len(found.runs)} seeds"
    yield table((count, *titles), [own, *others])
    yield found.verdict


def _spread(one: Spread) -> str:
    return f"{number(one.mean)} ± {number(one.sd)}" if math.isfinite(one.mean) else "-"
