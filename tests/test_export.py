"""Exports: the files alone, run without the run, give the model's answers; nothing wrong is kept."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from test_predict import finished, wave

from seqlab import _export_formats, _numpy_runtime, cli, cnn, runs
from seqlab import export as module
from seqlab._graph_scaling import GraphScaler
from seqlab._plans import plan_of
from seqlab._raw_graphs import RawGraph, of_series, traced
from seqlab._tensorflow import keras, tf
from seqlab.config import (
    EXPORTS,
    SCALINGS,
    TRANSFORMS,
    Config,
    ImageConfig,
    NetworkConfig,
    TrainConfig,
)
from seqlab.datasets import Panel
from seqlab.errors import SeqlabError
from seqlab.export import export
from seqlab.predict import Predictor
from seqlab.run_data import parts
from seqlab.scaling import Scaler
from seqlab.tasks import task

RUNS = {
    "lstm": {"layers": 2},
    "slstm": {"cell": "slstm", "scaling": "standard", "transform": "log"},
    "mingru": {"cell": "mingru", "scaling": "change", "layout": "features"},
    "bidirectional": {"model": "bidirectional", "scaling": "window", "difference": "season"},
    "segments": {"model": "segments", "scaling": "recent", "transform": "boxcox"},
    "affine": {"scaling": "window", "loss": "gaussian", "affine": True},
    "decoder": {"model": "encoder_decoder", "loss": "quantile", "scaling": "robust"},
    "drawn": {"model": "autoregressive", "loss": "gaussian", "scaling": "mean"},
}


def needs(kind):
    if kind == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    kept = {}

    def make(name):
        if name not in kept:
            kept[name] = finished(tmp_path_factory.mktemp(name) / "run", wave(), **RUNS[name])
        return kept[name]

    return make


def through(folder, kind, raw):
    """Answers of the files by the format's own runtime, as its users would ask it."""
    if kind == "numpy":
        return _numpy_runtime.load(folder / "model.npz")(raw)
    if kind == "savedmodel":
        serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
        (takes,) = serve.structured_input_signature[1]
        (found,) = serve(**{takes: tf.constant(raw)}).values()
        return found.numpy()
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx")
        return session.run(None, {session.get_inputs()[0].name: raw})[0]
    runner = tf.lite.Interpreter(model_path=str(folder / "model.tflite"))
    runner.allocate_tensors()
    takes, gives = (
        found[0]["index"] for found in (runner.get_input_details(), runner.get_output_details())
    )
    rows = []
    for row in raw.astype(np.float32):
        runner.set_tensor(takes, row[None])
        runner.invoke()
        rows.append(runner.get_tensor(gives)[0])
    return np.stack(rows)


EVERY = [
    *(("savedmodel", "decoder"), ("tflite", "lstm"), ("tflite", "bidirectional")),
    *itertools.product(("numpy",), ("lstm", "mingru", "bidirectional", "segments", "drawn")),
    *itertools.product(("numpy", "onnx"), ("affine",)),
    *itertools.product(("onnx",), ("lstm", "slstm", "decoder", "segments")),
]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
@pytest.mark.parametrize(("kind", "name"), EVERY, ids=["-".join(pair) for pair in EVERY])
def test_the_files_give_what_the_model_gives(kind, name, made, tmp_path):
    needs(kind)
    run = made(name)
    done = export(run, kind, tmp_path / "out")
    assert done.difference <= 1e-5 and done.compared == 32
    raw = run.split.test.raw()[0].astype(np.float64)
    wanted = Predictor(run.model, run.split.train, run.config.model)(run.split.test)
    found = through(tmp_path / "out", kind, raw)
    assert found.shape == wanted.shape and np.ptp(wanted) > 0.01
    assert np.abs(found - wanted).max() <= 1e-5 * run.series.values.std()


