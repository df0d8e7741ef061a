"""The search for options: what it may choose, what it compares, what it never sees, how it goes on."""

import dataclasses
import json
import math
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from seqlab import cli, spaces, tuning
from seqlab.config import SEARCHED, Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError
from seqlab.options import make_config, make_search, train_command
from seqlab.report import console, search_table, trial_line
from seqlab.trials import measure_of, try_config, validation_loss

CONFIG = Config(DataConfig("s", window=6, horizon=2), train=TrainConfig(steps=4, evaluations=2))
SMALL = {
    "model": ModelConfig(cell="rnn", layers=1, hidden=8),
    "train": TrainConfig(steps=2, evaluations=1),
}


def wave(rows=160, name="s", size=1.0):
    noise = np.random.default_rng(len(name)).normal(size=rows)
    return Series(name, size * (10 + 3 * np.sin(np.arange(rows) / 3) + noise), season=7)


def parsed(words):
    return cli.parser().parse_args(words)


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    """Trials that take no time: the loss is a function of the config. The configs that were tried."""
    seen = []

    def fake(config, data, longest, parent):
        seen.append(config)
        failed = "too deep" if config.model.layers == 3 else ""
        loss = abs(math.log(config.model.hidden / 60)) + config.model.dropout
        return (math.inf if failed else loss), 0.5, failed

    monkeypatch.setattr(tuning, "try_config", fake)
    return seen


# From options to a search, and from its end to a command


@pytest.mark.parametrize(
    "words",
    [
        "sin",
        "sin --window 7 --no-validation --layers 3 --dropout 0.25 --schedule constant --seed 9",
        "my.csv --id shop --target sales --future promo price --calendar --look-back --test 30",
        "my.csv --wide --model segments --segment 5 --straight --learning-rate 0.003 --steps 7",
        "my.csv --loss quantile --levels 0.2 0.5 0.7 --weigh relative --transform log --season 12",
        "sin --clip none --patience none --evaluations 7 --l1 0.01 --l2 0.5",
        "sin --clip 0.25 --patience 3 --evaluations 1 --keep 1 --ema 0.9 --warm-up 0.2 --epochs 2",
        "sin --optimizer sgd --momentum 0.5 --schedule exponential --decay 0.9 --staircase",
        "my.csv --model smoothed --scaling mean --loss asymmetric --under 3.5 --horizon 4 --batch 8",
    ],
)
def test_the_command_that_is_printed_means_the_config(words, here):
    config = make_config(parsed(["train", *words.split()]))
    again = shlex.split(train_command(config, "out dir"))
    assert again[-2:] == ["--out", "out dir"]
    assert make_config(parsed(again[1:])) == config


def test_every_option_of_a_training_is_one_of_the_command():
    """But the layout, which is for Python: `seqlab inspect` says so."""
    parser = cli.parser()
    known = {
        flag
        for words in parser._subparsers._group_actions[0].choices["train"]._actions
        for flag in words.option_strings
    }
    fields = {
        f.name for part in (DataConfig, ModelConfig, TrainConfig) for f in dataclasses.fields(part)
    }
    flags = {
        f"--{name.replace('_', '-')}": name for name in fields - {"source", "validate", "layout"}
    }
    assert not set(flags) - known
    plain = dataclasses.replace(CONFIG, train=TrainConfig(clip=None, patience=None, evaluations=3))
    assert make_config(parsed(shlex.split(train_command(plain))[1:])).train == plain.train


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--clip 0", "--clip: must be a positive number, or none. Received: '0'"),
        ("--patience -1", "--patience: must be a positive integer, or none. Received: '-1'"),
        ("--evaluations none", "--evaluations: must be a positive integer. Received: 'none'"),
    ],
)
def test_bounds_that_are_none(words, said, capsys):
    with pytest.raises(SystemExit):
        parsed(["train", "sin", *words.split()])
    assert said in capsys.readouterr().err


def test_what_is_given_is_kept_and_the_rest_is_searched():
    config, searched = make_search(parsed(["tune", "sin", "--hidden", "30", "--window", "9"]))
    assert set(searched) == set(SEARCHED) - {"hidden", "window"}
    assert config == make_config(parsed(["train", "sin", "--window", "9"]))
    config, searched = make_search(parsed(["tune", "sin", "--bidirectional", "--steps", "5"]))
    assert "model" not in searched and config.model.model == "bidirectional"


