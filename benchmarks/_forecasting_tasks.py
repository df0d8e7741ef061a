"""The tasks of forecasting.py: each trains a network from one seed, and scores it and the others."""

import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import _m4
import numpy as np

from seqlab import baselines, datasets, evaluate, metrics, naive, panel_metrics, train
from seqlab.backtest import backtest
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.predict import Predictor

MONTH = 30 * 24  # rows of ETTh1, as its papers count


@dataclass(frozen=True)
class Task:
    """``run(folder, seed)`` gives the network's measures by name, and those of others by name."""

    about: str
    must: str
    goal: str
    run: Callable


def airline(folder, seed):
    """Backtest from 1959-01 of a network of the rows before it, and of made-up series."""
    del folder
    config = replace(AIRLINE, train=replace(AIRLINE.train, seed=seed))
    with tempfile.TemporaryDirectory() as where:
        score = backtest(train.start(config, Path(where, "run"))).score
    others = {name: _percent(values) for name, values in score.baselines.items()}
    chosen = min(LAGS, key=lambda lags: _airline_lags(lags, 96)["MAPE"])
    best = min(LAGS, key=lambda lags: _airline_lags(lags, 120)["MAPE"])
    logs = "linear autoregression of logarithms, lags chosen by"
    others[f"{logs} 1957-58: {chosen}"] = _airline_lags(chosen, 120)
    others[f"{logs} 1959-60 themselves, as no forecast can: {best}"] = _airline_lags(best, 120)
    others["darts LSTM, published"] = {"MAPE": 2.71}
    return _percent(score.metrics), others


def _percent(values):
    return {"MAPE": values["mape"], "RMSE": values["rmse"]}


def _airline_lags(lags, cut):
    """Least squares on so many logarithms, fitted to the rows before a cut; of two years behind it."""
    logs = np.log(datasets.airline().values[: cut + 24])
    windows = np.lib.stride_tricks.sliding_window_view(logs, lags + 6)
    known, asked = windows[: cut - lags - 5], windows[cut - lags :]
    ahead = naive.fit_linear(known[:, :lags], known[:, lags:])
    made, truth = np.exp(ahead(asked[:, :lags])), np.exp(asked[:, lags:])
    return {"MAPE": metrics.mape(truth, made), "RMSE": metrics.rmse(truth, made)}


def few_rows(folder, seed):
    """Every twentieth series of M4 Hourly, cut to its last six days, with made-up ones and alone."""
    m4, known = _m4.load(folder), 6 * 24
    few = zip(m4.ids[::20], m4.training[::20], m4.truth[::20], strict=True)
    series = (Series(name, np.r_[before[-known:], true], season=24) for name, before, true in few)
    panel, found = Panel("few rows", tuple(series)), {}
    for name, synthetic in (("", FEW.data.synthetic), (", alone", 0)):
        data, training = replace(FEW.data, synthetic=synthetic), replace(FEW.train, seed=seed)
        run, split = _trained(panel, data, FEW.model, training)
        score = evaluate.score(split, Predictor(run.model, split.test, FEW.model)(split.test))
        found |= {f"{which}{name}": value for which, value in _relative(score.metrics).items()}
    return found, {name: _relative(values) for name, values in score.baselines.items()}


def _relative(values):
    return {"MASE": values["mase"], "sMAPE": values["smape"]}


def m4_hourly(folder, seed):
    """One network for 414 series; every row of their training parts is trained on."""
    m4 = _m4.load(folder)
    data = replace(M4_DATA, validate=False)
    run, split = _trained(m4_panel(m4), data, M4_MODEL, replace(M4_TRAINING, seed=seed))
    forecast = Predictor(run.model, split.test, M4_MODEL)(split.test)
    naive2 = np.stack([naive.naive2(v, m4.horizon, m4.season) for v in m4.training])
    season = np.stack([naive.seasonal_naive(v, m4.horizon, m4.season) for v in m4.training])
    others = {
        "Naive2": m4_scores(m4, naive2, naive2),
        "seasonal naive": m4_scores(m4, season, naive2),
        "organisers' RNN, published": {"sMAPE": 14.698, "MASE": 3.048, "OWA": 1.036},
        "ES-RNN, the winner, published": {"sMAPE": 9.328, "MASE": 0.893, "OWA": 0.440},
    }
    return m4_scores(m4, forecast, naive2), others


