"""What several test files begin with: a short training, a power cut, a signal, a folder, a script."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cli, trainer
from seqlab._tensorflow import tf
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series

SMALL = Config(
    DataConfig("sin", window=6),
    ModelConfig(layers=1, hidden=5, dropout=0.2),
    TrainConfig(steps=60, batch=8, evaluations=6),
)
SCRIPTS = Path(__file__).parents[1] / "scripts"


def series(rows=300):
    t = np.arange(rows)
    return Series("wave", np.sin(t / 5) + 0.1 * np.random.default_rng(0).normal(size=rows))


class StopAt(keras.callbacks.Callback):
    """A power cut, behind this stretch between two evaluations."""

    def __init__(self, epoch=0):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def heard(trainer):
    """Wait until the steps would see that they are asked to stop."""
    limit = time.monotonic() + 20
    while not trainer.asked.numpy():
        assert time.monotonic() < limit, "nobody told the trainer"
        time.sleep(0.001)


def signal_in(step, monkeypatch, number=signal.SIGINT):
    """A signal in the middle of the n-th step from now, while the main thread computes."""
    whole, steps = trainer.Trainer.compute_loss, []

    def loss(self, x, y, y_pred, sample_weight=None, training=True):
        def taken():
            steps.append(1)
            if len(steps) == step:
                os.kill(os.getpid(), number)
                heard(self)
            return np.float32(1)  # which the gradient waits for

        total = whole(self, x, y, y_pred, sample_weight, training)
        if not training:
            return total
        return total * tf.ensure_shape(tf.numpy_function(taken, [], tf.float32), ())

    monkeypatch.setattr(trainer.Trainer, "compute_loss", loss)


def fill(disk, left=0):
    """Write to a disk until there is no room, or as many bytes of it, beside the file ``filling``."""
    with (disk / "filling").open("wb", 0) as filling, pytest.raises(OSError):
        while True:
            filling.write(bytes(100))
    os.truncate(disk / "filling", (disk / "filling").stat().st_size - left)


def commanded(path, *commands):
    """The folder, after these commands were given in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for command in commands:
            assert cli.main(command.split()) == 0
    return path


def run_script(name, folder, *options):
    """What a script prints, given in a folder."""
    command = [sys.executable, SCRIPTS / name, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