def test_windows_are_those_that_leave_the_cuts_where_they_are():
    def found(**changes):
        config = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, **changes))
        return spaces.space(config, ["window"], [wave(), wave(90)]).get("window", ())

    assert found() == (6, 3)  # 15 % of 90 rows are 14: of 12 + 2 + 1 only 6 + 2 + 1 fit
    assert found(look_back=True) == (6, 3, 12, 18)
    assert found(test="30", validation=30) == (6, 3, 12, 18)
    assert found(window=12) == ()


def test_choices_that_the_rest_forbids_are_left_out():
    segments = dataclasses.replace(CONFIG, model=ModelConfig("segments", segment=3))
    assert "model" not in spaces.space(segments, SEARCHED, [wave()])
    smoothed = dataclasses.replace(CONFIG, data=DataConfig("s", window=6, scaling="mean"))
    smoothed = dataclasses.replace(smoothed, model=ModelConfig("smoothed"))
    assert "scaling" not in spaces.space(smoothed, ["scaling"], [wave()])
    with pytest.raises(SeqlabError, match="`searched` must be one of model, cell"):
        spaces.space(CONFIG, ["steps"], [wave()])


# What is compared


class Repeats:
    """A network that repeats the last value; as a distribution, that and one to its sides."""

    def __call__(self, windows, indices):
        return np.repeat(windows.raw(indices)[0][:, -1:], windows.horizon, axis=1)

    def quantiles(self, windows, levels, indices):
        return self(windows, indices)[..., None] + 2 * np.asarray(levels) - 1


def loss_of(config, data, longest=None):
    return validation_loss(Repeats(), split(data, config.data), config, longest)


def with_data(**changes):
    return dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, **changes))


@pytest.mark.parametrize("kind", ["series", "panel"])
def test_windows_and_scalings_do_not_change_the_loss_of_one_forecast(kind):
    data = wave() if kind == "series" else Panel("p", (wave(), wave(170, "other", 50.0)))
    found = [
        loss_of(with_data(window=window, scaling=scaling), data, 10)
        for window, scaling in ((10, "last"), (6, "last"), (3, "none"), (10, "window"))
    ]
    np.testing.assert_allclose(found, found[0], rtol=1e-6)
    assert loss_of(with_data(window=6), data) != pytest.approx(found[0], rel=1e-3)  # more rows


def test_the_loss_is_in_the_units_of_the_file_and_what_the_network_is_trained_for():
    series, config = wave(), with_data(window=10)
    held = split(series, config.data).validation
    inputs, truth = held.raw()
    error = truth - inputs[:, -1:]
    expected = {
        "mse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "huber": np.sqrt(np.mean(error**2)),
        "asymmetric": np.mean(np.maximum(4 * error, -error)),
    }
    for name, value in expected.items():
        own = dataclasses.replace(config, model=ModelConfig(loss=name, under=4.0))
        assert loss_of(own, series) == pytest.approx(value, rel=1e-6), name
    levels = np.array([0.1, 0.7])
    short = error[..., None] - (2 * levels - 1)
    own = dataclasses.replace(config, model=ModelConfig(loss="quantile", levels=(0.1, 0.7)))
    pinball = np.mean(np.maximum(levels * short, (levels - 1) * short))
    assert loss_of(own, series) == pytest.approx(pinball, rel=1e-6)
    crps = loss_of(dataclasses.replace(config, model=ModelConfig(loss="gaussian")), series)
    assert expected["mae"] * 0.5 < crps < expected["mae"]


def test_series_of_other_units_count_alike():
    one, config = wave(), with_data(window=10)
    mae = dataclasses.replace(config, model=ModelConfig(loss="mae"))
    larger = dataclasses.replace(one, name="larger", values=1000 * one.values)
    flat = Series("flat", np.ones(160))  # which has no scale of its own
    both, alone = (loss_of(mae, Panel("p", s)) for s in ((one, larger), (one,)))
    assert both == pytest.approx(alone, rel=1e-6)
    assert loss_of(mae, Panel("p", (one, flat))) == pytest.approx(alone / 2, rel=1e-6)
    assert measure_of(mae, True) == "MAE in MASE's scale"


# What is never seen


