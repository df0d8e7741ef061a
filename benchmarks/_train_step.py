"""One training step of a recurrent network in one library, for `train_step.py`: prints JSON.

Usage: python benchmarks/_train_step.py LIBRARY CELL STEPS UNITS LAYERS BATCH FEATURES SECONDS
"""

import json
import resource
import sys
import time

import numpy as np

LIBRARIES = ("seqlab", "keras", "torch")


def main() -> None:
    library, cell = sys.argv[1:3]
    *shape, seconds = map(int, sys.argv[3:])
    steps, _, _, batch, features = shape
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del before
    make = {"seqlab": seqlab_fit, "keras": keras_fit, "torch": torch_loop}[library]
    rng = np.random.default_rng(0)
    batches = max(8, min(200, 3_000_000 // (steps * batch * shape[1])))
    x = rng.normal(size=(batches * batch, steps, features)).astype(np.float32)
    y = rng.normal(size=(batches * batch, 1)).astype(np.float32)
    epoch, imported = make(cell, shape, x, y)
    started = time.perf_counter()
    epoch(1)
    first = time.perf_counter() - started
    epoch(batches)
    times = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        epoch(batches)
        times.append((time.perf_counter() - begun) / batches)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ms": 1e3 * float(np.median(times)), "first": first, "mb": (peak - imported) / 1024}))
