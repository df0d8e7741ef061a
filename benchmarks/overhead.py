"""What the trainer costs beside the steps themselves: checkpoints, moving average, history, progress.

python benchmarks/overhead.py            # 3 rounds; about nine minutes
python benchmarks/overhead.py --rounds 1

Both take the same steps with the same compiled function on the same batches. `bare` calls it in a loop
and does nothing else; `trainer` is `train.fit` with 20 checkpoints, the moving average of weights,
history and a progress bar as in a terminal, without validation, which is work of its own. They take turns
in one process, a chunk of steps each: from process to process the same steps differ by up to a fifth, and
from second to second by a tenth. What it costs has two parts: how much longer a chunk takes than the bare
one beside it, the median of all pairs; and the time between chunks (Keras' loop, the callbacks, the
checkpoints) in a stretch between two checkpoints, the median of these, over the bare time of its steps.
The first stretch, which traces and compiles, is left out. Chunks of the large model have 5 steps, where
`train` would take 50: that is against the trainer, and makes more pairs.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _machine import machine

from seqlab import _parts, datasets, tasks, train
from seqlab._tensorflow import keras
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.progress import ProgressBar
from seqlab.trainer import make_trainer

# Of each model: window, units, layers, batch, steps, steps of a chunk at most, and the share that the
# trainer may cost.
MODELS = {
    "sin, 10 steps, 2 x 30, batch 32": ("sin", 10, 30, 2, 32, 16000, 100, 0.05),
    "96 steps, 2 x 128, batch 64": ("multisine", 96, 128, 2, 64, 1000, 5, 0.01),
}
EVALUATIONS = 20
TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", metavar="MODEL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(turns(*MODELS[options.one][:-1])), file=sys.stderr)
        return
    print(machine("seqlab", "tensorflow", "keras"))
    print(
        "\n| model | steps | bare, ms a step | in a step (standard error) | between | above it | by"
        " round | must |\n|---|---|---|---|---|---|---|---|"
    )
    for name, (*_, steps, _, most) in MODELS.items():
        rounds = [measured(name) for _ in range(options.rounds)]
        bare, inside, error, between = cost(rounds)
        each = ", ".join(f"{a + b:.1f}" for _, a, _, b in (cost([one]) for one in rounds))
        print(
            f"| {name} | {steps} | {bare:.3g} | {inside:.2f} % ({error:.2f}) | {between:.2f} % |"
            f" **{inside + between:.1f} %** | {each} | {100 * most:g} % |",
            flush=True,
        )


def cost(rounds):
    """Bare milliseconds of a step; per cent that is added inside, its standard error; and between."""
    bare, ours, between = (np.concatenate(columns) for columns in zip(*rounds, strict=True))
    low, inside, high = np.percentile(100 * (ours / bare - 1), [25, 50, 75])
    error = 1.25 * (high - low) / 1.35 / len(bare) ** 0.5  # of a median, if they were normal
    return 1000 * np.median(bare), inside, error, 100 * np.median(between) / np.median(bare)


def measured(name):
    """What `turns` gives, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name],
        stdout=subprocess.DEVNULL,  # the bar
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **TERMINAL},
    )
    return [np.array(column) for column in json.loads(done.stderr.splitlines()[-1])]


def turns(*model):
    """Seconds a step: of each bare chunk, of each chunk of ours, and between those, by stretch."""
    *model, train.CHUNK = model
    config, data = prepared(*model)
    clock, made = Turns(bare_chunks(config, data)), tasks.task(config, data, config.train.steps)
    averaged = dataclasses.replace(config.train, ema=0.99)
    with tempfile.TemporaryDirectory() as folder:
        train.fit(made.model, data, averaged, Path(folder), [clock, ProgressBar()], made.loss)
    each = len(clock.between) // EVALUATIONS  # chunks of a stretch
    steps = config.train.steps / len(clock.between)
    stretches = np.reshape(clock.between, (EVALUATIONS, each)).sum(1) / each
    columns = clock.bare[each:], clock.ours[each:], stretches[1:]
    return [(np.array(column) / steps).tolist() for column in columns]


class Turns(keras.callbacks.Callback):
    """Lets the bare loop go first at each chunk, and measures ours."""

    def __init__(self, bare):
        super().__init__()
        self.chunks, self.bare, self.ours, self.between = bare, [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.end()
        self.bare.append(next(self.chunks))
        self.begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.ended = time.perf_counter()
        self.ours.append(self.ended - self.begun)

    def on_train_end(self, logs=None):
        self.end()

    def end(self):
        if self.ours:
            self.between.append(time.perf_counter() - self.ended)


def bare_chunks(config, data):
    """Seconds of one chunk after the other: the compiled function of the trainer, in a loop."""
    steps = config.train.steps
    trainer = make_trainer(tasks.task(config, data, steps), config.train, steps)
    at, _ = train.edges(config.train, data.train.input_shape, steps, trainer.count_params())
    trainer.evaluate(data.train.dataset(1024).take(1), verbose=0)  # builds loss and metrics
    trainer.make_train_function()
    elements = iter(data.train.training(config.train.batch, 0, at))
    while True:
        begun = time.perf_counter()
        float(trainer.train_function(elements)["loss"])  # which waits for it
        yield time.perf_counter() - begun


def prepared(source, window, hidden, layers, batch, steps):
    """The config of a model, and its windows; threads as the command line sets them."""
    _parts.set_threads(8 * hidden**2)
    config = Config(
        DataConfig(source, window=window, validate=False),
        ModelConfig(layers=layers, hidden=hidden),
        TrainConfig(steps=steps, batch=batch, evaluations=EVALUATIONS),
    )
    return config, datasets.split(datasets.load(config.data), config.data, config.needs)


if __name__ == "__main__":
    main()
