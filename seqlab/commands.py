"""What each command does; TensorFlow, pandas, matplotlib and rich are loaded where they are needed."""

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from seqlab import image_commands
from seqlab._cluster import refuse_workers
from seqlab._signals import Interrupted, number_of
from seqlab._train_run import progress, train_run
from seqlab.errors import SeqlabError
from seqlab.options import make_data_config, make_search, train_command
from seqlab.terminal import bar, lay_out, say, searching, tracked

SHOWN = 3  # series of a panel that a terminal is given

__all__ = [
    "audit",
    "backtest",
    "draw",
    "evaluate",
    "forecast",
    "show",
    "train_run",
    "tune",
    "windows",
]


def tune(options: Namespace) -> None:
    """``seqlab tune``: a search for options, and a run with the best of them."""
    config, searched = make_search(options)
    refuse_workers()
    from seqlab import _parts, tuning
    from seqlab.datasets import load

    quiet = options.quiet or options.json
    _parts.set_threads(_parts.WEIGHTS)
    data = load(config.data)
    folder = Path(options.out or tuning.default_folder(config, searched, data))
    try:
        with nullcontext() if quiet else searching(options.trials) as report:
            found = tuning.tune(
                config,
                folder,
                searched,
                options.trials,
                options.jobs,
                data,
                report or (lambda _: None),
            )
        run = tuning.train_best(found, data, [] if quiet else [progress()])
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"interrupted; {folder} keeps the trials that are done. Go on with the same command",
            number_of(error),
        ) from None
    from seqlab.evaluate import evaluate as evaluate_run

    score, command = evaluate_run(run), train_command(run.config)
    if options.json:
        made = {**found.to_json(), "run": str(run.path), "command": command}
        say(json.dumps({**made, "score": score.to_json()}))
    elif not options.quiet:
        show(score, ("rmse", "mae", "mase"))
        say(f"Best of {len(found.trials)} trials: trial {found.best + 1}. Run folder: {run.path}")
        say(f"Database: {folder / 'study.db'}", f"Again: {command}")


def evaluate(options: Namespace) -> None:
    """``seqlab evaluate``: the score of a run's test part, and pictures of it."""
    from seqlab import runs as folders
    from seqlab.evaluate import METRICS
    from seqlab.evaluate import evaluate as evaluate_run

    run = folders.find(options.run_path)
    if run.config.kind == "images":
        image_commands.evaluate(run, options)
        return
    if options.data_dir:
        raise SeqlabError(f"`--data-dir` is for images, and {run.path} is of series. Leave it out")
    score = evaluate_run(run, options.classical, options.adaptive, iter if options.json else bar)
    names = tuple(options.metrics or METRICS)
    pictures = [] if options.plot is None else draw(run, score, _file(options.plot))
    if options.json:
        found = {"run": str(run.path), **score.to_json(names), "plots": [str(p) for p in pictures]}
        say(json.dumps(found))
        return
    say(f"Run {run.path}")
    show(score, names)
    if pictures:
        say(f"Pictures: {', '.join(map(str, pictures))}")


def backtest(options: Namespace) -> None:
    """``seqlab backtest``: forecasts of a run from many origins, and their score."""
    from seqlab import runs as folders

    runs = [folders.find(path, "series") for path in options.run_paths or [None]]
    from seqlab import backtest as tester  # after the run was found: it loads TensorFlow

    quiet = options.json
    made = tester.backtest(
        runs,
        options.start,
        options.step,
        options.retrain,
        options.rows,
        iter if quiet else tracked,
        options.classical,
        options.adaptive,
        iter if quiet else bar,
    )
    run, name = runs[0], "backtest" if len(runs) == 1 else "backtest-mean"
    path = Path(options.csv) if options.csv else run.path / f"{name}.csv"
    files = [tester.write_csv(made, path)]
    if options.plot is not None:
        from seqlab import plots

        picture = _file(options.plot) or run.plots() / f"{name}.png"
        files.append(plots.save(plots.backtest(made), picture))
    if options.json:
        say(json.dumps({**_named(runs), **made.to_json(), "files": list(map(str, files))}))
        return
    from seqlab.report import backtest_tables

    lay_out(*backtest_tables(made))
    say(_of(runs), *(f"Wrote {path}" for path in files))


