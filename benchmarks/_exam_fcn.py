"""LSTM-FCN for the exams of classification: an LSTM beside convolutions, as published, without a search.

Source: Karim et al. (2018), "LSTM Fully Convolutional Networks for Time Series Classification",
section 3. The LSTM sees the sequence turned: a step is a feature, its vector that feature's values.
"""

from _exam_fit import fit

from seqlab import cells, datasets
from seqlab._tensorflow import keras

UNITS, DROPOUT, CONVOLUTIONS = 64, 0.8, ((128, 8), (256, 5), (128, 3))
BATCH, STEPS, RATE = 128, 200, 0.001

ops = keras.ops


def train(part, seed, quiet):
    """A network that gives logits of ``[inputs, lengths]``, of a part that is scaled."""
    keras.utils.set_random_seed(seed)
    model = network(part.sequences[0].shape[1], len(part.classes), int(part.lengths.max()))
    batches = datasets.batches(part, BATCH, seed=seed).repeat()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(model, batches, loss, RATE, STEPS, quiet=quiet)
    return model


def network(features, classes, steps):
    """Both branches, to one logit per class; sequences are cut or filled up to so many steps."""
    x, lengths = keras.Input((None, features)), keras.Input((), dtype="int32")
    mask = ops.cumsum(ops.ones_like(x[..., 0]), axis=1) <= ops.cast(lengths, x.dtype)[:, None]
    both = keras.layers.Concatenate()([recurrent(x, steps), convolved(x, mask)])
    return keras.Model([x, lengths], keras.layers.Dense(classes)(both))


def recurrent(x, steps):
    """The last state ``[B, H]`` over the features of ``[B, T, D]``."""
    x = ops.pad(x, ((0, 0), (0, steps), (0, 0)))[:, :steps]
    turned = ops.transpose(ops.reshape(x, (-1, steps, x.shape[-1])), (0, 2, 1))
    _, state = cells.dynamic_rnn(cells.LSTMCell(UNITS), turned)
    return keras.layers.Dropout(DROPOUT)(state[0])


def convolved(x, mask):
    """The mean over the steps that exist of what three convolutions give."""
    for filters, width in CONVOLUTIONS:
        x = keras.layers.Conv1D(filters, width, padding="same", kernel_initializer="he_uniform")(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x, mask=mask)
        x = ops.relu(x) * ops.cast(mask, x.dtype)[..., None]
    return keras.layers.GlobalAveragePooling1D()(x, mask=mask)
