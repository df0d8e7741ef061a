"""What the commands do with a run of images."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from seqlab import bases
from seqlab.errors import SeqlabError
from seqlab.terminal import lay_out, say

__all__ = ["evaluate", "finish", "notes", "predict"]


def notes(run: Any) -> list[str]:
    """What is to be said of a run before its training."""
    network, data = run.config.model, run.data
    begun = [] if network.base is None else [bases.note(network, data.train.classes)]
    return [*data.notes, *begun]


def finish(run: Any, quiet: bool) -> tuple[Any, list[Path]]:
    """The end of ``seqlab train``: the score, and its pictures."""
    from seqlab.image_evaluate import evaluate as score_of

    score = score_of(run)
    pictures = _draw(run, score)
    if not quiet:
        _show(score)
        say(f"Pictures: {', '.join(map(str, pictures))}", f"Run folder: {run.path}")
    return score, pictures


def evaluate(run: Any, options: Namespace) -> None:
    """``seqlab evaluate`` of a run of images."""
    from seqlab.image_evaluate import evaluate as score_of

    if options.metrics:
        raise SeqlabError(
            f"`--{options.metrics[0]}` is for series, and {run.path} is of images. Leave it out"
        )
    if options.data_dir:
        run = run.at(options.data_dir)
    score = score_of(run)
    pictures = [] if options.plot is None else _draw(run, score, options.plot)
    if options.json:
        plots = [str(path) for path in pictures]
        say(json.dumps({"run": str(run.path), **score.to_json(), "plots": plots}))
        return
    say(f"Run {run.path}")
    _show(score)
    if pictures:
        say(f"Pictures: {', '.join(map(str, pictures))}")


def predict(options: Namespace) -> None:
    """``seqlab predict``: the likeliest classes of picture files."""
    path, found = _guessed(options)
    if options.json:
        pictures = [one.to_json() for one in found]
        say(json.dumps({"run": path, "pictures": pictures}))
        return
    from seqlab.image_report import guess_table

    lay_out(guess_table(found))
    say(f"Run {path}")


def _guessed(options: Namespace) -> tuple[str, Any]:
    """By which run or file, and what."""
    from seqlab import image_predict
    from seqlab import runs as folders

    path = options.run_path
    if path.endswith(".npy"):
        return path, image_predict.predict_alexnet(path, options.files, options.names)
    if options.names:
        raise SeqlabError("--names is for AlexNet's .npy file: a run has its own. Leave it out")
    run = folders.find(path, "images")
    return str(run.path), image_predict.predict(run, options.files)


def _draw(run: Any, score: Any, file: Any = True) -> list[Path]:
    """Every picture into the run's folder, or the confusion matrix into a file."""
    from seqlab import image_plots, plots

    figures = image_plots.all_of(run, score)
    if file is True:
        return plots.save_all(run, figures)
    return [plots.save(figures["confusion.png"], Path(file))]


def _show(score: Any) -> None:
    from seqlab.image_report import image_tables

    lay_out(*image_tables(score))
