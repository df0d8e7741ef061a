"""What all forecasting models promise: shapes, files, precisions, no look at the truth, refusals."""

import keras
import numpy as np
import panels
import pytest
import tensorflow as tf

from seqlab.autoregressive import Autoregressive
from seqlab.config import ModelConfig
from seqlab.encoder_decoder import EncoderDecoder
from seqlab.errors import SeqlabError
from seqlab.smoothed import Smoothed
from seqlab.train import Trainer

SMALL = ModelConfig(cell="lstm", layers=2, hidden=4)
KINDS = {
    "encoder_decoder": (EncoderDecoder, {"forcing": (2, 6)}),
    "autoregressive": (Autoregressive, {}),
    "smoothed": (Smoothed, {"season": 4, "series": 3, "penalty": 0.5}),
}
LOSSES = {  # one after the other takes the place of all combinations
    "encoder_decoder": ("mae", "quantile", "gaussian", "negative_binomial"),
    "autoregressive": ("gaussian", "student", "negative_binomial"),
    "smoothed": ("huber", "quantile", "student"),
}
EVERY = [(kind, loss) for kind, names in LOSSES.items() for loss in names]


def make(kind, loss=None, network=SMALL, **options):
    keras.utils.set_random_seed(1)
    made, more = KINDS[kind]
    given = {"categories": panels.CODES, **more, **options}
    return made(network, panels.P, loss or LOSSES[kind][0], **given)


def without(x, *names):
    return {name: values for name, values in x.items() if name not in names}


@pytest.mark.parametrize(("kind", "loss"), EVERY)
def test_files_shapes_and_no_look_at_the_truth(tmp_path, kind, loss):
    x = panels.batch(counts=loss == "negative_binomial")
    model = make(kind, loss)
    outputs = model(x)
    size = {"quantile": (3,), "gaussian": (2,), "student": (3,), "negative_binomial": (2,)}
    assert outputs.shape == (panels.B, panels.P, *size.get(loss, ()))
    assert outputs.dtype == "float32" and np.isfinite(outputs).all()
    np.testing.assert_array_equal(model({**x, "truth": x["truth"] * 3 + 1}), outputs)
    np.testing.assert_array_equal(model(without(x, "truth")), outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), outputs, atol=1e-6)
    assert loaded.get_config() == model.get_config()
    assert loaded.criterion.get_config() == model.criterion.get_config()


@pytest.mark.parametrize(("kind", "loss"), EVERY)
def test_gradients_reach_every_weight(kind, loss):
    x = panels.batch(rows=8, counts=loss == "negative_binomial")
    model = make(kind, loss)
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        value = model.criterion(x["truth"], outputs) + sum(model.losses)
    for weight, grad in zip(
        model.trainable_weights,
        tape.gradient(value, [w.value for w in model.trainable_weights]),
        strict=True,
    ):
        assert grad is not None, weight.path
        grad = tf.convert_to_tensor(grad).numpy()
        assert np.isfinite(grad).all() and np.any(grad, axis=-1).all(), weight.path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near(kind, policy):
    x = panels.batch()
    model, half = make(kind), make(kind, dtype=policy)
    expected = model(x)
    half(x)
    assert {w.dtype for w in half.trainable_weights} == {"float32"}
    half.set_weights(model.get_weights())
    found = half(x)
    assert found.dtype == "float32"
    assert 0 < np.abs(found - expected).max() < 0.05
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(half))
    assert again.dtype_policy.name == policy


