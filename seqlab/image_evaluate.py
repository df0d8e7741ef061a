"""Scoring a run of images on its test part, beside its baselines."""

from seqlab.image_predict import check_model, logits
from seqlab.image_scores import ImageScore, baselines, probabilities
from seqlab.runs import Run

__all__ = ["evaluate"]


def evaluate(run: Run) -> ImageScore:
    """Score a finished run on its whole test part, and write ``metrics.json`` into its folder.

    Raises:
        SeqlabError: the run is not finished, or its images are not where they were.
    """
    data = run.split
    check_model(run.model, len(data.test.classes), data.test.input_shape)
    found = probabilities(logits(run.model, data.test))
    beside = baselines(data.train, data.test)
    score = ImageScore(found, data.test.labels, data.test.classes, data.name, beside)
    run.keep_metrics(score)
    return score
