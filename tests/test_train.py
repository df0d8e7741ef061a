"""The trainer: the same bits after an interruption, the best weights, Keras' callbacks."""

import dataclasses
import gc
import json
import os
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small import SMALL, StopAt, heard, series, signal_in

from seqlab import _convolution, checkpoints, models, runs, train
from seqlab._lock import alone
from seqlab._tensorflow import tf
from seqlab.config import Config, DataConfig, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.errors import SeqlabError


def make(config=SMALL):
    return split(series(), config.data)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_interrupted_and_resumed_gives_the_same_bits():
    whole = train.start(SMALL, data=make())
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, data=make(), callbacks=[StopAt(2)])
    cut = runs.find()
    assert not cut.finished
    resumed = train.resume(train.load_run(cut.path))
    assert resumed.path == cut.path
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.history == resumed.history
    assert whole.history["step"] == [0, 10, 20, 30, 40, 50, 60]


def test_same_seed_same_bits_and_another_seed_other_ones():
    one, same, other = (
        train.start(
            dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, seed=seed)),
            data=make(),
        ).model.get_weights()
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one[0], same[0])
    assert np.abs(one[0] - other[0]).max() > 1e-3


def test_chunks_take_the_steps_that_keras_would_take():
    """One chunk of ten batches, and ten of Keras' own steps on the same batches."""
    config = TrainConfig(steps=10, batch=8, evaluations=1, schedule="constant", optimizer="sgd")
    data = make(Config(DataConfig(window=6, validate=False)))
    model = models.build(ModelConfig(layers=1, hidden=4), data.train.input_shape)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    train.fit(model, data, config, folder=runs.Path("checkpoints"))
    twin.compile(train.make_optimizer(config, 10), loss="mse")
    inputs, targets = next(iter(data.train.training(8, config.seed, [0, 10])))
    for x, y in zip(inputs, targets, strict=True):
        twin.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_norm_of_the_gradient_is_in_the_history():
    """Of plain gradient descent at rate 1 it is how far a step goes; clipping comes after it."""
    settings = {"optimizer": "sgd", "learning_rate": 1e-3, "schedule": "constant", "steps": 6}
    config = TrainConfig(batch=8, evaluations=2, clip=None, **settings)
    data, norms = make(), []

    class Moves(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            now = [np.asarray(weight) for weight in self.model.trainable_weights]
            if norms:
                moved = [np.sum((a - b) ** 2) for a, b in zip(now, norms[-1], strict=True)]
                norms[-1] = float(np.sqrt(sum(moved))) / 1e-3
            norms.append(now)

    found = {}
    for bound, chunk in ((None, 1), (1e-4, 3)):
        keras.utils.set_random_seed(1)
        model = models.build(ModelConfig(layers=1, hidden=4), data.train.input_shape)
        norms.append([np.asarray(weight) for weight in model.trainable_weights])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "CHUNK", chunk)
            changed = dataclasses.replace(config, clip=bound)
            callbacks = [Moves()] if bound is None else []
            folder = runs.Path(f"checkpoints-{bound}")
            found[bound] = train.fit(model, data, changed, folder, callbacks)["gradient_norm"]
    expected = [0, np.mean(norms[:3]), np.mean(norms[3:6])]
    np.testing.assert_allclose(found[None], expected, rtol=1e-2)
    np.testing.assert_allclose(found[1e-4][1], expected[1], rtol=0.2)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, keras.optimizers.Adam),
        ({"optimizer": "sgd", "learning_rate": 0.1}, keras.optimizers.SGD),
        ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.5}, keras.optimizers.SGD),
    ],
)
def test_steps_are_those_of_keras(settings, kind):
    ours = train.make_optimizer(TrainConfig(**settings), 100)
    theirs = kind.from_config(ours.get_config())
    start = np.linspace(-2, 2, 12).reshape(3, 4).astype("float32")
    variables = [keras.Variable(start), keras.Variable(start)]
    for step in range(20):
        for optimizer, variable in zip((ours, theirs), variables, strict=True):
            gradient = np.cos(step + np.asarray(variable)).astype("float32")
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    np.testing.assert_allclose(variables[0], variables[1], atol=1e-6)
    assert np.abs(np.asarray(variables[0]) - start).max() > 0.01


