"""Tables for the terminal, as wide as they need to be and plain where output is no terminal."""

import math
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from seqlab._told import unheard
from seqlab.audit import Check
from seqlab.baselines import spoken
from seqlab.comparison import Comparison
from seqlab.evaluate import Score
from seqlab.forecasts import Forecast
from seqlab.inspection import Inspection, Part
from seqlab.panel_scores import said
from seqlab.runs import Run

if TYPE_CHECKING:  # a listing need not wait for TensorFlow
    from seqlab.backtest import Backtest
    from seqlab.tf1 import Imported
    from seqlab.tuning import Tuning

__all__ = [
    "audit_table",
    "backtest_tables",
    "comparison_tables",
    "console",
    "forecast_table",
    "import_tables",
    "number",
    "runs_table",
    "score_tables",
    "search_table",
    "table",
    "trial_line",
    "window_tables",
]

SHOWN = 30  # rows of a forecast that a terminal is given
TRIALS = 10  # of a search, the best ones


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Leave what is not read any more unsaid; files are still to be written."""
        unheard()


def console() -> Console:
    """The terminal; where there is none, wide enough that no row is cut."""
    found = _Screen(highlight=False, soft_wrap=True)
    return found if found.is_terminal else _Screen(highlight=False, soft_wrap=True, width=200)


def number(value: float) -> str:
    """Three significant digits; a dash where the value is undefined."""
    return f"{value:.3g}" if math.isfinite(value) else "-"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """The first column to the left, the others to the right."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for i, header in enumerate(headers):
        made.add_column(header, justify="left" if i == 0 else "right")
    for row in rows:
        made.add_row(*row)
    return made


