"""Made-up series beside a short one: in training alone, from a seed alone, and to some use."""

import dataclasses

import numpy as np
import pytest

from seqlab import cli, datasets, evaluate, rates, train
from seqlab.audit import audit, demand
from seqlab.companions import accompanied, companions
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.errors import SeqlabError
from seqlab.structural import simulate

from small import StopAt, commanded  # isort: skip

DATA = DataConfig(
    "airline", window=36, horizon=6, test="24", look_back=True, scaling="recent", transform="log"
)
CONFIG = Config(
    dataclasses.replace(DATA, validate=False, synthetic=200),
    ModelConfig("segments", "gru", 1, 16, loss="mae", segment=12, straight=True),
    TrainConfig(steps=400, batch=64, learning_rate=0.005, evaluations=4),
)


def parts(config, rows=84):
    """The first years of the airline, of which the last two are the test part."""
    data = datasets.airline()
    data = dataclasses.replace(data, values=data.values[:rows], times=data.times[:rows])
    return datasets.split(data, config.data, config.needs)


def test_only_what_is_trained_on_grows():
    split = parts(CONFIG)
    found = accompanied(CONFIG, split)
    real = len(split.train)
    assert len(found.train) > 200 * real / 2
    for one, other in zip(
        found.train.batch(np.arange(real)), split.train.batch(np.arange(real)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    for name in ("validation", "encoding"):
        assert getattr(found, name) is getattr(split, name)


def test_companions_know_the_season_and_the_seed_alone():
    split = parts(CONFIG)
    one = [windows.values for windows in companions(CONFIG, split)]
    other = dataclasses.replace(split.series, values=split.series.values * 2 + 5)
    moved = datasets.split(other, CONFIG.data)
    again = [windows.values for windows in companions(CONFIG, moved)]
    np.testing.assert_array_equal(one, again)
    assert len({tuple(values) for values in one}) == 200
    seeded = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, seed=1))
    assert not np.array_equal(one, [windows.values for windows in companions(seeded, split)])


@pytest.mark.parametrize("transform", ["none", "log", "boxcox"])
@pytest.mark.parametrize(
    "scaling", ["last", "change", "standard", "robust", "minmax", "window", "recent"]
)
def test_scalings_see_numbers_of_its_own_size(scaling, transform):
    data = dataclasses.replace(CONFIG.data, scaling=scaling, transform=transform, synthetic=50)
    config = dataclasses.replace(CONFIG, data=data)
    windows = accompanied(config, parts(config)).train
    inputs, targets = windows.batch(np.arange(len(windows)))
    assert np.isfinite(inputs).all() and np.isfinite(targets).all()
    real = len(parts(config).train)
    sizes = [np.std(targets[some]) for some in (slice(real), slice(real, None))]
    assert 0.2 < sizes[0] / sizes[1] < 5
    lowest = windows.values.min()
    assert lowest > 0 if transform != "none" else lowest < 0


def test_a_network_of_a_short_series_learns_from_them(tmp_path):
    """Four years and eleven months: with nothing else a network of this kind learns them by heart."""
    errors = []
    for synthetic in (0, 200):
        data = dataclasses.replace(CONFIG.data, synthetic=synthetic)
        config = dataclasses.replace(CONFIG, data=data)
        run = train.start(config, tmp_path / str(synthetic), data=parts(config))
        errors.append(evaluate.evaluate(run).metrics["mape"])
    assert errors[1] < 0.75 * errors[0]


