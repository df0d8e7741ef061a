"""What a training measures, as files that TensorBoard shows.

TensorFlow itself writes them. Its ``tf.summary.scalar``, and so the callback of Keras, need the package
tensorboard, which since 2.21 does not come with it; ``tf.summary.write`` does not. So a training needs
no more than before, and only who looks at the files needs TensorBoard.
"""

from pathlib import Path
from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["FOLDER", "EventFiles"]

FOLDER = "events"  # in a run's folder
PARTS = {"training": "", "validation": "val_"}  # what names in Keras' logs begin with


class EventFiles(keras.callbacks.Callback):
    """A point of each curve after every evaluation, over the optimizer's steps.

    Training and validation have a folder each and the same names, so that TensorBoard draws them in one
    picture.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder to write to; nothing is written before the training begins."""
        super().__init__()
        self.folder = folder
        self.writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write what was measured."""
        del epoch
        step = int(self.model.optimizer.iterations)
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith(PARTS["validation"]) else "training"
            self._write(part, name.removeprefix(PARTS[part]), value, step)
        for writer in self.writers.values():
            writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Close the files."""
        del logs
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()

    def _write(self, part: str, name: str, value: float, step: int) -> None:
        if part not in self.writers:
            self.writers[part] = tf.summary.create_file_writer(str(self.folder / part))
        about = tf.compat.v1.SummaryMetadata()
        about.plugin_data.plugin_name = "scalars"
        with self.writers[part].as_default():
            tf.summary.write(name, tf.constant(value, tf.float32), step, about)
