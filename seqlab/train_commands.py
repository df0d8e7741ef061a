"""`seqlab train`: one run, several that differ in their seed, or a search for the learning rate."""

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from seqlab import image_commands
from seqlab._cluster import chief, refuse_workers
from seqlab._told import told
from seqlab.commands import draw, show, train_run
from seqlab.config import Config
from seqlab.errors import SeqlabError
from seqlab.options import make_config
from seqlab.terminal import lay_out, say

__all__ = ["train"]

SHOWN = {"series": ("rmse", "mae", "mase"), "images": ("accuracy", "loss")}
RUNS = ("seeds", "resume", "tensorboard", "out")  # which a search for a rate has no use for


def train(options: Namespace) -> None:
    """``seqlab train``: a run folder, its score, and its pictures; or what was asked for instead."""
    config = make_config(options)
    if options.find_rate:
        _find_rate(config, options)
    elif options.seeds:
        _seeds(config, options)
    else:
        _one(config, options)


def _one(config: Config, options: Namespace) -> None:
    quiet = options.quiet or options.json
    run = train_run(config, options.out, options.resume, quiet, options.tensorboard, options.device)
    if not chief(config.train.strategy):
        return
    end = image_commands.finish if config.kind == "images" else _finish
    score, pictures = end(run, quiet)
    if options.json:
        plots = [str(path) for path in pictures]
        say(json.dumps({"run": str(run.path), **score.to_json(), "plots": plots}))


def _finish(run: Any, quiet: bool) -> tuple[Any, list[Path]]:
    from seqlab.evaluate import evaluate as evaluate_run

    score = evaluate_run(run)
    pictures = draw(run, score)
    if not quiet:
        show(score, SHOWN["series"])
        say(*_notes(run))
        say(f"Pictures: {', '.join(map(str, pictures))}", f"Run folder: {run.path}")
    return score, pictures


def _notes(run: Any) -> tuple[str, ...]:
    """What is to be known of a series that was trained on."""
    if run.config.kind == "images":
        return ()
    from seqlab.companions import advice  # here, so that help and refusals need not wait

    return (*run.split.notes, *advice(run.config, run.split))


def _seeds(config: Config, options: Namespace) -> None:
    """The same config with one seed after the other."""
    quiet, found = options.quiet or options.json, []
    for seed in range(config.train.seed, config.train.seed + options.seeds):
        if not quiet:
            told(f"Seed {seed}")
        out = str(Path(options.out) / f"seed-{seed}") if options.out else None
        same = dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed))
        run = train_run(same, out, options.resume, quiet, options.tensorboard, options.device)
        if chief(config.train.strategy):
            found.append((run, _scored(run)))
    if not found:
        return
    from seqlab.seeds import gather

    made = gather([run for run, _ in found], found[0][1])
    if options.json:
        say(json.dumps(made.to_json()))
    elif not quiet:
        from seqlab.seed_report import seed_tables

        lay_out(*seed_tables(made, SHOWN[config.kind]))
        say(*_notes(found[0][0]))


def _scored(run: Any) -> str:
    """Evaluate a run into its folder; the metric that decides."""
    if run.config.kind == "images":
        from seqlab.image_evaluate import evaluate as score_of

        score_of(run)
        return "accuracy"
    from seqlab.evaluate import evaluate as evaluate_run

    return evaluate_run(run).by


def _find_rate(config: Config, options: Namespace) -> None:
    """A learning rate for the same command; no run is made."""
    given = [f"--{name}" for name in RUNS if getattr(options, name)]
    if given:
        raise SeqlabError(f"--find-rate trains no run: leave out {', '.join(given)}")
    refuse_workers()
    from seqlab.run_data import parts

    data = parts(config)[1]
    from seqlab import plots, rate_plots, rates, tasks  # after wrong data were refused

    tasks.set_threads(config)
    found = rates.find(config, data)
    name = f"{Path(config.data.source).stem}, {config.model.name}"
    picture = plots.save(rate_plots.rates(found, name), Path(options.find_rate))
    if options.json:
        say(json.dumps({**found.to_json(), "plots": [str(picture)]}))
    elif not options.quiet:
        say(found.verdict, f"Picture: {picture}")
