"""What the trainer costs beside the steps themselves: checkpoints, moving average, history, progress.

python benchmarks/overhead.py            # 3 rounds; about five minutes
python benchmarks/overhead.py --rounds 1

Both programs take the same steps with the same compiled function on the same batches. `bare` calls it in
a loop and does nothing else; `trainer` is `train.fit` with 20 checkpoints, the moving average of
weights, history and a progress bar, without validation, which is work of its own. The first stretch,
which traces and compiles, is left out of both. Within a round they run one after the other, and the
ratio is taken there.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from _machine import machine

# Of each model: window, units, layers, batch, steps, and the share that the trainer may cost.
MODELS = {
    "sin, 10 steps, 2 x 30, batch 32": ("sin", 10, 30, 2, 32, 8000, 0.05),
    "96 steps, 2 x 128, batch 64": ("multisine", 96, 128, 2, 64, 400, 0.01),
}
EVALUATIONS = 20


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("WHO", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(PROGRAMS[options.one[0]](*MODELS[options.one[1]][:-1]))
        return
    print(machine("seqlab", "tensorflow", "keras"))
    print(
        "\n| model | bare, ms a step | trainer | above it (from, to) | must |\n|---|---|---|---|---|"
    )
    for name, (*_, most) in MODELS.items():
        rounds = [[measured(who, name) for who in PROGRAMS] for _ in range(options.rounds)]
        bare, ours = (1000 * median(column) for column in zip(*rounds, strict=True))
        above = [100 * (one[1] / one[0] - 1) for one in rounds]
        spread = f"**{median(above):.1f} %** ({min(above):.1f} to {max(above):.1f})"
        print(f"| {name} | {bare:.3g} | {ours:.3g} | {spread} | {100 * most:g} % |", flush=True)


def measured(who, name):
    """Seconds per step."""
    command = [sys.executable, __file__, "--one", who, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def bare(*model):
    """The compiled function of the trainer, in a loop."""
    config, data = prepared(*model)
    from seqlab import tasks, train
    from seqlab.trainer import make_trainer

    steps = config.train.steps
    at, chunks = train.edges(config.train, data.train.input_shape, steps)
    trainer = make_trainer(tasks.task(config, data, steps), config.train, steps)
    trainer.evaluate(data.train.dataset(1024).take(1), verbose=0)  # builds loss and metrics
    trainer.make_train_function()
    elements = iter(data.train.training(config.train.batch, 0, at))
    for i in range(len(at) - 1):
        if i == chunks:  # after the first stretch
            begin, done = time.perf_counter(), at[i]
        trainer.train_function(elements)
    float(trainer.trainable_variables[0][0, 0])  # wait for it
    return (time.perf_counter() - begin) / (steps - done)


def trainer(*model):
    """All that `seqlab train --ema 0.99` does meanwhile."""
    import dataclasses

    config, data = prepared(*model)
    from seqlab import tasks, train
    from seqlab._tensorflow import keras
    from seqlab.callbacks import ProgressBar

    class Clock(keras.callbacks.Callback):
        """When stretches ended."""

        ends = ()

        def on_epoch_end(self, epoch, logs=None):
            self.ends = (*self.ends, (time.perf_counter(), int(self.model.optimizer.iterations)))

    clock = Clock()
    made = tasks.task(config, data, config.train.steps)
    averaged = dataclasses.replace(config.train, ema=0.99)
    with tempfile.TemporaryDirectory() as folder:
        train.fit(made.model, data, averaged, Path(folder), [ProgressBar(), clock], made.loss)
    (begin, first), (end, last) = clock.ends[0], clock.ends[-1]
    return (end - begin) / (last - first)


def prepared(source, window, hidden, layers, batch, steps):
    """The config of a model, and its windows; threads as the command line sets them."""
    from seqlab import _parts, datasets
    from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig

    os.environ["COLUMNS"] = "120"
    _parts.set_threads(8 * hidden**2)
    config = Config(
        DataConfig(source, window=window, validate=False),
        ModelConfig(layers=layers, hidden=hidden),
        TrainConfig(steps=steps, batch=batch, evaluations=EVALUATIONS),
    )
    return config, datasets.split(datasets.load(config.data), config.data, config.needs)


PROGRAMS = {"bare": bare, "trainer": trainer}

if __name__ == "__main__":
    main()
