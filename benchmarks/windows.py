"""Shuffled windows from a long series: speed beside Keras, and memory.

python benchmarks/windows.py        # about a minute
"""

import subprocess
import sys
import time

import numpy as np
from _machine import machine

from seqlab._tensorflow import keras
from seqlab.datasets import Scaler, Windows

POINTS, WINDOW, BATCH, SECONDS = 2_000_000, 336, 256, 5

MEMORY = """
import resource, sys
import numpy as np
from seqlab._tensorflow import tf
from seqlab.datasets import Scaler, Windows
tf.constant(0).numpy()
pages = int(open("/proc/self/statm").read().split()[1])
before = pages * resource.getpagesize() / 2**20
values = np.sin(np.arange(10_000_000, dtype=np.float32))
values /= values.max()
windows = Windows(values, 336, 1, Scaler.fit({kind!r}, values, 336, 1))
for i, _ in enumerate(windows.training(256, 0, range(4001))):
    pass
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
print(peak - before - values.nbytes / 2**20)
"""


def main():
    print(machine("seqlab", "tensorflow", "keras"))
    values = np.random.default_rng(0).normal(size=POINTS).astype(np.float32)
    theirs = keras.utils.timeseries_dataset_from_array(
        values[:-WINDOW, None], values[WINDOW:], WINDOW, batch_size=BATCH, shuffle=True, seed=0
    )
    speeds = {"keras.utils.timeseries_dataset_from_array": speed(theirs)}
    for kind in ("none", "standard", "last"):
        windows = Windows(values, WINDOW, 1, Scaler.fit(kind, values, WINDOW, 1))
        speeds[f"seqlab, scaling {kind}"] = speed(windows.training(BATCH, 0, range(10**6)))
    reference = next(iter(speeds.values()))
    print(f"\n{POINTS:,} points, window {WINDOW}, batch {BATCH}, shuffled")
    for name, value in speeds.items():
        print(f"| {name} | {value:,.0f} windows/s | {value / reference:.1f}x |")
    print(
        "\n10,000,000 float32 points: peak memory above the process before loading and the series, MB"
    )
    for kind in ("none", "last"):
        command = [sys.executable, "-c", MEMORY.format(kind=kind)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"| scaling {kind} | {float(done.stdout):.0f} |")


def speed(dataset):
    """Windows per second, after the first batch."""
    batches = iter(dataset)
    next(batches)
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        next(batches)
        count += BATCH
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
