"""An evaluator beside a training: it scores each new checkpoint on the validation part.

It reads the run folder and writes nothing, so it may run in another process, or on another machine that
sees the same disk. Scores are computed anew from a checkpoint's weights, not copied from what the
training says of itself.
"""

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlab import checkpoints, runs, train
from seqlab._tensorflow import keras
from seqlab.checkpoints import Progress
from seqlab.datasets import Split
from seqlab.errors import SeqlabError, check_positive
from seqlab.metrics import rmse
from seqlab.predict import Predictor
from seqlab.runs import Run
from seqlab.tasks import Task, task
from seqlab.trainer import Trainer, make_trainer
from seqlab.weights import Weight, listed

__all__ = ["Scorer", "Seen", "await_run", "watch", "weights"]

EVERY = 10.0  # seconds between two looks
TIMEOUT = 3_600.0  # seconds without a new checkpoint after which a training counts as dead
LONGEST = 1e9  # seconds that can be slept
START = 60.0  # seconds that a training has to make its folder


@dataclass(frozen=True)
class Seen:
    """A checkpoint and its score.

    Attributes:
        step: optimizer steps taken.
        scores: ``loss``, what else the training measures, and for one series ``rmse`` in its units.
        best: whether it holds the lowest validation loss so far.
    """

    step: int
    scores: dict[str, float]
    best: bool

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints on one line; values that are not finite are null."""
        scores = {name: v if math.isfinite(v) else None for name, v in self.scores.items()}
        return {"step": self.step, "best": self.best, **scores}


class Scorer:
    """The network of a run, ready to take up any of its checkpoints and score it."""

    def __init__(self, run: Run) -> None:
        """Build the network; its weights come with the first checkpoint.

        Raises:
            SeqlabError: the run has no validation part.
        """
        part = run.split.validation
        if part is None:
            raise SeqlabError(
                f"{run.path}: trained without a validation part, so there is nothing to score on."
                " When it is finished, `seqlab evaluate` scores it on the test part"
            )
        made, self.trainer = _made(run)
        self.part = part
        self._batches = part.dataset(train.evaluated_rows(run.config.train, part.input_shape))
        self._predictor: Predictor | None = None
        if isinstance(run.split, Split):
            self._predictor = Predictor(made.model, part, run.config.model)

    def restore(self, checkpoint: Path) -> Progress:
        """Take up a checkpoint's weights.

        Raises:
            SeqlabError: it is gone, damaged, or of another model.
        """
        return checkpoints.restore(checkpoint, checkpoints.state_of(self.trainer)).progress

    def __call__(self, checkpoint: Path) -> Seen:
        """Score a checkpoint on the validation part.

        Raises:
            SeqlabError: it cannot be read.
        """
        progress = self.restore(checkpoint)
        measured = self.trainer.evaluate(self._batches, verbose=0, return_dict=True)
        scores = {"loss": float(measured["loss"])}  # first
        scores |= {name: float(value) for name, value in measured.items()}
        if self._predictor is not None:
            truth = self.part.raw()[1].astype(np.float64)
            with self.trainer.as_evaluated():
                scores["rmse"] = rmse(truth, self._predictor(self.part))
        return Seen(progress.step, scores, progress.best_step == progress.step)


def weights(run: Run) -> tuple[list[Weight], int]:
    """The weights in the newest checkpoint that evaluation would use, and the step of it.

    Raises:
        SeqlabError: there is no checkpoint, or it cannot be read.
    """
    checkpoint = _newest(run)
    if checkpoint is None:
        raise SeqlabError(
            f"{run.path}: has no checkpoint yet. Look again when its training has begun"
        )
    made, trainer = _made(run)
    progress = checkpoints.restore(checkpoint, checkpoints.state_of(trainer)).progress
    with trainer.as_evaluated(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        made.model.save(file)
        # Keras gives weights in layers in layers other names once they are loaded.
        return listed(keras.saving.load_model(file, compile=False)), progress.step


def watch(run: Run, every: float = EVERY, timeout: float = TIMEOUT) -> Iterator[Seen]:
    """Score the newest checkpoint, again and again, until the training ends; no file is scored twice.

    Where a signal ended an evaluation, the checkpoint of that step is written anew when it is repeated.
    A training writes faster than a slow network can be scored: what was passed over stays unscored. Of a
    run that is finished the last checkpoint is scored, and that is all.

    Args:
        run: a run, finished or not.
        every: seconds between two looks.
        timeout: seconds without a new checkpoint after which the training counts as dead.

    Raises:
        SeqlabError: the run cannot be scored, its folder is gone, or the timeout.
    """
    check_positive("every", every, float, most=LONGEST)
    check_positive("timeout", timeout, float, most=LONGEST)
    score, last, until = Scorer(run), _Written(), time.monotonic() + timeout
    while True:
        finished = run.finished  # before the look, or the last checkpoint could slip through
        found = _look(run)
        seen = _scored(score, found.path) if found.path is not None and found != last else None
        if seen is not None:
            last = found
            yield seen
            until = time.monotonic() + timeout
        elif finished and found == last:
            return _check_something(run, last.path)
        elif time.monotonic() >= until:
            raise SeqlabError(_dead(run, last.path, timeout))
        else:
            time.sleep(max(0.0, min(every, until - time.monotonic())))


def await_run(path: str | Path, missing: Callable[[], None] = lambda: None) -> Run:
    """Open a run whose training may only just have been started in another process.

    Args:
        path: of the run folder.
        missing: called once if it is not there yet.

    Raises:
        SeqlabError: it is not there after a minute, or cannot be opened.
    """
    config, until, told = Path(path, "config.json"), time.monotonic() + START, False
    while not config.exists() and time.monotonic() < until:
        if not told:
            missing()
        told = True
        time.sleep(0.5)
    return runs.load(path)


def _made(run: Run) -> tuple[Task, Trainer]:
    """The network of a run, and a trainer that takes up its checkpoints."""
    config = run.config.train
    steps = train.count_steps(config, len(run.split.train))
    made = task(run.config, run.split, steps)
    # Of the checkpoint's optimizer nothing is needed, so this is one without variables of its own.
    light = dataclasses.replace(config, optimizer="sgd", momentum=0.0)
    return made, make_trainer(made, light, steps)


def _newest(run: Run) -> Path | None:
    if not run.path.exists():
        raise SeqlabError(f"{run.path}: was deleted while it was watched")
    return checkpoints.newest(run.path / "checkpoints")


class _Written(NamedTuple):
    """A checkpoint, if there is one, and when it was written: a step may have two in turn."""

    path: Path | None = None
    time: int = 0  # in nanoseconds


def _look(run: Run) -> _Written:
    """The newest checkpoint; none if the training deletes it meanwhile: then there are newer ones."""
    path = _newest(run)
    try:
        return _Written() if path is None else _Written(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return _Written()


def _scored(score: Scorer, checkpoint: Path) -> Seen | None:
    """None if the training deleted it before it was read: then there are newer ones."""
    try:
        return score(checkpoint)
    except SeqlabError:
        if checkpoint.exists():
            raise
        return None


def _check_something(run: Run, last: Path | None) -> None:
    if last is None:
        raise SeqlabError(
            f"{run.path}: finished, and its checkpoints are gone. `seqlab evaluate` scores its model"
        )


def _dead(run: Run, last: Path | None, timeout: float) -> str:
    after = f"after step {checkpoints.step_of(last)}" if last else "at all"
    return (
        f"{run.path}: no new checkpoint {after} for {timeout:g} seconds. If the training died, go on with"
        " its command and --resume; if it is slow, give a longer --timeout"
    )
