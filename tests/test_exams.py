"""The made tasks of the exams ask what they claim to ask."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from zoo import make, normal

from seqlab import cells

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def fitting():
    return runpy.run_path(ROOT / "benchmarks" / "_exam_fit.py")


@pytest.fixture(scope="module")
def tasks():
    return runpy.run_path(ROOT / "benchmarks" / "_tasks.py")


def test_adding_asks_for_the_sum_of_two_marked_numbers(tasks):
    inputs, sums = tasks["adding"](np.random.default_rng(0), 4000, 21)
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert inputs.dtype == sums.dtype == np.float32 and sums.shape == (4000, 1)
    assert set(marks.ravel()) == {0, 1} and numbers.min() >= 0 and numbers.max() < 1
    assert (marks[:, :10].sum(axis=1) == 1).all() and (marks[:, 10:].sum(axis=1) == 1).all()
    assert (marks.sum(axis=0) > 0).all()
    np.testing.assert_allclose(sums[:, 0], (numbers * marks).sum(axis=1), rtol=1e-6)
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, rel=0.05)


def test_copying_asks_for_ten_symbols_after_the_wait(tasks):
    inputs, answers = tasks["copying"](np.random.default_rng(0), 300, 7)
    assert inputs.shape == answers.shape == (300, 27)
    symbols = inputs[:, :10]
    assert set(symbols.ravel()) == set(range(1, 9))
    assert not inputs[:, 10:16].any() and (inputs[:, 16] == 9).all() and not inputs[:, 17:].any()
    assert not answers[:, :17].any()
    np.testing.assert_array_equal(answers[:, 17:], symbols)


def test_without_a_memory_copying_costs_an_even_guess_of_each_symbol(tasks):
    _, answers = tasks["copying"](np.random.default_rng(0), 5, 100)
    chance = np.where(answers > 0, 1 / 8, 1)
    assert tasks["memoryless"](100) == pytest.approx(-np.log(chance).mean())


def test_digits_and_characters(tasks, shared_data):
    images, labels = tasks["digits"](shared_data, "t10k")
    assert images.shape == (10000, 28, 28) and images.max() == 1
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    text, count = tasks["characters"](shared_data)
    assert (len(text), count) == (1115394, 65) and text.max() == 64


def test_a_gru_made_slower_sees_a_slow_sequence_as_it_saw_the_quick_one(fitting):
    cell, x = make("gru", 3, 5), normal(1, 2, 20, 3)
    fitting["remember_long"](cell, 40, seed=0)
    memories = 1 + np.exp(cell.bias.numpy()[0])  # in steps, at an input of nothing
    assert (memories[:5] > 2).all() and (memories[:5] < 40).all()
    quick, _ = cells.dynamic_rnn(cell, x)
    slow = np.repeat(x, 4, axis=1)
    unchanged, _ = cells.dynamic_rnn(cell, slow)
    fitting["slower"](cell, 4)
    slowed, _ = cells.dynamic_rnn(cell, slow)
    off, before = (np.abs(h[:, 3::4] - quick).max() for h in (slowed, unchanged))
    assert off < before / 3


def test_a_cell_remembers_for_long_by_its_own_gates(fitting):
    cell = make("lstm", 3, 5)
    fitting["remember_long"](cell, 40, seed=0)
    i, f = cell.bias.numpy()[:5], cell.bias.numpy()[5:10]
    np.testing.assert_array_equal(i, -f)
    assert (f > 0).all() and (f < np.log(39)).all()


def test_endless_batches_have_the_shapes_that_they_are_said_to_have(fitting):
    sizes = iter(range(3, 99))

    def batch():
        steps = next(sizes)
        return np.zeros((2, steps), "int32"), np.zeros((2, steps), "int32")

    batches = fitting["endless"](batch, (None, None), (None, None)).take(2)
    assert [x.shape for x, _ in batches] == [(2, 4), (2, 5)]
