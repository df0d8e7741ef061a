"""Cells and stacks in each format, as research code has them; and what TFLite files ask of a runtime."""

import re

import numpy as np
import pytest
from test_export import needs

from seqlab import _export_formats, cells
from seqlab._raw_graphs import RawGraph
from seqlab._tensorflow import keras, tf
from seqlab.config import EXPORTS

STEPS = 6
BUILT_IN = re.compile("[A-Z][A-Z0-9_]*")  # others have the names that their makers gave them


def residual():
    """Two layers, each beside a straight way around it."""
    made = [cells.ResidualWrapper(cells.LSTMCell(3)), cells.ResidualWrapper(cells.GRUCell(3))]
    return cells.StackedRNNCells([cells.LSTMCell(3), *made])


CELLS = {
    "lstm": lambda: cells.LSTMCell(3),
    "peepholes": lambda: cells.LSTMCell(3, use_peepholes=True),
    "gru": lambda: cells.GRUCell(3),
    "gru as cuDNN's": lambda: cells.GRUCell(3, reset_after=True),
    "residual": residual,
    "bidirectional": None,
}


def network(name):
    """Values ``[B, T]`` to two numbers, its weights far from what training begins with."""
    keras.utils.set_random_seed(0)
    values = keras.Input((STEPS, 1))
    if name == "bidirectional":
        both = cells.LSTMCell(3), cells.GRUCell(2)
        found = keras.ops.concatenate(cells.bidirectional_dynamic_rnn(*both, values)[0], -1)
    else:
        found, _ = cells.dynamic_rnn(CELLS[name](), values)
    model = keras.Model(values, keras.layers.Dense(2)(found[:, -1]))
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.normal(size=w.shape, scale=0.5) for w in model.get_weights()])
    return model


def operations(path, capfd):
    """The names of what a TFLite file's graphs consist of."""
    capfd.readouterr()
    tf.lite.experimental.Analyzer.analyze(model_path=str(path))
    return set(re.findall(r"Op#\d+ ([^(]+)\(", capfd.readouterr().out))


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kind", EXPORTS)
def test_cells_answer_as_in_the_model(kind, name, tmp_path, capfd):
    needs(kind)
    model = network(name)

    def make(dtype):
        def answer(call, raw):
            return call(tf.cast(raw[..., None], tf.float32))

        return RawGraph(answer, model, (STEPS,), dtype, "values", "answers")

    raw = np.random.default_rng(2).normal(size=(5, STEPS)).astype("float32")
    found = _export_formats.WRITERS[kind](make, tmp_path)(raw)
    wanted = model(raw[..., None]).numpy()
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    if kind == "tflite":
        used = operations(tmp_path / "model.tflite", capfd)
        assert "FULLY_CONNECTED" in used and all(map(BUILT_IN.fullmatch, used)), used


def test_other_operations_would_be_seen(tmp_path, capfd):
    root = tf.function(tf.linalg.cholesky).get_concrete_function(tf.TensorSpec((2, 2)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([root])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    used = operations(tmp_path / "model.tflite", capfd)
    assert "FlexCholesky" in used and not all(map(BUILT_IN.fullmatch, used))
