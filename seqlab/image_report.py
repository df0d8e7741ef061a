"""Tables of image scores and of guesses, for the terminal."""

import math
from collections.abc import Iterable, Sequence

from rich.table import Table

from seqlab.baselines import spoken
from seqlab.image_predict import Guess
from seqlab.image_scores import ClassScore, ImageScore, percent
from seqlab.report import number, table

__all__ = ["guess_table", "image_tables"]

SHOWN = 20  # classes that a terminal is given


def image_tables(score: ImageScore) -> Iterable[Table | str]:
    """The network beside its baselines; class by class; the verdict."""
    count = len(score.labels)
    everyone = {"network": score.metrics, **score.baselines}
    names = [n for n in ("accuracy", "top5") if math.isfinite(score.metrics[n])]
    rows = [(spoken(who), *(percent(v[n], count) for n in names)) for who, v in everyone.items()]
    title = f"{score.name}, test part: {count:,} images of {len(score.classes)} classes"
    yield table(("", *("top-5" if n == "top5" else n for n in names)), rows, title)
    yield _class_table(score.per_class)
    if len(score.classes) > SHOWN:
        yield f"The {SHOWN} classes with the lowest F1 of {len(score.classes)}: --json has them all."
    yield score.verdict
    loss, f1 = score.metrics["loss"], score.metrics["f1"]
    yield f"Cross entropy {number(loss)}, without penalties; mean F1 of the classes {f1:.4f}."


def guess_table(found: Sequence[Guess]) -> Table:
    """A row per picture: its likeliest classes, the likeliest first."""
    most = max(len(one.classes) for one in found)
    rows = []
    for one in found:
        both = zip(one.classes, one.probabilities, strict=True)
        rows.append((one.file, *(f"{name} {100 * value:.1f} %" for name, value in both)))
    return table(("picture", "likeliest", *map(str, range(2, most + 1))), rows)


def _class_table(classes: Sequence[ClassScore]) -> Table:
    """All classes in their order, or of many those that are known worst."""
    if len(classes) > SHOWN:
        known = [one for one in classes if math.isfinite(one.f1)]
        classes = sorted(known, key=lambda one: one.f1)[:SHOWN]
    rows = [
        (
            one.name,
            f"{one.images:,}",
            _share(one.recall),
            _share(one.precision),
            _share(one.f1),
            f"{one.mistaken[0]}, {one.mistaken[1]:,}x" if one.mistaken else "-",
        )
        for one in classes
    ]
    headers = ("class", "images", "recall %", "precision %", "F1 %", "most often taken for")
    return table(headers, rows)


def _share(value: float) -> str:
    return f"{100 * value:.1f}" if math.isfinite(value) else "-"