def forecast(options: Namespace) -> None:
    """``seqlab forecast``: the series of a run, continued."""
    _check_samples(options)
    from seqlab import runs as folders

    runs = [folders.find(path, "series") for path in options.run_paths or [None]]
    from seqlab import forecasts  # after the run was found: it loads TensorFlow

    made = forecasts.forecast_mean(
        runs, options.steps, options.samples, options.seed, options.data, options.adaptive
    )
    several, files = len(made) > 1, _forecast_files(options, runs, made)
    if options.json:
        points = [point for one in made for point in one.to_json(several)]
        about: dict[str, Any] = {"intervals": made[0].kind, "notes": made[0].about}
        if options.samples:
            paths = [{"series": one.name, "values": one.paths.tolist()} for one in made]  # type: ignore[union-attr]
            about["paths"] = paths
        newer_rows = {"data": options.data} if options.data else {}
        named = {**_named(runs), **newer_rows, "forecast": points, **about}
        say(json.dumps({**named, "files": list(map(str, files))}))
        return
    from seqlab.report import forecast_table

    for one in made[:SHOWN]:
        lay_out(forecast_table(one))
    if len(made) > SHOWN:
        say(f"{len(made) - SHOWN} more series: --csv FILE or --json has them all.")
    unseen = "Paths were drawn: --paths FILE or --json has them, and --plot shows some."
    notes = [unseen] if options.samples and not files else []
    source = f", from {options.data}" if options.data else ""
    say(
        f"{_of(runs)}{source}: {made[0].note}",
        *made[0].about,
        *notes,
        *(f"Wrote {f}" for f in files),
    )


def _forecast_files(options: Namespace, runs: Sequence[Any], made: Sequence[Any]) -> list[Path]:
    """Write the files that were asked for."""
    from seqlab import forecasts

    whole, files = made if len(made) > 1 else made[0], []
    if options.csv:
        files.append(forecasts.write_csv(whole, Path(options.csv)))
    if options.paths:
        files.append(forecasts.write_paths(whole, Path(options.paths)))
    if options.plot is not None:
        from seqlab import plots
        from seqlab.newer import newer

        name = "forecast" if len(runs) == 1 else "forecast-mean"
        path = _file(options.plot) or runs[0].plots() / f"{name}.png"
        series = [part.series for part in newer(runs[0], options.data).parts]
        files.append(plots.save(plots.forecasts(series, made), path))
    return files


def _check_samples(options: Namespace) -> None:
    """Refuse options of paths where none are asked for."""
    for name in ("--paths", "--seed"):
        if name in options.given and not options.samples:
            raise SeqlabError(f"`{name}` is of the paths that --samples N draws: give both")


def _of(runs: Sequence[Any]) -> str:
    """Which runs it is of, in words."""
    if len(runs) == 1:
        return f"Run {runs[0].path}"
    return f"Mean of {len(runs)} runs, {', '.join(str(run.path) for run in runs)}"


def _named(runs: Sequence[Any]) -> dict[str, Any]:
    """For ``--json``: the run; of several also their list."""
    several = {"runs": [str(run.path) for run in runs]} if len(runs) > 1 else {}
    return {"run": str(runs[0].path), **several}


def windows(options: Namespace) -> None:
    """``seqlab windows``: which rows are in which windows, without training anything."""
    from seqlab.datasets import load, split
    from seqlab.inspection import inspect

    config = make_data_config(options)
    data = split(load(config), config)
    found = [inspect(part) for part in data.parts]
    if options.json:
        series = [one.to_json() for one in found]
        found_in = {"data": config.source, "series": series}
        say(json.dumps({**found_in, "notes": data.notes, **data.short}))
        return
    from seqlab.report import window_tables

    for one in found[:SHOWN]:
        lay_out(*window_tables(one))
    if len(found) > SHOWN:
        say(f"{len(found) - SHOWN} more series: --json has them all.")
    say(*data.notes)


def audit(options: Namespace) -> None:
    """``seqlab audit``: change what lies behind the cuts, and see that nothing before them moves."""
    from seqlab import audit as auditor
    from seqlab import runs as folders

    run = folders.find(options.run_path, "series")
    checks = auditor.audit(run, iter if options.json else bar)
    if options.json:
        names = [part.series.name for part in run.split.parts]
        say(json.dumps({"run": str(run.path), "series": names, **auditor.to_json(checks)}))
    else:
        from seqlab.report import audit_table

        lay_out(audit_table(checks, f"Run {run.path}"))
    auditor.demand(checks, str(run.path))
    if not options.json:
        count = len(run.split.parts)
        say(*([f"All {count} series were changed and compared."] if count > 1 else []))
        say(f"All {len(checks)} checks hold: nothing before a cut or an origin moved by one bit.")


def show(score: Any, names: tuple[str, ...]) -> None:
    """Print a score's tables and sentences."""
    from seqlab.report import score_tables

    lay_out(*score_tables(score, names))


def _file(option: Any) -> Path | None:
    """The file that ``--plot`` names, or None: the run's own folder."""
    return None if option is True else Path(option)


def draw(run: Any, score: Any, file: Path | None = None) -> list[Path]:
    """Every picture of a score into the run's folder, or the first one into a file."""
    from seqlab import plots

    figures = plots.all_of(run, score)
    return [plots.save(figures["prediction.png"], file)] if file else plots.save_all(run, figures)
