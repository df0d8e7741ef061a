"""`seqlab inspect`: a run taken apart."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

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
    if options.json:
        say(json.dumps(found.to_json()))
        return
    from seqlab.inspect_report import anatomy_tables

    lay_out(*anatomy_tables(found))