def score_tables(
    score: Score, names: Sequence[str], what: str = "test part", windows: str = "windows"
) -> Iterable[Table | str]:
    """The network beside its baselines; per step ahead where there are several; the verdict."""
    everyone = {"network": score.metrics, **score.baselines}
    count, horizon = score.truth.shape
    ahead = "1 step ahead" if horizon == 1 else f"1 to {horizon} steps ahead"
    title = f"{score.name}, {what}: {count} {windows}, {ahead}"
    owa = score.owa if {"smape", "mase"} <= set(names) else {}  # which it is made of
    rows = [
        (spoken(who), *(number(v[name]) for name in names), *([number(owa[who])] if owa else []))
        for who, v in everyone.items()
    ]
    yield table(("", *map(_title, names), *(["OWA"] if owa else [])), rows, title)
    if horizon > 1:
        steps = sorted({1, horizon, *range(1, horizon + 1, max(1, horizon // 6))})
        rows = [
            (spoken(who), *(number(v[s - 1]) for s in steps)) for who, v in score.per_step.items()
        ]
        yield table(("RMSE at step ahead", *map(str, steps)), rows)
    if score.intervals:
        rows = [
            (
                f"{100 * one.nominal:g} % ({one.kind})",
                f"{100 * one.coverage:.1f} %",
                number(one.width),
                number(one.score),
            )
            for one in score.intervals
        ]
        yield table(("intervals", "hold", "mean width", "interval score"), rows)
    elif score.missing:
        yield score.missing
    if score.spread:
        yield (
            f"Weighted quantile loss {number(score.spread.weighted_quantile_loss)}, CRPS"
            f" {number(score.spread.crps)} at {len(score.spread.levels)} levels ({score.spread.kind});"
            " the CRPS of single numbers is their mean absolute error."
        )
    yield score.verdict
    if math.isfinite(score.skill):
        best = spoken(score.best_baseline)
        yield f"Skill against {best}: {score.skill:.3f} (1 is perfect, 0 is no better)."
    yield score.copy_verdict
    yield from said({n: v for n, v in score.without_scale.items() if n in names}, len(score.owners))
    undefined = [_title(name) for name in names if not math.isfinite(score.metrics[name])]
    if undefined:
        yield f"Undefined here ({', '.join(undefined)}): the truth holds zeros, or nothing changes."


def backtest_tables(made: "Backtest") -> Iterable[Table | str]:
    """The score over all origins, and what each origin took."""
    names = ("rmse", "mae", "mape", "smape", "mase", "rmsse")
    yield from score_tables(made.score, names, "backtest", "origins")
    if made.trained:
        yield f"Trained anew {made.trained} times."
    if made.note:
        yield made.note


def forecast_table(made: Forecast) -> Table:
    """Time and value of each step; of a long forecast the first ones."""
    rows = [
        (str(label), *("-" if math.isnan(value) else f"{value:.6g}" for value in values))
        for label, *values in made.rows()
    ]
    levels = [f"{100 * level:g} %" for level in made.quantiles] or list(made.columns)
    if len(rows) > SHOWN:
        more = f"{len(rows) - SHOWN} more: --csv FILE"
        rows = [*rows[:SHOWN], ("...", more, *("" for _ in levels))]
    return table((made.unit, made.name, *levels), rows)


def runs_table(runs: Iterable[Run]) -> Table:
    """One row per run."""
    rows = []
    for run in runs:
        metrics = run.metrics.get("metrics", {})
        rows.append(
            (
                str(run.path),
                run.config.data.source,
                run.config.model.about,
                str(run.config.train.seed),
                "finished" if run.finished else "unfinished: --resume",
                number(metrics.get("rmse") or math.nan),
                number(metrics.get("accuracy") or math.nan),
            )
        )
    return table(("run", "data", "model", "seed", "training", "test RMSE", "accuracy"), rows)


def comparison_tables(made: Comparison) -> Iterable[Table | str]:
    """A column per run: other settings, the training, the test part; then what may be said of them."""
    rows = [(n, *(_setting(row.settings[n]) for row in made.rows)) for n in made.settings]
    ends = ("finished" if row.finished else "unfinished: --resume" for row in made.rows)
    rows += [("training", *ends), ("steps taken", *(f"{row.steps:,}" for row in made.rows))]
    lowest = (
        number(row.best_loss) + (f" at step {row.best_step:,}" if row.best_step is not None else "")
        for row in made.rows
    )
    rows.append(("best validation loss", *lowest))
    for name in made.metrics:
        values = (row.metrics.get(name, math.nan) for row in made.rows)
        rows.append(
            (f"test {_title(name)}", *(f"{v:.4g}" if math.isfinite(v) else "-" for v in values))
        )
    yield table(("", *(row.path for row in made.rows)), rows)
    yield from made.notes
    if made.best is not None:
        yield f"Lowest validation loss: {made.best.path}"
    if any(not row.metrics for row in made.rows):
        yield "Runs without test metrics were not evaluated yet: seqlab evaluate RUN"


def import_tables(made: "Imported") -> Iterable[Table | str]:
    """What became of a TensorFlow 1 checkpoint's variables, and what it could not tell."""
    rows = [
        (name, str(list(made.shapes[name])), ", ".join(goes)) for name, goes in made.used.items()
    ]
    rows += [(name, str(list(made.shapes[name])), "not used") for name in made.unused]
    yield table(("TensorFlow 1", "shape", "seqlab"), rows, made.scope)
    training = len(made.shapes) - len(rows)
    if training:
        yield f"Left out: {training} variables of the optimizer, of averages and of counters."
    known = ", ".join(f"{name} {value}" for name, value in made.assumed.items())
    yield f"Not in a checkpoint, so taken as said or by default: {known}."


def search_table(found: "Tuning", trials: int) -> Table:
    """The best trials of a search so far, and how far it is."""
    best = sorted(range(len(found.trials)), key=lambda i: found.trials[i].loss)[:TRIALS]
    names = list(found.trials[0].values) if found.trials else []
    rows = [
        (
            str(i + 1),
            number(found.trials[i].loss),
            f"{found.trials[i].seconds:.0f} s",
            *(_value(found.trials[i].values[name]) for name in names),
        )
        for i in best
    ]
    done = f"{len(found.trials)} of {trials} trials, the best by {found.measure} of the validation part"
    return table(("trial", found.measure, "took", *names), rows, done)


def trial_line(found: "Tuning", place: int, trials: int) -> str:
    """One trial of a search, and the best until then."""
    one = found.trials[place]
    lowest = min(trial.loss for trial in found.trials[: place + 1])
    said = f"failed ({one.error})" if one.error else f"{found.measure} {number(one.loss)}"
    values = "  ".join(f"{name} {_value(value)}" for name, value in one.values.items())
    return f"trial {place + 1} of {trials}  {said}, best {number(lowest)}  {values}"


def window_tables(found: Inspection) -> Iterable[Table | str]:
    """The parts and the cuts between them; the first and last windows; rows that go unused."""
    title = (
        f"{found.name}: {found.rows.count:,} rows, window {found.window}, horizon {found.horizon}"
    )
    counts = [
        (
            p.name,
            p.rows.numbers,
            p.rows.times,
            *(f"{n:,}" for n in (p.rows.count, p.windows, p.filled)),
        )
        for p in found.parts
    ]
    headers = ("part", "rows", "times", "count", "windows", "filled")
    yield table(headers, counts, title)
    for part, after in zip(found.parts, found.parts[1:], strict=False):
        yield f"Cut between {part.name} and {after.name}: row {_end(part)} | row {_begin(after)}"
    windows = [
        (
            f"{part.name}, {name}",
            w.inputs.numbers,
            w.inputs.times,
            w.targets.numbers,
            w.targets.times,
        )
        for part in found.parts
        for name, w in (("first", part.first), ("last", part.last))
    ]
    yield table(("window", "input rows", "times", "target rows", "times"), windows)
    rows = [
        (f"{u.rows.numbers}", f"{u.rows.count:,}", u.part or "none", _NEVER[u.never], u.reason)
        for u in found.unused
    ]
    yield table(("rows", "count", "part", "are never", "why"), rows)
    if all(u.never != "both" for u in found.unused):
        yield "Every row is in a window."


def audit_table(checks: Sequence[Check], title: str) -> Table:
    """What was changed, what was compared, and the verdict of each check."""
    rows = [
        (c.name, c.changed, f"{c.perturbed:,}", f"{c.compared:,}", f"{c.moved:,}", c.verdict)
        for c in checks
    ]
    headers = ("check", "changed", "values changed", "values compared", "moved", "verdict")
    return table(headers, rows, title)


_NEVER = {"both": "in a window", "input": "an input", "target": "a target"}


def _end(part: Part) -> str:
    return f"{part.rows.last} ({part.rows.end})" if part.rows.end else f"{part.rows.last}"


def _begin(part: Part) -> str:
    return f"{part.rows.first} ({part.rows.begin})" if part.rows.begin else f"{part.rows.first}"


def _setting(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, str) and os.path.isabs(value):
        return min(value, os.path.relpath(value), key=len)
    return "-" if value is None else str(value)


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _title(name: str) -> str:
    named = {"smape": "sMAPE %", "mape": "MAPE %", "r2": "R2", "top5": "top-5"}
    named |= {"accuracy": "accuracy", "loss": "loss"}
    return named.get(name, name.upper())