def test_the_best_weights_are_those_of_the_lowest_validation_loss():
    config = dataclasses.replace(
        SMALL, train=TrainConfig(steps=200, batch=8, learning_rate=0.3, schedule="constant")
    )
    run = train.start(config, data=make())
    held = run.split.validation
    x, y = held.batch(np.arange(len(held)))
    loss = float(np.mean((run.model(x).numpy() - y) ** 2))
    assert loss == pytest.approx(min(run.history["val_loss"]), rel=1e-4)
    assert loss < run.history["val_loss"][-1]


def test_learning_by_heart_is_stopped():
    noise = Series("noise", np.random.default_rng(1).normal(size=120))
    config = Config(DataConfig(window=8), ModelConfig(), TrainConfig(steps=4000, patience=3))
    run = train.start(config, data=split(noise, config.data))
    assert run.history["step"][-1] < 4000


@pytest.mark.parametrize("steps", [1, 7, 25, 41])
def test_any_number_of_steps_is_taken_exactly(steps):
    config = dataclasses.replace(SMALL, train=TrainConfig(steps=steps, batch=8))
    assert train.start(config, data=make()).history["step"][-1] == steps


def test_default_steps_follow_the_size_of_the_data():
    assert train.count_steps(TrainConfig(), len(make().train)) == 1_000
    long = split(series(20_000), DataConfig(window=6))
    assert train.count_steps(TrainConfig(), len(long.train)) == 10_000


def test_cosine_rises_then_falls_to_zero():
    optimizer = train.make_optimizer(TrainConfig(learning_rate=0.5), 1000)
    values = []
    for step in (0, 25, 50, 525, 1000):
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    assert values == pytest.approx([0, 0.25, 0.5, 0.25, 0], abs=1e-6)


def test_exponential_decays_smoothly():
    optimizer = train.make_optimizer(TrainConfig(learning_rate=0.5, schedule="exponential"), 100)
    optimizer.iterations.assign(50)
    assert float(optimizer.learning_rate) == pytest.approx(0.5 * 0.01**0.5)


@pytest.mark.parametrize(
    ("scaling", "grow", "words"),
    [
        (
            "last",
            1,
            r"loss is not.* step 3 .batch 3 of epoch 1.: the training div.*rate than 1e\+30",
        ),
        ("none", 1e18, r"loss is not.* step \d .*up to .*e\+18. Use another --scaling"),
    ],
)
def test_a_gradient_that_is_not_finite_stops_with_a_remedy(scaling, grow, words):
    settings = {"learning_rate": 1e30, "optimizer": "sgd", "clip": None}
    config = dataclasses.replace(
        SMALL,
        data=DataConfig(window=6, scaling=scaling),
        train=dataclasses.replace(SMALL.train, **settings),
    )
    data = split(Series("wave", series().values * grow), config.data)
    with pytest.raises(SeqlabError, match=words + ".*checkpoints has the weights of step 0"):
        train.start(config, data=data)


