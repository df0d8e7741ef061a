"""The commands that look at networks: `seqlab watch` at one in training, `seqlab weights` into one."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqlab.arguments import rate
from seqlab.terminal import lay_out, say

__all__ = ["add", "watch", "weights"]


def add(command: Callable[..., ArgumentParser]) -> None:
    """Add both to the command line.

    Args:
        command: from a name, a function and a description to a parser for its options.
    """
    _watch_options(command("watch", watch, "score each checkpoint of a training as it comes"))
    _weights_options(command("weights", weights, "list a network's weights, or write them out"))


def _watch_options(to: ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--data-dir", metavar="DIR", help="where the images of the run are now")
    to.add_argument(
        "--every", type=rate, default=10.0, metavar="S", help="seconds between looks; default: 10"
    )
    to.add_argument(
        "--timeout",
        type=rate,
        default=3600.0,
        metavar="S",
        help="seconds without a new checkpoint that mean an end; default: 3600",
    )
    to.add_argument("--json", action="store_true", help="print one JSON object a line")


def _weights_options(to: ArgumentParser) -> None:
    to.add_argument(
        "run_path", nargs="?", metavar="RUN", help="a run, .keras or .npy file; default: the newest"
    )
    to.add_argument(
        "--data-dir", metavar="DIR", help="where the images of an unfinished run are now"
    )
    to.add_argument("--out", metavar="FILE", help="write names, shapes and values as text")
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def watch(options: Namespace) -> None:
    """``seqlab watch``: the score of each new checkpoint, until the training ends."""
    try:
        _watch(options)
    except KeyboardInterrupt:  # the way to leave early; what is watched goes on
        if not options.json:
            say("Left. The training, if there is one, goes on.")


def weights(options: Namespace) -> None:
    """``seqlab weights``: names and shapes of a network's weights, or with ``--out`` all values."""
    from seqlab import runs as folders

    path = Path(options.run_path or folders.find().path)
    found, step = _found(path, options.data_dir)
    from seqlab import weights as lister

    file = lister.write(found, Path(options.out)) if options.out else None
    if options.json:
        made = {"weights": [one.to_json() for one in found], "file": file and str(file)}
        say(json.dumps({"run": str(path), "step": step, **made}))
        return
    from seqlab.report import table

    rows = [
        (one.name, str(list(one.values.shape)), "trained" if one.trained else "fixed")
        for one in found
    ]
    lay_out(table(("weight", "shape", "in training"), rows))
    at = "" if step is None else f", of step {step}: its training is not finished"
    say(f"{sum(one.values.size for one in found):,} numbers in {path}{at}")
    if file:
        say(f"Wrote {file}")


def _found(path: Path, data_dir: str | None) -> tuple[list[Any], int | None]:
    """The weights of a run or a file; of an unfinished run its newest checkpoint's, and the step."""
    from seqlab import runs as folders

    if (path / "config.json").exists() and not (path / "model.keras").exists():
        run = folders.load(path)
        from seqlab import watch as watcher

        return watcher.weights(run.at(data_dir) if data_dir else run)
    from seqlab import transfer
    from seqlab import weights as lister

    return lister.listed(transfer.load(path)), None


def _watch(options: Namespace) -> None:
    from seqlab import runs as folders

    run, path = None, options.run_path
    if path is None or Path(path, "config.json").exists():
        run = folders.find(path)
    from seqlab import watch as watcher  # after a wrong path was refused: it loads TensorFlow
    from seqlab._tensorflow import threads

    threads(1)  # the training needs the others
    if run is None:
        run = watcher.await_run(path, lambda: _tell(options, f"Waiting for {path}"))
    if options.data_dir:
        run.demand("images")
        run = run.at(options.data_dir)
    _tell(options, f"Run {run.path}")
    for seen in watcher.watch(run, options.every, options.timeout):
        scores = "  ".join(f"{name} {value:.4g}" for name, value in seen.scores.items())
        mark = "  best so far" if seen.best else ""
        _tell(options, f"step {seen.step}  {scores}{mark}", seen.to_json())
    _tell(options, "The training has ended.", {"finished": True})


def _tell(options: Namespace, line: str, found: dict[str, Any] | None = None) -> None:
    """Say it in words, or with ``--json`` as one object on a line, if there is one."""
    if not options.json:
        say(line)
    elif found is not None:
        say(json.dumps(found))
