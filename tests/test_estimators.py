"""The scikit-learn estimators: its own checks, what they learn, where they go, what they refuse."""

import copy
import pickle
import random

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from seqlab.errors import SeqlabError
from seqlab.estimators import RecurrentClassifier, RecurrentRegressor

TINY = {"units": 4, "steps": 60, "learning_rate": 0.05, "random_state": 0}
# One of scikit-learn's checks asks a regressor to find which one of ten steps matters, under noise.
CHECKED = RecurrentRegressor(units=16, steps=250, learning_rate=0.03, random_state=0)


def sums(rows=300, steps=8, features=1):
    """Sequences, and their sums: of the first feature less the others."""
    x = np.random.default_rng(0).normal(3, 2, (rows, steps, features))
    y = x[..., 0].sum(axis=1) - x[..., 1:].sum(axis=(1, 2))
    return x, y


def waves(rows=240, steps=20):
    """Noisy sines at any phase, and the name of their frequency."""
    rng = np.random.default_rng(1)
    speed = rng.integers(0, 3, rows)
    angle = rng.uniform(0, 6.3, (rows, 1)) + (0.3 + 0.4 * speed[:, None]) * np.arange(steps)
    return np.sin(angle) + rng.normal(0, 0.1, (rows, steps)), np.array(["slow", "mid", "fast"])[
        speed
    ]


@parametrize_with_checks([CHECKED, RecurrentClassifier(**TINY)])
def test_what_scikit_learn_asks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("features", [1, 2])
def test_sums_are_learned(features):
    x, y = sums(features=features)
    model = RecurrentRegressor("gru", units=16, steps=600, random_state=0).fit(x[:200], y[:200])
    dummy = DummyRegressor().fit(x[:200], y[:200])
    assert model.score(x[200:], y[200:]) > 0.97 > 0.1 > dummy.score(x[200:], y[200:])
    assert (model.n_steps_in_, model.n_channels_in_, model.n_features_in_) == (8, features, 8)


def test_frequencies_are_told_apart():
    x, y = waves()
    model = RecurrentClassifier(units=16, steps=300, random_state=0).fit(x[:160], y[:160])
    dummy = DummyClassifier().fit(x[:160], y[:160])
    assert model.score(x[160:], y[160:]) > 0.9 > 0.6 > dummy.score(x[160:], y[160:])
    assert model.classes_.tolist() == ["fast", "mid", "slow"]
    chances = model.predict_proba(x[160:])
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (model.classes_[chances.argmax(axis=1)] == model.predict(x[160:])).all()


def test_several_targets_each_in_its_own_units():
    x, y = sums()
    targets = np.stack([y, 1000 - 50 * y], axis=1)
    model = RecurrentRegressor("gru", units=16, steps=500, random_state=0).fit(
        x[:200], targets[:200]
    )
    answers = model.predict(x[200:])
    assert answers.shape == (100, 2)
    assert np.corrcoef(answers[:, 1], targets[200:, 1])[0, 1] > 0.97
    assert np.abs(answers.mean(axis=0) / targets[200:].mean(axis=0) - 1).max() < 0.1


@pytest.mark.parametrize(
    "changes",
    [{}, {"bidirectional": True, "dropout": 0.3}, {"cell": "gru", "layers": 2}],
    ids=["plain", "both ways", "stack"],
)
def test_a_seed_decides_every_bit(changes):
    x, y = sums(80)
    model = RecurrentRegressor(**{**TINY, **changes})
    first = model.fit(x, y).predict(x)
    state, drawn = random.getstate(), np.random.get_state()[1].copy()
    clone(model).set_params(random_state=1).fit(x[:50], y[:50])  # in the same graph
    again = clone(model).fit(x, y).predict(x)
    assert (random.getstate(), True) == (state, (np.random.get_state()[1] == drawn).all())
    np.testing.assert_array_equal(again, first)
    assert np.abs(clone(model).set_params(random_state=1).fit(x, y).predict(x) - first).max() > 1e-3


def test_fitted_estimators_do_not_share_weights():
    x, y = sums(80)
    first = RecurrentRegressor(**TINY).fit(x, y)
    before = first.predict(x)
    second = RecurrentRegressor(**TINY).fit(x, -y)
    np.testing.assert_array_equal(first.predict(x), before)
    assert np.corrcoef(second.predict(x), before)[0, 1] < 0


