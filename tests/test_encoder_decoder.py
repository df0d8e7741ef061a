"""The encoder-decoder against a loop in NumPy, its scheduled sampling, and what it learns."""

import keras
import numpy as np
import panels
import pytest

from seqlab.config import ModelConfig
from seqlab.encoder_decoder import EncoderDecoder

SMALL = ModelConfig(cell="lstm", layers=2, hidden=4)
LOSSES = ("mae", "quantile", "gaussian", "negative_binomial")
LEVELS = (0.2, 0.4, 0.9)


def make(loss="mae", forcing=None, network=SMALL):
    keras.utils.set_random_seed(1)
    options = {"levels": LEVELS} if loss == "quantile" else {}
    return EncoderDecoder(
        network,
        panels.P,
        loss,
        forcing=forcing,
        loss_options=options,
        categories=panels.CODES,
        name="model",
    )


def looped(model, x, show=None):
    """The raw outputs ``[B, P, M]`` of NumPy's loop, shown the truth where `show` ``[B, P]`` is true."""
    about = panels.attributes(model, x)
    past = x["past"].astype(float)
    scale = 1 + past[:, :, 0].mean(axis=1) if model.counts else np.ones(len(past))
    past[:, :, 0] /= scale[:, None]
    encoder, decoder = panels.Stack(model.encoder.cell), panels.Stack(model.decoder.cell)
    states = encoder.zeros(len(past))
    for t in range(past.shape[1]):
        _, states = encoder(np.concatenate([past[:, t], about], axis=1), states)
    fed, made = past[:, -1, 0], []
    for t in range(panels.P):
        step = np.concatenate([fed[:, None], x["future"][:, t], about], axis=1)
        h, states = decoder(step, states)
        made.append(panels.dense(model.head.dense, h))
        fed = made[-1][:, {"quantile": 1}.get(model.loss_name, 0)]
        fed = panels.softplus(fed) + 1e-5 if model.counts else fed
        if show is not None:
            fed = np.where(show[:, t], x["truth"][:, t] / scale, fed)
    return np.stack(made, axis=1), scale[:, None]


def finished(model, raw, scale):
    """What the head and the likelihood make of raw outputs."""
    if model.loss_name == "mae":
        return raw[..., 0]
    if model.loss_name == "quantile":
        return model.head.finish(raw)
    if model.loss_name == "gaussian":
        return np.stack([raw[..., 0], panels.softplus(raw[..., 1]) + 1e-5], axis=-1)
    mean, shape = (panels.softplus(raw[..., i]) + 1e-5 for i in (0, 1))
    return np.stack([mean * scale, shape / np.sqrt(scale)], axis=-1)


@pytest.mark.parametrize("loss", LOSSES)
def test_forecasts_equal_a_loop_on_its_own_output(loss):
    x, model = panels.batch(counts=loss == "negative_binomial"), make(loss)
    found = model(x)
    np.testing.assert_allclose(found, finished(model, *looped(model, x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("forcing", [None, (5, 5)])
def test_shown_the_truth_it_equals_a_loop_on_the_truth(loss, forcing):
    x, model = panels.batch(counts=loss == "negative_binomial"), make(loss, forcing)
    found = model(x, training=True)
    expected = looped(model, x, np.ones((panels.B, panels.P), bool))
    np.testing.assert_allclose(found, finished(model, *expected), rtol=1e-4, atol=1e-5)
    assert np.abs(found - model(x)).max() > 1e-3


def test_never_shown_the_truth_it_trains_on_what_it_forecasts():
    x, model = panels.batch(), make(forcing=(0, 0))
    np.testing.assert_allclose(model(x, training=True), model(x), atol=1e-6)


def test_dropout_also_where_it_trains_on_its_own_output():
    network = ModelConfig(cell="lstm", layers=1, hidden=4, dropout=0.5)
    x, model = panels.batch(), make(forcing=(0, 0), network=network)
    assert np.any(model(x, training=True) != model(x, training=True))


def test_xla_is_left_out():
    model = make(forcing=(0, 5), network=ModelConfig(cell="rnn", layers=1, hidden=4))
    with pytest.warns(UserWarning, match="jit_compile"):
        model.compile("adam", model.criterion, jit_compile=True)
    assert not model.jit_compile


def test_the_truth_is_drawn_for_each_sequence_and_step():
    """Outputs are one of the 2 ** (P - 1) ways to be shown the truth, all about equally often."""
    one = {name: values[:1] for name, values in panels.batch().items()}
    many = {name: np.repeat(values, 640, axis=0) for name, values in one.items()}
    model = make(forcing=(0, 4))
    model(one)
    model.batches.assign(3)  # a quarter is left
    found = model(many, training=True).numpy()
    ways = (np.arange(16)[:, None] >> np.arange(4)) % 2 == 1
    each = {name: np.repeat(values, 16, axis=0) for name, values in one.items()}
    show = np.concatenate([ways, np.zeros((16, 1), bool)], axis=1)
    expected = looped(model, each, show)[0][..., 0]
    distance = np.abs(found[:, None] - expected[None]).max(axis=-1)  # [640, 16]
    assert distance.min(axis=1).max() < 1e-5
    shown = ways[distance.argmin(axis=1)]
    assert (np.abs(shown.mean(axis=0) - 0.25) < 0.07).all(), shown.mean(axis=0)
    assert (np.abs(np.corrcoef(shown.T) - np.eye(4)) < 0.15).all()


def test_the_probability_falls_with_each_batch_of_a_training():
    x, model = panels.batch(), make(forcing=(1, 5))
    found = []
    for _ in range(7):
        model(x)  # a forecast does not count
        found.append(float(model.truth_probability))
        model(x, training=True)
    np.testing.assert_allclose(found, [1, 1, 0.75, 0.5, 0.25, 0, 0])
    assert float(make(forcing=None).truth_probability) == 1


def test_learns_values_and_quantiles_and_is_scored_from_a_file(tmp_path):
    network = ModelConfig(cell="lstm", layers=1, hidden=16)
    keras.utils.set_random_seed(0)
    model = EncoderDecoder(network, panels.P, "quantile", forcing=(20, 120))
    panels.trained(model, panels.waves(1024, 0), epochs=8, rate=0.02)
    assert int(model.batches) == 256 and float(model.truth_probability) == 0
    x = panels.waves(300, 1)
    found = model(x).numpy()
    error = np.abs(found[:, :, 1] - x["truth"]).mean()
    last = np.abs(x["past"][:, -1] - x["truth"]).mean()
    assert error < 0.35 * last, (error, last)
    share = np.mean(x["truth"][:, :, None] < found, axis=(0, 1))
    assert (np.abs(share - [0.1, 0.5, 0.9]) < 0.1).all(), share
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    scores = (m.evaluate(x, x["truth"], verbose=0) for m in (loaded, model))
    assert next(scores) == pytest.approx(next(scores), rel=1e-5)
