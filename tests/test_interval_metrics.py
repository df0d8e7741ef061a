"""Quantiles, samples and intervals: answers by hand, and what each score must prefer."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqlab import interval_metrics as im
from seqlab.errors import SeqlabError

NUMBERS = st.floats(-100, 100)
Y = np.array([[2.0, 10.0]])
Q = np.array([[[1.0, 4.0], [6.0, 16.0]]])
LEVELS = np.array([0.2, 0.5])


def test_answers_by_hand():
    assert im.pinball(Y, Q, LEVELS).tolist() == [[[0.2 * 1, 0.5 * 2], [0.2 * 4, 0.5 * 6]]]
    assert im.weighted_quantile_loss(Y, Q, LEVELS) == pytest.approx((2 * 1 / 12 + 2 * 4 / 12) / 2)
    # Level 0.2 stands for 0 to 0.35, the median for the rest.
    assert im.crps_from_quantiles(Y, Q, LEVELS) == pytest.approx(
        2 * (0.35 * (0.2 + 0.8) + 0.65 * (1 + 3)) / 2
    )
    # |x - y|: 1 and 2, 4 and 6; |x - x'|: half of all four pairs are 3, and 10.
    assert im.crps_from_samples(Y, Q) == pytest.approx((1.5 - 3 / 4 + 5 - 10 / 4) / 2)
    lower, upper = np.array([[3.0, 6.0]]), np.array([[4.0, 8.0]])
    assert im.interval_score(Y, lower, upper, 0.8) == pytest.approx((1 + 10 * 1 + 2 + 10 * 2) / 2)
    assert im.coverage(Y, np.array([[2.0, 11]]), np.array([[3.0, 12]])) == 0.5  # an end is inside
    assert im.coverage(Y, np.array([[1.0, 9]]), np.array([[2.0, 10]])) == 1


def test_the_median_scores_the_absolute_error():
    truth, guess = np.random.default_rng(0).normal(size=(2, 50, 3))
    loss = im.weighted_quantile_loss(truth, guess[..., None], np.array([0.5]))
    assert loss == pytest.approx(np.abs(truth - guess).sum() / np.abs(truth).sum())
    assert np.isnan(im.weighted_quantile_loss(0 * truth, guess[..., None], np.array([0.5])))


def test_each_level_weighs_the_same():
    alone = [im.weighted_quantile_loss(Y, Q[..., [i]], LEVELS[[i]]) for i in (0, 1)]
    assert im.weighted_quantile_loss(Y, Q, LEVELS) == pytest.approx(np.mean(alone))


@given(arrays(np.float64, (4, 3), elements=NUMBERS), arrays(np.float64, (4, 3), elements=NUMBERS))
def test_one_sample_scores_the_absolute_error(truth, guess):
    error = np.abs(truth - guess).mean()
    assert im.crps_from_samples(truth, guess[..., None]) == pytest.approx(error)
    # So do many that are all the same, and one quantile, the median.
    same = np.repeat(guess[..., None], 7, axis=-1)
    assert im.crps_from_samples(truth, same) == pytest.approx(error, abs=1e-9)
    assert im.crps_from_quantiles(truth, guess[..., None], np.array([0.5])) == pytest.approx(error)


@given(arrays(np.float64, (5,), elements=NUMBERS), arrays(np.float64, (5, 6), elements=NUMBERS))
def test_samples_score_as_their_definition_and_as_their_quantiles(truth, samples):
    pairs = np.abs(samples[:, :, None] - samples[:, None, :]).mean(axis=(1, 2))
    by_definition = (np.abs(samples - truth[:, None]).mean(axis=1) - pairs / 2).mean()
    found = im.crps_from_samples(truth, samples)
    assert found == pytest.approx(by_definition, abs=1e-9)
    levels = (np.arange(6) + 0.5) / 6
    quantiles = np.sort(samples, axis=-1)
    assert im.crps_from_quantiles(truth, quantiles, levels) == pytest.approx(found, abs=1e-9)


def test_crps_of_a_normal_distribution():
    """Gneiting and Raftery (2007), equation 22: for N(0, 1) and a truth z."""
    normal, z = NormalDist(), 0.7
    exact = z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / np.sqrt(np.pi)
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = np.array([[normal.inv_cdf(level) for level in levels]])
    assert im.crps_from_samples(np.array([z]), quantiles) == pytest.approx(exact, rel=1e-3)
    few = levels[100::200]
    found = im.crps_from_quantiles(np.array([z]), quantiles[:, 100::200], few)
    assert found == pytest.approx(exact, rel=0.05)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_true_quantiles_score_best(low, high, nominal):
    levels = (np.arange(4001) + 0.5) / 4001  # the truths: a sawtooth from 0 to 1, and its square
    for truth in (levels, levels**2):
        ends = np.quantile(truth, [(1 - nominal) / 2, (1 + nominal) / 2])
        moved = np.sort(ends + np.array([low, high]))

        def score(ends, truth=truth):
            return im.interval_score(truth, *(np.full(4001, end) for end in ends), nominal)

        assert score(ends) <= score(moved) + 1e-9
        loss = [
            np.mean(im.pinball(truth, np.full((4001, 1), end), np.array([(1 - nominal) / 2])))
            for end in (ends[0], ends[0] + low)
        ]
        assert loss[0] <= loss[1] + 1e-9


@given(
    arrays(np.float64, (20,), elements=NUMBERS),
    arrays(np.float64, (20,), elements=NUMBERS),
    st.floats(0, 50),
    st.floats(0, 50),
)
def test_wider_intervals_hold_no_fewer_truths(truth, middle, width, more):
    narrow = im.coverage(truth, middle - width, middle + width)
    assert 0 <= narrow <= im.coverage(truth, middle - width - more, middle + width + more) <= 1
    inside = [m - width <= t <= m + width for t, m in zip(truth, middle, strict=True)]
    assert narrow == sum(inside) / 20


@given(st.sampled_from([0.25, 2.0, 64.0]), st.integers(0, 2**32 - 1))
def test_scores_are_in_the_units_of_the_series(factor, seed):
    rng = np.random.default_rng(seed)
    truth, quantiles = rng.normal(size=(4, 3)), np.sort(rng.normal(size=(4, 3, 2)), axis=-1)
    ends = quantiles[..., 0], quantiles[..., 1]
    for score, power in [
        (lambda u: im.crps_from_samples(u * truth, u * quantiles), 1),
        (lambda u: im.crps_from_quantiles(u * truth, u * quantiles, LEVELS), 1),
        (lambda u: im.interval_score(u * truth, *(u * end for end in ends), 0.8), 1),
        (lambda u: im.weighted_quantile_loss(u * truth, u * quantiles, LEVELS), 0),
        (lambda u: im.coverage(u * truth, *(u * end for end in ends)), 0),
    ]:
        assert score(factor) == pytest.approx(factor**power * score(1))


@pytest.mark.parametrize("score", [im.pinball, im.weighted_quantile_loss, im.crps_from_quantiles])
@pytest.mark.parametrize(
    ("truth", "quantiles", "levels", "message"),
    [
        (Y, Q[..., 0], LEVELS, r"must be \(1, 2, 2\) .* Received: \(1, 2\)"),
        (Y, Q, LEVELS[:1], r"must be \(1, 2, 1\)"),
        (Y, Q, LEVELS[::-1], r"must grow, .* Received: \[0.5, 0.2\]"),
        (Y, Q, [0.5, 0.5], "must grow"),
        (Y, Q, [0.0, 0.5], "between 0 and 1"),
        (Y, Q, [20, 50], "between 0 and 1"),
        (Y, Q, [], "between 0 and 1"),
        (Y * np.nan, Q, LEVELS, "the truth holds values that are not finite"),
        (Y, Q * np.inf, LEVELS, "the training diverged"),
        (Y[:0], Q[:0], LEVELS, "no forecasts to score"),
    ],
)
def test_quantiles_that_cannot_be_scored(score, truth, quantiles, levels, message):
    with pytest.raises(SeqlabError, match=message):
        score(truth, quantiles, np.array(levels))


def test_samples_and_intervals_that_cannot_be_scored():
    with pytest.raises(SeqlabError, match=r"shape \(1, 2\) and one axis of samples"):
        im.crps_from_samples(Y, Y)
    with pytest.raises(SeqlabError, match=r"Received: \(1, 2, 0\)"):
        im.crps_from_samples(Y, Q[..., :0])
    with pytest.raises(SeqlabError, match="1 of 2 intervals the wrong way round"):
        im.coverage(Y, Y, Y - np.array([1, -1]))
    with pytest.raises(SeqlabError, match="must be equal"):
        im.coverage(Y, Y[:, :1], Y)  # would broadcast
    with pytest.raises(SeqlabError, match="not finite"):
        im.coverage(Y, Y, Y * np.inf)
    with pytest.raises(SeqlabError, match="`nominal` must be at least 0 and below 1"):
        im.interval_score(Y, Y, Y, 80)
