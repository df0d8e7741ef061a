"""What the trainer costs beside the steps themselves: checkpoints, moving average, history, progress.

python benchmarks/overhead.py            # 3 rounds; about eight minutes
python benchmarks/overhead.py --rounds 1

Both take the same steps with the same compiled function on the same batches. `bare` calls it in a loop
and does nothing else; `trainer` is `train.fit` with 20 checkpoints, the moving average of weights,
history and a progress bar as in a terminal, without validation, which is work of its own. They take turns
in one process, a stretch between two checkpoints each: from process to process the same steps differ by
up to a fifth. A ratio is of two stretches in a row; the first, which traces and compiles, is left out.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _machine import machine

# Of each model: window, units, layers, batch, steps, and the share that the trainer may cost.
MODELS = {
    "sin, 10 steps, 2 x 30, batch 32": ("sin", 10, 30, 2, 32, 16000, 0.05),
    "96 steps, 2 x 128, batch 64": ("multisine", 96, 128, 2, 64, 1000, 0.01),
}
EVALUATIONS = 20
TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", metavar="MODEL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        for row in stretches(*MODELS[options.one][:-1]):
            print(*row, file=sys.stderr)
        return
    print(machine("seqlab", "tensorflow", "keras"))
    print(
        "\n| model | steps | bare, ms a step | trainer | above it (quartiles) | by round | must |"
        "\n|---|---|---|---|---|---|---|"
    )
    for name, (*_, steps, most) in MODELS.items():
        rounds = [measured(name) for _ in range(options.rounds)]
        above = [100 * (ours / bare - 1) for bare, ours in (times.T for times in rounds)]
        low, middle, high = np.percentile(np.concatenate(above), [25, 50, 75])
        bare, ours = 1000 * np.median(np.concatenate(rounds), axis=0)
        each = ", ".join(f"{np.median(one):.1f}" for one in above)
        cost = f"**{middle:.1f} %** ({low:.1f} to {high:.1f}) | {each}"
        print(
            f"| {name} | {steps} | {bare:.3g} | {ours:.3g} | {cost} | {100 * most:g} % |",
            flush=True,
        )


def measured(name):
    """Seconds a step, ``[stretches, 2]``: bare, and with the trainer."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name],
        stdout=subprocess.DEVNULL,  # the bar
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **TERMINAL},
    )
    return np.array([line.split() for line in done.stderr.splitlines()[1 - EVALUATIONS :]], float)


def stretches(*model):
    """All stretches but the first, of both in turn."""
    config, data = prepared(*model)
    from seqlab import tasks, train
    from seqlab._tensorflow import keras
    from seqlab.callbacks import ProgressBar

    bare, bar, bares, ours = stretches_bare(config, data), ProgressBar(), [], []

    class Turns(keras.callbacks.Callback):
        """Lets the bare loop go first in each stretch, without the bar, and measures ours."""

        def on_epoch_begin(self, epoch, logs=None):
            self.end()
            bar.bar.stop()
            bares.append(next(bare))
            bar.bar.start()
            self.at, self.begun = self.model.optimizer.iterations.numpy(), time.perf_counter()

        def end(self):
            if bares:
                taken = time.perf_counter() - self.begun
                ours.append(taken / (self.model.optimizer.iterations.numpy() - self.at))

        def on_train_end(self, logs=None):
            self.end()

    made = tasks.task(config, data, config.train.steps)
    averaged = dataclasses.replace(config.train, ema=0.99)
    with tempfile.TemporaryDirectory() as folder:
        train.fit(made.model, data, averaged, Path(folder), [bar, Turns()], made.loss)
    return list(zip(bares, ours, strict=True))[1:]


def stretches_bare(config, data):
    """Seconds a step of one stretch after the other: the compiled function of the trainer, in a loop."""
    from seqlab import tasks, train
    from seqlab.trainer import make_trainer

    steps = config.train.steps
    at, chunks = train.edges(config.train, data.train.input_shape, steps)
    trainer = make_trainer(tasks.task(config, data, steps), config.train, steps)
    trainer.evaluate(data.train.dataset(1024).take(1), verbose=0)  # builds loss and metrics
    trainer.make_train_function()
    elements = iter(data.train.training(config.train.batch, 0, at))
    for i in range(0, len(at) - 1, chunks):
        begun = time.perf_counter()
        for _ in range(chunks):
            trainer.train_function(elements)
        float(trainer.trainable_variables[0][0, 0])  # wait for it
        yield (time.perf_counter() - begun) / (at[i + chunks] - at[i])


def prepared(source, window, hidden, layers, batch, steps):
    """The config of a model, and its windows; threads as the command line sets them."""
    from seqlab import _parts, datasets
    from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig

    _parts.set_threads(8 * hidden**2)
    config = Config(
        DataConfig(source, window=window, validate=False),
        ModelConfig(layers=layers, hidden=hidden),
        TrainConfig(steps=steps, batch=batch, evaluations=EVALUATIONS),
    )
    return config, datasets.split(datasets.load(config.data), config.data, config.needs)


if __name__ == "__main__":
    main()