def test_a_gradient_that_is_not_finite_is_told_from_the_loss():
    data = make()
    model = models.build(SMALL.model, data.train.input_shape)
    before = model.get_weights()
    with pytest.raises(SeqlabError, match=r"the gradient is not finite in step 1 .batch 1 of"):
        train.fit(
            model,
            data,
            SMALL.train,
            runs.Path("checkpoints"),
            loss=lambda y, made: keras.ops.sqrt(0 * made),  # a root at zero
        )
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_though_its_gradient_is(bad):
    """Only in training, where batches have eight rows; no evaluation has seen it."""
    data = make()
    model = models.build(SMALL.model, data.train.input_shape)
    before = model.get_weights()

    def loss(y, made):
        return keras.ops.mean(keras.ops.square(y - made)) + (bad if y.shape[0] == 8 else 0.0)

    words = r"^the loss is not finite in step 1 .batch 1 of epoch 1.: .*has the weights of step 0$"
    with pytest.raises(SeqlabError, match=words):
        train.fit(model, data, SMALL.train, runs.Path("checkpoints"), loss=loss)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_validation_loss_that_is_not_finite_is_no_best_one(bad, monkeypatch):
    """From step 20 on; the checkpoint of step 10 stays, and what goes on from it ends there, too."""
    whole = train.Trainer.evaluate

    def evaluate(self, *given, **options):
        found = whole(self, *given, **options)
        return {**found, "loss": bad} if int(self.optimizer.iterations) >= 20 else found

    monkeypatch.setattr(train.Trainer, "evaluate", evaluate)
    for _ in range(2):
        with pytest.raises(
            SeqlabError, match=r"the validation loss is not finite before step 21: .*10$"
        ):
            train.resume(runs.find()) if runs.listed() else train.start(SMALL, data=make())
    kept = checkpoints.newest(runs.find().path / "checkpoints")
    assert checkpoints.step_of(kept) == 10


def test_data_that_are_too_large_are_named_before_any_step():
    config = dataclasses.replace(SMALL, data=DataConfig(window=6, scaling="none"))
    data = split(Series("wave", series().values * 1e25), config.data)
    with pytest.raises(SeqlabError, match="before step 1: the data are too large"):
        train.start(config, data=data)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("bound", [None, 0.5, 50.0])
def test_no_variable_changes_on_a_gradient_that_is_not_finite(optimizer, bound):
    config = TrainConfig(optimizer=optimizer, clip=bound, schedule="constant", weight_decay=0.1)
    ours = train.make_optimizer(config, 10)
    theirs = getattr(keras.optimizers, type(ours).__name__).from_config(ours.get_config())
    pairs = [[keras.Variable([1.0, 2.0]), keras.Variable(3.0)] for _ in range(2)]

    def step(one, variables):
        one.build(variables)
        return tf.function(lambda gradients: one.apply(gradients, variables))

    ours_step, theirs_step = step(ours, pairs[0]), step(theirs, pairs[1])
    for each in (ours_step, theirs_step):
        each([tf.constant([0.3, -4.0]), tf.constant(0.1)])
    np.testing.assert_allclose(pairs[0][0], pairs[1][0], rtol=1e-6)
    before = [np.asarray(value) for value in [*pairs[0], *ours.variables]]
    for bad in (np.nan, np.inf):
        with pytest.raises(tf.errors.InvalidArgumentError, match="the gradient is not finite"):
            ours_step([tf.constant([0.3, -4.0]), tf.constant(bad, tf.float32)])
    for value, kept in zip([*pairs[0], *ours.variables], before, strict=True):
        np.testing.assert_array_equal(value, kept)
    assert ours.global_clipnorm == bound


def test_a_run_folder_rebuilds_itself_elsewhere(tmp_path):
    run = train.start(SMALL, data=make())
    history = run.history
    moved = tmp_path / "elsewhere"
    run.path.rename(moved)
    loaded = train.load_run(moved)
    assert loaded.config == SMALL
    assert loaded.history == history != {}
    np.testing.assert_array_equal(loaded.series.values, run.series.values)
    x = run.split.test.batch(np.arange(5))[0]
    np.testing.assert_allclose(loaded.model(x), run.model(x), atol=1e-6)
    record = json.loads((moved / "config.json").read_text())
    assert record["rows"] == 300
    assert len(record["data_sha256"]) == 64


def cut(path="cut"):
    """A run whose training died at step 30: its checkpoints are of the steps 10, 20 and 30."""
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, runs.Path(path), [StopAt(2)], make())
    return train.load_run(path), checkpoints.newest(runs.Path(path, "checkpoints"))


