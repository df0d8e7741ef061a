"""Seconds per training step of the sin model in seqlab's own trainer. Argument: steps."""

import sys
import tempfile
import time
from pathlib import Path

from seqlab import _tensorflow
from seqlab.config import Config, DataConfig, TrainConfig

STEPS = int(sys.argv[1])
_tensorflow.threads(1)  # as the command line does for a model of this size

from seqlab import train  # noqa: E402
from seqlab._tensorflow import keras  # noqa: E402


class Clock(keras.callbacks.Callback):
    """When each chunk ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append((time.perf_counter(), int(self.model.optimizer.iterations)))


clock = Clock()
config = Config(
    DataConfig("sin", scaling="standard", validate=False),
    train=TrainConfig(steps=STEPS, evaluations=1),
)
with tempfile.TemporaryDirectory() as folder:
    train.start(config, Path(folder) / "run", [clock])
(begin, first), (end, last) = clock.ends[0], clock.ends[-1]
print((end - begin) / (last - first))
