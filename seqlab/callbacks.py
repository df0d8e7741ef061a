"""The trainer's own Keras callback: history, best weights, early stopping, checkpoints, signals."""

import csv
import math
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import checkpoints
from seqlab._signals import Interrupted, Signals
from seqlab._tensorflow import keras
from seqlab.config import TrainConfig
from seqlab.errors import SeqlabError
from seqlab.optimizers import at_plateau
from seqlab.runs import written

__all__ = ["Keeper", "write_history"]

# In every training's logs; others are its metrics.
MEASURED = {"loss", "penalty", "val_loss", "val_penalty", "learning_rate"}


class Keeper(keras.callbacks.Callback):
    """After every evaluation: history, best weights, early stopping, and a checkpoint.

    One callback for the four, because what is restored must be one state. When a signal comes, a
    checkpoint is written after any step, and holds what has been measured since the last evaluation.
    """

    def __init__(
        self,
        trainer: Any,
        folder: Path,
        config: TrainConfig,
        selects: bool,
        signals: Signals,
        table: Path | None = None,
    ) -> None:
        super().__init__()
        self.signals, self.table = signals, table
        self.trainer, self.folder, self.config, self.selects = trainer, folder, config, selects
        self.progress = checkpoints.Progress()
        self.best: list[np.ndarray] = []
        self.stopped = False
        self.running: list[np.ndarray] = []  # of a stretch to be gone on with, and of this process
        self.measured: list[np.ndarray] = []  # when its last step was over
        self.seeds: list[np.ndarray] = []  # then, too
        self.chunks = self.left = 0  # of a stretch, and of the present one
        self.spread = trainer.spread

    def begin(self, first: dict[str, float]) -> None:
        """Take up the newest checkpoint, or write the first: if the folder is not writable, say so now.

        Args:
            first: what was measured before any step.
        """
        chief = self.spread.chief
        kept = checkpoints.take_up(self.folder, self._variables()) if chief else None
        if kept is not None:
            self.progress, self.best, self.running = kept
            self._check_kept(kept)
        if self._signal():  # so that `first` may be of a part of the data
            self.leave()
        if chief and kept is None:
            held = {f"val_{name}": value for name, value in first.items() if self.selects}
            rate = float(self.trainer.optimizer.learning_rate)
            self._record({**first, **held, "learning_rate": rate})
            self._save()
        if self.spread.workers > 1:
            self._share()
        self.running = self._dealt(self.running)
        self.stopped = self._patience_is_over()

    def _share(self) -> None:
        """Give the chief's checkpoint to the other workers, which need not see its folder."""
        path = checkpoints.newest(self.folder) if self.spread.chief else None
        data = self.spread.sent(path.read_bytes() if path else b"")
        if path is None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "sent.npz")
                file.write_bytes(data)
                kept = checkpoints.restore(file, self._variables())
            self.progress, self.best, self.running = kept
        self.spread.own_chance(self._seeds())

    def _check_kept(self, kept: checkpoints.Kept) -> None:
        """Refuse now what would be refused when it is used."""
        if self.selects:
            checkpoints.check(self.trainer.weights, kept.best)
        for counts in self._counts(kept.running):
            checkpoints.check(self._measures(), [*counts, kept.running[-1]])

    def _counts(self, running: Sequence[np.ndarray]) -> list[Sequence[np.ndarray]]:
        """What each process that wrote a checkpoint had counted; the norms are the same for all."""
        counted, size = running[:-1], len(self.trainer.metrics_variables)
        places = range(0, max(len(counted), bool(running)), size)
        return [counted[i : i + size] for i in places]

    def _dealt(self, running: list[np.ndarray]) -> list[np.ndarray]:
        """This process's part of it."""
        return [*self.spread.dealt(self._counts(running)), running[-1]] if running else []

    def _gathered(self) -> list[np.ndarray]:
        """What had been measured when the last step was over, by each process."""
        *counted, norms = self.measured
        return [*(value for counts in self.spread.gathered(counted) for value in counts), norms]

    def place(self, edges: list[int], chunks: int) -> int:
        """How many chunks are behind us; so many lie between evaluations.

        Args:
            edges: their steps. The one before the checkpoint's becomes that: the chunk is what is left
                of it. It is empty if what is left is an evaluation.
            chunks: between two evaluations.
        """
        step = self.progress.step
        if not 0 <= step <= edges[-1] or step != int(self.trainer.optimizer.iterations):
            raise SeqlabError(
                f"{self.folder}: holds a checkpoint of step {step}, where this training has none."
                " Train in another --out"
            )
        position = bisect_right(edges, step) - 1
        last = self.progress.rows[-1]["step"] if self.progress.rows else step
        if position and position % chunks == 0 and edges[position] == step > last:
            position -= 1
        edges[position] = step
        self.chunks, self.left = chunks, chunks - position % chunks
        return position

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on with what was measured before an interruption."""
        del epoch, logs
        self.trainer.optimizer.norms.assign(0.0)
        if self.running:
            checkpoints.put(self._measures(), self.running)
            self.running = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras' name for: a chunk is over. Leave with a checkpoint, if a signal came."""
        del logs
        stop, over = self._signal(), batch + 1 == self.left
        if stop or over:
            self.measured, self.seeds = _values(self._measures()), _values(self._seeds())
        if stop:
            self._interrupt()
        if over:  # of a stretch begun in its middle Keras does not know the end
            self.trainer.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Leave an evaluation to be taken anew, if a signal came."""
        del batch, logs
        if self.signals.number:
            self.trainer.stop_evaluating = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keras' name for: the stretch between two evaluations is over."""
        del epoch
        if not self.selects:  # or else the evaluation before has taken them
            self.trainer.take_statistics()
        if self._signal():
            self._interrupt()
        self.progress.step = int(self.trainer.optimizer.iterations)
        self._record(self.spread.of_chief(logs or {}))
        if logs is not None:  # which callbacks behind this one see
            logs["gradient_norm"] = self.progress.rows[-1]["gradient_norm"]
        if self.config.schedule == "plateau":
            losses = [row["val_loss" if self.selects else "loss"] for row in self.progress.rows]
            self.trainer.optimizer.learning_rate.assign(at_plateau(self.config, losses))
        self._save()
        self.stopped, self.left = self._patience_is_over(), self.chunks
        self.trainer.stop_training = self.stopped

    def finish(self) -> dict[str, list[float]]:
        """Give the model its best weights, or the last ones that evaluation used; the history."""
        values = self.best if self.selects else self.trainer.evaluated
        checkpoints.put(self.trainer.weights, values)
        return self._columns()

    def _columns(self) -> dict[str, list[float]]:
        rows = self.progress.rows
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}

    def _record(self, logs: dict[str, float]) -> None:
        """A row of history; and the weights, if they are the best so far."""
        loss, selected = float(logs["loss"]), float(logs.get("val_loss", math.nan))
        step = self.progress.step
        if not (math.isfinite(loss) and math.isfinite(logs.get("val_loss", loss))):
            raise SeqlabError(self._not_finite("validation " if math.isfinite(loss) else ""))
        row = {"step": step, "loss": loss, "penalty": float(logs.get("penalty", 0.0))}
        for name in sorted(set(logs) - MEASURED):
            row |= {name: float(logs[name])}
        row |= {"val_loss": selected, "learning_rate": float(logs["learning_rate"])}
        row |= {"gradient_norm": self._norm()}
        self.progress.rows.append(row)
        if self.selects and selected < self.progress.best_loss:
            self.progress.best_loss, self.progress.best_step = selected, step
            self.best = self.trainer.evaluated

    def _not_finite(self, of: str) -> str:
        """What is said of such a loss: at its evaluation, and with the weights that are kept."""
        step, rate = self.progress.step, f"{self.config.learning_rate:g}"
        if not step:
            cause = "the data are too large. Use another --scaling"
        elif of:
            cause = (
                "the training diverged, or validation rows lie far from those of training. Use a"
                f" smaller --learning-rate than {rate}, or another --scaling"
            )
        else:
            cause = f"the training diverged. Use a smaller --learning-rate than {rate}"
        rows = self.progress.rows
        kept = f". {self.folder} has the weights of step {rows[-1]['step']}" if rows else ""
        return f"the {of}loss is not finite before step {step + 1}: {cause}{kept}"

    def _signal(self) -> int:
        """The signal that came, to this process or to another worker; 0 for none."""
        number = self.spread.agreed(self.signals.number)
        if number:  # or one that has come meanwhile would be forgotten
            self.signals.number = number
        return number

    def _interrupt(self) -> None:
        """Leave with a checkpoint of the last step, whatever an evaluation has done since."""
        self.progress.step = int(self.trainer.optimizer.iterations)
        checkpoints.put(self._seeds(), self.seeds)  # statistics are taken with dropout
        self._save(self._gathered())
        self._part()
        self.leave()

    def _part(self) -> None:
        """Others stay until the chief has written: one that leaves may end those in a sum with it."""
        with suppress(SeqlabError) if self.spread.chief else nullcontext():
            self.spread.agreed(0)

    def leave(self) -> None:
        """Say that a signal came.

        Raises:
            Interrupted: always.
        """
        kept = f"; {self.folder} has the checkpoint of step {self.progress.step}"
        raise Interrupted(
            f"interrupted{kept if self.progress.rows else ' before the first step'}",
            self.signals.number,
        )

    def _save(self, running: Sequence[np.ndarray] = ()) -> None:
        if not self.spread.chief:
            return
        try:
            checkpoints.save(
                self.folder,
                self.progress,
                self._variables(),
                self.best,
                running,
                self.config.keep,
            )
            if self.table is not None:
                write_history(self.table, self._columns())
        except OSError as error:
            raise SeqlabError(
                f"{self.folder}: no checkpoint can be written: {error.strerror}. Earlier ones are whole"
            ) from error

    def _variables(self) -> list[Any]:
        """Everything that a step changes: weights, random state, average, optimizer."""
        return [*checkpoints.state_of(self.trainer), *self.trainer.optimizer.variables]

    def _measures(self) -> list[Any]:
        """What adds up between two evaluations."""
        return [*self.trainer.metrics_variables, self.trainer.optimizer.norms]

    def _seeds(self) -> list[Any]:
        """Of dropout and the like."""
        state = checkpoints.state_of(self.trainer)
        return [variable for variable in state if variable.name == "seed_generator_state"]

    def _norm(self) -> float:
        """The mean norm of the gradients since the last evaluation, before clipping."""
        rows = self.progress.rows
        taken = self.progress.step - (rows[-1]["step"] if rows else 0)
        return float(self.trainer.optimizer.norms) / max(1, taken)

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


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in variables]


def write_history(path: Path, history: dict[str, list[float]]) -> None:
    """Write the columns of a history as CSV; who reads it meanwhile sees whole rows."""
    with written(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(history)
        rows.writerows(zip(*history.values(), strict=True))
