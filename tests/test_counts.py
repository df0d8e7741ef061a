"""Counts from the command line: a likelihood of whole numbers, scaled in the network alone."""

import dataclasses

import numpy as np
import pytest

from seqlab import audit, cli, runs
from seqlab._tensorflow import keras
from seqlab.config import Config, DataConfig, ModelConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError
from seqlab.models import build
from seqlab.predict import Predictor

DATA = DataConfig("pieces", window=14, horizon=3, scaling="none")
LOSS = ModelConfig(loss="negative_binomial")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"scaling": "last"}, "--scaling last, --transform none, --difference none"),
        ({"scaling": "mean"}, "--scaling mean"),
        ({"transform": "log"}, "--scaling none, --transform log"),
        ({"difference": "season"}, "--difference season"),
    ],
)
def test_scaled_counts_are_none(data, said):
    with pytest.raises(SeqlabError, match=f"use --scaling none, without.*Received: .*{said}"):
        Config(dataclasses.replace(DATA, **data), LOSS)


def test_a_model_of_logarithms_takes_no_counts():
    with pytest.raises(SeqlabError, match="the zeros among counts"):
        Config(DATA, dataclasses.replace(LOSS, model="smoothed"))


@pytest.mark.parametrize(("value", "said"), [(2.5, "2.5"), (-1, "-1")])
def test_what_is_no_count_is_named_before_anything_is_written(
    tmp_path, monkeypatch, capsys, value, said
):
    monkeypatch.chdir(tmp_path)
    rows = [*range(150)]
    rows[7] = value
    (tmp_path / "my.csv").write_text("\n".join(map(str, ["pieces", *rows])) + "\n")
    words = ["train", "my.csv", "--loss", "negative_binomial", "--window", "9"]
    assert cli.main([*words, "--scaling", "none"]) == 2
    message = capsys.readouterr().err
    assert f"pieces: row 8 is {said}, and" in message and "whole numbers from 0 on" in message
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"]
    assert cli.main(words) == 2 and "use --scaling none" in capsys.readouterr().err
    good, bad = Series("good", np.arange(99.0)), Series("bad", np.arange(99.0) / 2)
    with pytest.raises(SeqlabError, match=r"bad: row 2 is 0\.5"):
        split(Panel("p", (good, bad)), DATA, Config(DATA, LOSS).needs)


@pytest.mark.parametrize("kind", ["stacked", "bidirectional", "segments"])
def test_the_network_sees_counts_over_their_mean_and_is_scaled_back(kind, tmp_path):
    config = dataclasses.replace(LOSS, model=kind, layers=1, hidden=5, cell="gru")
    keras.utils.set_random_seed(2)
    model = build(config, {"past": (14, 2), "future": (3, 1)}, 3)
    rng = np.random.default_rng(0)
    past = np.concatenate([rng.poisson(40, (4, 14, 1)), rng.normal(size=(4, 14, 1))], axis=-1)
    given = {"past": past.astype("float32"), "future": rng.normal(size=(4, 3, 1)).astype("float32")}
    over, scale = model.get_layer("counts")(given["past"])
    mean = 1 + past[:, :, 0].mean(axis=1)
    np.testing.assert_allclose(scale[:, 0], mean, rtol=1e-5)
    np.testing.assert_allclose(over[:, :, 0], past[:, :, 0] / mean[:, None], rtol=1e-5)
    np.testing.assert_allclose(over[:, :, 1], past[:, :, 1], rtol=1e-5)
    inside = keras.Model(model.inputs, model.get_layer("head").output)(given)
    outputs = np.asarray(model(given))
    np.testing.assert_allclose(outputs[..., 0], inside[..., 0] * mean[:, None], rtol=1e-5)
    np.testing.assert_allclose(outputs[..., 1], inside[..., 1] / mean[:, None] ** 0.5, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(given), outputs, rtol=1e-5)


def test_a_run_of_counts_learns_their_season_and_its_spread(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    rate = 6 + 5 * np.sin(np.arange(500) / 7 * 2 * np.pi)
    rows = rng.poisson(rng.gamma(4, rate / 4))
    (tmp_path / "my.csv").write_text("\n".join(map(str, ["pieces", *rows])) + "\n")
    words = (
        "train my.csv --loss negative_binomial --scaling none --window 14 --horizon 3 --season 7"
    )
    small = "--steps 250 --hidden 12 --layers 1 --cell gru --quiet"
    assert cli.main([*words.split(), *small.split()]) == 0
    run = runs.find()
    data = run.split
    predictor = Predictor(run.model, data.train, run.config.model)
    truth = data.test.raw()[1]
    made = predictor.quantiles(data.test, (0.1, 0.9))
    assert (made == np.round(made)).all() and (made >= 0).all()
    assert 0.7 < np.mean((made[..., 0] <= truth) & (truth <= made[..., 1])) < 0.97
    score = run.metrics
    assert score["metrics"]["rmse"] < 0.9 * score["baselines"]["seasonal_naive"]["rmse"]
    assert score["intervals"][0]["kind"] == "quantiles"
    assert all(check.holds for check in audit.audit(run))  # though other values are no counts
