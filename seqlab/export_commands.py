"""``seqlab export``: a run as files for other programs."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from seqlab.config import EXPORTS
from seqlab.terminal import say

__all__ = ["add", "export"]


def add(command: Callable[..., ArgumentParser]) -> None:
    """Add it to the command line.

    Args:
        command: from a name, a function and a description to a parser for its options.
    """
    to = command("export", export, "write a run in a format that other programs run")
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--format", choices=EXPORTS, required=True)
    to.add_argument("--out", metavar="DIR", help="default: export/FORMAT in the run")
    to.add_argument(
        "--series",
        metavar="NAME",
        help="of several: whose scale and attributes are built in",
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def export(options: Namespace) -> None:
    """``seqlab export``: files that take raw values and give forecasts in original units."""
    from seqlab import runs as folders

    run = folders.find(options.run_path)
    from seqlab.export import export as write  # after the run was found: it loads TensorFlow

    made = write(run, options.format, options.out, options.series)
    if options.json:
        say(json.dumps({"run": str(run.path), **made.to_json()}))
        return
    say(f"Run {run.path}")
    say(
        f"{made.compared} inputs through the files differ from the model by at most"
        f" {made.difference:.1e} of the scale."
    )
    say(*(f"Wrote {file}" for file in made.to_json()["files"]))
