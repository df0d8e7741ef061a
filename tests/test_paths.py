"""Sample paths in the units of the file: drawn step by step, from Python and from the command line."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from seqlab import cli, datasets, forecasts, plots, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.errors import SeqlabError
from seqlab.likelihoods import LIKELIHOODS
from seqlab.predict import Predictor

DATA = DataConfig("wave", window=8, horizon=3, look_back=True, scaling="standard")
NETWORK = ModelConfig("autoregressive", "gru", layers=1, hidden=6, loss="gaussian")


def wave(size=1.0, name="wave"):
    rng, t = np.random.default_rng(0), np.arange(160)
    values = size * np.exp(2 + np.sin(t) + 0.1 * rng.normal(size=160))
    return Series(name, values, season=7, future=np.cos(np.arange(170))[:, None])


def made(folder, series, network=NETWORK, **changes):
    data = dataclasses.replace(DATA, **changes)
    config = Config(data, network, TrainConfig(steps=40, batch=16, evaluations=1))
    return train.start(config, folder, data=datasets.split(series, data, config.needs))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of several series with a logarithm and a column; of one step on its own draws; of steps apart."""
    folder = tmp_path_factory.mktemp("runs")
    two = Panel("waves", (wave(name="a"), wave(1000, "b")))
    plain = dataclasses.replace(wave(), future=None)
    direct = dataclasses.replace(NETWORK, model="stacked")
    return {
        "log": made(folder / "log", two, transform="log", future=("c",)),
        "window": made(folder / "window", plain, scaling="window"),
        "recursive": made(folder / "recursive", plain, direct, strategy="recursive"),
        "apart": made(folder / "apart", plain, direct),
        "points": made(folder / "points", plain, dataclasses.replace(direct, loss="mse")),
    }


@pytest.mark.parametrize("name", ["log", "window"])
def test_paths_lie_below_the_printed_quantiles_as_often_as_these_say(runs, name):
    for found in forecasts.forecast_each(runs[name], samples=2000, seed=3):
        for level, values in found.quantiles.items():
            below = (found.paths < values).mean(axis=0)
            off = 4 * np.sqrt(level * (1 - level) * (1 / 200 + 1 / 2000))  # 200 draws are printed
            np.testing.assert_allclose(below, level, atol=off)


def test_a_network_of_one_step_is_shown_its_own_draws(runs):
    run = runs["recursive"]
    found = forecasts.forecast(run, 4, samples=3, seed=5).paths
    rng, scaler = np.random.default_rng(5), run.split.scaler
    known = np.repeat(run.series.values[None, -8:], 3, axis=0)
    for step in range(4):
        parameters = run.model(scaler.inputs(known[:, -8:])).numpy()
        drawn = LIKELIHOODS["gaussian"].sample(parameters, 1, rng)[0]
        known = np.append(known, scaler.restore(known[:, -8:], drawn), axis=1)
        np.testing.assert_allclose(found[:, step], known[:, -1], rtol=1e-5)


def test_equal_seeds_give_equal_paths_and_steps_hang_together(runs):
    paths = forecasts.forecast(runs["window"], 2, samples=50, seed=1).paths
    assert paths.shape == (50, 2)
    again, other = (forecasts.forecast(runs["window"], 2, 50, seed).paths for seed in (1, 2))
    np.testing.assert_array_equal(paths, again)
    assert (paths != other).all()
    assert forecasts.forecast(runs["window"]).paths is None
    windows = runs["log"].split.test
    chosen = Predictor(runs["log"]).paths(windows, 5, indices=np.array([3, 0]))
    assert chosen.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("apart", "each of 3 steps is distributed.*--model autoregressive, or with --strategy rec"),
        ("points", "--loss mse is none. Train with --model autoregressive --loss gaussian"),
    ],
)
def test_networks_without_paths_say_so(runs, name, said):
    with pytest.raises(SeqlabError, match=said):
        forecasts.forecast(runs[name], samples=3)


def test_what_cannot_be_drawn(runs):
    predictor, windows = Predictor(runs["window"]), runs["window"].split.test
    with pytest.raises(SeqlabError, match="`count` must be a positive integer"):
        predictor.paths(windows, 0)
    with pytest.raises(SeqlabError, match="`count` must be at most 100,000"):
        predictor.paths(windows, 10**12)
    with pytest.raises(SeqlabError, match="`seed` must be an integer from 0"):
        predictor.paths(windows, 1, -1)
    with pytest.raises(SeqlabError, match="Name one run"):
        forecasts.forecast_mean([runs["window"], runs["recursive"]], samples=2)


def test_paths_from_the_command_line(runs, tmp_path, capsys):
    run, out = str(runs["log"].path), tmp_path / "p.csv"
    words = ["forecast", run, "--samples", "25", "--seed", "4"]
    assert cli.main([*words, "--paths", str(out), "--plot", str(tmp_path / "p.png")]) == 0
    assert f"Wrote {out}" in capsys.readouterr().out
    rows = list(csv.reader(out.read_text().splitlines()))
    assert rows[0] == ["series", "row", "path", "value"] and len(rows) == 1 + 2 * 25 * 3
    assert rows[1][:3] == ["a", "161", "1"] and rows[-1][:3] == ["b", "163", "25"]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["paths"]
    drawn = np.array([one["values"] for one in told])
    assert [one["series"] for one in told] == ["a", "b"]
    np.testing.assert_allclose([float(row[3]) for row in rows[1:]], drawn.ravel(), rtol=1e-8)
    assert np.median(drawn[1]) > 100 * np.median(drawn[0])
    one = forecasts.forecast(runs["window"], samples=2)
    file = forecasts.write_paths(one, tmp_path / "one.csv")
    assert Path(file).read_text().splitlines()[0] == "row,path,value"


def test_some_paths_are_drawn(runs):
    run = runs["window"]
    made = [forecasts.forecast(run, samples=500)]
    (axes,) = plots.forecasts([run.series], made).axes
    lines = [line for line in axes.lines if line.get_color() == plots.MARK]
    assert len(lines) == plots.PATHS
    assert [text.get_text() for text in axes.get_legend().get_texts()].count("paths") == 1


@pytest.mark.parametrize("option", [["--paths", "p.csv"], ["--seed", "3"]])
def test_options_of_paths_alone_are_refused(runs, capsys, option):
    assert cli.main(["forecast", str(runs["window"].path), *option]) == 2
    assert f"`{option[0]}` is of the paths that --samples N draws" in capsys.readouterr().err