@pytest.mark.parametrize("kind", KINDS)
def test_the_trainer_takes_it_in_chunks(kind):
    x = panels.batch()
    model = make(kind, network=ModelConfig(cell="lstm", layers=1, hidden=4))
    symbols = {name: keras.Input(v.shape[1:], dtype=v.dtype, name=name) for name, v in x.items()}
    trainer = Trainer(symbols, model(symbols))
    trainer.compile("adam", model.criterion, jit_compile=False)
    before = model.get_weights()
    chunk = {name: np.stack([v] * 4)[None] for name, v in x.items()}
    data = tf.data.Dataset.from_tensor_slices((chunk, chunk["truth"]))
    trainer.fit(data, shuffle=False, verbose=0)
    changed = [(a != b).any() for a, b in zip(model.get_weights(), before, strict=True)]
    assert all(changed)
    if kind == "encoder_decoder":
        assert int(model.batches) == 4
    np.testing.assert_allclose(trainer(x), model(x), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_seen_gets_the_mean_of_the_others(kind):
    x = panels.batch()
    model = make(kind)
    model(x)
    unknown = {name: x[name] * 0 + 99 for name in ("categories", "series")}
    found = model({**x, **unknown})
    for code, number in ((0, -1), (-3, -2)):
        other = {"categories": x["categories"] * 0 + code, "series": x["series"] * 0 + number}
        np.testing.assert_array_equal(model({**x, **other}), found)
    tables = [w for w in model.trainable_weights if w.path.endswith("table")]
    assert len(tables) == (5 if kind == "smoothed" else 2)
    for table in tables:
        table.assign(np.tile(table.numpy().mean(axis=0), (table.shape[0], 1)))
    np.testing.assert_allclose(model(x), found, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_that_a_batch_can_hold(kind):
    x = panels.batch()
    least = {"past": x["past"][:, :, :1], "truth": x["truth"]}
    options = {"season": 1, "series": 1} if kind == "smoothed" else {}
    model = make(kind, categories=(), **options)
    assert np.isfinite(model(least, training=True)).all()
    assert model(without(least, "truth")).shape[:2] == (panels.B, panels.P)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", ["gru", "slstm"])
def test_other_cells_and_dropout(kind, cell):
    x = panels.batch()
    model = make(kind, network=ModelConfig(cell=cell, layers=1, hidden=4, dropout=0.5))
    np.testing.assert_array_equal(model(x), model(x))
    assert np.any(model(x, training=True) != model(x, training=True))


@pytest.mark.parametrize("kind", ["encoder_decoder", "autoregressive"])
def test_training_asks_for_the_truth(kind):
    x = panels.batch()
    with pytest.raises(SeqlabError, match=r"give them as inputs\['truth'\]"):
        make(kind)(without(x, "truth"), training=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"past": None}, "a dict with at least `past`"),
        ({"past": np.ones((6, 13))}, r"`past` must have 3 axes. Received: shape \(6, 13\)"),
        ({"future": np.ones((6, 4, 2))}, "`future` must hold the 5 steps of the horizon"),
        ({"truth": np.ones((6, 4))}, "`truth` must hold the 5 steps of the horizon. Received: 4"),
        ({"future": np.ones((6, 5, 4))}, "must be the last ones of `past`"),
        ({"categories": np.ones((6, 3), int)}, r"Received: \[3, 4\] for 3 columns"),
        ({"categories": None}, r"Received: \[3, 4\] for 0 columns"),
        ({"futrue": np.ones((6, 5, 2))}, "Received: futrue, which nothing would read"),
    ],
)
def test_inputs_of_other_shapes(change, message):
    x = {**panels.batch(), **change}
    x = {name: values for name, values in x.items() if values is not None}
    with pytest.raises(SeqlabError, match=message):
        make("encoder_decoder")(x)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("autoregressive", {"loss": "mae"}, "`loss` must be one of gaussian, student, neg"),
        ("smoothed", {"loss": "negative_binomial"}, "`loss` must be one of mse"),
        ("smoothed", {"season": 0}, "`season` must be a positive integer"),
        ("smoothed", {"penalty": -1.0}, "`penalty` must be a positive number"),
        ("encoder_decoder", {"loss_options": {"delta": 1}}, "the loss mae takes no options"),
        ("encoder_decoder", {"forcing": (5, 2)}, "`forcing` must be two numbers"),
        ("encoder_decoder", {"forcing": 0.5}, "`forcing` must be two numbers"),
        ("encoder_decoder", {"categories": (0,)}, "`categories` must be a positive integer"),
    ],
)
def test_arguments_that_cannot_be_used(kind, options, message):
    with pytest.raises(SeqlabError, match=message):
        make(kind, **options)


def test_no_dict():
    with pytest.raises(SeqlabError, match=r"at least `past` .*Received: ndarray"):
        make("smoothed")(np.ones((2, 3, 1)))
