"""Tables of how a network knows images, for the terminal."""

import math
from collections.abc import Iterable

from rich.table import Table

from seqlab.image_scores import ImageScore, percent
from seqlab.report import number, table

__all__ = ["image_tables"]


def image_tables(score: ImageScore) -> Iterable[Table | str]:
    """The network beside its baselines; class by class; the verdict."""
    count, metrics = len(score.labels), score.metrics
    everyone = {"network": metrics, **score.baselines}
    rows = [
        (
            who.replace("_", " "),
            percent(found["accuracy"], count),
            "-" if math.isnan(found["top5"]) else percent(found["top5"], count),
            number(found.get("loss", math.nan)),
        )
        for who, found in everyone.items()
    ]
    title = f"{score.name}, test part: {count:,} images of {len(score.classes)} classes"
    yield table(("", "accuracy", "top-5", "cross-entropy"), rows, title)
    each = [
        (
            one.name,
            f"{one.images:,}",
            *(number(100 * value) for value in (one.precision, one.recall, one.f1)),
            f"{one.mistaken[0]} ({one.mistaken[1]})" if one.mistaken else "-",
        )
        for one in score.per_class
    ]
    headers = ("class", "images", "precision %", "recall %", "F1 %", "most often taken for")
    yield table(headers, each)
    yield score.verdict
