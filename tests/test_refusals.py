"""What wrong arguments of cells, wrappers, drivers and chunks get: one `SeqlabError` that names them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import make

from seqlab import cells, chunks, datasets, streams
from seqlab.errors import SeqlabError

X = np.zeros((2, 5, 3), "float32")
LISTS = [[[1.0]], [[1.0], [2.0]]]  # two sequences of different length


def run(inputs=X, *arguments, **options):
    return cells.dynamic_rnn(cells.LSTMCell(4), inputs, *arguments, **options)


def data(labels=(0, 1)):
    return datasets.LabelledSequences([X[0], X[1]], list(labels), ["a", "b"])


@pytest.mark.parametrize(
    ("take", "argument"),
    [
        (cells.DynamicRNN, "cell"),
        (lambda cell: cells.dynamic_rnn(cell, X), "cell"),
        (lambda cell: cells.BidirectionalDynamicRNN(cells.GRUCell(2), cell), "cell_bw"),
        (lambda cell: cells.bidirectional_dynamic_rnn(cell, cells.GRUCell(2), X), "cell_fw"),
        (cells.ResidualWrapper, "cell"),
        (cells.InitialStateWrapper, "cell"),
        (lambda cell: cells.StackedRNNCells([cells.GRUCell(2), cell]), r"cells\[1\]"),
        (lambda cell: streams.load_state("state.npz", cell), "cell"),
    ],
)
@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (cells.LSTMCell, "the class LSTMCell"),
        (lambda: keras.layers.LSTM(3), "LSTM"),
        (lambda: keras.layers.Dense(3), "Dense"),
        (lambda: cells.DynamicRNN(cells.GRUCell(3)), "DynamicRNN"),
        (8, "int"),
        (None, "NoneType"),
        (X, "ndarray"),
    ],
)
def test_what_is_no_cell(take, argument, wrong, kind):
    wrong = wrong() if callable(wrong) and not isinstance(wrong, type) else wrong
    with pytest.raises(SeqlabError, match=f"`{argument}` must be a cell: .*Received: {kind}$"):
        take(wrong)


@pytest.mark.parametrize("wrong", [[], None, cells.LSTMCell(2), (c for c in [cells.LSTMCell(2)])])
def test_a_stack_of_no_list(wrong):
    with pytest.raises(SeqlabError, match="`cells` must be a list of at least one cell"):
        cells.StackedRNNCells(wrong)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: run(None), r"`inputs` must be \[B, T, D\]. Received: shape \(\)"),
        (lambda: run("x"), r"`inputs` must be \[B, T, D\]"),
        (lambda: run(LISTS), "`inputs` must be an array. Received: lists of different length. Pad"),
        (lambda: run(tf.ragged.constant(LISTS)), r"Give inputs.to_tensor\(\)"),
        (lambda: run(X.astype(str)), "real numbers. Received: string"),
        (lambda: run(X.astype(complex)), "real numbers. Received: complex128"),
        (lambda: run(keras.Input((5, None))), "a known number of features. Received: None"),
        (
            lambda: run(X, 5),
            r"one integer per sequence, shape \(2,\). Received: int64 of shape \(\)",
        ),
        (lambda: run(X, "all"), "one integer per sequence"),
        (lambda: run(X, [None, 2]), "one integer per sequence"),
        (lambda: run(X, mask=True), r"booleans of shape \(2, 5\)"),
        (lambda: run(X, initial_state=[np.zeros((9, 4)).tolist()] * 2), "and 64 more$"),
        (lambda: cells.DynamicRNN(cells.GRUCell(2)).step(None), r"\[B, D\]. Received: shape \(\)"),
        (lambda: cells.DynamicRNN(cells.GRUCell(2)).step([["a"]]), "real numbers"),
        (lambda: streams.save_state("state.npz", None), "`state` must be what a step .* None"),
        (lambda: streams.save_state("no/such/folder.npz", X), "folder.npz: cannot be written"),
        (lambda: chunks.consecutive(3.0, 2, 2), r"`values` must be a sequence.* Received: 3.0"),
        (lambda: chunks.consecutive(range(9), 2, 2, 3.0), r"`targets` must be 9.* shape \(\)"),
        (lambda: datasets.batches(data(), 2, seed=-1), "`seed` must be an integer from 0 on"),
        (lambda: datasets.batches(data(), 2, seed="a"), "`seed` must be an integer from 0 on"),
        (lambda: data([0.5, 1]), "one integer per sequence"),
        (lambda: data().take([]), "at least one sequence"),
    ],
)
def test_arguments_of_the_wrong_kind(call, words):
    with pytest.raises(SeqlabError, match=words):
        call()


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "mingru"])
def test_inputs_of_another_size_than_before(name):
    stack = cells.StackedRNNCells([cells.DropoutWrapper(make(name, 3, 4)), cells.GRUCell(2)])
    for cell in (make(name, 3, 4), stack, keras.layers.StackedRNNCells([keras.layers.GRUCell(2)])):
        layer = cells.DynamicRNN(cell)
        layer(X)
        for run in (lambda x, layer=layer: layer(x), lambda x, layer=layer: layer.step(x[:, 0])):
            with pytest.raises(SeqlabError, match=r"must have 3 features. Received: 2"):
                run(X[:, :, :2])


def test_lists_of_labels_and_rows_by_mask():
    picked = data().take(np.array([False, True]))
    assert picked.labels.tolist() == [1] and picked.sequences[0] is not None
    assert data().take([-1, 0]).labels.tolist() == [1, 0]
