"""Losses, heads and likelihoods: against scipy.stats, at extremes, and by what they teach a network."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from seqlab import heads, losses
from seqlab.errors import SeqlabError
from seqlab.likelihoods import LIKELIHOODS

LEVELS = (0.05, 0.3, 0.8, 0.9)
OPTIONS = {
    "huber": {"delta": 1.5},
    "asymmetric": {"under": 3.0, "over": 0.5},
    "quantile": {"levels": LEVELS},
}
# Per likelihood: parameters [6, M], values to ask about, and scipy's distribution.
PARAMETERS = {
    "gaussian": [[-2, 0.3], [0, 1], [5, 4], [1e4, 1e-3], [0, 1e6], [3, 2e-5]],
    "student": [
        [-2, 0.3, 2.1],
        [0, 1, 3],
        [5, 4, 7.5],
        [1e4, 0.1, 40],
        [0, 1e5, 2.5],
        [1, 1, 1e4],
    ],
    "negative_binomial": [[0.2, 3], [1, 0.5], [8, 0.05], [300, 2], [1e4, 1e-5], [2e-5, 20]],
}
TARGETS = {
    "gaussian": [-2.5, 0.7, 20, 1e4, -3e6, 3],
    "student": [-9, 0.7, 5.5, 1e4, -1e7, 2.5],
    "negative_binomial": [0, 3, 11, 0, 10_100, 1],
}
SCIPY = {
    "gaussian": lambda mean, std: stats.norm(mean, std),
    "student": lambda mean, scale, freedom: stats.t(freedom, mean, scale),
    "negative_binomial": lambda mean, shape: stats.nbinom(1 / shape, 1 / (1 + shape * mean)),
}


def case(name):
    """Parameters and targets as a network would hand them over, and scipy's distribution of them."""
    parameters = np.array(PARAMETERS[name], np.float32)
    targets = np.array(TARGETS[name], np.float32)
    return parameters, targets, SCIPY[name](*parameters.astype(float).T)


def network(name, horizon, features=1, options=None):
    inputs = keras.Input((features,))
    layer, loss = losses.head(
        name, horizon, **(OPTIONS.get(name, {}) if options is None else options)
    )
    return keras.Model(inputs, layer(inputs)), loss


def fitted(name, targets, steps=300, options=None):
    """What a network without inputs says after training on ``[N, P]``: ``[P]`` or ``[P, M]``."""
    keras.utils.set_random_seed(0)
    model, loss = network(name, targets.shape[1], options=options)
    rate = keras.optimizers.schedules.CosineDecay(0.1, steps)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    data = tf.data.Dataset.from_tensors((np.ones((len(targets), 1), "float32"), targets))
    model.fit(data.repeat(steps), shuffle=False, verbose=0)
    return model(np.ones((1, 1)))[0].numpy()


def skewed():
    """``[1000, 2]``, each column with a distribution of its own."""
    draws = np.random.default_rng(1).gamma(2, 1, (1000, 2))
    return (draws * [1, -3] + [0, 5]).astype("float32")