def same(one, other):
    """Weights and history, bit for bit."""
    assert one.history == other.history
    for weight, twin in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, twin)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_damaged_checkpoint_is_put_aside_for_the_one_before(capsys):
    whole = train.start(SMALL, data=make())
    run, newest = cut()
    newest.write_bytes(flipped(newest.read_bytes(), 5_000))
    before = newest.with_name("step-00000020.npz")
    before.write_bytes(before.read_bytes()[:200])
    same(train.resume(run), whole)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.count("its checksum is wrong") == 2
    assert f"{newest}: cannot be read" in said and said.endswith(". Going on from step 10\n")
    left = sorted(path.name for path in newest.parent.glob("*.damaged"))
    assert left == [f"{before.name}.damaged", f"{newest.name}.damaged"]


def test_without_a_whole_checkpoint_it_begins_again(capsys):
    run, newest = cut()
    for path in newest.parent.glob("*.npz"):
        path.write_bytes(b"")
    same(train.resume(run), train.start(SMALL, data=make()))
    assert capsys.readouterr().err.endswith(". Going on from the beginning\n")


def test_any_flipped_byte_and_any_end_is_seen():
    """Of a checkpoint; of one of before the checksums those that a zip file itself can see."""
    progress, values = checkpoints.Progress(3), [np.arange(4.0), np.arange(3)]
    path = checkpoints.save(runs.Path(), progress, values[:1], values[1:])
    data = path.read_bytes()
    old = data[: -checkpoints.COMMENT - 2] + b"\0\0"
    for at in (*range(0, len(data), 9), *range(len(data) - 80, len(data))):
        for damaged in (flipped(data, at), data[:at]):
            path.write_bytes(damaged)
            with pytest.raises(checkpoints.Damaged):
                checkpoints.restore(path, [keras.Variable(np.zeros(4))])
    path.write_bytes(old)
    variable = keras.Variable(np.zeros(4))
    kept = checkpoints.restore(path, [variable])
    assert kept.progress == progress and np.array_equal(kept.best[0], values[1])
    np.testing.assert_array_equal(variable, values[0])
    for end in range(0, len(old), 9):
        path.write_bytes(old[:end])
        with pytest.raises(checkpoints.Damaged):
            checkpoints.restore(path, [variable])


class SignalAt(keras.callbacks.Callback):
    """A signal before the n-th chunk of this process, which then takes no step."""

    def __init__(self, chunk, number=signal.SIGTERM):
        super().__init__()
        self.left, self.number = chunk, number

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            signal.raise_signal(self.number)
            heard(self.model)


class SignalWhileEvaluated(keras.callbacks.Callback):
    """A signal at the n-th batch that is evaluated."""

    def __init__(self, batch):
        super().__init__()
        self.left, self.seen = batch, 0

    def on_test_batch_begin(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.left:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("chunks", [(5, 1), (1, 1), (2, 1, 1, 3), (18,)])
def test_a_signal_between_two_evaluations_changes_nothing(chunks, monkeypatch):
    """Three chunks lie between two evaluations; the training goes on within them."""
    monkeypatch.setattr(train, "CHUNK", 4)
    whole = train.start(SMALL, data=make())
    at, _ = train.edges(SMALL.train, (6, 1), 60, 100)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run = None
    for number, chunk in enumerate(chunks):
        with pytest.raises(KeyboardInterrupt, match="has the checkpoint of step") as caught:
            if run is None:
                train.start(SMALL, runs.Path("cut"), [SignalAt(chunk)], make())
            train.resume(run, [SignalAt(chunk)])
        assert caught.value.number == signal.SIGTERM
        run = train.load_run("cut")
        newest = checkpoints.newest(run.path / "checkpoints")
        assert checkpoints.step_of(newest) == at[sum(chunks[: number + 1]) - number - 1]
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    same(train.resume(run), whole)


@pytest.mark.parametrize(
    ("step", "rows", "position"),
    [(10, [0], 1), (10, [0, 10], 2), (10, [], 2), (0, [-5], 0), (12, [0, 10], 2), (20, [10], 3)],
)
def test_the_place_of_a_checkpoint(step, rows, position, tmp_path):
    """Two chunks of five steps lie between evaluations; a row that is missing is to be measured."""
    optimizer = SimpleNamespace(iterations=step)
    trainer = SimpleNamespace(optimizer=optimizer, spread=None)
    keeper = train.Keeper(trainer, tmp_path, SMALL.train, True, None)
    keeper.progress = checkpoints.Progress(step, rows=[{"step": row} for row in rows])
    edges = [0, 5, 10, 15, 20]
    assert keeper.place(edges, 2) == position
    assert edges[position] == step and keeper.left == 2 - position % 2


@pytest.mark.parametrize("step", [1, 4, 10, 37, 60])
def test_a_signal_ends_it_after_the_step(step, monkeypatch):
    """Of ten in a chunk; at 10 and 60 what is left to do is an evaluation."""
    whole = train.start(SMALL, data=make())
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt) as caught:
        signal_in(step, patched)
        train.start(SMALL, runs.Path("cut"), data=make())
    assert caught.value.number == signal.SIGINT
    run = train.load_run("cut")
    assert checkpoints.step_of(checkpoints.newest(run.path / "checkpoints")) == step
    same(train.resume(run), whole)