def test_numpy_alone_runs_it_and_imports_quickly(made, tmp_path):
    run = made("lstm")
    export(run, "numpy", tmp_path / "out")
    values = run.series.values[:14].tolist()
    code = f"""
import sys, time
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "seqlab", "pandas", "scipy"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
begun = time.process_time()  # other processes do not count
from model import load
taken = time.process_time() - begun
print(taken, *load()({values}))
"""
    outs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path / "out"
        )
        for _ in range(3)
    ]
    assert all(not out.stderr for out in outs), outs[0].stderr
    numbers = [np.array(out.stdout.split(), float) for out in outs]
    assert min(taken for taken, *_ in numbers) < 0.3
    np.testing.assert_allclose(numbers[0][1:], Predictor(run)(values), rtol=1e-5)


def image_run(path, network, augment="none"):
    config = Config(
        ImageConfig("digits", augment=augment), NetworkConfig(network), TrainConfig(steps=2)
    )
    whole, data = parts(config)
    run = runs.create(config, whole, path)
    keras.utils.set_random_seed(1)
    task(config, data, 2).model.save(run.path / "model.keras")
    return runs.load(path)


@pytest.mark.parametrize("kind", EXPORTS)
def test_images_go_in_as_bytes_and_probabilities_come_out(kind, tmp_path):
    needs(kind)
    run = image_run(tmp_path / "run", "lenet5", "standardise")
    done = export(run, kind)
    assert done.path == tmp_path / "run/export" / kind and done.difference <= 1e-5
    about = json.loads((done.path / "about.json").read_text())
    assert about["classes"] == [str(i) for i in range(10)]
    assert about["takes"] == {"name": "images", "shape": ["batch", 8, 8, 1]}
    if kind == "numpy":
        pictures = run.split.test.images[:5]
        found = _numpy_runtime.load(done.path / "model.npz")(pictures)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        from seqlab.image_predict import logits
        from seqlab.image_scores import probabilities

        wanted = probabilities(logits(run.model, run.split.test))[:5]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def convolutions():
    """Every operation of the image networks, at sizes and strides where a padding by one side shows."""
    layers = keras.layers
    images = keras.Input((11, 12, 4))
    x = layers.Conv2D(6, (3, 2), 2, "same", groups=2)(images)
    x = layers.MaxPooling2D(2, 2, "same")(cnn.LocalResponseNormalization(1, 0.3, 0.6, 2.0)(x))
    x = layers.AveragePooling2D(2, 1, "same")(layers.BatchNormalization()(x))
    x = layers.Conv2D(5, 2, padding="valid", activation="elu")(x)
    model = keras.Model(images, layers.Dense(3)(layers.Flatten()(x)))
    rng = np.random.default_rng(4)
    model.set_weights(
        [
            rng.uniform(0.1, 0.9, w.shape) * rng.choice([1, -1]) ** (w.ndim > 1)
            for w in model.get_weights()
        ]
    )
    return model


@pytest.mark.parametrize("kind", ["numpy", "onnx"])
def test_image_operations_are_those_of_tensorflow(kind, tmp_path):
    needs(kind)
    model = convolutions()
    graph = RawGraph(
        lambda call, raw: call(raw), model, (11, 12, 4), "float32", "values", "answers"
    )
    raw = np.random.default_rng(5).normal(size=(4, 11, 12, 4)).astype("float32")
    found = _export_formats.WRITERS[kind](lambda dtype: graph, tmp_path)(raw)
    wanted = model(raw).numpy()
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_one_series_of_several_brings_its_scale(tmp_path):
    data = Panel("waves", (wave("a"), wave("big", 100.0)))
    run = finished(tmp_path / "run", data, scaling="standard")
    with pytest.raises(SeqlabError, match=r"2 series"):
        export(run, "numpy")
    done = export(run, "numpy", series="big")
    values = data.series[1].values[:14]
    found = _numpy_runtime.load(done.path / "model.npz")(values)
    np.testing.assert_allclose(found, Predictor(run)(values, series="big"), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "transform", "lag", "power"),
    [*itertools.product(SCALINGS, TRANSFORMS, (0, 3), (-0.5,)), ("last", "boxcox", 0, 0.0)],
)
def test_scaling_in_a_graph_is_the_scaling(kind, transform, lag, power):
    rng = np.random.default_rng(3)
    values = rng.uniform(2, 9, 80)
    scaler = Scaler.fit(kind, values, 8, 4, "none", lag)
    power = {"none": 1.0, "log": 0.0, "boxcox": power}[transform]
    scaler = Scaler(**{**vars(scaler), "transform": transform, "power": power})
    rows, outputs = values.reshape(10, 8), rng.normal(size=(10, 4)).astype("float32")
    graph = GraphScaler(scaler, "float64")
    np.testing.assert_allclose(
        graph.inputs(tf.constant(rows)), scaler.inputs(rows), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        graph.restore(tf.constant(rows), tf.constant(outputs)),
        scaler.restore(rows, outputs),
        rtol=1e-9,
    )


