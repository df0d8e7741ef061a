"""What each command does; TensorFlow, pandas, matplotlib and rich are loaded where they are needed."""

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from seqlab.config import Config, ModelConfig
from seqlab.errors import SeqlabError
from seqlab.options import make_config, make_data_config

SHOWN = 3  # series of a panel that a terminal is given

__all__ = [
    "audit",
    "data",
    "evaluate",
    "forecast",
    "import_tf1",
    "models",
    "runs",
    "show",
    "train",
    "train_run",
    "windows",
]


def train(options: Namespace) -> None:
    """``seqlab train``: a run folder, its score, and its pictures."""
    run = train_run(make_config(options), options.out, options.resume, options.quiet)
    from seqlab.evaluate import evaluate as evaluate_run

    score = evaluate_run(run)
    pictures = _draw(run, score)
    if not options.quiet:
        show(score, ("rmse", "mae", "mase"))
        _say(f"Pictures: {', '.join(map(str, pictures))}", f"Run folder: {run.path}")


def train_run(config: Config, out: str | None, resume: bool = False, quiet: bool = False) -> Any:
    """Train with a progress bar, from the beginning or from where an equal run was interrupted."""
    from seqlab import runs as folders
    from seqlab.checkpoints import newest
    from seqlab.datasets import load, split

    run = _unfinished(config, out) if resume else None
    if run is None:
        data = split(load(config.data), config.data, config.needs)
        run = folders.create(config, data.data, Path(out) if out else None)
    elif run.finished:
        if not quiet:
            _say(f"{run.path}: finished already; nothing to resume")
        return run
    try:
        from seqlab import _parts
        from seqlab import train as trainer

        _parts.set_threads(8 * config.model.hidden**2)

        return trainer.resume(run, [] if quiet else [_progress()])
    except KeyboardInterrupt:
        kept = newest(run.path / "checkpoints")
        step = int(kept.stem.removeprefix("step-")) if kept else 0
        raise SeqlabError(
            f"interrupted; {run.path} keeps the checkpoint of step {step}."
            " Go on with the same command and --resume"
        ) from None


def evaluate(options: Namespace) -> None:
    """``seqlab evaluate``: the score of a run's test part, and pictures of it."""
    from seqlab import runs as folders
    from seqlab.evaluate import METRICS
    from seqlab.evaluate import evaluate as evaluate_run

    run = folders.find(options.run_path)
    score = evaluate_run(run)
    names = tuple(options.metrics or METRICS)
    pictures = [] if options.plot is None else _draw(run, score, _file(options.plot))
    if options.json:
        found = {"run": str(run.path), **score.to_json(names), "plots": [str(p) for p in pictures]}
        _say(json.dumps(found))
        return
    _say(f"Run {run.path}")
    show(score, names)
    if pictures:
        _say(f"Pictures: {', '.join(map(str, pictures))}")


def forecast(options: Namespace) -> None:
    """``seqlab forecast``: the series of a run, continued."""
    from seqlab import runs as folders

    run = folders.find(options.run_path)
    from seqlab import forecasts  # after the run was found: it loads TensorFlow

    made = forecasts.forecast(run, options.steps)
    written = [forecasts.write_csv(made, Path(options.csv))] if options.csv else []
    if options.plot is not None:
        from seqlab import plots

        path = _file(options.plot) or run.plots() / "forecast.png"
        written.append(plots.save(plots.forecast(run.series, made), path))
    if options.json:
        points = [{"time": str(t), "forecast": v} for t, v in made.rows()]
        _say(
            json.dumps({"run": str(run.path), "forecast": points, "files": list(map(str, written))})
        )
        return
    from seqlab.report import forecast_table

    _print(forecast_table(made))
    _say(f"Run {run.path}: {made.note}", *(f"Wrote {path}" for path in written))


def windows(options: Namespace) -> None:
    """``seqlab windows``: which rows are in which windows, without training anything."""
    from seqlab.datasets import load, split
    from seqlab.inspection import inspect

    config = make_data_config(options)
    data = split(load(config), config)
    found = [inspect(part) for part in data.parts]
    if options.json:
        _say(json.dumps({"data": config.source, "series": [one.to_json() for one in found]}))
        return
    from seqlab.report import window_tables

    for one in found[:SHOWN]:
        _print(*window_tables(one))
    if len(found) > SHOWN:
        _say(f"{len(found) - SHOWN} more series: --json has them all.")


def audit(options: Namespace) -> None:
    """``seqlab audit``: change what lies behind the cuts, and see that nothing before them moves."""
    from seqlab import audit as auditor
    from seqlab import runs as folders

    run = folders.find(options.run_path)
    checks = auditor.audit(run)
    if options.json:
        _say(json.dumps({"run": str(run.path), **auditor.to_json(checks)}))
    else:
        from seqlab.report import audit_table

        _print(audit_table(checks, f"Run {run.path}"))
    auditor.demand(checks, str(run.path))
    if not options.json:
        _say(f"All {len(checks)} checks hold: nothing before a cut or an origin moved by one bit.")


