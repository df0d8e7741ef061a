"""The autoregressive model against a loop in NumPy, its paths against its likelihoods, and learning."""

import keras
import numpy as np
import panels
import pytest
from scipy import stats

from seqlab.autoregressive import DRAWS, Autoregressive
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError
from seqlab.likelihoods import LIKELIHOODS

SMALL = ModelConfig(cell="lstm", layers=2, hidden=4)
SCIPY = {
    "gaussian": lambda mean, std: stats.norm(mean, std),
    "student": lambda mean, scale, freedom: stats.t(freedom, mean, scale),
    "negative_binomial": lambda mean, shape: stats.nbinom(1 / shape, 1 / (1 + shape * mean)),
}


def make(loss):
    keras.utils.set_random_seed(1)
    return Autoregressive(SMALL, panels.P, loss, categories=panels.CODES)


def batch(loss, rows=panels.B):
    return panels.batch(rows, counts=loss == "negative_binomial")


def finished(model, raw, scale):
    bounds = LIKELIHOODS[model.loss_name].parameters.values()
    parts = [
        raw[..., i] if bound is None else panels.softplus(raw[..., i]) + bound + 1e-5
        for i, bound in enumerate(bounds)
    ]
    if model.counts:
        return np.stack([parts[0] * scale, parts[1] / np.sqrt(scale)], axis=-1)
    return np.stack(parts, axis=-1)


def looped(model, x, shown):
    """Parameters ``[B, P, M]`` of NumPy's loop over all steps, shown the truth ahead or its own means."""
    about, past = panels.attributes(model, x), x["past"].astype(float)
    scale = 1 + past[:, :, 0].mean(axis=1) if model.counts else np.ones(len(past))
    past[:, :, 0] /= scale[:, None]
    stack = panels.Stack(model.steps.cell)
    states, made = stack.zeros(len(past)), []
    before = past[:, 0, :2]
    for t in range(1, panels.T + panels.P):
        known = past[:, t, 2:] if t < panels.T else x["future"][:, t - panels.T]
        h, states = stack(np.concatenate([before, known, about], axis=1), states)
        if t < panels.T:
            before = past[:, t, :2]
            continue
        made.append(finished(model, panels.dense(model.head.dense, h), scale))
        own = x["truth"][:, t - panels.T] if shown else made[-1][:, 0]
        before = np.stack([own / scale, past[:, -1, 1]], axis=1)
    return np.stack(made, axis=1)


@pytest.mark.parametrize("loss", LIKELIHOODS)
@pytest.mark.parametrize("training", [True, False])
def test_parameters_equal_a_loop(loss, training):
    x, model = batch(loss), make(loss)
    found = model(x, training=training)
    np.testing.assert_allclose(found, looped(model, x, training), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LIKELIHOODS)
def test_paths_are_fed_with_their_own_draws(loss):
    """Shown each path as the truth, the model must find each draw to come from its parameters."""
    x, model = batch(loss, rows=2), make(loss)
    model(x)
    dense = model.head.dense
    dense.kernel.assign(dense.kernel * 4)  # so that what is fed counts
    paths = model.sample(x, 1500, seed=3)
    assert paths.shape == (2, 1500, panels.P) and paths.dtype == "float32"
    many = {name: np.repeat(values, 1500, axis=0) for name, values in x.items()}
    many["truth"] = paths.reshape(3000, -1)
    parameters = model(many, training=True).numpy().astype(float)
    assert parameters[:1500, 1:].std(axis=0).max() > 0.01
    known = SCIPY[loss](*np.moveaxis(parameters, -1, 0))
    below = known.cdf(many["truth"])
    if loss == "negative_binomial":  # steps of a cdf, made even by a draw within each
        assert (many["truth"] == np.round(many["truth"])).all()
        below -= np.random.default_rng(0).uniform(size=below.shape) * known.pmf(many["truth"])
    for column in below.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    links = np.corrcoef(below.T) - np.eye(panels.P)
    assert np.abs(links).max() < 0.08


@pytest.mark.parametrize("loss", LIKELIHOODS)
def test_draws_follow_scipys(loss):
    parameters = {
        "gaussian": (-2.0, 0.3),
        "student": (1.0, 2.0, 2.5),
        "negative_binomial": (3.0, 0.7),
    }[loss]
    drawn = DRAWS[loss]([3, 1], *(np.full(20_000, value) for value in parameters)).numpy()
    known = SCIPY[loss](*parameters)
    for level in (0.1, 0.4, 0.8, 0.97):
        at = known.ppf(level)
        assert abs(np.mean(drawn <= at) - known.cdf(at)) < 0.012


def test_seeds_and_one_compilation():
    x, model = batch("gaussian"), make("gaussian")
    paths = model.sample(x, 20, seed=1)
    np.testing.assert_array_equal(model.sample(x, 20, seed=1), paths)
    assert (model.sample(x, 20, seed=2) != paths).all()
    assert len(np.unique(paths)) == paths.size
    few = {name: values[:2] for name, values in x.items() if name != "truth"}
    assert model.sample(few, 7).shape == (2, 7, panels.P)
    (compiled,) = model._drawn.values()
    assert compiled.experimental_get_tracing_count() == 1
    again = {**x, "truth": x["truth"] * 7}
    np.testing.assert_array_equal(model.sample(again, 20, seed=1), paths)
    longer = {**x, "past": np.concatenate([x["past"]] * 2, axis=1)}
    assert model.sample(longer, 20, seed=1).shape == paths.shape


def test_what_cannot_be_sampled():
    x, model = batch("gaussian"), make("gaussian")
    with pytest.raises(SeqlabError, match="`count` must be a positive integer"):
        model.sample(x, 0)
    with pytest.raises(SeqlabError, match="`seed` must be an integer from 0"):
        model.sample(x, 3, seed=-1)
    with pytest.raises(SeqlabError, match="`future` must hold the 5 steps"):
        model.sample({**x, "future": x["future"][:, :3]}, 3)


def test_learns_values_and_spread():
    keras.utils.set_random_seed(0)
    model = Autoregressive(ModelConfig(cell="lstm", layers=1, hidden=16), panels.P)
    panels.trained(model, panels.waves(1024, 0), epochs=10, rate=0.02)
    x = panels.waves(300, 1)
    paths = model.sample(x, 200, seed=0)
    error = np.abs(np.median(paths, axis=1) - x["truth"]).mean()
    last = np.abs(x["past"][:, -1] - x["truth"]).mean()
    assert error < 0.35 * last, (error, last)
    low, high = np.quantile(paths, [0.1, 0.9], axis=1)
    covered = np.mean((low < x["truth"]) & (x["truth"] < high))
    assert 0.7 < covered < 0.9, covered