def test_the_search_is_given_no_value_of_the_test_part():
    short = Series("short", np.arange(9.0), past=np.ones((9, 1)), future=np.ones((9, 1)))
    own = dataclasses.replace(wave(), past=np.ones((160, 1)), future=np.ones((160, 1)))
    config = dataclasses.replace(CONFIG.data, short="drop")
    data = split(Panel("p", (own, short)), config)
    blind, gone = spaces.blinded(data.panel, data).series
    cut = data.parts[0].test.first_row
    np.testing.assert_array_equal(blind.values[:cut], own.values[:cut])
    assert np.isnan(blind.values[cut:]).all() and np.isnan(blind.past[cut:]).all()
    assert not np.isnan(blind.future).any()  # which is known ahead
    assert np.isnan(gone.values).all()
    again = split(dataclasses.replace(data.panel, series=(blind, gone)), config)
    for one, other in ((data.train, again.train), (data.validation, again.validation)):
        np.testing.assert_array_equal(one.raw()[1], other.raw()[1])
    assert np.isnan(again.test.raw()[1]).all()


def test_other_values_in_the_test_part_change_no_trial(optuna, here):
    config = dataclasses.replace(with_data(look_back=True), **SMALL)
    series, found = wave(), []
    cut = split(series, config.data).test.first_row + 6
    for factor in (1, -7):
        values = series.values.copy()
        values[cut:] *= factor
        changed = dataclasses.replace(series, values=values)
        made = tuning.tune(config, here / str(factor), ("hidden",), 1, data=changed)
        found.append([(dict(one.values), one.loss) for one in made.trials])
    assert found[0] == found[1] and math.isfinite(found[0][0][1])


# Going on


def values(found):
    return [(dict(one.values), one.loss, one.error) for one in found.trials]


def test_the_first_trial_is_the_config_itself_and_the_best_is_the_lowest(optuna, here, quick):
    found = tuning.tune(CONFIG, here / "t", trials=8, data=wave())
    assert quick[0] == CONFIG and len(quick) == 8
    assert len({json.dumps(dict(one.values)) for one in found.trials}) == 8
    losses = [one.loss for one in found.trials]
    assert losses[found.best] == min(losses) < losses[0]
    assert (
        spaces.values_of(found.best_config, found.trials[0].values)
        == found.trials[found.best].values
    )
    failed = [one for one in found.trials if one.values["layers"] == 3]
    assert failed and all(one.error == "too deep" and one.loss == math.inf for one in failed)
    made = found.to_json()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["best"]["trial"] == found.best + 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_search_finds_what_a_whole_one_finds(optuna, here, quick, monkeypatch, jobs):
    import joblib

    monkeypatch.setattr(tuning, "STARTUP", 3)  # so that the sampler goes by what it has seen

    with joblib.parallel_config("threading"):  # whose jobs see the trials that take no time
        whole = tuning.tune(CONFIG, here / "whole", trials=7, jobs=jobs, data=wave())
        fake, left = tuning.try_config, [3]

        def interrupted(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return fake(*arguments)

        monkeypatch.setattr(tuning, "try_config", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tuning.tune(CONFIG, here / "cut", trials=7, jobs=jobs, data=wave())
        monkeypatch.setattr(tuning, "try_config", fake)
        some = tuning.tune(CONFIG, here / "cut", trials=6, jobs=jobs, data=wave())
        more = tuning.tune(CONFIG, here / "cut", trials=7, jobs=jobs, data=wave())
    assert values(some) == values(whole)[:6]
    assert jobs > 1 or values(more) == values(whole)  # of rounds of two, the last one was cut short
    count = len(quick)
    assert values(tuning.tune(CONFIG, here / "cut", trials=7, data=wave())) == values(more)
    assert len(quick) == count


def test_an_interrupted_first_trial_is_still_the_config_itself(optuna, here, quick, monkeypatch):
    fake = tuning.try_config

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "try_config", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(CONFIG, here / "t", trials=1, data=wave())
    monkeypatch.setattr(tuning, "try_config", fake)
    tuning.tune(CONFIG, here / "t", trials=1, data=wave())
    assert quick == [CONFIG]


def test_another_seed_chooses_others(optuna, here, quick):
    other = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, seed=1))
    one, two = (
        tuning.tune(config, here / str(i), trials=3, data=wave())
        for i, config in enumerate((CONFIG, other))
    )
    assert values(one)[0] == values(two)[0] and values(one)[1] != values(two)[1]
    assert tuning.default_folder(CONFIG, SEARCHED, wave()) != tuning.default_folder(
        other, SEARCHED, wave()
    )


def test_jobs_go_through_joblib_to_any_backend(optuna, here, quick):
    import joblib
    from joblib._parallel_backends import ThreadingBackend

    taken = []

    class Cluster(ThreadingBackend):
        def submit(self, func, callback=None):
            taken.append(func)
            return super().submit(func, callback)

    joblib.register_parallel_backend("cluster", Cluster)
    with joblib.parallel_config("cluster", n_jobs=3):
        found = tuning.tune(CONFIG, here / "t", trials=5, data=wave())
    assert len(found.trials) == 5
    assert len(taken) == 5
    rounds = [sorted(t.datetime_start for t in study_of(here / "t").trials)[i] for i in (2, 3)]
    assert rounds[0] < min(t.datetime_complete for t in study_of(here / "t").trials) < rounds[1]


