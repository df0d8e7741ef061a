"""Checkpoints of TensorFlow 1: values beside those of its own cells, the command, what is refused.

The goldens in tests/goldens/tf1 come from the real cells; tests/goldens/make_tf1.py says how.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlab import _tf1_names, cells, cli, tf1
from seqlab.errors import SeqlabError

GOLDENS = Path(__file__).parent / "goldens" / "tf1"
# The options that make_tf1.py gave the cells, and where their states (c before h) are in ours.
OPTIONS = {"lstm": {"forget_bias": 0.5, "cell_clip": 0.4, "proj_clip": 0.15}}
STATES = {
    "rnn": [0],
    "gru": [0],
    "basic_lstm": [1, 0],
    "lstm": [1, 0],
    "stack": [1, 0, 2],
    "bidirectional": [1, 0, 3, 2],
}


def golden(case):
    return np.load(GOLDENS / case / "golden.npz")


def load(case, **options):
    return tf1.load(GOLDENS / case, **{**OPTIONS.get(case, {}), **options})


def check(case, found):
    """Outputs and final states, in this structure or flat, against those of TensorFlow 1."""
    truth = golden(case)
    names = [name for name in truth if name.startswith("outputs")]
    expected = [truth[name] for name in names] + [truth[f"state_{i}"] for i in STATES[case]]
    for part, right in zip(keras.tree.flatten(found), expected, strict=True):
        np.testing.assert_allclose(part, right, atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", STATES)
def test_outputs_and_states_are_those_of_tensorflow_1(case):
    truth = golden(case)
    check(case, load(case).model()([truth["x"], truth["lengths"]]))


@pytest.mark.parametrize("implementation", ["loop", "fused"])
def test_every_path_gives_them(implementation):
    truth, cell = golden("basic_lstm"), load("basic_lstm").cell
    run = cells.dynamic_rnn(cell, truth["x"], truth["lengths"], implementation=implementation)
    check("basic_lstm", run)


def test_two_networks_in_one_checkpoint():
    truth = golden("two_networks")
    encoder, decoder = (load("two_networks", scope=s).cell for s in ("encoder", "decoder/rnn"))
    _, state = cells.dynamic_rnn(encoder, truth["x"], truth["lengths"])
    outputs, (end,) = cells.dynamic_rnn(decoder, truth["x"], truth["lengths"], state)
    np.testing.assert_allclose(outputs, truth["outputs"], atol=1e-5)
    np.testing.assert_allclose(end, truth["state_0"], atol=1e-5)


@pytest.mark.parametrize("way", [0, 1])
def test_one_direction_by_its_scope(way):
    truth, scope = golden("bidirectional"), f"encoder/bidirectional_rnn/{('fw', 'bw')[way]}"
    both, one = load("bidirectional"), load("bidirectional", scope=scope)
    assert len(one.used) == len(one.unused) == 2
    for mine, other in zip(one.cell.get_weights(), both.cell[way].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert one.model()([truth["x"], None])[0].shape == (2, 4, one.cell.units)


@pytest.mark.parametrize("left_out", ["forget_bias", "cell_clip", "proj_clip"])
def test_the_goldens_notice_what_a_checkpoint_does_not_hold(left_out):
    truth = golden("lstm")
    usual = {"forget_bias": 1.0, "cell_clip": None, "proj_clip": None}[left_out]
    outputs, _ = load("lstm", **{left_out: usual}).model()([truth["x"], truth["lengths"]])
    assert np.abs(outputs - truth["outputs"]).max() > 0.005


def test_the_forget_bias_is_part_of_the_bias():
    plain, folded = (load("basic_lstm", forget_bias=f).cell for f in (0.0, 1.5))
    difference = folded.bias.numpy() - plain.bias.numpy()
    np.testing.assert_allclose(difference, [0] * 3 + [1.5] * 3 + [0] * 6, atol=1e-6)


def test_every_variable_is_accounted_for():
    made = load("basic_lstm")
    assert made.unused == ["dense/bias", "dense/kernel"]
    assert made.assumed == {"activation": "tanh", "forget_bias": 1.0}
    left_out = set(made.shapes) - set(made.used) - set(made.unused)
    assert {name.split("/")[-1].rstrip("_1") for name in left_out} == {
        "Adam", "ExponentialMovingAverage", "beta1_power", "beta2_power", "global_step",
    }  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_used_names_the_weights(case):
    made = load(case)
    named = {name for names in made.used.values() for name in names}
    weights = [eval(name, {"cell": made.cell}) for name in named]
    assert sum(np.prod(w.shape) for w in weights) == sum(np.prod(made.shapes[n]) for n in made.used)


def test_a_dense_head_can_be_set():
    made, truth = load("basic_lstm"), golden("basic_lstm")
    head = keras.layers.Dense(1)
    head.build((None, 3))
    head.set_weights([made.value("dense/kernel"), made.value("dense/bias")])
    outputs, _ = made.model()([truth["x"], truth["lengths"]])
    np.testing.assert_allclose(head(outputs[:, -1]), truth["head"], atol=1e-5)
    with pytest.raises(SeqlabError, match="no variable 'dense/weights'"):
        made.value("dense/weights")


# Checkpoints made from the goldens


def rewritten(folder, case, change=None, dtype=None, name="model.ckpt-7"):
    """A golden checkpoint with names and values changed: (name, value) to the same, or None."""
    source, found = str(GOLDENS / case / "model.ckpt-7"), {}
    for key, _ in tf.train.list_variables(source):
        value = tf.train.load_variable(source, key)
        if dtype and value.dtype == np.float32:
            value = value.astype(dtype)
        pair = change(key, value) if change else (key, value)
        if pair:
            found[pair[0]] = np.asarray(pair[1])
    write(folder / name, found)
    return folder / name


def write(path, values):
    """As `Saver` does it."""
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.constant(value) for value in values.values()],
    )


def test_the_names_of_tensorflow_1_0(tmp_path):
    def old(name, value):
        return name.replace("kernel", "weights").replace("bias", "biases"), value

    for case in ("stack", "gru"):
        made = tf1.load(rewritten(tmp_path, case, old))
        truth = golden(case)
        check(case, made.model()([truth["x"], truth["lengths"]]))


def test_a_projection_of_the_outputs_is_a_head(tmp_path):
    path = rewritten(
        tmp_path, "gru", lambda name, value: (f"rnn/output_projection_wrapper/{name[4:]}", value)
    )
    found = {
        name: tf.train.load_variable(str(path), name) for name, _ in tf.train.list_variables(path)
    }
    write(path, {**found, "rnn/output_projection_wrapper/kernel": np.zeros((3, 1), "float32")})
    assert tf1.load(path).unused == ["rnn/output_projection_wrapper/kernel"]


def test_second_cells_and_optimizers_in_scopes(tmp_path):
    def moved(name, value):
        inner = name.replace("lstm_cell", "lstm_cell_1").removeprefix("model/rnn/")
        return ("train/" if "Adam" in name or "_power" in name else "") + inner, value

    made = tf1.load(rewritten(tmp_path, "basic_lstm", moved))
    assert made.scope == "basic_lstm_cell_1"
    assert made.unused == ["dense/bias", "dense/kernel"]


def test_other_precisions(tmp_path):
    truth = golden("stack")
    made = tf1.load(rewritten(tmp_path, "stack", dtype="float64"))
    model = made.model()
    found = model([truth["x"].astype("float64"), truth["lengths"]])
    assert {part.dtype for part in keras.tree.flatten(found)} == {tf.float64}
    assert {made.cell.compute_dtype, model.inputs[0].dtype} == {"float64"}
    check("stack", found)


# Files


@pytest.mark.parametrize("ending", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_a_checkpoint_by_each_of_its_names(ending):
    assert (
        tf1.load(f"{GOLDENS}/gru/model.ckpt-7{ending}").checkpoint == GOLDENS / "gru/model.ckpt-7"
    )


def test_a_folder_means_its_newest(tmp_path):
    for step in (5, 10, 9):
        rewritten(tmp_path, "gru", name=f"model.ckpt-{step}")
    with pytest.raises(
        SeqlabError, match=r"3 checkpoints \(model.ckpt-5, model.ckpt-9, model.ckpt-10"
    ):
        tf1.load(tmp_path)
    note = tmp_path / "checkpoint"
    note.write_text('model_checkpoint_path: "/gone/run-1/model.ckpt-9"\nall_model: "x"\n')
    for named in (tmp_path, note):
        assert tf1.load(named).checkpoint.name == "model.ckpt-9"


DAMAGES = {
    "a folder without one": (lambda p: [f.unlink() for f in p.glob("model*")], ".index"),
    "no values": (lambda p: data(p).unlink(), "it has the values"),
    "no index": (lambda p: index(p).unlink(), "Name one"),
    "half of the index": (lambda p: cut(index(p)), "cannot be read as a checkpoint"),
    "half of the values": (lambda p: cut(data(p)), "cannot be read as a checkpoint"),
    "other bytes": (lambda p: data(p).write_bytes(bytes(216)), "cannot be read as a checkpoint"),
}


def index(folder):
    return folder / "model.ckpt-7.index"


def data(folder):
    return folder / "model.ckpt-7.data-00000-of-00001"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_checkpoints_are_refused(what, tmp_path):
    damage, words = DAMAGES[what]
    folder = shutil.copytree(GOLDENS / "gru", tmp_path / "gru")
    damage(folder)
    with pytest.raises(SeqlabError, match=words):
        tf1.load(folder)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (GOLDENS / "gru" / "model.ckpt-8", "The folder holds model.ckpt-7: name one of them"),
        (GOLDENS / "gru" / "golden.npz", "cannot be read as a checkpoint"),
        (GOLDENS / "none" / "model.ckpt", "not found. Name a TensorFlow 1 checkpoint"),
        ("", "a folder without a checkpoint"),
    ],
)
def test_other_files_are_refused(path, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeqlabError, match=words):
        tf1.load(path)


# Variables that cannot be


def without(end):
    return lambda name, value: None if name.endswith(end) else (name, value)


def renamed(old, new):
    return lambda name, value: (name.replace(old, new), value)


def shaped(end, *shape):
    return lambda name, value: (name, np.zeros(shape, "float32") if name.endswith(end) else value)


LSTM, CELL_1 = "rnn/lstm_cell", "rnn/multi_rnn_cell/cell_1"
WRONG = {
    "no bias": ("rnn", without("bias"), "basic_rnn_cell/bias is missing beside rnn/basic_rnn_cell/k"),
    "no kernel": ("lstm", without("cell/kernel"), "rnn/lstm_cell/kernel is missing beside"),
    "no candidate": ("gru", without("candidate/bias"), "rnn/gru_cell/candidate/bias is missing"),
    "two peepholes": ("lstm", without("w_o_diag"), "rnn/lstm_cell/w_o_diag is missing"),
    "no lower cell": ("stack", renamed("cell_1", "cell_2"), "cell_1 is missing below cell_2"),
    "columns": ("lstm", shaped("cell/kernel", 4, 13), r"\[4, 13\] is no kernel of a LSTMCell"),
    "rank": ("rnn", shaped("kernel", 4), r"\[4\] is no kernel of a BasicRNNCell"),
    "rows": ("lstm", shaped("cell/kernel", 2, 12), "no row for an input beside those for 2 outputs"),
    "bias": ("lstm", shaped("bias", 8), r"fit each other: .*kernel \[4, 12\], .*bias \[8\]"),
    "peephole": ("lstm", shaped("w_f_diag", 4), r"fit each other: .*w_f_diag \[4\]"),
    "projection": ("lstm", shaped("projection/kernel", 3), r"fit each .*projection/kernel \[3\]"),
    "candidate": ("gru", shaped("candidate/kernel", 5, 4), r"fit each .*candidate/kernel \[5, 4\]"),
    "stack": ("stack", shaped("cell_0/lstm_cell/projection/kernel", 3, 1), "takes 2 f.* gives 1"),
    "directions": ("bidirectional", shaped("bw/lstm_cell/kernel", 5, 8), "directions take"),
    "other cell": (
        "lstm", renamed("lstm_cell", "layer_norm_basic_lstm_cell"),
        r"not known here: rnn/layer_norm_basic_lstm_cell/bias \[12\].* Expected BasicRNNCell",
    ),
    "cell of a name": ("stack", renamed("gru_cell", "mine"), r"not known here: .*cell_1/mine/cand"),
    "more variables": ("gru", renamed("gates/bias", "gates/beta"), "not known here: .*gates/beta"),
    "attention": ("gru", renamed("rnn", "rnn/attention_cell_wrapper"), "not known here"),
    "highway": ("basic_lstm", renamed("dense/kernel", "model/rnn/carry_w"), "here: model/rnn/carry_w"),
    "twice": ("lstm", renamed("bias", "weights"), "two cells in one place"),
    "none": ("rnn", renamed("cell", "net"), r"no variables of recurrent cells; found rnn/basic_rnn_n"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_variables_that_cannot_be_are_named(what, tmp_path):
    case, change, words = WRONG[what]
    path = rewritten(tmp_path, case, change)
    with pytest.raises(SeqlabError, match=words) as refused:
        tf1.load(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_a_checkpoint_of_tensorflow_2_is_called_one(tmp_path):
    path = tf.train.Checkpoint(v=tf.Variable([1.0])).save(str(tmp_path / "two"))
    with pytest.raises(SeqlabError, match="a checkpoint of TensorFlow 2, not 1"):
        tf1.load(path)


@pytest.mark.parametrize(
    ("case", "options", "words"),
    [
        ("two_networks", {}, "2 networks: decoder/rnn/gru_cell, encoder/rnn/gru_cell. Pick one"),
        ("two_networks", {"scope": "enc"}, "no network in the scope 'enc'.* take one of: decoder"),
        ("gru", {"cell_clip": 1.0}, "`cell_clip` belongs to an LSTMCell; here is GRUCell"),
        ("basic_lstm", {"cell_clip": 1.0}, "here is BasicLSTMCell"),
        ("basic_lstm", {"proj_clip": 1.0}, "`proj_clip` belongs to a projection"),
        ("lstm", {"cell_clip": -1.0}, "`cell_clip` must be a positive number. Received: -1.0"),
        ("lstm", {"forget_bias": float("nan")}, "`forget_bias` must be a finite number"),
    ],
)
def test_options_that_do_not_fit_are_refused(case, options, words):
    with pytest.raises(SeqlabError, match=words):
        load(case, **options)


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_files_give_the_same_in_a_new_process(here, capsys):
    cases, script = ("lstm", "bidirectional"), ["import numpy as np"]
    for case in cases:
        options = [f"--{k.replace('_', '-')}={v}" for k, v in OPTIONS.get(case, {}).items()]
        out = ["--out", f"{case}.keras"]
        assert cli.main(["import-tf1", str(GOLDENS / case), *options, *out]) == 0
        use = capsys.readouterr().out.splitlines()[-2:]  # what it tells to write
        script += [
            f"golden = np.load({str(GOLDENS / case / 'golden.npz')!r})",
            'x, lengths = golden["x"], golden["lengths"]',
            *(line.strip() for line in use),
            f'np.savez("{case}.npz", *keras.tree.flatten((outputs, states)))',
        ]
    command = [sys.executable, "-c", "\n".join(script)]
    ours = {**os.environ, "PYTHONPATH": str(GOLDENS.parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=ours)
    assert (done.returncode, done.stderr) == (0, "")
    for case in cases:
        found = np.load(f"{case}.npz")
        check(case, [found[name] for name in found])


def test_what_the_command_says(here, capsys):
    assert cli.main(["import-tf1", str(GOLDENS / "basic_lstm"), "--out", "my.keras"]) == 0
    said = capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["my.keras"]
    for words in (
        "cell.kernel, cell.recurrent_kernel",
        "not used",
        "15 variables",
        "forget_bias 1.0",
    ):
        assert words in said


def test_json_is_one_object(here, capsys):
    command = ["import-tf1", str(GOLDENS / "stack"), "--json", "--proj-clip", "0.5"]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == "model.ckpt-7.keras"
    assert (found["scope"], found["features"], found["unused"]) == ("rnn/multi_rnn_cell", 2, [])
    assert found["assumed"] == {
        "activation": "tanh", "forget_bias": 1.0, "cell_clip": None, "proj_clip": 0.5,
    }  # fmt: skip
    assert found["used"][1] == {
        "name": "rnn/multi_rnn_cell/cell_0/lstm_cell/kernel",
        "shape": [4, 12],
        "weights": ["cell.cells[0].kernel", "cell.cells[0].recurrent_kernel"],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "nothing: not found. Name a TensorFlow 1 checkpoint"),
        (["."], "a folder without a checkpoint"),
        ([str(GOLDENS / "two_networks")], "--scope"),
        ([str(GOLDENS / "two_networks"), "--scope", "x"], "take one of"),
        ([str(GOLDENS / "gru"), "--cell-clip", "1"], "Leave it out"),
        ([str(GOLDENS / "gru"), "--cell-clip", "0"], "must be a positive number"),
        ([str(GOLDENS / "gru"), "--forget-bias", "inf"], "must be a finite number"),
        ([str(GOLDENS / "gru"), "--out", "x.h5"], "must name a .keras file"),
        ([str(GOLDENS / "gru"), "--out", "no/x.keras"], "no/x.keras: cannot be written"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, words, here, capsys):
    try:
        status = cli.main(["import-tf1", *arguments])
    except SystemExit as left:
        status = left.code
    said = capsys.readouterr()
    assert (status, said.out, said.err.count("\n")) == (2, "", 1)
    assert words in said.err
    assert list(here.iterdir()) == []


def test_a_model_is_written_to_a_keras_file_by_any_kind_of_path(tmp_path):
    made = load("gru")
    assert tf1.save(made, str(tmp_path / "my.keras")) == tmp_path / "my.keras"
    assert keras.models.load_model(tmp_path / "my.keras").count_params() == made.cell.count_params()
    with pytest.raises(SeqlabError, match=r"my\.h5: .* a \.keras file"):
        tf1.save(made, tmp_path / "my.h5")


def test_more_than_ten_layers_are_in_order():
    shapes = {}
    for i in range(12):  # of i + 1 features and i + 2 units
        cell = f"rnn/multi_rnn_cell/cell_{i}/basic_rnn_cell"
        shapes |= {f"{cell}/kernel": (2 * i + 3, i + 2), f"{cell}/bias": (i + 2,)}
    _, (parts,) = _tf1_names.find(shapes, None)
    assert [part.units for part in parts] == list(range(2, 14))
