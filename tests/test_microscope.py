"""The microscope, on cells whose weights are set by hand, so that what it must see is known."""

import dataclasses

import keras
import numpy as np
import pytest

from seqlab import cells, cli, microscope, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.errors import SeqlabError
from seqlab.microscope import Memory

D, H, T = 2, 3, 12
RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, T, D)).astype("float32")


def logit(share):
    return np.log(share / (1 - np.asarray(share)))


def built(cell, **columns):
    """A cell of zero weights but for these biases: gate by number, ``[H]`` each."""
    cell.build((None, D))
    for weight in cell.weights:
        weight.assign(np.zeros(weight.shape))
    set_bias(cell, {int(name[1:]): values for name, values in columns.items()})
    return cell


def set_bias(cell, gates):
    bias = np.asarray(cell.bias).copy()
    for gate, values in gates.items():
        bias[..., gate * H : (gate + 1) * H] = np.asarray(values) / (2 if bias.ndim > 1 else 1)
    cell.bias.assign(bias)


def random_weights(cell):
    cell.build((None, D))
    for weight in cell.weights:
        weight.assign(RNG.normal(size=weight.shape, scale=0.8))
    return cell


def seen(cell, kind, inputs=X):
    outputs = np.asarray(cells.dynamic_rnn(cell, inputs)[0])
    return microscope.layer_of(cell, inputs, outputs, kind)


def model_of(cell, steps=T):
    inputs = keras.Input((steps, D))
    return keras.Model(inputs, cells.dynamic_rnn(cell, inputs)[1][0])


def test_an_open_forget_gate_has_the_half_life_of_the_formula():
    kept = np.array([0.5, 0.9, 0.999])
    cell = built(cells.LSTMCell(H), g0=[-1, -2, 1], g1=logit(kept), g2=[3, 1, 2], g3=[1, 0.5, -2])
    found = seen(cell, "lstm").half_life
    np.testing.assert_allclose(found, np.log(2) / -np.log(kept), rtol=1e-4)
    assert found[0] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("after", [True, False])
def test_an_update_gate_keeps_what_is_left_after_so_many_steps(after):
    """Not by the formula: a state is put in and half of it is left after its half-life."""
    steps = np.array([1, 4, 9])
    update = logit(0.5 ** (1 / steps))
    cell = built(cells.GRUCell(H, reset_after=after), g0=update, g1=[2, -1, 0.3])
    np.testing.assert_allclose(seen(cell, "gru").half_life, steps, rtol=1e-4)
    run = cells.dynamic_rnn(cell, np.zeros((1, 9, D), "float32"), initial_state=[np.ones((1, H))])
    left = np.asarray(run[0])[0]
    np.testing.assert_allclose([left[n - 1, unit] for unit, n in enumerate(steps)], 0.5, rtol=1e-4)


