"""What the commands do with a run of images."""

import json
from argparse import Namespace
from typing import Any

from seqlab.errors import SeqlabError
from seqlab.terminal import lay_out, say

__all__ = ["evaluate", "finish"]


def finish(run: Any, quiet: bool) -> None:
    """The end of ``seqlab train``: the score."""
    from seqlab.image_evaluate import evaluate as score_of

    score = score_of(run)
    if not quiet:
        _show(score)
        say(f"Run folder: {run.path}")


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
    if options.json:
        say(json.dumps({"run": str(run.path), **score.to_json()}))
        return
    say(f"Run {run.path}")
    _show(score)


def _show(score: Any) -> None:
    from seqlab.image_report import image_tables

    lay_out(*image_tables(score))
