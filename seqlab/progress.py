"""Keras callbacks that show how far a training is: a bar in a terminal, lines elsewhere."""

import math
import time
from typing import Any

from seqlab._tensorflow import keras
from seqlab._told import told

__all__ = ["ProgressBar", "ProgressLines"]

MOVED = 0.5  # seconds between two moves of the bar


class _Progress(keras.callbacks.Callback):
    """Counts optimizer steps and time; what is shown is up to the two below."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: Any = None
        self.steps, self.begun_at, self.begun_step = 0, 0.0, 0
        self.shown: dict[str, float] = {"loss": math.nan}
        self.rate = math.nan

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock."""
        del logs
        self.steps = self.model.total_steps
        self.begun_at, self.begun_step = time.monotonic(), self._step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take up the losses of an evaluation."""
        del epoch
        found = {name: float(value) for name, value in (logs or {}).items()}
        self.rate = found.pop("learning_rate", self.rate)
        for name in ("val_penalty", "gradient_norm"):  # the same as the penalty; for pictures
            found.pop(name, None)
        self.shown = {name.replace("val_", "validation "): v for name, v in found.items()}

    def _step(self) -> int:
        return int(self.model.optimizer.iterations)

    def _numbers(self, step: int) -> str:
        seconds = max(time.monotonic() - self.begun_at, 1e-9)
        speed = (step - self.begun_step) / seconds
        losses = "  ".join(f"{name} {value:.3g}" for name, value in self.shown.items())
        return f"{losses}  rate {self.rate:.2g}  {speed:.0f} steps/s"


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
        self.bar = Progress(*columns, auto_refresh=False)
        self.moved_at = -math.inf
        self.task = self.bar.add_task("", total=self.steps, completed=self.begun_step)
        self.bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Move the bar on, but not at every chunk: to draw it takes a millisecond."""
        del batch
        found = logs or {}
        self.shown["loss"] = float(found.get("loss", self.shown["loss"]))
        self.rate = float(found.get("learning_rate", self.rate))
        if time.monotonic() - self.moved_at > MOVED:
            self._move()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the bar where the training ended; called again, nothing."""
        del logs
        if self.bar is not None:
            if math.isfinite(self.moved_at):
                self._move()
            self.bar.stop()
            self.bar = None

    def _move(self) -> None:
        step = self._step()
        self.bar.update(self.task, completed=step, description=self._numbers(step), refresh=True)
        self.moved_at = time.monotonic()


class ProgressLines(_Progress):
    """For output that is no terminal: a line per evaluation."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Print the line."""
        super().on_epoch_end(epoch, logs)
        step = self._step()
        told(f"step {step} of {self.steps}  {self._numbers(step)}")
