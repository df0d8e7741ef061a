"""What buckets of length save: padded steps, and the time of a pass over the data.

python benchmarks/buckets.py            # 5 rounds; about a minute
python benchmarks/buckets.py --rounds 3

An LSTM classifier of 64 units, batch 32, trained by Keras' `fit`. In a round each number of buckets
takes one pass, one after the other; a ratio is taken within a round, so that it holds when the machine's
speed drifts. JapaneseVowels is read from the folder in SEQLAB_DATA, and skipped where that is not set.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
from _machine import machine

from seqlab import cells, datasets
from seqlab._tensorflow import keras

BUCKETS = (1, 4, 16, 64)
BATCH = 32


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine("seqlab", "tensorflow", "keras"))
    print("| data | buckets | padded steps | pass, s | one bucket / this | from, to |")
    print("|---|---|---|---|---|---|")
    report("lengths 10 to 1000, log-normal", wide(2000), rounds)
    if os.environ.get("SEQLAB_DATA"):
        path = Path(os.environ["SEQLAB_DATA"]) / "uea/JapaneseVowels/JapaneseVowels_TRAIN.ts"
        report("JapaneseVowels, lengths 7 to 26", datasets.load_sequences(path), rounds)
    else:
        print("JapaneseVowels is skipped: SEQLAB_DATA is not set")


def wide(count):
    """Lengths as sentences, visits and calls have them: many short ones, some very long."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(np.log(80), 0.9, count)).clip(10, 1000).astype(int)
    values = tuple(rng.normal(size=(n, 8)).astype("float32") for n in lengths)
    return datasets.LabelledSequences(values, rng.integers(0, 4, count), ("a", "b", "c", "d"))


def report(name, data, rounds):
    """One row per number of buckets."""
    model = classifier(data)
    sets = {n: datasets.batches(data, BATCH, seed=0, buckets=n) for n in BUCKETS}
    times = {n: [] for n in BUCKETS}
    passes = max(1, 2000 // len(data))
    for i in range(rounds + 1):
        for n, batches in sets.items():
            begin = time.perf_counter()
            model.fit(batches, epochs=passes, shuffle=False, verbose=0)
            if i:  # the first round traces and warms up
                times[n].append((time.perf_counter() - begin) / passes)
    for n, values in times.items():
        ratios = [one / this for one, this in zip(times[1], values, strict=True)]
        print(
            f"| {name} | {n} | {100 * padded(sets[n]):.0f} % | {median(values):.3g}"
            f" | {median(ratios):.2f}x | {min(ratios):.2f}, {max(ratios):.2f} |",
            flush=True,
        )


def classifier(data):
    """An LSTM whose last state is classified."""
    inputs = keras.Input((None, data.sequences[0].shape[1]))
    lengths = keras.Input((), dtype="int32")
    _, (h, _) = cells.dynamic_rnn(cells.LSTMCell(64), inputs, lengths)
    model = keras.Model([inputs, lengths], keras.layers.Dense(len(data.classes))(h))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    return model


def padded(batches):
    """The share of steps that are padding, in one pass."""
    found = [(inputs.shape, lengths) for (inputs, lengths), _ in batches.as_numpy_iterator()]
    steps = sum(shape[0] * shape[1] for shape, _ in found)
    return 1 - sum(lengths.sum() for _, lengths in found) / steps


if __name__ == "__main__":
    main()
