"""What several test files begin with: a short training, a power cut, a folder, a script."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cli
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