def import_tf1(options: Namespace) -> None:
    """``seqlab import-tf1``: a Keras model with the cells of a TensorFlow 1 checkpoint."""
    from seqlab._tf1_files import find

    prefix = find(options.checkpoint)
    path = Path(options.out or f"{prefix.name}.keras")
    from seqlab import tf1  # after the checkpoint was found: it loads TensorFlow

    clips = {"cell_clip": options.cell_clip, "proj_clip": options.proj_clip}
    made = tf1.load(prefix, scope=options.scope, forget_bias=options.forget_bias, **clips)
    tf1.save(made, path)
    if options.json:
        _say(json.dumps({**made.to_json(), "file": str(path)}))
        return
    from seqlab.report import import_tables

    _print(*import_tables(made))
    _say(
        f"Wrote {path}. For x [B, T, {made.features}], and lengths [B] or None:",
        "  import seqlab.cells, keras",
        f"  outputs, states = keras.saving.load_model({str(path)!r})([x, lengths])",
    )


def data(_: Namespace) -> None:
    """``seqlab data``: the named series."""
    from seqlab.report import table
    from seqlab.series import NAMED

    rows = [(name, n.about, str(n.window), str(n.horizon)) for name, n in NAMED.items()]
    _print(table(("name", "what", "usual window", "horizon"), rows))
    _say("Or a file of your own: seqlab train my.csv --target COLUMN --window 30 --horizon 7")


def models(_: Namespace) -> None:
    """``seqlab models``: every model with every cell, at the default size."""
    from seqlab import models as registry
    from seqlab.cells import CELLS
    from seqlab.report import table

    rows = []
    for name, build in registry.MODELS.items():
        for cell in CELLS:
            model = registry.build(ModelConfig(name, cell), (10, 2))
            about = (build.__doc__ or "").splitlines()[0]
            rows.append((name, cell, f"{model.count_params():,}", about))
    _print(table(("--model", "--cell", "parameters", "what"), rows))
    _say("Parameters are those of 2 layers of 30 units, 2 features and a horizon of 1.")


def runs(_: Namespace) -> None:
    """``seqlab runs``: the runs in ./runs."""
    from seqlab import runs as folders

    found = folders.listed()
    if not found:
        _say("No runs here yet. Make one: seqlab train sin")
        return
    from seqlab.report import runs_table

    _print(runs_table(found))


def show(score: Any, names: tuple[str, ...]) -> None:
    """Print a score's tables and sentences."""
    from seqlab.report import score_tables

    _print(*score_tables(score, names))


def _print(*parts: Any) -> None:
    """Tables and sentences, laid out for the terminal."""
    from seqlab.report import console

    screen = console()
    for part in parts:
        screen.print(part)


def _say(*lines: str) -> None:
    print(*lines, sep="\n")  # noqa: T201


def _file(option: Any) -> Path | None:
    """The file that ``--plot`` names, or None: the run's own folder."""
    return None if option is True else Path(option)


def _draw(run: Any, score: Any, file: Path | None = None) -> list[Path]:
    from seqlab import plots

    if file:
        return [plots.save(plots.prediction(score, run.series.times), file)]
    try:
        folder = run.plots()
    except OSError as error:
        raise SeqlabError(
            f"{run.path}/plots: cannot be written: {error.strerror}. Use --plot FILE.png"
        ) from error
    return [plots.save(figure, folder / name) for name, figure in plots.all_of(run, score).items()]


def _unfinished(config: Config, out: str | None) -> Any:
    """The run to go on with: in this folder, or the newest of this config that is not finished."""
    from seqlab import runs as folders

    if out:
        run = folders.load(out) if Path(out, "config.json").exists() else None
        if run is not None and run.config != config:
            raise SeqlabError(
                f"{out}: made with other options ({_difference(run.config, config)})."
                " Repeat its command, or use another --out"
            )
        return run
    equal = [run for run in folders.listed() if run.config == config]
    return next((run for run in reversed(equal) if not run.finished), equal[-1] if equal else None)


def _difference(one: Config, other: Config) -> str:
    parts = []
    for field in dataclasses.fields(Config):
        old, new = (dataclasses.asdict(getattr(c, field.name)) for c in (one, other))
        parts += [
            f"{name} {old[name]!r}, now {new[name]!r}" for name in old if old[name] != new[name]
        ]
    return "; ".join(parts)


def _progress() -> Any:
    import sys

    from seqlab.callbacks import ProgressBar, ProgressLines

    return ProgressBar() if sys.stdout.isatty() else ProgressLines()
