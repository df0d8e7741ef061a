"""What the programs of train_step.py share: arguments, data, and the clock."""

import json
import resource
import sys
import time
from statistics import median

import numpy as np

SECONDS = 4


def arguments():
    """The cell, (steps, units, layers, batch, features), and the precision."""
    cell, *numbers, policy = sys.argv[1:]
    return cell, tuple(map(int, numbers)), policy


def data(steps, batch, features, units):
    """As many batches as take about a second or two, from 12 to 400."""
    batches = max(12, min(400, 40_000_000 // (steps * batch * units)))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batches * batch, steps, features)).astype(np.float32)
    return x, rng.normal(size=(len(x), 1)).astype(np.float32)


def report(epoch, batches):
    """Milliseconds per step (median over epochs), seconds of the first call, megabytes at the peak.

    ``epoch(batches, mark)`` trains on that many and calls ``mark(steps)`` after each, or after each
    hand-over of several. An epoch counts from its first mark to its last, so that its beginning and end
    (iterators, callbacks) do not.
    """
    before, begin = peak(), time.perf_counter()
    epoch(1, lambda steps: None)
    first = time.perf_counter() - begin
    epoch(batches, lambda steps: None)
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < SECONDS:
        marks = []
        epoch(batches, lambda steps, marks=marks: marks.append((time.perf_counter(), steps)))
        (start, done), (end, all_done) = marks[0], marks[-1]
        times.append((end - start) / (all_done - done))
    print(json.dumps({"ms": 1000 * median(times), "first": first, "mb": peak() - before}))


def peak():
    """The most memory that this process has held so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def keras_epoch(keras, model, x, y, batch):
    """An epoch of `fit`, with `mark` called as the steps are done."""

    def epoch(batches, mark):
        clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda i, logs: mark(i + 1))
        rows = slice(batches * batch)
        model.fit(x[rows], y[rows], batch, verbose=0, shuffle=False, callbacks=[clock])

    return epoch
