"""The predictor: arrays as windows, streams, threads, and what it refuses."""

import threading
import tracemalloc

import numpy as np
import pytest

from seqlab import runs
from seqlab._tensorflow import keras
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.errors import SeqlabError
from seqlab.predict import Predictor
from seqlab.tasks import task


def wave(name="wave", size=1.0, rows=90, **columns):
    t = np.arange(rows)
    rng = np.random.default_rng(len(name))
    values = size * (3 + np.sin(2 * np.pi * t / 7) + 0.1 * rng.normal(size=rows))
    return Series(name, values, None, 7, **columns)


def finished(
    path, data, model="stacked", loss="mse", cell="lstm", layers=1, affine=False, **options
):
    """A run folder whose network was not trained; its weights are far from what training begins with."""
    sizes = {
        "hidden": 5,
        "layers": layers,
        "loss": loss,
        "model": model,
        "cell": cell,
        "affine": affine,
    }
    options = {"window": 14, "horizon": 3, "test": "20", "validation": 20} | options
    config = Config(DataConfig(data.name, **options), ModelConfig(**sizes), TrainConfig(steps=2))
    run = runs.create(config, data, path)
    keras.utils.set_random_seed(0)
    made = task(config, run.split, 2).model
    rng = np.random.default_rng(1)
    made.set_weights(
        [w + rng.normal(size=w.shape, scale=0.3).astype(w.dtype) for w in made.weights]
    )
    made.save(run.path / "model.keras")
    return runs.load(path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("plain") / "run", wave())


def raw(run):
    """Test windows of a run as arrays, and the forecasts that it gives for them as windows."""
    test = run.split.test
    return test.raw()[0], Predictor(run.model, run.split.train, run.config.model)(test)


FORECASTERS = {
    "bidirectional": {"model": "bidirectional", "scaling": "window", "transform": "log"},
    "segments": {"model": "segments", "scaling": "recent", "transform": "boxcox"},
    "encoder_decoder": {"model": "encoder_decoder", "scaling": "standard"},
    "autoregressive": {"model": "autoregressive", "loss": "gaussian", "scaling": "mean"},
    "quantile": {"loss": "quantile", "scaling": "robust", "difference": "season"},
    "student": {"loss": "student", "scaling": "minmax"},
    "features": {"layout": "features", "scaling": "change"},
    "recursive": {"strategy": "recursive", "scaling": "last"},
}


@pytest.mark.parametrize("name", FORECASTERS)
def test_arrays_give_what_windows_give(name, tmp_path):
    run = finished(tmp_path / "run", wave(), **FORECASTERS[name])
    values, wanted = raw(run)
    predictor = Predictor(run)
    found = predictor(values)
    assert found.shape == (len(values), 3) and np.ptp(found) > 0.01
    np.testing.assert_allclose(found, wanted, rtol=2e-6)
    np.testing.assert_allclose(predictor(values[3]), wanted[3], rtol=2e-6)


def test_it_goes_on_from_its_own_forecasts(plain):
    predictor, values = Predictor(plain), plain.series.values[:14]
    first = predictor(values)
    rest = predictor(np.concatenate([values, first])[3:])
    np.testing.assert_allclose(predictor(values, steps=5), [*first, *rest[:2]], rtol=1e-9)
    np.testing.assert_allclose(predictor.ahead(values, 2), first[:2])


def test_each_series_of_several_has_its_own_scale(tmp_path):
    data = Panel("waves", (wave("a"), wave("big", 100.0)))
    run = finished(tmp_path / "run", data, scaling="standard")
    predictor, test = Predictor(run), run.split.test
    wanted = predictor(test)
    values, big = test.raw()[0], test.owner == 1
    np.testing.assert_allclose(predictor(values[big], series="big"), wanted[big], rtol=2e-6)
    np.testing.assert_allclose(predictor(values[~big], series=0), wanted[~big], rtol=2e-6)
    for series in (None, "small", 2, -1):
        with pytest.raises(SeqlabError, match="2 series that the network was trained on"):
            predictor(values[0], series=series)


def test_a_stream_gives_what_windows_give(plain):
    predictor, values = Predictor(plain), plain.series.values.astype(float)
    state = None
    for row, value in enumerate(values[:20]):
        forecast, state = predictor.step(value, state)
        if row < 13:
            assert forecast is None
        else:
            np.testing.assert_array_equal(forecast, predictor(values[row - 13 : row + 1]))


def test_streams_side_by_side_stop_and_go_on(plain, tmp_path):
    predictor, values = Predictor(plain), plain.series.values.astype(float)
    state = None
    for pair in zip(values[:15], values[30:45], strict=True):
        _, state = predictor.step(pair, state)
    np.save(tmp_path / "state.npy", state)
    again = np.load(tmp_path / "state.npy", allow_pickle=False)
    forecast, _ = Predictor(plain).step([values[15], values[45]], again)
    wanted = predictor(np.stack([values[2:16], values[32:46]]))
    np.testing.assert_array_equal(forecast, wanted)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda p: p(np.ones(13)), r"\[14\] or \[W, 14\]"),
        (lambda p: p(np.ones((2, 14, 1))), r"shape \(2, 14, 1\)"),
        (lambda p: p(np.full(14, np.nan)), "finite numbers"),
        (lambda p: p(["a"] * 14), "finite numbers"),
        (lambda p: p(np.ones(14), steps=0), "`steps` must be a positive integer"),
        (lambda p: p.step(np.inf), "`value` must be finite"),
        (lambda p: p.step(1.0, np.ones((2, 3))), "`state` must be what"),
        (lambda p: p.step([1.0, 2.0], np.ones((3, 3))), "`state` must be what"),
        (lambda p: p.step(1.0, np.ones(15)), "`state` must be what"),
        (lambda p: p.step(np.ones((2, 2))), "`state` must be what"),
        (lambda p: Predictor(object()), "`like` must be windows"),
    ],
)
def test_what_it_cannot_take_is_refused(plain, call, part):
    with pytest.raises(SeqlabError, match=part):
        call(Predictor(plain))


def test_a_network_that_sees_more_refuses_arrays(tmp_path):
    columns = {"future": np.arange(93.0)[:, None] % 5}
    run = finished(tmp_path / "run", wave(**columns), future=("promo",))
    predictor = Predictor(run)
    assert predictor(run.split.test).shape[1] == 3  # with windows it goes on as before
    with pytest.raises(SeqlabError, match="future beside the values"):
        predictor(np.ones(14))


def test_threads_agree_and_leave_nothing_behind(plain):
    predictor = Predictor(plain)
    values, wanted = raw(plain)
    wanted = predictor(values)
    wrong = []

    def work(first):
        for i in range(first, first + 40):
            row = i % len(values)
            many = slice(row, row + 1 + i % 3)
            if not np.allclose(predictor(values[many]), wanted[many], rtol=1e-6, atol=0):
                wrong.append(row)

    def rounds():
        threads = [threading.Thread(target=work, args=(3 * k,)) for k in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    rounds()
    tracemalloc.start()
    rounds()
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert not wrong
    assert grown < 200_000, grown
