"""Does the cost grow as the work? Step and first-call times over the number of steps.

python benchmarks/growth.py                      # about a minute

Prints, for each number of steps, milliseconds per training step, its ratio to a straight proportion
from the row above, and seconds of the first call (tracing), which must not grow.
"""

import argparse
import time
from statistics import median

import numpy as np
from _machine import machine

from seqlab import _parts, cells
from seqlab._tensorflow import keras

STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000)
UNITS, BATCH, FEATURES = 64, 32, 4


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru", "rnn", "mingru"])
    options = parser.parse_args()
    _parts.set_threads(8 * UNITS**2)
    print(machine("seqlab", "tensorflow", "keras"))
    for name in options.cells:
        print(f"\n{name}, {UNITS} units, batch {BATCH}\n")
        print("| steps | ms per training step | to proportion | first call, s |\n|---|---|---|---|")
        before = None
        for steps in STEPS:
            ms, first = measured(name, steps)
            ratio = "" if before is None else f"{ms / before[1] / (steps / before[0]):.2f}"
            print(f"| {steps} | {ms:.2f} | {ratio} | {first:.1f} |", flush=True)
            before = steps, ms


def measured(name, steps):
    """Milliseconds per training step, and seconds of the first one."""
    inputs = keras.Input((steps, FEATURES))
    outputs, _ = cells.dynamic_rnn(cells.CELLS[name](UNITS), inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs[:, -1]))
    model.compile("adam", "mse", jit_compile=False)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, steps, FEATURES)).astype(np.float32)
    y = rng.normal(size=(BATCH, 1)).astype(np.float32)
    begin = time.perf_counter()
    model.train_on_batch(x, y)
    first = time.perf_counter() - begin
    times = []
    for _ in range(max(10, 3000 // steps)):
        begin = time.perf_counter()
        model.train_on_batch(x, y)
        times.append(time.perf_counter() - begin)
    return 1000 * median(times), first


if __name__ == "__main__":
    main()