# Values


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_equal_scipys(name):
    parameters, targets, scipys = case(name)
    density = scipys.logpmf if name == "negative_binomial" else scipys.logpdf
    loss = losses.NegativeLogLikelihood(name, reduction=None)
    found = loss(targets[None], parameters[None])
    np.testing.assert_allclose(found[0], -density(targets), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_means_and_quantiles_equal_scipys(name):
    parameters, _, scipys = case(name)
    likelihood = LIKELIHOODS[name]
    found = likelihood.quantile(parameters.reshape(2, 3, -1), LEVELS)
    assert found.shape == (2, 3, 4) and found.dtype == np.float64
    for i, level in enumerate(LEVELS):
        np.testing.assert_allclose(found[..., i].ravel(), scipys.ppf(level), rtol=1e-5)
    np.testing.assert_allclose(likelihood.mean(parameters), scipys.mean(), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_follow_mean_variance_and_quantiles(name):
    parameters, _, scipys = case(name)
    rows = [1, 2] if name != "student" else [2, 3]  # with a fourth moment, or nearly
    draws = LIKELIHOODS[name].sample(parameters[rows].reshape(2, 1, -1), 40_000, 7)
    assert draws.shape == (40_000, 2, 1) and draws.dtype == np.float64
    std = scipys.std()[rows]
    np.testing.assert_allclose(draws.mean(axis=0)[:, 0], scipys.mean()[rows], atol=0.02 * std.max())
    np.testing.assert_allclose(draws.std(axis=0)[:, 0], std, rtol=0.03)
    for level, values in zip(LEVELS, np.array([scipys.ppf(q)[rows] for q in LEVELS]), strict=True):
        below = (draws[..., 0] <= values).mean(axis=0)
        expected = scipys.cdf(np.broadcast_to(values[:, None], (2, 6)))[[0, 1], rows]
        np.testing.assert_allclose(below, expected, atol=0.01)
        assert (below > level - 0.01).all()


def test_draws_are_a_function_of_the_seed():
    gaussian, one = LIKELIHOODS["gaussian"], np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(gaussian.sample(one, 3, 5), gaussian.sample(one, 3, 5))
    generator = np.random.default_rng(5)
    first, second = (gaussian.sample(one, 3, generator) for _ in range(2))
    np.testing.assert_array_equal(first, gaussian.sample(one, 3, 5))
    assert (first != second).all()


@pytest.mark.parametrize("name", ["gaussian", "student"])
def test_rescaled_parameters_are_those_of_rescaled_values(name):
    parameters, targets, _ = case(name)
    scale, shift = np.linspace(0.5, 3, 6), np.linspace(-4, 9, 6)
    moved = LIKELIHOODS[name].rescale(parameters, scale, shift)
    before, after = SCIPY[name](*parameters.T), SCIPY[name](*moved.T)
    expected = before.logpdf(targets) - np.log(scale)
    np.testing.assert_allclose(after.logpdf(shift + scale * targets), expected, rtol=1e-5)
    layer = heads.Rescale(name)(parameters, scale.astype("float32"), shift.astype("float32"))
    np.testing.assert_allclose(layer, moved, rtol=1e-5, atol=1e-5)


def test_counts_are_scaled_as_in_deepar_and_never_shifted():
    counts, parameters = LIKELIHOODS["negative_binomial"], np.array([[6.0, 0.5], [2.0, 0.1]])
    for shift in (None, 0, np.zeros(2)):
        found = counts.rescale(parameters, np.array([4.0, 9.0]), shift)
        np.testing.assert_allclose(found, [[24, 0.25], [18, 0.1 / 3]])
    layer = heads.Rescale("negative_binomial")
    np.testing.assert_allclose(layer(parameters, np.float32([4, 9])), found, rtol=1e-6)
    for refused in (1, np.array([0, 0.1]), tf.zeros(2)):
        with pytest.raises(SeqlabError, match="can be scaled, not shifted"):
            counts.rescale(parameters, 4.0, refused)


@pytest.mark.parametrize(("f", "expected"), [(1.0, 3.0 * 2), (5.0, 0.5 * 2)])
def test_asymmetric_by_hand(f, expected):
    loss = losses.Asymmetric(under=3.0, over=0.5)
    assert float(loss(np.array([[3.0]]), np.array([[f]]))) == expected
    assert float(loss(np.array([[3.0, 3.0]]), np.array([[f, 3.0]]))) == expected / 2


def test_pinball_by_hand():
    y, f = np.array([[4.0, 1]]), np.array([[[2.0, 5], [2, -2]]])
    found = losses.Pinball((0.1, 0.8), reduction=None)(y, f)
    by_hand = [[(0.1 * 2 + 0.2 * 1) / 2, (0.9 * 1 + 0.8 * 3) / 2]]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)
    assert float(losses.Pinball((0.1, 0.8))(y, f)) == pytest.approx(0.925)


# Heads


numbers = st.floats(-1e6, 1e6, width=32)
levels = st.lists(st.sampled_from(np.round(np.arange(0.01, 1, 0.01), 2)), min_size=1, unique=True)


@settings(max_examples=60, deadline=None)
@given(levels.map(sorted), st.data())
def test_quantiles_never_cross(levels, data):
    raw = data.draw(arrays(np.float32, (3, len(levels)), elements=numbers))
    found = heads.Quantiles(levels)(raw).numpy()
    assert found.shape == raw.shape and np.isfinite(found).all()
    # Numbers below the smallest normal one are 0 to TensorFlow, but not to NumPy.
    assert (np.diff(found, axis=-1) >= -np.finfo(np.float32).tiny).all()
    middle = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    np.testing.assert_array_equal(found[:, middle], raw[:, middle])


@pytest.mark.parametrize("levels", [LEVELS, (0.1,), (0.5, 0.9), (0.6, 0.7, 0.99)])
def test_zeros_are_the_quantiles_of_a_normal_distribution(levels):
    found = heads.Quantiles(levels)(np.zeros((1, len(levels)), "float32"))[0]
    expected = stats.norm.ppf(levels)
    middle = expected[np.argmin(np.abs(np.array(levels) - 0.5))]
    np.testing.assert_allclose(found, expected - middle, atol=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_step_per_input_is_all_steps_at_once_with_shared_weights(name):
    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype("float32")
    per_step, at_once = (losses.head(name, p, **OPTIONS.get(name, {}))[0] for p in (2, 1))
    found = per_step(x)
    at_once.build((None, 4))
    at_once.set_weights(per_step.get_weights())
    assert found.shape[:2] == (3, 2) and len(found.shape) == (2 if per_step.finish is None else 3)
    for step in range(2):
        np.testing.assert_allclose(found[:, step], at_once(x[:, step])[:, 0], rtol=1e-5, atol=1e-6)
    assert losses.head(name)[0](x).shape[:2] == (3, 2)  # any number of steps


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_models_survive_a_file(name, policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model, loss = network(name, 3, features=2)
        model.compile("adam", loss)
        model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    outputs, again = model(x), loaded(x)
    assert outputs.dtype == "float32"
    np.testing.assert_array_equal(outputs, again)
    y = np.arange(15.0).reshape(5, 3)
    assert float(loss(y, outputs)) == float(loaded.loss(y, again))
    assert type(loaded.loss) is type(loss) and loaded.loss.get_config() == loss.get_config()


@pytest.mark.parametrize("name", ["quantile", *LIKELIHOODS])
def test_masked_steps_do_not_count(name):
    x = np.random.default_rng(0).normal(size=(2, 3, 1)).astype("float32")
    x[0, 1:] = 0
    inputs = keras.Input((3, 1))
    layer, loss = losses.head(name, 3)
    model = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    y = np.array([[1.0, 50, 60], [2, 3, 4]])
    each = type(loss)(**{**loss.get_config(), "reduction": None})(y, model(x).numpy()).numpy()
    exists = [[True, False, False], [True] * 3]
    assert float(loss(y, model(x))) == pytest.approx(each[exists].mean(), rel=1e-5)
    weighed = loss(y, model(x).numpy(), sample_weight=np.array([[1.0], [0]]))
    assert float(weighed) == pytest.approx(each[0].sum() / 6, rel=1e-5)


# Extremes


@pytest.mark.parametrize("name", losses.LOSSES)
def test_gradients_stay_finite(name):
    numbers = np.float32([-1e6, -40, 0, 40, 1e6])
    layer, loss = losses.head(name, 1, **OPTIONS.get(name, {}))
    size = layer.finish.size if layer.finish else 1
    raw = np.stack(np.meshgrid(*[numbers] * size), axis=-1).reshape(-1, 1, size)
    for y in (0.0, 1.0, 1e-6, 1e6):
        with tf.GradientTape() as tape:
            inputs = tf.Variable(raw)
            outputs = layer.finish(inputs) if layer.finish else inputs[..., 0]
            value = loss(np.full((len(raw), 1), y, "float32"), outputs)
        gradient = tape.gradient(value, inputs).numpy()
        assert np.isfinite(value) and np.isfinite(gradient).all(), (y, outputs)
        assert np.abs(gradient).max() > 0


def test_parameters_are_valid_whatever_the_network_says():
    raw = np.float32([[-1e6, -1e6, -1e6], [0, 0, 0], [1e6, 1e6, 1e6]])
    mean, scale, freedom = heads.Parameters("student")(raw).numpy().T
    np.testing.assert_array_equal(mean, raw[:, 0])
    assert scale.min() > 0 and freedom.min() > 2
    assert scale[1] == pytest.approx(np.log(2), rel=1e-4)
    assert heads.Parameters("negative_binomial")(raw[:, :2]).numpy().min() > 0


def test_a_negative_number_is_no_count():
    loss = losses.NegativeLogLikelihood("negative_binomial")
    assert float(loss(np.array([[-1.0]]), np.array([[[2.0, 0.5]]]))) == np.inf


# What a network learns


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", lambda y: y.mean(axis=0)),
        ("mae", lambda y: np.median(y, axis=0)),
        ("asymmetric", lambda y: np.quantile(y, 3 / 3.5, axis=0)),
        ("quantile", lambda y: np.quantile(y, LEVELS, axis=0).T),
    ],
)
def test_point_losses_and_quantiles_find_what_they_are_of(name, expected):
    y = skewed()
    np.testing.assert_allclose(fitted(name, y), expected(y), atol=0.03)


def test_huber_finds_the_point_at_which_clipped_errors_cancel():
    y = skewed()
    found = fitted("huber", y)
    clipped = np.clip(y - found, -1.5, 1.5).mean(axis=0)
    np.testing.assert_allclose(clipped, 0, atol=0.004)
    for other in (np.mean(y, axis=0), np.median(y, axis=0)):
        assert abs(np.clip(y - other, -1.5, 1.5).mean(axis=0)).min() > 0.01


@pytest.mark.parametrize(
    ("name", "truth", "tolerance"),
    [
        ("gaussian", [[-1.5, 0.4], [3, 2]], [0.08, 0.08]),
        ("student", [[-1.5, 0.4, 3], [3, 2, 4]], [0.08, 0.25, 1.6]),
        ("negative_binomial", [[0.7, 1.5], [6, 0.2]], [0.15, 0.15]),
    ],
)
def test_likelihoods_find_the_parameters_that_data_were_drawn_with(name, truth, tolerance):
    y = LIKELIHOODS[name].sample(np.array(truth), 3_000, 3).astype("float32")
    found = fitted(name, y, steps=900 if name == "student" else 300).astype(float)
    assert (np.abs(found - truth) < tolerance).all(), found
    # freedom and scale of a t trade places: what counts is that the data are as likely as by the truth
    ways = (SCIPY[name](*np.transpose(parameters)) for parameters in (found, truth))
    kind = "logpmf" if name == "negative_binomial" else "logpdf"
    learned, true = (getattr(way, kind)(y).mean(axis=0) for way in ways)
    assert (learned > true - 2e-3).all(), (learned, true)


@pytest.mark.parametrize(("under", "over"), [(10.0, 1.0), (1.0, 10.0)])
def test_the_books_asymmetric_loss_bends_the_weights(under, over):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(128, 2)).astype("float32")
    y = x.sum(axis=1, keepdims=True) + rng.uniform(-0.05, 0.05, (128, 1))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    loss = losses.Asymmetric(under, over, reduction="sum")
    rate = keras.optimizers.schedules.CosineDecay(0.03, 400)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((x, y.astype("float32"))).batch(8).repeat()
    model.fit(data, steps_per_epoch=400, shuffle=False, verbose=0)
    weights = model.get_weights()[0][:, 0]
    assert (weights > 1.005).all() if under > over else (weights < 0.995).all(), weights
    assert (abs(weights - 1) < 0.1).all()