def test_what_two_workers_had_measured_is_gone_on_with_by_one_process(monkeypatch):
    """Their checkpoint has the counts of each."""
    whole = train.start(SMALL, data=make())
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        signal_in(14, patched)
        train.start(SMALL, runs.Path("cut"), data=make())
    path = checkpoints.newest(runs.Path("cut/checkpoints"))
    with np.load(path) as file:
        arrays = dict(file)
    *counts, norms = [arrays.pop(name) for name in sorted(arrays) if name.startswith("running_")]
    assert counts and all(np.all(value > 0) for value in counts)
    halves = [value / 2 for value in counts]  # which add up to the bit
    for i, value in enumerate([*halves, *halves, norms]):
        arrays[f"running_{i}"] = value.astype("float32")
    np.savez(path, **arrays)
    same(train.resume(train.load_run("cut")), whole)


@pytest.mark.parametrize("evaluation", [1, 3, 6])
def test_a_signal_ends_an_evaluation_which_is_then_taken_anew(evaluation, monkeypatch):
    monkeypatch.setattr(train, "EVALUATED", (4, 2**24))
    batches = -(-len(make().validation) // SMALL.train.batch)
    assert batches > 2
    whole = train.start(SMALL, data=make())
    signalled = SignalWhileEvaluated((evaluation - 1) * batches + 1)
    with pytest.raises(KeyboardInterrupt, match=f"step {10 * evaluation}"):
        train.start(SMALL, runs.Path("cut"), [signalled], make())
    assert signalled.seen == signalled.left
    same(train.resume(train.load_run("cut")), whole)


def test_a_signal_before_the_first_step_leaves_nothing_half_measured(monkeypatch):
    monkeypatch.setattr(train, "EVALUATED", (4, 2**24))
    whole, calls = train.start(SMALL, data=make()), []
    ended = train.Keeper.on_test_batch_end

    def signalled(self, batch, logs=None):
        calls.append(batch)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGTERM)
        ended(self, batch, logs)

    monkeypatch.setattr(train.Keeper, "on_test_batch_end", signalled)
    with pytest.raises(KeyboardInterrupt, match="before the first step"):
        train.start(SMALL, runs.Path("cut"), data=make())
    assert len(calls) == 1
    run = train.load_run("cut")
    assert checkpoints.newest(run.path / "checkpoints") is None
    same(train.resume(run), whole)


def test_a_signal_that_comes_too_late_is_not_forgotten(monkeypatch):
    whole, finish = train.start(SMALL, data=make()), train.Keeper.finish

    def signalled(self):
        signal.raise_signal(signal.SIGTERM)
        return finish(self)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt, match="step 60"):
        patched.setattr(train.Keeper, "finish", signalled)
        train.start(SMALL, runs.Path("cut"), data=make())
    same(train.resume(train.load_run("cut")), whole)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("batch", [1, 4])
