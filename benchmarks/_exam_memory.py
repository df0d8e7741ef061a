"""Exams of memory: the adding problem, the copy task, digits row by row and pixel by pixel."""

import numpy as np
from _exam_fit import endless, fit, remember_long
from _tasks import SYMBOLS, adding, copying, digits

from seqlab import cells
from seqlab._tensorflow import keras

ADDING_STEPS, BLANKS = 200, 100
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def adding_error(seed, folder, quiet):
    """Mean squared error on 5000 new sequences."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((ADDING_STEPS, 2))
    _, (h, _) = cells.dynamic_rnn(cells.LSTMCell(64), inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(h))
    rng = np.random.default_rng(seed)
    batches = endless(lambda: adding(rng, 64, ADDING_STEPS))
    fit(model, batches, "mse", 0.005, 4000, quiet=quiet)
    test, sums = adding(np.random.default_rng((seed, 1)), 5000, ADDING_STEPS)
    return float(np.mean((model.predict(test, 500, verbose=0) - sums) ** 2))


def copying_loss(seed, folder, quiet):
    """Mean cross-entropy over all steps of 2000 new sequences."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None,), dtype="int32")
    cell = cells.GRUCell(128)
    outputs, _ = cells.dynamic_rnn(cell, keras.ops.one_hot(inputs, SYMBOLS + 2))
    model = keras.Model(inputs, keras.layers.Dense(SYMBOLS + 1)(outputs))
    remember_long(cell, BLANKS + 20, seed)
    rng = np.random.default_rng(seed)
    # Shorter waits, too: they cost less, and what was kept is learned the same.
    batches = endless(
        lambda: copying(rng, 64, rng.integers(1, BLANKS + 1)), (None, None), (None, None)
    )
    fit(model, batches, CROSS_ENTROPY, 0.005, 8000, quiet=quiet)
    test, answers = copying(np.random.default_rng((seed, 1)), 2000, BLANKS)
    return model.evaluate(test, answers, 500, verbose=0)


def rows_accuracy(seed, folder, quiet):
    """Percent of the 10 000 test digits, each read as 28 rows of 28."""
    return _digits(folder, (28, 28), units=128, epochs=10, seed=seed, quiet=quiet)


def pixels_accuracy(seed, folder, quiet):
    """Percent of the 10 000 test digits, each read as 784 pixels."""
    return _digits(folder, (784, 1), units=64, epochs=2, seed=seed, quiet=quiet)


def _digits(folder, shape, units, epochs, seed, quiet):
    keras.utils.set_random_seed(seed)
    (images, labels), (tests, truth) = (digits(folder, part) for part in ("train", "t10k"))
    inputs = keras.Input(shape)
    cell = cells.LSTMCell(units)
    _, (h, _) = cells.dynamic_rnn(cell, inputs)
    model = keras.Model(inputs, keras.layers.Dense(10)(h))
    remember_long(cell, shape[0], seed)
    images, tests = images.reshape(-1, *shape), tests.reshape(-1, *shape)
    rng = np.random.default_rng(seed)

    def make():
        rows = rng.integers(0, len(images), 100)
        return images[rows], labels[rows]

    fit(model, endless(make), CROSS_ENTROPY, 0.005, epochs * len(images) // 100, quiet=quiet)
    right = model.predict(tests, 200, verbose=0).argmax(axis=1) == truth
    return 100 * float(right.mean())


def nearest_mean_accuracy(folder):
    """Percent of the test digits that are nearest to the mean image of their class."""
    (images, labels), (tests, truth) = (digits(folder, part) for part in ("train", "t10k"))
    means = np.stack([images[labels == k].mean(axis=0).ravel() for k in range(10)])
    distances = ((tests.reshape(-1, 1, 784) - means) ** 2).sum(axis=-1)
    return 100 * float(np.mean(distances.argmin(axis=1) == truth))