# Refusals


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "l2",
            {},
            "`loss` must be one of mse, mae, huber, asymmetric, quantile, gaussian, student",
        ),
        ("mse", {"delta": 1}, "the loss mse takes no options. Received: delta"),
        ("quantile", {"level": 1}, "the loss quantile takes levels. Received: level"),
        ("huber", {"delta": 0}, "`delta` must be a positive number. Received: 0"),
        ("asymmetric", {"over": -1}, "`over` must be a positive number. Received: -1"),
        ("quantile", {"levels": (0.5, 0.5)}, "`levels` must rise"),
        ("quantile", {"levels": (0.5, 1.0)}, "`levels` must rise"),
        ("quantile", {"levels": ()}, "`levels` must rise"),
        ("quantile", {"levels": 0.5}, "`levels` must rise"),
        ("mae", {"horizon": 0}, "`horizon` must be a positive integer. Received: 0"),
    ],
)
def test_what_is_no_loss(name, options, message):
    with pytest.raises(SeqlabError, match=message):
        losses.head(name, **options)


@pytest.mark.parametrize(
    ("horizon", "shape", "message"),
    [
        (None, (2, 4), r"takes \[B, P, H\]. Received: shape \(2, 4\)"),
        (3, (2, 5, 4), r"takes \[B, H\] or \[B, 3, H\]. Received: shape \(2, 5, 4\)"),
        (3, (2, 3, 4, 1), r"takes \[B, H\] or \[B, 3, H\]"),
    ],
)
def test_heads_refuse_other_shapes(horizon, shape, message):
    with pytest.raises(SeqlabError, match=message):
        losses.head("gaussian", horizon)[0](np.ones(shape, "float32"))


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [
        (losses.Asymmetric(), (4, 1)),  # would broadcast
        (losses.Pinball((0.1, 0.9)), (4, 3, 3)),
        (losses.Pinball((0.1, 0.9)), (4, 1, 2)),
        (losses.NegativeLogLikelihood("gaussian"), (4, 3)),
        (losses.NegativeLogLikelihood("gaussian"), (4, 3, 3)),
    ],
)
def test_losses_refuse_to_broadcast(loss, outputs):
    with pytest.raises(SeqlabError, match=r"for targets \(4, 3\) the outputs must have shape"):
        loss(np.ones((4, 3)), np.ones(outputs))


def test_other_refusals():
    with pytest.raises(SeqlabError, match="mean, std in the last axis"):
        LIKELIHOODS["gaussian"].mean(np.ones((4, 3)))
    with pytest.raises(SeqlabError, match="`scale` must be above 0"):
        LIKELIHOODS["student"].rescale(np.ones((4, 3)), -1)
    with pytest.raises(SeqlabError, match="`likelihood` must be one of gaussian, student"):
        losses.NegativeLogLikelihood("poisson")
    masked = keras.layers.Masking()(keras.Input((3, 1)))
    with pytest.raises(SeqlabError, match="cannot be masked"):
        losses.head("mse", 3)[0](masked)