def test_statistics_that_drop_out_are_taken_anew_with_the_same_numbers(ema, batch, monkeypatch):
    monkeypatch.setattr(train, "EVALUATED", (40, 2**24))
    options = TrainConfig(steps=12, batch=16, evaluations=2, ema=ema, precise_bn=40)
    config = Config(ImageConfig("digits"), NetworkConfig("baseline"), options)
    whole, signalled = train.start(config, runs.Path("whole")), SignalWhileEvaluated(batch)
    assert any(getattr(layer, "rate", 0) > 0 for layer in whole.model.layers)
    with pytest.raises(KeyboardInterrupt, match="step 6"):
        train.start(config, runs.Path("cut"), [signalled])
    assert signalled.seen == batch
    same(train.resume(train.load_run("cut")), whole)


def test_a_signal_changes_nothing_in_bfloat16(monkeypatch):
    """With the layers of image networks whose operations are their own."""
    monkeypatch.setattr(_convolution, "_slow", lambda: True)
    options = TrainConfig(steps=8, batch=8, evaluations=2, precision="mixed_bfloat16")
    config = Config(ImageConfig("digits"), NetworkConfig("lenet_three"), options)
    whole = train.start(config, runs.Path("whole"))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        signal_in(3, patched)
        train.start(config, runs.Path("cut"))
    same(train.resume(train.load_run("cut")), whole)


@pytest.mark.parametrize("step", [3, 6, 8])
def test_a_signal_changes_nothing_for_images(step, monkeypatch):
    """Whose average lags behind by a step, whose statistics are taken anew, and which are changed."""
    options = TrainConfig(steps=12, batch=16, evaluations=2, ema=0.9, precise_bn=40)
    config = Config(ImageConfig("digits", augment="chapter"), NetworkConfig("baseline"), options)
    whole = train.start(config, runs.Path("whole"))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        signal_in(step, patched)
        train.start(config, runs.Path("cut"))
    run = train.load_run("cut")
    assert checkpoints.step_of(checkpoints.newest(run.path / "checkpoints")) == step
    same(train.resume(run), whole)


def test_chunks_of_another_size_go_on_from_the_same_checkpoint(monkeypatch):
    """As those of an earlier version, whose checkpoint may lie between two edges of this one."""
    monkeypatch.setattr(train, "CHUNK", 3)
    whole = train.start(SMALL, data=make())
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, runs.Path("cut"), [SignalAt(3)], make())
    run = train.load_run("cut")
    assert checkpoints.newest(run.path / "checkpoints").name == "step-00000005.npz"
    monkeypatch.setattr(train, "CHUNK", 4)
    assert 5 not in train.edges(SMALL.train, (6, 1), 60, 100)[0]
    done = train.resume(run)
    assert done.history["step"] == whole.history["step"]
    for ours, theirs in zip(done.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(96, 7), (28, 28, 1), (32, 32, 3), (224, 224, 3)])
