"""The trainer: the same bits after an interruption, the best weights, Keras' callbacks."""

import dataclasses
import gc
import json

import keras
import numpy as np
import pytest
from small import SMALL, StopAt, series

from seqlab import checkpoints, models, runs, train
from seqlab._tensorflow import tf
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
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


def test_adam_takes_the_steps_of_keras_adam():
    ours = train.make_optimizer(TrainConfig(), 100)
    theirs = keras.optimizers.Adam.from_config(ours.get_config())
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


def test_a_loss_that_is_not_finite_stops_with_a_remedy():
    config = dataclasses.replace(
        SMALL,
        data=DataConfig(window=6, scaling="none"),
        train=TrainConfig(steps=50, learning_rate=1e30, optimizer="sgd", clip=None),
    )
    with pytest.raises(SeqlabError, match=r"not finite.*learning-rate"):
        train.start(config, data=split(series(), config.data))


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


def test_a_damaged_checkpoint_is_named(tmp_path):
    run = train.start(SMALL, data=make())
    newest = checkpoints.newest(run.path / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:200])
    (run.path / "model.keras").unlink()
    with pytest.raises(SeqlabError, match=newest.name):
        train.resume(train.load_run(run.path))


def test_only_the_newest_checkpoints_stay():
    run = train.start(SMALL, data=make())
    names = sorted(p.name for p in (run.path / "checkpoints").iterdir())
    assert names == ["step-00000040.npz", "step-00000050.npz", "step-00000060.npz"]


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


def test_many_trainings_in_one_process_are_no_cause_for_a_warning(monkeypatch):
    said = []
    logger = tf.get_logger()
    monkeypatch.setattr(logger, "callHandlers", lambda one: said.append(one.getMessage()))
    config = dataclasses.replace(SMALL, train=TrainConfig(steps=2, evaluations=1))
    for _ in range(6):
        train.start(config, data=make())
    assert not [line for line in said if "retracing" in line]
