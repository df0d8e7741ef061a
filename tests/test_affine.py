"""The trained gain and shift of reversible instance normalisation: around a network, and undone."""

import dataclasses

import numpy as np
import pytest

from seqlab import cli, datasets, runs, train
from seqlab._tensorflow import keras
from seqlab.affine import Affine
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series
from seqlab.errors import SeqlabError
from seqlab.likelihoods import LIKELIHOODS
from seqlab.models import build
from seqlab.predict import Predictor

PLAIN = ModelConfig(cell="gru", layers=1, hidden=5, affine=True)
SHAPES = {"past": (10, 2), "future": (3, 1)}


def set_to(layer, gamma, beta):
    layer.log_gamma.assign(np.log(gamma))
    layer.beta.assign(beta)


@pytest.mark.parametrize("model", ["stacked", "bidirectional", "segments"])
@pytest.mark.parametrize("loss", ["mse", "quantile", "student"])
def test_it_begins_as_the_plain_network_and_is_undone(model, loss):
    config = dataclasses.replace(PLAIN, model=model, loss=loss)
    keras.utils.set_random_seed(1)
    affine = build(config, SHAPES, 3)
    plain = build(dataclasses.replace(config, affine=False), SHAPES, 3)
    own = {w.path for w in affine.get_layer("affine").weights}
    plain.set_weights([w for w in affine.weights if w.path not in own])
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=(4, *shape)).astype("float32") for n, shape in SHAPES.items()}
    np.testing.assert_array_equal(affine(x), plain(x))
    set_to(affine.get_layer("affine"), 2.0, 0.5)
    shifted = {**x, "past": x["past"] * [2, 1] + [0.5, 0]}  # the target alone
    inside, outputs = np.asarray(plain(shifted)), np.asarray(affine(x))
    if loss == "student":
        np.testing.assert_allclose(outputs[..., 0], (inside[..., 0] - 0.5) / 2, rtol=1e-5)
        np.testing.assert_allclose(outputs[..., 1:], inside[..., 1:] / [2, 1], rtol=1e-5)
    else:
        np.testing.assert_allclose(outputs, (inside - 0.5) / 2, rtol=1e-4, atol=1e-6)


def test_around_the_identity_nothing_happens():
    layer, past = Affine("mse"), np.random.default_rng(0).normal(size=(3, 6, 1)).astype("float32")
    layer(past)
    for gamma, beta in ((0.3, -2.0), (7.0, 0.1)):
        set_to(layer, gamma, beta)
        np.testing.assert_allclose(layer(layer(past)[..., 0], back=True), past[..., 0], atol=1e-5)
    drawn = Affine("gaussian")
    drawn(past)
    set_to(drawn, 3.0, 1.0)
    parameters = np.array([[[4.0, 6.0]]], "float32")  # a normal distribution of 3 y + 1
    np.testing.assert_allclose(drawn(parameters, back=True), [[[1.0, 2.0]]], rtol=1e-6)
    wanted = LIKELIHOODS["gaussian"].rescale(parameters, 1 / 3, -1 / 3)
    np.testing.assert_allclose(drawn(parameters, back=True), wanted, rtol=1e-6)


def test_a_run_trains_it_and_keeps_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        "train airline --window 12 --horizon 3 --scaling window --affine --loss quantile --steps 60"
    )
    assert cli.main([*text.split(), "--hidden", "8", "--layers", "1", "--quiet"]) == 0
    run = runs.find()
    layer = run.model.get_layer("affine")
    assert abs(layer.log_gamma.numpy()) > 0.01 and abs(layer.beta.numpy()) > 0.01
    assert run.config.model.affine
    test, predictor = run.split.test, Predictor(run)
    found = predictor(test.raw()[0])
    np.testing.assert_allclose(found, predictor(test), rtol=1e-6)
    np.testing.assert_allclose(
        found, test.restore(slice(None), run.model(test.given(slice(None))).numpy()[..., 1])
    )


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [
        ({"scaling": "last"}, {}, "use --scaling window or recent.*Received: last, steps"),
        ({"scaling": "window", "layout": "features"}, {}, "Received: window, features"),
        ({"scaling": "window"}, {"model": "encoder_decoder"}, "encoder_decoder brings its own"),
    ],
)
def test_where_it_has_no_place(data, model, said):
    with pytest.raises(SeqlabError, match=said):
        Config(DataConfig(**data), dataclasses.replace(PLAIN, **model))


def test_of_half_precision_it_is_whole(tmp_path):
    config = Config(
        DataConfig("x", window=8, scaling="recent"),
        PLAIN,
        TrainConfig(steps=4, evaluations=1, precision="mixed_bfloat16"),
    )
    series = Series("x", np.sin(np.arange(90.0)))
    cut = datasets.split(series, config.data)
    assert (
        train.start(config, tmp_path / "run", data=cut).model.get_layer("affine").beta.dtype
        == "float32"
    )