@pytest.mark.parametrize("steps", [7, 60, 1955, 3910])
@pytest.mark.parametrize("batch", [1, 32, 128])
def test_chunks_are_bounded_and_move_no_evaluation(shape, steps, batch):
    config = TrainConfig(steps=steps, batch=batch)
    found = {}
    for weights in (2**18, 2**20):
        at, chunks = train.edges(config, shape, steps, weights)
        sizes = np.diff(at)
        assert (at[0], at[-1], sizes.min() > 0) == (0, steps, True)
        found[weights] = at[::chunks]
        most = 2**22 if len(shape) < 3 else 2**23 if weights < 2**19 else 2**21
        assert sizes.max() <= min(100, max(1, most // (batch * 4 * np.prod(shape)))) + 1
    one, other = found.values()
    assert len(one) == len(other) == min(steps, config.evaluations) + 1
    assert np.abs(np.subtract(one, other)).max() <= 1  # where a half is rounded


def test_a_folder_is_of_one_training_at_a_time():
    class Second(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if not epoch:
                with pytest.raises(SeqlabError, match=f"process {os.getpid()} on .* trains here"):
                    train.resume(train.load_run("run"))

    run = train.start(SMALL, runs.Path("run"), [Second()], make())
    assert run.history["step"][-1] == 60
    with alone(run.path / "checkpoints"):  # which is free again
        pass


def test_large_checkpoints_come_back_as_they_were(tmp_path, monkeypatch):
    """Those are not gathered in memory before they are written."""
    monkeypatch.setattr(checkpoints, "FEW", 1000)
    variables = [keras.Variable(np.arange(500, dtype="float32")), keras.Variable([1.0, 2.0])]
    path = checkpoints.save(tmp_path, checkpoints.Progress(7), variables, [])
    kept = [np.asarray(variable) for variable in variables]
    for variable in variables:
        variable.assign(0 * variable)
    assert checkpoints.restore(path, variables).progress.step == 7
    for variable, value in zip(variables, kept, strict=True):
        np.testing.assert_array_equal(np.asarray(variable), value)


def test_the_checkpoint_of_another_model_is_refused_and_stays():
    _, newest = cut()
    wider = dataclasses.replace(SMALL, model=dataclasses.replace(SMALL.model, hidden=6))
    with pytest.raises(SeqlabError, match="of another model"):
        train.fitted(wider, make(), newest.parent)
    assert newest.exists()


@pytest.mark.parametrize(("keep", "steps"), [(3, [40, 50, 60]), (1, [60])])
def test_only_the_newest_checkpoints_stay(keep, steps):
    config = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, keep=keep))
    run = train.start(config, data=make())
    found = (run.path / "checkpoints").glob("*.npz")
    assert sorted(map(checkpoints.step_of, found)) == steps


def test_the_first_validation_loss_is_of_all_windows_too():
    """With more windows than one batch holds; else an untrained network could look best."""
    config = DataConfig(window=6)
    grown = Series("grown", np.sin(np.arange(12_000) / 5) * np.linspace(0.01, 3, 12_000))
    data = split(grown, config)
    assert len(data.validation) > 1024
    run = train.start(Config(config, SMALL.model, TrainConfig(steps=1)), data=data)
    x, y = data.validation.batch(np.arange(len(data.validation)))
    keras.utils.set_random_seed(0)
    first = models.build(SMALL.model, data.train.input_shape)
    loss = float(np.mean((first(x).numpy() - y) ** 2))
    assert run.history["val_loss"][0] == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("cell", ["lstm", "gru", "minlstm"])
def test_graphs_of_a_training_go_with_it(cell):
    """TensorFlow keeps every gradient that is made in a graph, with the graph; and what tf.data calls."""
    config = dataclasses.replace(SMALL, model=ModelConfig(cell=cell, layers=2, hidden=4))
    config = dataclasses.replace(config, train=TrainConfig(steps=2, evaluations=1))

    def held():
        train.start(config, data=make())
        gc.collect()
        kept = ("FuncGraph", "Windows")
        return sum(type(value).__name__ in kept for value in gc.get_objects())

    held()  # the kernels' own graphs, which the next training uses again
    before = held()
    assert held() == before


def test_graphs_of_an_image_training_go_with_it(monkeypatch):
    monkeypatch.setattr(_convolution, "_slow", lambda: True)
    options = TrainConfig(steps=2, batch=8, evaluations=1, precision="mixed_bfloat16")
    config = Config(ImageConfig("digits"), NetworkConfig("lenet_three"), options)

    def held():
        train.start(config)
        gc.collect()
        return sum(type(value).__name__ == "FuncGraph" for value in gc.get_objects())

    held()
    before = held()
    assert held() == before


def test_many_trainings_in_one_process_are_no_cause_for_a_warning(monkeypatch):
    said = []
    logger = tf.get_logger()
    monkeypatch.setattr(logger, "callHandlers", lambda one: said.append(one.getMessage()))
    config = dataclasses.replace(SMALL, train=TrainConfig(steps=2, evaluations=1))
    for _ in range(6):
        train.start(config, data=make())
    assert not [line for line in said if "retracing" in line]