def test_a_run_with_them_resumes_to_the_same_bits_and_audits_clean(tmp_path):
    split = parts(CONFIG)
    whole = train.start(CONFIG, tmp_path / "whole", data=split)
    with pytest.raises(KeyboardInterrupt):
        train.start(CONFIG, tmp_path / "cut", [StopAt(1)], split)
    cut = train.resume(train.load_run(tmp_path / "cut"))
    for one, other in zip(whole.model.get_weights(), cut.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(cut.split.train) == len(split.train)  # of the real series alone
    demand(audit(cut), "cut")


def test_several_series_share_them(tmp_path):
    t = np.arange(90)
    panel = Panel(
        "two",
        tuple(
            Series(n, 5 + k + np.sin(t / 7 * 2 * np.pi + k), season=7) for k, n in enumerate("ab")
        ),
    )
    data = DataConfig("two", window=14, horizon=3, synthetic=20, weigh="relative", test="20")
    config = Config(data, ModelConfig(hidden=4, layers=1), TrainConfig(steps=20, evaluations=2))
    split = datasets.split(panel, data)
    found = accompanied(config, split).train
    assert len(found.weights) == 22 and found.owner.max() == 21
    run = train.start(config, tmp_path / "run", data=split)
    assert run.split.test is split.test
    assert len(run.split.train) == len(split.train)


def test_the_season_of_most_series_is_theirs():
    series = [
        Series(n, np.arange(90.0), season=s) for n, s in zip("abcd", (None, 5, 7, 7), strict=True)
    ]
    data = DataConfig("some", window=14, horizon=3, synthetic=1, test="20")
    config = Config(data, ModelConfig())
    split = datasets.split(Panel("some", tuple(series)), data)
    found = companions(config, split)[0].values
    logs = simulate(1, 2 * 17 + 3, 7)[0]
    np.testing.assert_array_equal(found, logs[: len(found)])


def test_forecasts_step_by_step_may_be_longer_than_their_windows():
    data = dataclasses.replace(DATA, window=10, horizon=20, strategy="recursive", synthetic=5)
    config = Config(data, ModelConfig())
    windows = companions(config, datasets.split(datasets.airline(), data))
    assert len(windows) == 5 and windows[0].horizon == 1 and len(windows[0]) == 12


def test_levels_that_have_gone_far_stay_numbers():
    data = dataclasses.replace(CONFIG.data, window=40, season=2)
    config = dataclasses.replace(CONFIG, data=data)
    far = np.linspace(-5000, 5000, 200)[:, None] * np.ones(98)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqlab.companions.simulate", lambda *_: far)
        windows = accompanied(config, parts(config)).train
    assert (windows.values > 0).all() and np.isfinite(windows.values).all()


def test_a_search_for_a_rate_and_workers_know_of_them(monkeypatch):
    """A search has other losses; and what workers compare are the values of the companions, too."""
    monkeypatch.setattr(rates, "POINTS", 3)
    alone = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, synthetic=0))
    found = [rates.find(config, parts(config)).losses for config in (CONFIG, CONFIG, alone)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
    facts = []
    for season in (12, 7):
        config = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, season=season))
        facts.append(train._facts(config.train, accompanied(config, parts(config, 144))))
    assert facts[0][:-1] == facts[1][:-1] and facts[0] != facts[1]


def test_commands_take_them(tmp_path, capsys):
    options = "--horizon 6 --window 24 --layers 1 --hidden 4 --steps 20 --synthetic 10"
    commanded(tmp_path, f"train airline {options} --quiet --out run", "evaluate run --json")
    assert train.load_run(tmp_path / "run").config.data.synthetic == 10
    capsys.readouterr()
    commanded(tmp_path, f"train airline {options} --find-rate rate.png --json")
    assert "suggested" in capsys.readouterr().out


def test_a_training_on_few_windows_says_what_would_help(tmp_path, capsys):
    small = "--layers 1 --hidden 4 --steps 5"
    commanded(tmp_path, f"train airline {small} --out a", f"train sunspots {small} --out b")
    first, second = capsys.readouterr().out.split("Run folder: a")
    assert "windows to learn from: --synthetic 1000 --scaling recent --transform log adds" in first
    assert "windows to learn from" not in second
    commanded(tmp_path, f"train airline {small} --seeds 2")
    assert capsys.readouterr().out.count("windows to learn from") == 1
    commanded(tmp_path, f"train airline {small} --synthetic 5", f"train airline {small} --calendar")
    assert "windows to learn from" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train airline --synthetic 10 --calendar", "leave out --calendar"),
        ("train airline --synthetic 1000000", "at most 100,000"),
        ("train airline --synthetic -1", "from 0 to"),
        ("train airline --synthetic 9 --scaling mean", "recent, window, last or another"),
        ("train airline --synthetic 9 --model smoothed --scaling mean", "recent, window, last"),
        ("train digits --synthetic 9", "--synthetic"),
        ("train airline --synthetic 99999 --window 100000", "fewer --synthetic"),
    ],
)
def test_wrong_options_are_refused_in_a_line(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(words.split())
    except SystemExit as error:
        status = error.code
    assert status == 2 and said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_counts_and_columns_are_refused_in_python():
    with pytest.raises(SeqlabError, match="window, last or another"):
        Config(DataConfig(scaling="none", synthetic=5), ModelConfig(loss="negative_binomial"))
    with pytest.raises(SeqlabError, match="leave out --past, --future"):
        DataConfig(past=("a",), future=("b",), synthetic=5)
