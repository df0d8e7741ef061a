"""How the exams train: Keras' own `fit`, a rate that falls to zero, some lines on how it goes."""

import time

import numpy as np

from seqlab import cells
from seqlab._tensorflow import ahead, keras, tf

LINES = 5  # of progress, per training


class Progress(keras.callbacks.Callback):
    """Some lines on how a training goes."""

    def __init__(self, per_epoch):
        super().__init__()
        self.per_epoch, self.begin = per_epoch, time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begin
        values = ", ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        print(f"  step {(epoch + 1) * self.per_epoch}, {seconds:.0f} s: {values}", flush=True)


def fit(model, batches, loss, rate, steps, *, weight_decay=0.0, metrics=(), quiet=False):
    """Train on an endless tf.data set; the rate rises for a tenth of the steps, then falls to zero."""
    warm = steps // 10
    rates = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm, warmup_target=rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.AdamW(rates, weight_decay=weight_decay, global_clipnorm=1.0)
    per_epoch = steps // LINES
    model.compile(
        optimizer,
        loss,
        metrics=list(metrics),
        steps_per_execution=min(20, per_epoch),
        jit_compile=False,
    )
    model.fit(
        batches,
        epochs=LINES,
        steps_per_epoch=per_epoch,
        shuffle=False,  # said, because Keras warns otherwise
        callbacks=[] if quiet else [Progress(per_epoch)],
        verbose=0,
    )


def endless(make, *shapes):
    """A tf.data set of what `make` gives, call after call: (inputs, answers).

    Their shapes are those of the first call, of any B, where they are not given.
    """

    def generate():
        while True:
            yield make()

    first = make()
    shapes = shapes or [(None, *values.shape[1:]) for values in first]
    specs = tuple(
        tf.TensorSpec(*spec) for spec in zip(shapes, (v.dtype for v in first), strict=True)
    )
    return ahead(tf.data.Dataset.from_generator(generate, output_signature=specs))


def remember_long(cell, steps, seed):
    """Biases for memories of 1 to T steps: ``b_f = log(uniform(1, T - 1))``, ``b_i = -b_f``.

    A GRU's z is both: it keeps z of the state and takes 1 - z of what is new. Source: Tallec and Ollivier
    (2018), equation 16, with the other gates as they are.
    """
    forget = np.log(np.random.default_rng(seed).uniform(1, steps - 1, cell.units))
    bias = cell.bias.numpy()
    if isinstance(cell, cells.GRUCell):
        bias[0, : cell.units] = forget  # gates z, r, g
    else:
        bias[: 2 * cell.units] = *-forget, *forget  # gates i, f, g, o
    cell.bias.assign(bias)


def slower(cell, times):
    """Have a GRU's state change at about one so-manieth of the pace, for sequences that much longer.

    A leaky state at another pace of time is the same with its leak divided; where z is near 1, that adds
    the logarithm to its bias. Source: Tallec and Ollivier (2018), section 1.
    """
    bias = cell.bias.numpy()
    bias[0, : cell.units] += np.log(times)  # gates z, r, g
    cell.bias.assign(bias)