def m4_intervals(folder, seed):
    """The same with a validation part, whose errors make conformal intervals."""
    m4 = _m4.load(folder)
    run, split = _trained(m4_panel(m4), M4_DATA, M4_MODEL, replace(M4_TRAINING, seed=seed))
    predictor = Predictor(run.model, split.test, M4_MODEL)
    score = evaluate.score(split, predictor(split.test))
    held = evaluate.with_intervals(score, predictor, split).intervals
    measures = {f"{100 * one.nominal:g} % hold, %": 100 * one.coverage for one in held}
    return {**measures, "MASE": score.metrics["mase"]}, {}


def ett_long(folder, seed):
    """All 7 columns, each a series of one network; errors in standard deviations of the training part."""
    panel = ett(folder, 20 * MONTH)
    run, split = _trained(panel, ETT_DATA, ETT_MODEL, replace(ETT_TRAINING, seed=seed))
    others = {"linear, each column": ett_scores(split, _linear(split))}
    for window in (336, 720):
        for last in (False, True):
            name = f"ridge, one for all, window {window}" + (", last value off" if last else "")
            others[name] = ett_scores(split, _ridge(split, window, last))
    papers = {"DLinear": 0.375, "xLSTM-Mixer": 0.359, "SegRNN": 0.341}
    others |= {f"{name}, published": {"MSE": mse} for name, mse in papers.items()}
    forecast = Predictor(run.model, split.test, ETT_MODEL)(split.test)
    return ett_scores(split, forecast), others


def ett_short(folder, seed):
    """Column OT and the other six, rolling over the last 20 %."""
    panel = ett(folder, None)
    run, split = _trained(panel, short_data(panel), SHORT_MODEL, replace(SHORT_TRAINING, seed=seed))
    predictor = Predictor(run.model, split.test, SHORT_MODEL)
    plain = evaluate.score(split, predictor(split.test))
    measures = {}
    for adaptive in (False, True):
        score = evaluate.with_intervals(plain, predictor, split, adaptive=adaptive)
        for one in score.intervals:
            name = f"{100 * one.nominal:g} %" + (", adaptive" if adaptive else "")
            measures |= {f"{name}: hold, %": 100 * one.coverage, f"{name}: score": one.score}
    others = {name: {"MASE": values["mase"]} for name, values in score.baselines.items()}
    own = score.metrics["mase"]
    below = 100 * (1 - own / score.baselines["seasonal_naive"]["mase"])
    return {"MASE": own, "below seasonal naive, %": below, **measures}, others


def _trained(panel, data, model, training):
    """A run that is not kept, and the split that it was trained on."""
    config = Config(data, model, training)
    split = datasets.split(panel, data, config.needs)
    with tempfile.TemporaryDirectory() as where:
        run = train.start(config, Path(where) / "run", data=split)
    return run, split


def m4_panel(m4):
    rows = zip(m4.ids, m4.training, m4.truth, strict=True)
    series = (Series(name, np.concatenate(both), season=m4.season) for name, *both in rows)
    return Panel("M4 Hourly", tuple(series))


def m4_scores(m4, forecast, naive2):
    found = panel_metrics.m4_scores(m4.truth, forecast, naive2, m4.training, m4.season)
    return {"sMAPE": found["smape"], "MASE": found["mase"], "OWA": found["owa"]}