def test_both_rows_of_the_bias_of_a_gru_count():
    cell = built(cells.GRUCell(H))
    bias = np.zeros((2, 3 * H))
    bias[0, :H], bias[1, :H] = [3, -1, 0], [-1, 2, 0]
    cell.bias.assign(bias)
    kept = 1 / (1 + np.exp([-2.0, -1.0, 0.0]))
    np.testing.assert_allclose(seen(cell, "gru").half_life, np.log(2) / -np.log(kept), rtol=1e-4)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_gates_of_all_steps_are_those_of_stepping_an_lstm():
    cell = random_weights(cells.LSTMCell(H))
    kernel, recurrent, bias = (np.asarray(w, float) for w in cell.weights)
    h, c, made = np.zeros((5, H)), np.zeros((5, H)), []
    for t in range(T):
        i, f, g, o = np.split(X[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        made.append((i, f, o, h))
    i, f, o, h = (np.stack(part, axis=1) for part in zip(*made, strict=True))
    found = microscope.gates(cell, X, h.astype("float32"), "lstm")
    for name, values in (("input", i), ("forget", f), ("output", o)):
        np.testing.assert_allclose(found[name], values, atol=1e-4)


@pytest.mark.parametrize("after", [True, False])
def test_gates_of_all_steps_are_those_of_stepping_a_gru(after):
    cell = random_weights(cells.GRUCell(H, reset_after=after))
    outputs = np.asarray(cells.dynamic_rnn(cell, X)[0])
    found = microscope.gates(cell, X, outputs, "gru")
    h, z = outputs[:, 3], sigmoid(found["update"][:, 4])
    # h' = z h + (1 - z) g, and |g| < 1: with z and 1 - z exchanged, this g is out of bounds somewhere.
    g = (outputs - sigmoid(found["update"]) * np.pad(outputs, ((0, 0), (1, 0), (0, 0)))[:, :-1]) / (
        1 - sigmoid(found["update"])
    )
    assert np.abs(g).max() <= 1 + 1e-5
    kernel, recurrent, bias = (np.asarray(w, float) for w in cell.weights)
    bias = np.atleast_2d(bias)
    r = sigmoid(found["reset"][:, 4])
    candidate = X[:, 4] @ kernel[:, 2 * H :] + bias[0, 2 * H :]
    if after:
        candidate += r * (h @ recurrent[:, 2 * H :] + bias[1, 2 * H :])
    else:
        candidate += (r * h) @ recurrent[:, 2 * H :]
    np.testing.assert_allclose(z * h + (1 - z) * np.tanh(candidate), outputs[:, 4], atol=1e-4)


def test_saturation_counts_each_gate_by_itself():
    cell = built(cells.LSTMCell(H), g0=[-5, -5, 5], g1=[5, 5, 5], g2=[9, 9, 9], g3=[0, 0, -5])
    assert seen(cell, "lstm").gates == {
        "input": pytest.approx((2 / 3, 1 / 3)),
        "forget": pytest.approx((0, 1)),
        "output": pytest.approx((1 / 3, 0)),
    }


@pytest.mark.parametrize(("kind", "make"), [("lstm", cells.LSTMCell), ("gru", cells.GRUCell)])
def test_a_unit_without_weights_is_dead(kind, make):
    cell = random_weights(make(H))
    for weight in cell.weights:
        values = np.asarray(weight).copy()
        values.reshape(*values.shape[:-1], -1, H)[..., 1] = 0  # a view: unit 1 in every gate
        weight.assign(values)
    assert seen(cell, kind).dead.tolist() == [False, True, False]


def test_a_cell_that_forgets_at_once_has_a_gradient_at_lag_0_alone():
    cell = built(cells.LSTMCell(H), g1=[-60] * H)
    cell.kernel.assign(np.concatenate([np.zeros((D, 2 * H)), np.ones((D, H)), np.zeros((D, H))], 1))
    found = microscope.gradient_per_lag(model_of(cell), X)
    assert found.shape == (T,) and found[0] > 0.01
    assert found[1:].max() < 1e-6 * found[0]


def test_the_gradient_fades_as_the_forget_gate_says():
    """In small inputs the tanh is a line: each lag has f times the gradient of the lag before."""
    cell = built(cells.LSTMCell(H), g1=logit([0.8] * H))
    kernel = np.zeros((D, 4 * H))
    kernel[:, 2 * H : 3 * H] = [[1.0], [2.0]]
    cell.kernel.assign(kernel)
    found = microscope.gradient_per_lag(model_of(cell), 1e-4 * X)
    np.testing.assert_allclose(found[1:] / found[:-1], 0.8, rtol=1e-3)
    # Output gate and input gate are half open: |dh/dx| = .5 * .5 * |(1, 2)| for each output.
    assert found[0] == pytest.approx(0.25 * np.sqrt(5), rel=1e-3)


def test_only_the_middle_of_several_numbers_a_step_is_looked_at():
    inputs = keras.Input((T, D))
    parts = [keras.ops.stack([inputs[:, -1, 0], 9 * inputs[:, 0, 0]], axis=-1)[:, None]] * 2
    model = keras.Model(inputs, keras.ops.concatenate(parts, axis=1))  # [B, 2, 2]
    found = microscope.gradient_per_lag(model, X, middle=0)
    np.testing.assert_allclose(found, [1] + [0] * (T - 1))


def test_the_backward_cell_is_seen_reading_backwards():
    forward, backward = (random_weights(cells.GRUCell(H, name=n)) for n in ("fw", "bw"))
    both = cells.BidirectionalDynamicRNN(forward, backward)
    both(X)
    one, other = microscope.layers_of(both, X, "gru")
    assert (one.name, other.name) == ("fw", "bw")
    expected = seen(backward, "gru", np.ascontiguousarray(X[:, ::-1]))
    np.testing.assert_allclose(other.half_life, expected.half_life, rtol=1e-5)
    assert np.abs(expected.half_life / seen(backward, "gru").half_life - 1).max() > 1e-3


def memory(gradient, both_ways=False):
    return Memory((), np.asarray(gradient, float), "validation", 5, both_ways)


def test_the_verdict_says_how_far_the_memory_reaches():
    found = memory([19, 1, 0, 0])
    assert (found.reach(), found.reach(0.96)) == (1, 2)
    assert "window of 4 steps is longer than the memory: 95 % of the gradient" in found.verdict
    assert "the last 1." in found.verdict
    assert "its oldest 2 still give 10 %" in memory([1.0] * 20).verdict
    assert "suits" in memory([1.0] * 20, both_ways=True).verdict
    assert "suits the memory" in memory(np.linspace(1, 0, 20)).verdict
    assert "does not depend on the window" in memory([0, 0]).verdict


SMALL = Config(
    DataConfig("wave", window=8, horizon=3),
    ModelConfig(layers=2, hidden=H, dropout=0.2),
    TrainConfig(steps=4, evaluations=1),
)
GRU = ModelConfig("bidirectional", "gru", 1, 4, loss="quantile")


def trained(config, out):
    rows = np.arange(200)
    series = Series("wave", np.sin(rows / 5) + 0.1 * RNG.normal(size=200))
    return train.start(config, out, data=split(series, config.data))


def test_runs_of_stacked_lstms_are_examined(tmp_path, capsys):
    run = trained(SMALL, tmp_path / "run")
    found = microscope.examine(run)
    assert [one.name for one in found.layers] == ["layer_0", "layer_1"]
    assert (found.part, found.windows) == ("validation", len(run.split.validation))
    assert found.gradient.shape == (8,) and (found.gradient > 0).all()
    # A direct look at what the upper cell does, from the states of the run's own network.
    picture = tmp_path / "memory.png"
    assert cli.main(["inspect", str(run.path), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    for words in ("layer_1", "forget", "half-life", "lag", found.verdict):
        assert words in said


def test_runs_of_bidirectional_grus_are_examined(tmp_path):
    found = microscope.examine(trained(dataclasses.replace(SMALL, model=GRU), tmp_path / "run"))
    assert [one.name for one in found.layers] == ["forward_0", "backward_0"]
    assert set(found.layers[1].gates) == {"update", "reset"}
    assert found.both_ways and found.layers[0].half_life.shape == (4,)


def test_columns_beside_the_values_are_no_hindrance(tmp_path):
    """Then inputs are a dict, and the gradient is that of all columns of the window."""
    rows = [f"{np.sin(i / 5):.4f},{i % 7 % 2}\n" for i in range(160)]
    (tmp_path / "v.csv").write_text("".join(["v,known\n", *rows]))
    config = dataclasses.replace(
        SMALL,
        data=DataConfig(
            str(tmp_path / "v.csv"), target="v", future=("known",), window=8, horizon=3
        ),
        model=dataclasses.replace(SMALL.model, loss="gaussian"),
    )
    run = train.start(config, tmp_path / "run")
    found = microscope.examine(run)
    given = run.split.validation.given(slice(None))
    whole = microscope.gradient_per_lag(run.model, given, middle=0)
    np.testing.assert_allclose(found.gradient, whole, rtol=1e-4)
    assert found.gradient.shape == (8,) and found.gradient.all()


def test_other_networks_are_refused_with_a_remedy(tmp_path):
    other = dataclasses.replace(SMALL, model=ModelConfig(cell="rnn", layers=1, hidden=H))
    with pytest.raises(SeqlabError, match=r"stacked rnn 1x3.*--model stacked --cell lstm"):
        microscope.examine(trained(other, tmp_path / "run"))