def everything(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_files_that_differ_are_not_kept(made, tmp_path, monkeypatch):
    def wrong(make, folder):
        return lambda raw: 1.0001 * Predictor(made("lstm"))(raw)

    monkeypatch.setattr(module, "WRITERS", {"numpy": wrong})
    with pytest.raises(SeqlabError, match=r"differ from the model's by .*nothing was kept"):
        export(made("lstm"), "numpy", tmp_path / "out")
    assert everything(tmp_path) == []
    for answers in (lambda raw: raw[:, :3] * np.nan, lambda raw: raw):
        monkeypatch.setattr(module, "WRITERS", {"numpy": lambda make, folder, a=answers: a})
        with pytest.raises(SeqlabError):
            export(made("lstm"), "numpy", tmp_path / "out")
        assert everything(tmp_path) == []


def test_single_precision_that_is_not_enough_is_noticed(tmp_path):
    data = wave()
    far = type(data)("far", data.values + 1e7, None, 7)
    run = finished(tmp_path / "run", far, scaling="standard")
    assert export(run, "numpy").difference < 1e-5
    with pytest.raises(SeqlabError, match=r"as tflite its answers differ"):
        export(run, "tflite")
    assert everything(tmp_path / "run/export") == everything(tmp_path / "run/export/numpy")[
        :0
    ] + sorted(
        map(str, [tmp_path / "run/export/numpy", *(tmp_path / "run/export/numpy").iterdir()])
    )


def test_an_export_is_replaced_and_nothing_else_is(made, tmp_path):
    run, out = made("mingru"), tmp_path / "out"
    export(run, "numpy", out)
    export(run, "savedmodel", out)
    assert not (out / "model.npz").exists() and (out / "saved_model.pb").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    for place, part in (("mine", "holds no export"), ("mine/letter.txt", "this is a file")):
        with pytest.raises(SeqlabError, match=part):
            export(run, "numpy", tmp_path / place)
    with pytest.raises(SeqlabError, match=r"cannot be written"):
        export(run, "numpy", tmp_path / "mine/letter.txt/deeper")
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"


def test_what_a_format_cannot_carry_is_refused(made, tmp_path, monkeypatch):
    sine = tf.function(tf.math.sinh).get_concrete_function(tf.TensorSpec((None, 3)))
    with pytest.raises(SeqlabError, match=r"uses Sinh, which the format numpy.*savedmodel"):
        plan_of(sine, "numpy")
    monkeypatch.setattr(_export_formats, "find_spec", lambda name: None)
    with pytest.raises(SeqlabError, match=r"pip install 'seqlab\[onnx\]'"):
        export(made("lstm"), "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_are_written_once(made):
    plan = plan_of(traced(of_series(made("lstm"), "float64"), None), "numpy")
    sizes = [array.size for array in plan.constants.values()]
    assert sum(sizes) < made("lstm").model.count_params() + 40


def test_the_command(made, tmp_path, capsys):
    run = made("mingru")
    assert cli.main(["export", str(run.path), "--format", "numpy"]) == 0
    assert "model.npz" in capsys.readouterr().out
    out = str(tmp_path / "out")
    assert cli.main(["export", str(run.path), "--format", "numpy", "--out", out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == out and found["difference"] < 1e-5
    assert [name.rpartition("/")[2] for name in found["files"]] == [
        "about.json",
        "model.npz",
        "model.py",
    ]