def ett(folder, rows):
    """Columns of ETTh1 as series."""
    with (folder / "ett" / "ETTh1.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    values = np.array([line[1:] for line in lines[:rows]], float)
    return Panel("ETTh1", tuple(map(Series, header[1:], values.T)))


def short_data(panel):
    """The last 20 % are the test part."""
    test = str(round(0.2 * len(panel.series[0])))
    return replace(ETT_DATA, window=672, horizon=48, test=test, validation=None)


def ett_scores(split, forecast):
    """Errors in standard deviations of each column's training part."""
    scales = [part.train.values.std() for part in split.parts]
    scale = np.repeat(scales, [len(part.test) for part in split.parts])[:, None]
    error = (split.test.raw()[1] - forecast) / scale
    return {"MSE": float(np.mean(error**2)), "MAE": float(np.mean(np.abs(error)))}


def _linear(split):
    """Least squares on the window, per column and step."""
    return np.concatenate([baselines.linear_autoregression(part) for part in split.parts])


def _ridge(split, window, last):
    """Ridge regression of standardised values, one for all columns; validation chooses its strength."""
    train_rows, held, test = (
        [_standardised(part, getattr(part, name), window) for part in split.parts]
        for name in ("train", "validation", "test")
    )
    x, y = (np.concatenate(arrays) for arrays in zip(*train_rows, strict=True))
    off = x[:, -1:] if last else 0.0
    x, y = np.c_[x - off, np.ones(len(x))], y - off
    gram, product = x.T @ x, x.T @ y
    fits = [np.linalg.solve(gram + s * np.eye(len(gram)), product) for s in (1, 1e2, 1e4, 1e5)]

    def forecast(fit, inputs):
        off = inputs[:, -1:] if last else 0.0
        return np.c_[inputs - off, np.ones(len(inputs))] @ fit + off

    def error(fit):
        return np.mean([np.mean((forecast(fit, a) - b) ** 2) for a, b in held])

    best = min(fits, key=error)
    parts = [part.train.values for part in split.parts]
    made = [forecast(best, inputs) for inputs, _ in test]
    return np.concatenate([m * v.std() + v.mean() for m, v in zip(made, parts, strict=True)])


def _standardised(part, windows, window):
    mean, std = part.train.values.mean(), part.train.values.std()
    inputs, targets = windows.raw()
    return (inputs[:, -window:] - mean) / std, (targets - mean) / std


# As of M4 Hourly below, in segments of a season; the window is half of the rows.
LAGS = (6, 12, 13, 18, 24, 25, 30, 36)  # of the airline: linear autoregressions to choose from
AIRLINE = Config(
    DataConfig(
        "airline",
        window=60,
        horizon=6,
        scaling="recent",
        transform="log",
        test="1959-01",
        look_back=True,
        validate=False,
        synthetic=1000,
    ),
    ModelConfig("segments", "gru", 1, 32, loss="mae", segment=12, straight=True),
    TrainConfig(steps=4000, batch=128, learning_rate=0.003, evaluations=1),
)
FEW = replace(
    AIRLINE,
    data=replace(AIRLINE.data, source="few rows", window=72, horizon=48, test="48"),
    model=replace(AIRLINE.model, segment=24),
)
M4_DATA = DataConfig(
    "M4 Hourly",
    window=336,
    horizon=48,
    season=24,
    scaling="recent",
    transform="log",
    weigh="relative",
    test="48",
    look_back=True,
)
M4_MODEL = ModelConfig("segments", "gru", 1, 48, loss="mae", segment=48, straight=True)
M4_TRAINING = TrainConfig(steps=4000, batch=128, learning_rate=0.004, evaluations=4)
ETT_DATA = DataConfig(
    "ETTh1",
    window=720,
    horizon=96,
    season=24,
    scaling="change",
    test=str(4 * MONTH),
    validation=4 * MONTH,
    look_back=True,
)
ETT_MODEL = ModelConfig("segments", "gru", 1, 64, dropout=0.2, loss="mae", segment=48)
ETT_TRAINING = TrainConfig(steps=800, batch=128, learning_rate=0.003, evaluations=4)
SHORT_MODEL = replace(ETT_MODEL, hidden=48, dropout=0.1, straight=True)
SHORT_TRAINING = replace(ETT_TRAINING, steps=1600)
TASKS = {
    "airline": Task(
        "airline passengers, 6 months ahead from every month of 1959-60, in thousands",
        "MAPE 3.0 % and better than every baseline",
        "2.5 %",
        airline,
    ),
    "few-rows": Task(
        "21 series of M4 Hourly, of which six days are known, 48 hours ahead",
        "none",
        "better than alone, and than each baseline",
        few_rows,
    ),
    "m4": Task("M4 Hourly, 414 series, 48 hours ahead", "OWA .49", ".43", m4_hourly),
    "m4-intervals": Task("M4 Hourly, intervals", "within 3 points of nominal", "1.5", m4_intervals),
    "ett-long": Task(
        "ETTh1, 96 hours ahead, 12/4/4 months, every window",
        "MSE below the best linear model",
        ".345",
        ett_long,
    ),
    "ett-short": Task(
        "ETTh1, 48 hours ahead over the last 20 %, 7 columns",
        "MASE 10 % below seasonal naive",
        "15 % below",
        ett_short,
    ),
}
