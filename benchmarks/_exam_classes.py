"""Exams of classification: one procedure for every file of labelled sequences.

There are two families of networks, on sequences scaled by the training part:

- ``pieces``: a sequence is cut into pieces of equal length, four in the longest one. A piece is a step
  of an LSTM in both directions, and its last states are classified. It is trained on copies of the
  training part, warped in time, scaled and with noise.
- ``fcn``: see `_exam_fcn`.

Five folds of the training part choose one of them, or both. The class is that with the highest mean
probability of five networks, of each family chosen, that differ in their random numbers. Settings of the
families are the same for all sets. The test part is scored at the end.
"""

from functools import cache

import _exam_fcn as fcn
import numpy as np
from _exam_fit import fit

from seqlab import cells, datasets
from seqlab._tensorflow import keras

PIECES, NETWORKS, FOLDS = 4, 5, 5
UNITS, BATCH, STEPS = 64, 16, 1000
COPIES, WARP, SCALE, NOISE = 20, 0.4, 0.2, 0.1


def error(file, seed, folder, quiet):
    """Percent of the test part that is classified wrongly."""
    train, test = parts(file, folder)
    seeds = range(NETWORKS * seed, NETWORKS * (seed + 1))
    families = [FAMILIES[name] for name in chosen(file, folder)]
    mean = sum(family(train, test, each, quiet) for family in families for each in seeds)
    return 100 * float(np.mean(mean.argmax(axis=1) != test.labels))


@cache
def chosen(file, folder):
    """The families with the lowest cross-entropy in cross-validation of the training part."""
    train, _ = parts(file, folder)
    found = {(name,): validated(family, train) for name, family in FAMILIES.items()}
    found[tuple(FAMILIES)] = sum(found.values()) / len(found)
    own = np.arange(len(train)), train.labels
    losses = {names: -np.log(p[own] + 1e-6).mean() for names, p in found.items()}
    for names, loss in losses.items():
        wrong = np.mean(found[names].argmax(axis=1) != train.labels)
        print(f"  {' and '.join(names)}: cross-entropy {loss:.3f}, {100 * wrong:.1f} % wrong")
    return min(losses, key=losses.get)


def validated(family, train):
    """For each sequence the probabilities ``[N, K]`` of a network that has not seen it."""
    order = np.random.default_rng(100).permutation(len(train))
    order = order[np.argsort(train.labels[order], kind="stable")]  # each class over all folds
    fold = np.empty(len(train), int)
    fold[order] = np.arange(len(train)) % FOLDS
    found = np.zeros((len(train), len(train.classes)))
    for i in range(FOLDS):
        found[fold == i] = family(train.take(fold != i), train.take(fold == i), 1000 + i, True)
    return found


def neighbour(file, folder):
    """Percent wrong if a test sequence gets the class of the nearest training one, unscaled.

    By the Euclidean distance; of the means over time where lengths differ.
    """
    train, test = parts(file, folder)
    ragged = len({*train.lengths, *test.lengths}) > 1
    a, b = (
        np.stack([x.mean(axis=0) if ragged else x.ravel() for x in part.sequences])
        for part in (train, test)
    )
    nearest = ((b[:, None] - a[None]) ** 2).sum(axis=-1).argmin(axis=1)
    return 100 * float(np.mean(train.labels[nearest] != test.labels))


def parts(file, folder):
    """The training and the test part."""
    train = datasets.load_sequences(folder / file.format("TRAIN"))
    return train, datasets.load_sequences(folder / file.format("TEST"), train.classes)


def by_pieces(train, test, seed, quiet):
    """Train on one part; the probability of each class ``[N, K]`` for each sequence of the other."""
    keras.utils.set_random_seed(seed)
    train, test = scaled(train, test)
    size = -(-train.lengths.max() // PIECES)
    copies = augmented(train, np.random.default_rng(seed))
    copies, test = (changed(part, lambda x: cut(x, size)) for part in (copies, test))
    model = network(copies.sequences[0].shape[1], len(train.classes))
    batches = datasets.batches(copies, BATCH, seed=seed, buckets=4).repeat()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(model, batches, loss, 0.003, STEPS, weight_decay=0.01, quiet=quiet)
    return probabilities(model, test)


def by_fcn(train, test, seed, quiet):
    """The same, by LSTM-FCN."""
    train, test = scaled(train, test)
    return probabilities(fcn.train(train, seed, quiet), test)


def probabilities(model, part):
    """Of each class ``[N, K]`` for each sequence."""
    inputs, _ = next(iter(datasets.batches(part, len(part))))
    return keras.ops.convert_to_numpy(keras.ops.softmax(model(inputs)))


FAMILIES = {"pieces": by_pieces, "fcn": by_fcn}


def network(features, classes):
    """Both last states of an LSTM in both directions, with dropout, to one logit per class."""
    inputs, lengths = keras.Input((None, features)), keras.Input((), dtype="int32")
    forward, backward = cells.LSTMCell(UNITS), cells.LSTMCell(UNITS)
    _, (fw, bw) = cells.bidirectional_dynamic_rnn(forward, backward, inputs, lengths)
    state = keras.layers.Dropout(0.2)(keras.layers.Concatenate()([fw[0], bw[0]]))
    return keras.Model([inputs, lengths], keras.layers.Dense(classes)(state))


# Data to data


def changed(data, function):
    """The same labels, each sequence ``[T, D]`` through a function."""
    sequences = tuple(np.asarray(function(x), "float32") for x in data.sequences)
    return datasets.LabelledSequences(sequences, data.labels, data.classes)


def scaled(train, test):
    """Both parts with each feature of the training part at mean 0 and standard deviation 1."""
    steps = np.concatenate(train.sequences)
    mean, deviation = steps.mean(axis=0), np.maximum(steps.std(axis=0), 1e-8)
    return tuple(changed(part, lambda x: (x - mean) / deviation) for part in (train, test))


def augmented(train, rng):
    """Copies of a training part, each sequence of each changed at random; the lengths stay."""
    copies = [changed(train, lambda x: disturbed(x, rng)).sequences for _ in range(COPIES)]
    return datasets.LabelledSequences(sum(copies, ()), np.tile(train.labels, COPIES), train.classes)


def disturbed(x, rng):
    """A sequence at another pace here and there, each feature scaled, with noise on all."""
    steps = np.arange(len(x))
    knots = np.linspace(0, len(x) - 1, 5)
    pace = np.exp(WARP * np.interp(steps, knots, rng.normal(size=5)))
    times = np.cumsum(pace) - pace[0]
    times *= (len(x) - 1) / max(times[-1], 1e-9)  # from the first step to the last, as before
    warped = np.stack([np.interp(times, steps, feature) for feature in x.T], axis=1)
    factors = 1 + SCALE * rng.normal(size=(1, x.shape[1]))
    return warped * factors + NOISE * rng.normal(size=x.shape)


def cut(x, size):
    """``[T, D]`` to pieces ``[T / size, size D]``; the last is filled up with the last step."""
    filled = np.concatenate([x, np.repeat(x[-1:], -len(x) % size, axis=0)])
    return filled.reshape(-1, size * x.shape[1])
