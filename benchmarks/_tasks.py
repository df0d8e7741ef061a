"""The data of the exams: two made tasks with known answers, handwritten digits, and characters."""

import gzip

import numpy as np

SYMBOLS, RECALLED = 8, 10  # the copy task's alphabet, and how many symbols it asks for


def adding(rng, count, steps):
    """Numbers with two of them marked; the answer is the sum of those two.

    The marks are one in each half, as Hochreiter and Schmidhuber (1997, section 5.4) have it but for
    their very first steps. Always answering 1 gives a mean squared error of 1/6.

    Returns:
        Inputs ``[B, T, 2]``: numbers from [0, 1) and marks 0 or 1; sums ``[B, 1]``.
    """
    numbers = rng.random((count, steps))
    marks = np.zeros((count, steps))
    rows = np.arange(count)
    marks[rows, rng.integers(0, steps // 2, count)] = 1
    marks[rows, rng.integers(steps // 2, steps, count)] = 1
    sums = (numbers * marks).sum(axis=1, keepdims=True)
    return np.stack([numbers, marks], axis=-1).astype("float32"), sums.astype("float32")


def copying(rng, count, blanks):
    """Ten symbols to be said again after a wait, as in Arjovsky et al. (2016).

    Symbols are 1 to 8; 0 is blank, 9 says that the wait is over. The answer is blank up to there, then
    the ten symbols. Knowing all but the symbols gives a mean loss of ``10 ln 8 / (blanks + 20)``.

    Returns:
        Inputs and answers, int32 ``[B, blanks + 20]``.
    """
    symbols = rng.integers(1, SYMBOLS + 1, (count, RECALLED))
    inputs = np.zeros((count, blanks + 2 * RECALLED), "int32")
    answers = np.zeros_like(inputs)
    inputs[:, :RECALLED] = answers[:, -RECALLED:] = symbols
    inputs[:, -RECALLED - 1] = SYMBOLS + 1
    return inputs, answers


def memoryless(blanks):
    """The mean loss of `copying` without a memory."""
    return RECALLED * np.log(SYMBOLS) / (blanks + 2 * RECALLED)


def digits(folder, part):
    """MNIST: images ``[N, 28, 28]`` from 0 to 1, and labels ``[N]``; part is ``train`` or ``t10k``."""
    images, labels = (
        _idx(folder / "mnist" / f"{part}-{kind}-ubyte.gz", skip)
        for kind, skip in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return images.reshape(-1, 28, 28).astype("float32") / 255, labels.astype("int32")


def _idx(path, skip):
    raw = gzip.decompress(path.read_bytes())
    return np.frombuffer(raw, np.uint8, offset=skip)


def characters(folder):
    """Tiny Shakespeare as numbers ``[N]``, and how many different characters there are."""
    text = np.frombuffer((folder / "tinyshakespeare" / "input.txt").read_bytes(), np.uint8)
    alphabet, numbers = np.unique(text, return_inverse=True)
    return numbers.astype("int32"), len(alphabet)
