"""Scoring a run of images on its test part, beside its baselines."""

import json

from seqlab.image_predict import logits
from seqlab.image_scores import ImageScore, baselines, probabilities
from seqlab.runs import Run, written

__all__ = ["evaluate"]


def evaluate(run: Run) -> ImageScore:
    """Score a finished run on its whole test part, and write ``metrics.json`` into its folder.

    Raises:
        SeqlabError: the run is not finished, or its images are not where they were.
    """
    data = run.split
    found = probabilities(logits(run.model, data.test))
    beside = baselines(data.train, data.test)
    score = ImageScore(found, data.test.labels, data.test.classes, data.name, beside)
    try:
        with written(run.path / "metrics.json") as temporary:
            temporary.write_text(json.dumps(score.to_json(), indent=2) + "\n")
    except OSError:  # a run on a read-only disk can be scored all the same
        pass
    return score