def study_of(folder):
    import optuna

    return optuna.load_study(study_name="tune", storage=f"sqlite:///{folder / 'study.db'}")


def test_a_folder_of_another_search_is_left_alone(optuna, here, quick):
    tuning.tune(CONFIG, here / "t", trials=1, data=wave())
    for config, data in ((with_data(horizon=3), wave()), (CONFIG, wave(161))):
        with pytest.raises(SeqlabError, match="holds a search with other options or on other data"):
            tuning.tune(config, here / "t", trials=1, data=data)
    (here / "mine").mkdir()
    (here / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(SeqlabError, match="is not empty, and holds no search"):
        tuning.tune(CONFIG, here / "mine", trials=1, data=wave())
    with pytest.raises(SeqlabError, match=r"cannot be used.*another --out"):
        tuning.tune(CONFIG, here / "mine" / "letter.txt", trials=1, data=wave())


def test_searches_that_cannot_be(optuna, here, quick):
    with pytest.raises(SeqlabError, match="leave out --no-validation"):
        tuning.tune(with_data(validate=False), here / "t", data=wave())
    with pytest.raises(SeqlabError, match="nothing to search"):
        tuning.tune(CONFIG, here / "t", (), data=wave())
    deep = dataclasses.replace(CONFIG, model=ModelConfig(layers=3))
    with pytest.raises(SeqlabError, match=r"none of 2 trials could be trained.*too deep"):
        tuning.tune(deep, here / "t", ("hidden",), 2, data=wave())


def test_a_network_that_diverges_is_a_trial_that_failed():
    config = dataclasses.replace(
        CONFIG,
        **SMALL | {"train": TrainConfig(3, learning_rate=1e30, schedule="constant", clip=None)},
    )
    loss, seconds, error = try_config(config, wave(), 6, os.getpid())
    assert (loss, seconds > 0) == (math.inf, True) and "diverged" in error


# The command


def test_without_optuna_the_remedy_is_named(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert cli.main(["tune", "airline"]) == 2
    said = capsys.readouterr()
    assert (said.out, os.listdir(here)) == ("", [])
    assert "pip install 'seqlab[tune]'" in said.err and said.err.count("\n") == 1


def test_the_command_ends_with_a_run_and_goes_on(optuna, here, capsys):
    words = ["tune", "airline", "--steps", "6", "--batch", "16", "--model", "stacked", "--trials"]
    assert cli.main([*words, "1", "--window", "12"]) == 0
    said = capsys.readouterr().out
    assert "trial 1 of 1  RMSE" in said and "Again: seqlab train airline --window 12" in said
    assert cli.main([*words, "2", "--window", "12", "--json", "--jobs", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["error"] for one in found["trials"]] == ["", ""]
    assert os.path.exists(found["database"]) and found["score"]["windows"] > 1
    command = shlex.split(found["command"])
    again = make_config(parsed(command[1:]))
    assert json.loads(Path(found["run"], "config.json").read_text())["train"] == dataclasses.asdict(
        again.train
    )
    # The run is the trial trained again: its network has the loss that the trial had.
    from seqlab import runs
    from seqlab.predict import Predictor

    run = runs.load(found["run"])
    assert run.config == again
    loss = validation_loss(
        Predictor(run.model, run.split.train, run.config.model), run.split, again
    )
    assert loss == pytest.approx(found["best"]["loss"], rel=1e-6)


def test_a_terminal_is_shown_the_best_trials(here):
    trials = [
        tuning.Trial({"hidden": 10 + i, "dropout": 0.1}, 1.0 + (i - 7) ** 2, 2.0) for i in range(12)
    ]
    trials[3] = tuning.Trial({"hidden": 99, "dropout": 0.1}, math.inf, 1.0, "too deep")
    found = tuning.Tuning(here, CONFIG, "RMSE", tuple(trials))
    screen = console()
    with screen.capture() as shown:
        screen.print(search_table(found, 20))
    lines = shown.get().splitlines()
    assert "12 of 20 trials" in lines[0]
    assert lines[4].split() == ["8", "1", "2", "s", "17", "0.1"]
    assert " 99 " not in shown.get()
    assert trial_line(found, 3, 20).startswith("trial 4 of 20  failed (too deep), best 26")