def test_copies_answer_alike():
    x, y = waves(60)
    model = RecurrentClassifier(**TINY).fit(x, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    held = [value for value in vars(model).values() if type(value).__module__.startswith("keras")]
    assert not held


def test_the_model_is_at_hand_and_takes_standardised_inputs():
    x, y = sums(80, features=2)
    model = RecurrentRegressor(**TINY).fit(x, y)
    np.testing.assert_allclose(model.x_mean_, x.mean(axis=(0, 1)))
    np.testing.assert_allclose(model.x_scale_, x.std(axis=(0, 1)))
    inputs = ((x - model.x_mean_) / model.x_scale_).astype("float32")
    answers = np.asarray(model.model_(inputs))[:, 0] * y.std() + y.mean()
    np.testing.assert_allclose(answers, model.predict(x), rtol=1e-4, atol=1e-4)


def test_weights_choose_what_is_learned():
    """Every sequence twice, with opposite answers: the weight says which one holds."""
    x, y = sums(100)
    both, answers = np.concatenate([x, x]), np.concatenate([y, -y])
    weight = np.repeat([1.0, 9.0], 100)
    model = RecurrentRegressor("gru", units=8, steps=300, random_state=0).fit(both, answers, weight)
    assert np.corrcoef(model.predict(x), -y)[0, 1] > 0.9


def test_held_back_rows_end_the_training():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), rng.normal(size=40)  # there is nothing to learn but by heart
    model = RecurrentRegressor(
        units=16, steps=400, learning_rate=0.05, validation_fraction=0.25, random_state=0
    )
    history = model.fit(x, y).history_
    assert model.n_iter_ == history["step"][-1] < 400
    fitted = model.x_mean_, model.predict(x[30:])
    np.testing.assert_allclose(fitted[0], x[:30].mean())
    scaled = (fitted[1] - y[30:]) / y[:30].std()
    assert np.mean(scaled**2) == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_a_classifier_holds_back_some_of_every_class():
    x, y = waves(90)
    order = np.argsort(y)  # the last rows are of one class
    model = RecurrentClassifier(units=16, steps=300, validation_fraction=0.3, random_state=0)
    model.fit(x[order], y[order])
    assert min(model.history_["val_loss"]) < 0.5
    assert model.score(x, y) > 0.8


def test_progress_is_printed_on_request(capsys):
    x, y = sums(40)
    RecurrentRegressor(**TINY).fit(x, y)
    assert capsys.readouterr().out == ""
    RecurrentRegressor(**TINY, verbose=1).fit(x, y)
    assert "step 60 of 60" in capsys.readouterr().out


def test_in_a_pipeline_and_over_time():
    x, y = sums(160)
    line = make_pipeline(StandardScaler(), RecurrentRegressor(**{**TINY, "steps": 150}))
    scores = cross_val_score(line, x[..., 0], y, cv=TimeSeriesSplit(3))
    assert scores[-1] > 0.8


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_grid_is_searched(jobs):
    x, y = waves(60)
    grid = {"cell": ["rnn", "gru"], "units": np.array([2, 8])}
    search = GridSearchCV(RecurrentClassifier(**TINY), grid, cv=2, n_jobs=jobs).fit(x, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    assert search.predict(x).shape == (60,)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones(5), "Expected 2D array, got 1D array"),
        (np.ones((5, 2, 2, 2)), r"\[rows, steps, features\].*\[5, 2, 2, 2\]"),
        (np.ones((5, 0, 2)), "at least one"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.full((5, 2, 1), np.inf), "infinity"),
    ],
)
def test_wrong_inputs_are_refused(x, words):
    with pytest.raises(ValueError, match=words):
        RecurrentRegressor(**TINY).fit(x, np.arange(5.0))


def test_other_shapes_than_in_training_are_refused():
    x, y = sums(20, features=2)
    model = RecurrentRegressor(**TINY).fit(x, y)
    with pytest.raises(ValueError, match="X has 7 features, but RecurrentRegressor is expecting 8"):
        model.predict(x[:, 1:])
    with pytest.raises(ValueError, match=r"X has 1 features per step.*fitted on 2"):
        model.predict(x[..., 0])


def test_a_validation_loss_that_is_not_finite_is_named():
    x, y = sums(20)
    y[-1] = 1e30  # squared it is beyond float32
    with pytest.raises(SeqlabError, match=r"rows held back is not finite.*`validation_fraction`"):
        RecurrentRegressor(**TINY, validation_fraction=0.2).fit(x, y)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": "lstn"}, "`cell` must be one of rnn, lstm"),
        ({"units": 0}, "`units`.*0"),
        ({"batch_size": 2.5}, "`batch_size`.*2.5"),
        ({"layers": -1}, "`layers`"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"learning_rate": -1}, "`learning_rate`"),
        ({"validation_fraction": 1}, "`validation_fraction`"),
        ({"validation_fraction": 0.999}, "leaves none of 20 rows"),
        ({"learning_rate": 1e30}, "diverged"),
    ],
)
def test_wrong_parameters_are_refused_by_their_names(changes, words):
    x, y = sums(20)
    with pytest.raises(SeqlabError, match=words):
        RecurrentRegressor(**{**TINY, **changes}).fit(x, y)
