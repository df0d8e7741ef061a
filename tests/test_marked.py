"""Padding inside networks that measure their window: it counts neither in a mean nor as a season."""

import dataclasses

import keras
import numpy as np
import panels
import pytest

from seqlab import train
from seqlab.autoregressive import Autoregressive
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series, split
from seqlab.encoder_decoder import EncoderDecoder
from seqlab.errors import SeqlabError
from seqlab.models import Facts, build
from seqlab.smoothed import Smoothed

SMALL = ModelConfig(cell="gru", layers=1, hidden=5)
PADS = np.arange(panels.B) * 2


def padded(counts=False):
    """Windows ``[B, T]`` of which the first rows are padding, with a mark before the known columns."""
    x = panels.batch(counts=counts)
    real = np.arange(panels.T) >= PADS[:, None]
    values = x["past"][..., 0]
    first = np.take_along_axis(values, PADS[:, None], axis=1)
    x["past"][..., 0] = np.where(real, values, first)
    x["past"][..., 1] = real  # which the batch has a past column for
    return x, real


@pytest.mark.parametrize("kind", [Autoregressive, EncoderDecoder])
def test_counts_are_seen_over_the_mean_of_the_values(kind):
    x, real = padded(counts=True)
    model = kind(SMALL, panels.P, "negative_binomial", categories=panels.CODES, marked=True)
    model(x)
    mean = 1 + (x["past"][..., 0] * real).sum(axis=1) / real.sum(axis=1)
    np.testing.assert_allclose(model.scale(x)[:, 0], mean, rtol=1e-5)
    again = kind.from_config(model.get_config())
    again(x)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(x), model(x), rtol=1e-6)
    with pytest.raises(SeqlabError, match="a column that marks values"):
        model({**x, "past": x["past"][..., [0, 2, 3]]})


@pytest.mark.parametrize("series", [0, 2])
def test_a_season_begins_at_the_first_value(series):
    """Levels and seasons of a padded window are those of a window that begins at its first value."""
    x, _ = padded()
    x["series"][:] = series
    model = Smoothed(SMALL, panels.P, season=4, series=3, categories=panels.CODES, marked=True)
    model(x)
    rng = np.random.default_rng(0)
    for table in (model.level_rate, model.season_rate, model.factors):
        table.table.assign(rng.normal(size=table.table.shape))
    filled = np.asarray(model._before(x["past"][..., 0], x))
    levels, seasons, ahead = (np.asarray(found) for found in model.smoothed(filled, x))
    for i, pad in enumerate(PADS):
        alone = {name: values[i : i + 1] for name, values in x.items()}
        alone["phase"] = (alone["phase"] + pad) % 4
        wanted = model.smoothed(x["past"][i : i + 1, pad:, 0], alone)
        for found, one in zip((levels[:, pad:], seasons[:, pad:], ahead), wanted, strict=True):
            np.testing.assert_allclose(found[i], one[0], rtol=1e-4)
    model.head.dense.kernel.assign(np.zeros(model.head.dense.kernel.shape))
    expected = levels[:, -1:] * np.tile(ahead, 2)[:, : panels.P]
    np.testing.assert_allclose(model(x), expected, rtol=1e-4)


@pytest.mark.parametrize("model", ["stacked", "segments"])
def test_the_layer_of_counts_knows_the_mark(model, tmp_path):
    config = dataclasses.replace(SMALL, model=model, loss="negative_binomial")
    x, real = padded(counts=True)
    given = {name: x[name] for name in ("past", "future")}
    shapes = {name: values.shape[1:] for name, values in given.items()}
    made = build(config, shapes, panels.P, Facts(marked=True))
    _, scale = made.get_layer("counts")(given["past"])
    mean = 1 + (x["past"][..., 0] * real).sum(axis=1) / real.sum(axis=1)
    np.testing.assert_allclose(scale[:, 0], mean, rtol=1e-5)
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded(given), made(given), rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "loss", "scaling"),
    [
        ("stacked", "negative_binomial", "none"),
        ("autoregressive", "negative_binomial", "none"),
        ("smoothed", "mae", "mean"),
    ],
)
def test_a_run_of_padded_series_tells_its_network(model, loss, scaling, tmp_path):
    rng = np.random.default_rng(0)
    series = [Series(f"s{n}", 1.0 + rng.poisson(5, n), season=4) for n in (80, 14)]
    data = DataConfig("p", window=10, horizon=2, short="pad", scaling=scaling)
    network = dataclasses.replace(SMALL, model=model, loss=loss)
    config = Config(data, network, TrainConfig(steps=4, batch=8, evaluations=1))
    cut = split(Panel("p", tuple(series)), data, config.needs)
    run = train.start(config, tmp_path / "run", data=cut)
    layer = run.model.get_layer("counts" if model == "stacked" else model)
    mark = cut.train.given(slice(None))["past"][..., 1]
    assert (mark == 0).any() and (mark[:, -1] == 1).all()
    assert layer.mark == 1 if model == "stacked" else layer.marked
