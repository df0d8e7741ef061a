"""Trainings in processes of their own, which are forked from one that has loaded TensorFlow already."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig

EVERY = 5  # steps between two evaluations
TINY = Config(
    DataConfig("sin", window=6, validation=60),
    ModelConfig(layers=1, hidden=4, dropout=0.2),
    TrainConfig(steps=40 * EVERY, batch=8, evaluations=40, ema=0.9, patience=None),
)
LIMIT = 120  # seconds that anything may take

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["seqlab.cli", "seqlab._parts", "seqlab.train"])


class Training:
    """`seqlab train --out OUT --resume` of a config, in a process of its own."""

    def __init__(self, out, config=TINY, trouble=None, *details):
        self.out = Path(out)
        handle, name = tempfile.mkstemp()  # not beside it, where the disk may be full
        os.close(handle)
        self.errors = Path(name)
        self.process = server.Process(
            target=_train, args=(config, self.out, self.errors, trouble, details)
        )
        self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.errors.unlink()

    def checkpoints(self):
        return sorted(self.out.glob("checkpoints/step-*.npz"))

    def step(self):
        """Of the newest checkpoint; -1 before the first."""
        found = self.checkpoints()
        return int(found[-1].stem.removeprefix("step-")) if found else -1

    def reach(self, step):
        """Wait for the checkpoint of this step, or the end."""
        limit = time.monotonic() + LIMIT
        while self.step() < step and self.process.is_alive():
            assert time.monotonic() < limit, "no such checkpoint"
            time.sleep(0.001)
        return self

    def send(self, number):
        if self.process.is_alive():
            with suppress(ProcessLookupError):  # another thread waits for it, and has seen its end
                os.kill(self.process.pid, number)
        return self

    def end(self):
        """The exit status and what was said on stderr."""
        self.process.join(LIMIT)
        assert self.process.exitcode is not None, "it hangs"
        return self.process.exitcode, self.errors.read_text()


def _train(config, out, errors, trouble, details):
    """In the child."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(errors, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    from seqlab import cli, commands, train

    train.CHUNK = 2  # so that there are three between two evaluations
    if trouble is not None:
        trouble(*details)
    sys.exit(cli.guarded("seqlab train", lambda: commands.train_run(config, out, True, True)))
