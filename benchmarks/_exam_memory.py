"""Exams of memory: the adding problem, the copy task, digits row by row and pixel by pixel."""

import numpy as np
from _exam_fit import endless, fit, remember_long, slower
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
    keras.utils.set_random_seed(seed)
    (images, labels), (tests, truth) = (digits(folder, part) for part in ("train", "t10k"))
    cell = cells.LSTMCell(128)
    model = classifier(cell, (28, 28))
    remember_long(cell, 28, seed)
    batches = drawn(np.random.default_rng(seed), images, labels)
    fit(model, batches, CROSS_ENTROPY, 0.005, len(images) // 10, quiet=quiet)  # ten epochs
    return percent_right(model, tests, truth)


def pixels_accuracy(seed, folder, quiet):
    """Percent of the 10 000 test digits, each read as 784 pixels.

    A GRU reads them first as means of 4 x 4 pixels, then of 2 x 2, then as they are: 49, 196, 784 steps.
    Where a sequence becomes four times as long, the state is made to change at a quarter of the pace.
    """
    keras.utils.set_random_seed(seed)
    (images, labels), (tests, truth) = (digits(folder, part) for part in ("train", "t10k"))
    cell = cells.GRUCell(64)
    model = classifier(cell, (None, 1))
    remember_long(cell, 49, seed)
    rng = np.random.default_rng(seed)
    for size, rate, steps in ((4, 0.005, 3000), (2, 0.003, 3000), (1, 0.002, 1000)):
        coarse = pixels(images, size)
        fit(model, drawn(rng, coarse, labels), CROSS_ENTROPY, rate, steps, quiet=quiet)
        if size > 1:
            slower(cell, 4)
    return percent_right(model, pixels(tests, 1), truth)


def pixels(images, size):
    """``[N, 28, 28]`` as sequences ``[N, T, 1]`` of the means over squares of that size, row by row."""
    side = 28 // size
    means = images.reshape(-1, side, size, side, size).mean(axis=(2, 4))
    return means.reshape(len(images), -1, 1)


def classifier(cell, shape):
    """The last output of a cell to a logit for each of ten classes."""
    inputs = keras.Input(shape)
    _, (h, *_) = cells.dynamic_rnn(cell, inputs)
    return keras.Model(inputs, keras.layers.Dense(10)(h))


def drawn(rng, inputs, answers):
    """Endless batches of 100."""

    def make():
        rows = rng.integers(0, len(inputs), 100)
        return inputs[rows], answers[rows]

    return endless(make)


def percent_right(model, inputs, truth):
    return 100 * float(np.mean(model.predict(inputs, 200, verbose=0).argmax(axis=1) == truth))


def nearest_mean_accuracy(folder):
    """Percent of the test digits that are nearest to the mean image of their class."""
    (images, labels), (tests, truth) = (digits(folder, part) for part in ("train", "t10k"))
    means = np.stack([images[labels == k].mean(axis=0).ravel() for k in range(10)])
    distances = ((tests.reshape(-1, 1, 784) - means) ** 2).sum(axis=-1)
    return 100 * float(np.mean(distances.argmin(axis=1) == truth))
