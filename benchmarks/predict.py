"""One forecast at a time: the predictor beside ``model.predict``, and many threads on one predictor.

python benchmarks/predict.py        # about a minute and a half; --seconds 5 for a short one
"""

import argparse
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from _machine import machine

from seqlab import train
from seqlab._tensorflow import threads
from seqlab.config import Config, TrainConfig
from seqlab.predict import Predictor

CALLS, ROUNDS, THREADS = 300, 5, 24


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the threads")
    seconds = parser.parse_args().seconds
    threads(1)
    print(machine("seqlab", "tensorflow", "keras"))
    with tempfile.TemporaryDirectory() as folder:
        run = train.start(Config(train=TrainConfig(steps=200)), out=Path(folder) / "run")
    speed(run)
    together(Predictor(run), run.split.test.raw()[0].astype(np.float64), seconds)


def speed(run):
    """Medians of rounds that take turns, and their ratio."""
    predictor, model = Predictor(run), run.model
    window = run.split.test.raw()[0][0].astype(np.float64)
    scaled = run.split.test.given(slice(1))
    ours, keras = [], []
    for _ in range(ROUNDS):
        ours.append(median(lambda: predictor(window), CALLS))
        keras.append(median(lambda: model.predict(scaled, verbose=0), CALLS // 10))
    ratio = statistics.median(k / o for k, o in zip(keras, ours, strict=True))
    print("\none window of 10 steps, 2 x 30 LSTM, milliseconds; the ratio is the median of rounds'")
    print(f"| Predictor, values in and out | {statistics.median(ours):.2f} |")
    print(f"| model.predict, scaled inputs | {statistics.median(keras):.1f} | {ratio:.0f}x |")


def median(call, times):
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return 1000 * statistics.median(taken)


def together(predictor, windows, seconds):
    """Many threads on one predictor: results against those of one thread, and memory."""
    wanted = [predictor(window) for window in windows]
    end, count, wrong = time.monotonic() + seconds, [0] * THREADS, []

    def work(number):
        i = number
        while time.monotonic() < end:
            if not np.array_equal(predictor(windows[i % len(windows)]), wanted[i % len(windows)]):
                wrong.append(i)
            i += THREADS
            count[number] += 1

    workers = [threading.Thread(target=work, args=(k,)) for k in range(THREADS)]
    for worker in workers:
        worker.start()
    time.sleep(seconds / 4)
    early = memory()
    for worker in workers:
        worker.join()
    print(
        f"\n{THREADS} threads, {seconds:.0f} s: {sum(count):,} forecasts, {len(wrong)} that differ"
    )
    print(f"memory after a quarter of the time {early:.0f} MB, at the end {memory():.0f} MB")


def memory():
    """Of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
