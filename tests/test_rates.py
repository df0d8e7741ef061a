"""The learning-rate finder: what it suggests trains, and what it calls too high does not."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from seqlab import cli, rates, train, trainer
from seqlab._tensorflow import tf
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.errors import SeqlabError

SINE = Config(
    DataConfig("sin", window=8),
    ModelConfig(layers=1, hidden=8),
    TrainConfig(batch=16, steps=300, evaluations=3),
)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sine():
    return split(Series("sine", np.sin(np.arange(600) / 9)), SINE.data)


def falls_to(rate):
    """The last training loss over the first, or infinity if the training was stopped."""
    config = dataclasses.replace(SINE.train, learning_rate=rate)
    try:
        history = train.start(dataclasses.replace(SINE, train=config), data=sine()).history
    except SeqlabError:
        return np.inf
    return history["loss"][-1] / history["loss"][0]


def test_the_suggested_rate_trains_and_ten_times_the_diverging_one_does_not(tmp_path):
    found = rates.find(SINE, sine())
    assert not list(tmp_path.iterdir()), "a search leaves nothing behind"
    assert found.suggested is not None and found.diverges is not None
    assert found.suggested < found.diverges / 10
    assert falls_to(found.suggested) < 0.02
    assert falls_to(10 * found.diverges) > 0.5


def test_equal_seeds_find_equal_rates():
    # And whatever length, schedule and rate the training itself is to have.
    other = dataclasses.replace(
        SINE.train,
        steps=None,
        epochs=9,
        learning_rate=0.5,
        schedule="exponential",
        decay=0.9,
        ema=0.9,
    )
    one, same = (
        rates.find(dataclasses.replace(SINE, train=t), sine()) for t in (SINE.train, other)
    )
    np.testing.assert_array_equal(one.losses, same.losses)
    assert one.suggested == same.suggested


def test_a_step_that_refuses_numbers_that_are_not_finite_diverges(monkeypatch):
    def checked(self, *given, **named):
        loss = keras.Model.compute_loss(self, *given, **named)
        return tf.debugging.check_numerics(tf.where(loss > 5, np.nan, loss), "loss")

    monkeypatch.setattr(trainer.Trainer, "compute_loss", checked)
    found = rates.find(SINE, sine())
    assert found.diverges == found.rates[-1] and np.isnan(found.losses[-1])
    assert found.suggested < found.diverges / 10


def curve(function):
    """Losses at all rates, as a function of their logarithm."""
    tried = np.geomspace(rates.LOWEST, rates.HIGHEST, rates.POINTS)
    return tried, np.array([function(x) for x in np.log10(tried)])


def test_the_suggestion_lies_a_decade_below_the_end_of_the_valley():
    tried, losses = curve(lambda x: 2.0 if x < -4 else 1.0 if x < -1 else 1.5)
    found = rates.judged(tried, losses)
    assert 0.005 < found.suggested <= 0.01 and found.diverges is None
    assert "no rate up to 10 is too high" in found.verdict
    assert f"--learning-rate {found.suggested:.2g}" in found.verdict


def test_losses_may_be_negative():
    found = rates.judged(*curve(lambda x: -1.0 if x < -4 else -3.0 if x < -2 else -2.0))
    assert 0.0005 < found.suggested <= 0.001 and found.diverges is None


def test_a_loss_that_is_no_number_diverges():
    tried, losses = curve(lambda x: 1.0 if x < -4 else 0.1)
    losses[80:] = np.nan
    found = rates.judged(tried, losses[:81])
    assert found.diverges == tried[80] and found.suggested == pytest.approx(
        tried[79] / 10, rel=0.05
    )
    assert found.to_json()["losses"][-1] is None


def test_where_nothing_is_learned_nothing_is_suggested():
    noise = np.random.default_rng(0).normal(1, 0.1, rates.POINTS)
    tried, _ = curve(float)
    found = rates.judged(tried, np.maximum(noise, noise[:10].min()))
    assert found.suggested is None and "No learning rate" in found.verdict


def test_the_command_prints_one_line_and_a_picture(capsys, tmp_path):
    words = ["train", "airline", "--layers", "1", "--hidden", "4", "--window", "12", "--find-rate"]
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert cli.main([*words, "other.png"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"Suggested: --learning-rate {found['suggested']:.2g} (")
    assert second == "Picture: other.png"
    assert {path.name for path in tmp_path.iterdir()} == {"rate.png", "other.png"}
    assert cli.main([*words, "--resume"]) == 2
    assert "leave out --resume" in capsys.readouterr().err
