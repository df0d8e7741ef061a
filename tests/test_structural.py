"""Made-up series: what they are made of, and that a seed decides all of it."""

import numpy as np
import pytest

from seqlab import structural
from seqlab.errors import SeqlabError
from seqlab.structural import simulate


def only(monkeypatch, *kept):
    """Leave out all parts but these."""
    for name in {"_trend", "_cycle", "_season", "_noise"} - set(kept):
        monkeypatch.setattr(
            structural, name, lambda random, count, rows, *_: np.zeros((count, rows))
        )


def test_a_seed_decides_all_and_rows_do_not_depend_on_others():
    made = simulate(5, 40, 12, seed=1)
    assert made.shape == (5, 40) and np.isfinite(made).all()
    assert (made == simulate(5, 40, 12, seed=1)).all()
    assert (made != simulate(5, 40, 12, seed=2)).all()
    assert len({tuple(row) for row in made}) == 5


def test_a_season_repeats_but_for_its_drift(monkeypatch):
    only(monkeypatch, "_season")
    made = simulate(400, 48, 12)
    spread = made[:, :12].std(axis=1)
    low, high = structural.SEASON
    assert 0.5 * low < spread.min() and spread.max() < 1.5 * high
    monkeypatch.setattr(structural, "SEASON_DRIFT", (1e-12, 2e-12))
    made = simulate(400, 48, 12)
    np.testing.assert_allclose(made[:, 12:], made[:, :-12], atol=1e-9)
    np.testing.assert_allclose(made[:, :12].mean(axis=1), 0, atol=1e-9)


def test_the_drift_of_a_season_is_as_large_as_said(monkeypatch):
    only(monkeypatch, "_season")
    monkeypatch.setattr(structural, "SEASON_DRIFT", (0.01, 0.01))
    made = simulate(500, 120, 12)
    assert np.std(made[:, 12:] - made[:, :-12]) == pytest.approx(0.01, rel=0.02)


def test_growth_is_of_a_season_whatever_its_rows(monkeypatch):
    only(monkeypatch, "_trend")
    for name in ("SLOPE_DRIFT", "LEVEL_DRIFT"):
        monkeypatch.setattr(structural, name, (1e-12, 1e-12))
    for season in (7, 24):
        made = simulate(4_000, 41 * season, season)
        mean = (made[:, -1] - made[:, season - 1]) / 40  # a season's
        # Where growth returns to its mean it soon is that; else what it began with stays.
        assert mean.std() == pytest.approx(structural.GROWTH * np.sqrt(1.4), rel=0.05)


def test_the_level_drifts_as_a_random_walk(monkeypatch):
    only(monkeypatch, "_trend")
    monkeypatch.setattr(structural, "GROWTH", 1e-12)
    monkeypatch.setattr(structural, "SLOPE_DRIFT", (1e-12, 1e-12))
    monkeypatch.setattr(structural, "LEVEL_DRIFT", (0.1, 0.1))
    made = simulate(2_000, 73, 12)
    for seasons in (1, 4):
        change = made[:, 12 * seasons] - made[:, 0]
        assert change.std() == pytest.approx(0.1 * seasons**0.5, rel=0.05)


def test_a_cycle_has_its_period_and_keeps_its_size(monkeypatch):
    only(monkeypatch, "_cycle")
    monkeypatch.setattr(structural, "PERIOD", (4.0, 4.0))
    monkeypatch.setattr(structural, "CYCLE", (1.0, 1.0))
    monkeypatch.setattr(structural, "FORGOTTEN", (1e-6, 1e-6))
    made = simulate(2_000, 49, 12)
    there = made.std(axis=1) > 0
    assert there.mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_allclose(made[:, 48], made[:, 0], atol=0.1)  # after 48 rows, 4 seasons
    np.testing.assert_allclose(made[:, 24], -made[:, 0], atol=0.1)
    monkeypatch.setattr(structural, "FORGOTTEN", (0.05, 0.05))
    sizes = simulate(4_000, 200, 12)[:, [0, 20, 199]].std(axis=0)
    np.testing.assert_allclose(sizes, 0.7**0.5, rtol=0.06)


def test_noise_is_forgotten_or_nearly(monkeypatch):
    only(monkeypatch, "_noise")
    made = simulate(4_000, 200)
    made /= np.sqrt(np.mean(made**2, axis=1, keepdims=True))
    again = (made[:, 1:] * made[:, :-1]).mean(axis=1)
    assert (np.abs(again) < 0.2).mean() == pytest.approx(0.5 + 0.5 * 0.2 / 0.9, abs=0.04)
    assert 0.8 < again.max() < 0.99


def test_without_a_season_there_is_none(monkeypatch):
    only(monkeypatch, "_season")
    assert not simulate(3, 30, None).any() and not simulate(3, 30, 1).any()


def test_a_long_season_takes_no_more_than_its_rows():
    made = simulate(2, 30, 200_000)
    assert made.shape == (2, 30) and np.isfinite(made).all()


def test_a_pattern_is_the_sum_of_its_waves(monkeypatch):
    """Written out, for an odd and an even season, whose shortest wave has one coefficient, not two."""
    only(monkeypatch, "_season")
    monkeypatch.setattr(structural, "SEASON_DRIFT", (1e-12, 2e-12))
    for season in (5, 6):
        made = simulate(3, season, season, seed=4)
        random, waves = np.random.default_rng(4), np.arange(1, season // 2 + 1)
        sizes = random.normal(size=(3, len(waves), 2))
        sizes /= (waves ** random.uniform(0, 1.5, (3, 1)))[..., None]
        angles = 2 * np.pi * np.outer(waves, np.arange(season)) / season
        pattern = sizes[..., 0] @ np.cos(angles) - sizes[..., 1] @ np.sin(angles)
        pattern *= (made.std(axis=1) / pattern.std(axis=1))[:, None]
        np.testing.assert_allclose(made, pattern, atol=1e-9)


@pytest.mark.parametrize("sizes", [(0, 3, 2), (3, -1, 2), (3, 3, 2.5), (3, 3, 2, -1)])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(SeqlabError, match="must be a positive integer"):
        simulate(*sizes)
