"""`seqlab inspect`: a run taken apart, and a microscope for its recurrent network."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqlab.arguments import picture
from seqlab.terminal import lay_out, say

__all__ = ["add", "inspect"]


def add(command: Callable[..., ArgumentParser]) -> None:
    """Add it to the command line.

    Args:
        command: from a name, a function and a description to a parser for its options.
    """
    to = command("inspect", inspect, "take a run apart: variables, origin, checkpoints")
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--data-dir", metavar="DIR", help="where the images of the run are now")
    to.add_argument(
        "--memory", action="store_true", help="how long its LSTM or GRU layers remember"
    )
    to.add_argument(
        "--plot",
        nargs="?",
        const=True,
        type=picture,
        metavar="FILE",
        help="the same, and a PNG of it; default: memory.png in the run's plots",
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def inspect(options: Namespace) -> None:
    """``seqlab inspect``: what is in a run folder, where it comes from, and what can be read."""
    from seqlab import runs as folders

    run = folders.find(options.run_path)
    if options.data_dir:
        run.demand("images")
        run = run.at(options.data_dir)
    from seqlab import anatomy  # after the run was found: it loads TensorFlow

    found = anatomy.dissect(run)
    seen = _examined(run) if options.memory or options.plot else None
    files = [_drawn(run, seen, options.plot)] if options.plot else []
    if options.json:
        extra = {} if seen is None else {"memory": seen.to_json(), "plots": list(map(str, files))}
        say(json.dumps({**found.to_json(), **extra}))
        return
    from seqlab.inspect_report import anatomy_tables, memory_tables

    lay_out(*anatomy_tables(found), *(() if seen is None else memory_tables(seen)))
    say(*(f"Picture: {path}" for path in files))


def _examined(run: Any) -> Any:
    from seqlab.microscope import examine

    return examine(run)


def _drawn(run: Any, seen: Any, option: Any) -> Path:
    from seqlab import microscope_plots, plots

    figure = microscope_plots.memory(seen, run.path.name)
    return plots.save(figure, run.plots() / "memory.png" if option is True else Path(option))
