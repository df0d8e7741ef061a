"""Keras callbacks of the trainer: keeping the best weights and the state on disk; showing progress."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import checkpoints
from seqlab._tensorflow import keras
from seqlab.config import TrainConfig
from seqlab.errors import SeqlabError

__all__ = ["Keeper", "ProgressBar", "ProgressLines"]

MEASURED = {
    "loss",
    "penalty",
    "val_loss",
    "val_penalty",
}  # by every training; others are its metrics


class Keeper(keras.callbacks.Callback):
    """After every evaluation: history, best weights, early stopping, and a checkpoint.

    One callback for the four, because what is restored must be one state.
    """

    def __init__(self, trainer: Any, folder: Path, config: TrainConfig, selects: bool) -> None:
        super().__init__()
        self.trainer, self.folder, self.config, self.selects = trainer, folder, config, selects
        self.progress = checkpoints.Progress()
        self.best: list[np.ndarray] = []
        self.stopped = False

    def begin(self, first: dict[str, float], checkpoint: Path | None) -> None:
        """Take up a checkpoint, or write the first one: if the folder is not writable, say so now.

        Args:
            first: what was measured before any step.
            checkpoint: to go on from.
        """
        if checkpoint is not None:
            self.progress, self.best = checkpoints.restore(checkpoint, self._variables())
            self.stopped = self._patience_is_over()
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        held = {f"val_{name}": value for name, value in first.items() if self.selects}
        self._record({**first, **held})
        self._save()

    def epochs_done(self, edges: list[int]) -> int:
        """Evaluations behind us; `edges` are the steps at which they are."""
        return edges.index(self.progress.step)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keras' name for: the stretch between two evaluations is over."""
        del epoch
        self.progress.step = int(self.trainer.optimizer.iterations)
        if not self.selects:  # or else the evaluation before has taken them
            self.trainer.take_statistics()
        self._record(logs or {})
        self._save()
        self.stopped = self._patience_is_over()
        self.trainer.stop_training = self.stopped

    def finish(self) -> dict[str, list[float]]:
        """Give the model its best weights, or the last ones that evaluation used; the history."""
        values = self.best if self.selects else [np.asarray(v) for v in self.trainer.evaluated]
        for variable, value in zip(self.trainer.weights, values, strict=True):
            variable.assign(value)
        rows = self.progress.rows
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _record(self, logs: dict[str, float]) -> None:
        """A row of history; and the weights, if they are the best so far."""
        loss, selected = float(logs["loss"]), float(logs.get("val_loss", math.nan))
        step = self.progress.step
        if not math.isfinite(loss):
            raise SeqlabError(
                f"the loss is not finite before step {step}: the training diverged. Use a smaller"
                f" --learning-rate than {self.config.learning_rate:g}"
            )
        rate = float(self.trainer.optimizer.learning_rate)
        row = {"step": step, "loss": loss, "penalty": float(logs.get("penalty", 0.0))}
        for name in sorted(set(logs) - MEASURED):
            row |= {name: float(logs[name])}
        self.progress.rows.append(row | {"val_loss": selected, "learning_rate": rate})
        if self.selects and selected < self.progress.best_loss:
            self.progress.best_loss, self.progress.best_step = selected, step
            self.best = [np.asarray(weight) for weight in self.trainer.evaluated]

    def _save(self) -> None:
        try:
            checkpoints.save(self.folder, self.progress, self._variables(), self.best)
        except OSError as error:
            raise SeqlabError(
                f"{self.folder}: no checkpoint can be written: {error.strerror}. Earlier ones are whole"
            ) from error

    def _variables(self) -> list[Any]:
        """Everything that a step changes: weights, random state, average, optimizer."""
        return [*checkpoints.state_of(self.trainer), *self.trainer.optimizer.variables]

    def _patience_is_over(self) -> bool:
        """Whether the network has been learning by heart.

        An evaluation counts against the patience only if the training loss reached a new low and the
        validation loss did not. At a high learning rate both go up and down together, and a schedule
        that is still to bring them down should run.
        """
        if not self.selects or self.config.patience is None:
            return False
        lowest, count = math.inf, 0
        for row in self.progress.rows:
            new_low, lowest = row["loss"] < lowest, min(lowest, row["loss"])
            count += new_low and row["step"] > self.progress.best_step
        return count >= self.config.patience


class _Progress(keras.callbacks.Callback):
    """Counts optimizer steps and time; what is shown is up to the two below."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.begun_at, self.begun_step = 0, 0.0, 0
        self.shown: dict[str, float] = {"loss": math.nan}

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        del logs
        self.steps = self.model.total_steps
        self.begun_at, self.begun_step = time.monotonic(), self._step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take up the losses of an evaluation."""
        del epoch
        self.shown = {
            name.replace("val_", "validation "): float(value)
            for name, value in (logs or {}).items()
            if name != "val_penalty"  # which is the same
        }

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _numbers(self) -> str:
        seconds = max(time.monotonic() - self.begun_at, 1e-9)
        speed = (self._step() - self.begun_step) / seconds
        rate = float(self.model.optimizer.learning_rate)
        losses = "  ".join(f"{name} {value:.3g}" for name, value in self.shown.items())
        return f"{losses}  rate {rate:.2g}  {speed:.0f} steps/s"


class ProgressBar(_Progress):
    """A bar in the terminal: losses, learning rate, steps per second, time left."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Show the bar."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        super().on_train_begin(logs)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns)
        self.task = self.bar.add_task("", total=self.steps, completed=self.begun_step)
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Move the bar on by a chunk."""
        del batch
        self.shown["loss"] = float((logs or self.shown)["loss"])
        self.bar.update(self.task, completed=self._step(), description=self._numbers())

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the bar as it stands."""
        del logs
        self.bar.stop()


class ProgressLines(_Progress):
    """For output that is no terminal: a line per evaluation."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Print the line."""
        super().on_epoch_end(epoch, logs)
        print(f"step {self._step()} of {self.steps}  {self._numbers()}", flush=True)  # noqa: T201
