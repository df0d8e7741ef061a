"""The exam of text: the next character of tiny Shakespeare."""

import numpy as np
from _exam_fit import endless, fit
from _tasks import characters

from seqlab import cells
from seqlab._tensorflow import keras

STEPS, BATCH, UNITS, TRAINING = 96, 32, 256, 4000
LONG = 512  # steps over which the validation part is read from a zero state


def next_character_loss(seed, folder, quiet):
    """Nats per character over the last tenth of the text, after training on the rest."""
    keras.utils.set_random_seed(seed)
    text, count = characters(folder)
    cut = len(text) * 9 // 10
    train, held = text[:cut], text[cut:]
    inputs = keras.Input((None,), dtype="int32")
    outputs, _ = cells.dynamic_rnn(cells.LSTMCell(UNITS), keras.ops.one_hot(inputs, count))
    outputs = keras.layers.Dropout(0.2)(outputs)
    model = keras.Model(inputs, keras.layers.Dense(count)(outputs))
    rng = np.random.default_rng(seed)

    def make():
        begins = rng.integers(0, len(train) - STEPS, BATCH)
        pieces = train[begins[:, None] + np.arange(STEPS + 1)]
        return pieces[:, :-1], pieces[:, 1:]

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(model, endless(make), loss, 0.004, TRAINING, quiet=quiet)
    pieces = held[: (len(held) - 1) // LONG * LONG]
    answers = held[1 : len(pieces) + 1]
    return model.evaluate(pieces.reshape(-1, LONG), answers.reshape(-1, LONG), 16, verbose=0)


def bigram_loss(folder):
    """The same loss of counting which character follows which, with one added to each count."""
    text, count = characters(folder)
    cut = len(text) * 9 // 10
    counts = np.ones((count, count))
    np.add.at(counts, (text[: cut - 1], text[1:cut]), 1)
    held = np.log(counts / counts.sum(axis=1, keepdims=True))[text[cut:-1], text[cut + 1 :]]
    return -held.mean()
