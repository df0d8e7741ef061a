"""Transfer: new heads on any network, what rests and what learns, two phases; weights as text."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from seqlab import cli, cnn, images, train, transfer, weights
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.errors import SeqlabError

layers = keras.layers
SHAPE = (8, 8, 1)
QUICK = TrainConfig(steps=12, batch=16, evaluations=3, learning_rate=0.02)


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def few():
    """Digits 0, 1 and 2 only."""
    found = images.load("digits")

    def part(of):
        chosen = of.labels < 3
        return images.Images(of.images[chosen][:96], of.labels[chosen][:96], ("0", "1", "2"))

    return images.ImageSplit("few", part(found.train), part(found.validation), part(found.test))


def network():
    """Two convolutions with batch normalisation, whose statistics are not the first ones."""
    inputs = keras.Input(SHAPE)
    x = inputs
    for i in (1, 2):
        x = layers.Conv2D(4 + i, 3, activation="relu", name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"normal{i}", momentum=0.5)(x)
    x = layers.Dense(7, "relu", name="hidden")(layers.Flatten(name="flat")(x))
    x = layers.Dropout(0.5, name="drop")(x)
    x = layers.Dense(10, name="classes")(x)
    model = keras.Model(inputs, layers.Softmax(name="chances")(x), name="net")
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.3, weight.shape) for weight in model.weights])
    return model


def values(model):
    return {weight.path: weight.numpy().copy() for weight in model.weights}


def moved(before, model):
    return {
        path for path, value in values(model).items() if not np.array_equal(value, before[path])
    }


# Heads


def test_a_new_head_takes_what_the_old_one_took():
    model = network()
    made = transfer.with_head(model, 3, dropout=0.2)
    x = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype("float32")
    want = keras.Model(model.input, model.get_layer("hidden").output)(x)
    np.testing.assert_allclose(keras.Model(made.input, made.get_layer("hidden").output)(x), want)
    names = [layer.name for layer in made.layers]
    assert names[-3:] == ["hidden", "head_dropout", "logits"]  # the old dropout went with its head
    assert made(x).shape == (2, 3) and made.get_layer("head_dropout").rate == 0.2
    assert made.get_layer("logits").activation is keras.activations.linear


def test_the_given_network_stays_as_it_is(few):
    model = network()
    before, names = values(model), [layer.name for layer in model.layers]
    made = transfer.with_head(model, 3)
    transfer.freeze(made, "conv*")
    transfer.fine_tune(made, few, QUICK, Path("here"), unfreeze_after=4)
    assert not moved(before, model) and model.get_layer("conv1").trainable
    assert [layer.name for layer in model.layers] == names


def test_heads_can_be_changed_again_and_again():
    made = transfer.with_head(network(), 3, dropout=0.2)
    again = transfer.with_head(made, 5, dropout=0.4)
    assert again.output_shape == (None, 5) and again.get_layer("head_dropout").rate == 0.4
    assert len(again.layers) == len(made.layers)


def test_any_layer_can_be_named():
    made = transfer.with_head(network(), 4, features="conv2")
    assert [layer.name for layer in made.layers][-3:] == ["conv2", "pooled", "logits"]
    assert made.get_layer("logits").kernel.shape == (6, 4)
    with pytest.raises(
        SeqlabError, match=r"`features` must be one of .*conv2, .*Received: 'conv3'"
    ):
        transfer.with_head(network(), 4, features="conv3")


@pytest.mark.parametrize("name", ["mlp", "lenet5", "baseline", "inception10", "resnet_small"])
def test_networks_of_ours_lose_their_logits_alone(name):
    options = {"filters": 2} if name in ("inception10", "resnet_small") else {}
    model = cnn.build(name, (9, 9, 3), 10, **options)
    made = transfer.with_head(model, 4)
    before, after = ([tuple(w.shape) for w in one.weights] for one in (model, made))
    assert after[:-2] == before[:-2] and after[-2:] == [(before[-2][0], 4), (4,)]
    for old, new in zip(model.weights[:-2], made.weights[:-2], strict=True):
        np.testing.assert_array_equal(old, new)


def test_sequential_and_headless_networks():
    body = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(3, 3, name="conv")])
    made = transfer.with_head(body, 2)
    assert [layer.name for layer in made.layers] == ["images", "conv", "pooled", "logits"]
    body.add(layers.GlobalMaxPooling2D(name="most"))
    made = transfer.with_head(body, 2)
    assert [layer.name for layer in made.layers] == ["images", "conv", "most", "logits"]


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, ["global_average_pooling2d", "pooled", "logits"]),  # its head is a convolution
        ({"include_top": False}, ["conv_pw_13_bn", "conv_pw_13_relu", "pooled", "logits"]),
        ({"include_top": False, "pooling": "avg"}, ["global_average_pooling2d", "logits"]),
    ],
)
def test_keras_applications(options, features):
    keras.backend.clear_session()  # for the names that Keras numbers
    shape = (32, 32, 3) if options else (224, 224, 3)
    model = keras.applications.MobileNet(weights=None, input_shape=shape, alpha=0.25, **options)
    made = transfer.with_head(model, 4, pixels="symmetric")
    names = [layer.name for layer in made.layers]
    assert names[:2] == ["images", "pixels"] and names[-len(features) :] == features
    assert made.output_shape == (None, 4) and made.get_layer("logits").kernel.shape == (256, 4)
    for layer in made.layers[2:-2]:
        for old, new in zip(model.get_layer(layer.name).weights, layer.weights, strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", ["ConvNeXtTiny", "EfficientNetV2B0"])
def test_keras_applications_come_from_disk(name):
    """ConvNeXt has a layer of its own kind."""
    make = getattr(keras.applications, name)
    model = make(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg")
    model.save("net.keras")
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(transfer.load("net.keras")(x), model(x))


def test_inception_resnet_has_a_layer_of_its_own_kind():
    shape = {"include_top": False, "input_shape": (75, 75, 3)}
    whole = keras.applications.InceptionResNetV2(weights=None, **shape)
    own = next(type(one) for one in whole.layers if type(one).__name__ == "CustomScaleLayer")
    inputs = keras.Input((4, 4, 3))
    keras.Model(inputs, own(scale=0.2)([inputs, layers.Conv2D(3, 1)(inputs)])).save("net.keras")
    assert isinstance(transfer.load("net.keras").layers[-1], own)
    with zipfile.ZipFile("net.keras") as whole, zipfile.ZipFile("other.keras", "w") as other:
        for name in whole.namelist():
            content = whole.read(name).replace(b'"CustomScaleLayer"', b'"InceptionResNetV2"')
            other.writestr(name, content)
    with pytest.raises(SeqlabError, match=r"InceptionResNetV2, which is no part of Keras"):
        transfer.load("other.keras")


def test_networks_without_one_way_through_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    a, b = keras.Input((4,)), keras.Input((4,))
    for model in (Own(), keras.Model([a, b], layers.Add()([a, b])), keras.Sequential()):
        with pytest.raises(
            SeqlabError, match="functional or sequential Keras model, built, with one"
        ):
            transfer.with_head(model, 3)
    x = layers.Dense(3)(a)
    with pytest.raises(SeqlabError, match=r"Name the layer before it as `features`: images, "):
        transfer.with_head(keras.Model(a, layers.Add()([x, x])), 3)
    sequence = keras.Model(c := keras.Input((4, 2)), layers.LSTM(3, return_sequences=True)(c))
    with pytest.raises(SeqlabError, match=r"this gives \(4, 3\)"):
        transfer.with_head(sequence, 3)
    with pytest.raises(SeqlabError, match=r"`classes` must be an integer from 2 on. Received: 1"):
        transfer.with_head(network(), 1)


# Pixels


@pytest.mark.parametrize(
    ("pixels", "mode"), [("symmetric", "tf"), ("standard", "torch"), ("caffe", "caffe")]
)
def test_pixels_are_what_keras_applications_were_trained_on(pixels, mode):
    x = np.random.default_rng(0).uniform(size=(2, 3, 4, 3)).astype("float32")
    want = keras.applications.imagenet_utils.preprocess_input(x * 255, mode=mode)
    np.testing.assert_allclose(transfer.Pixels(pixels)(x), want, rtol=1e-4, atol=1e-4)


def test_pixels_for_alexnet_and_bytes():
    from seqlab import preprocessing

    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    unit = x.astype("float32") / 255
    np.testing.assert_allclose(transfer.Pixels("alexnet")(unit), preprocessing.caffe(x), atol=1e-4)
    np.testing.assert_allclose(transfer.Pixels("bytes")(unit), x, rtol=1e-6)


def test_pixels_are_changed_once_only_and_travel_with_the_model():
    model = transfer.with_head(cnn.build("baseline", (9, 9, 3)), 3, pixels="bytes")
    with pytest.raises(SeqlabError, match="changes its pixels already"):
        transfer.with_head(model, 3, pixels="bytes")
    x = np.random.default_rng(0).uniform(size=(2, 9, 9, 3)).astype("float32")
    model.save("net.keras")
    again = transfer.load("net.keras")
    np.testing.assert_array_equal(again(x), model(x))
    plain = transfer.with_head(cnn.build("baseline", (9, 9, 3)), 3)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(plain(255 * x), model(x), rtol=1e-5)
    with pytest.raises(SeqlabError, match="`pixels` must be one of unit, alexnet, bytes,"):
        transfer.with_head(plain, 3, pixels="rgb")


# What rests


def test_patterns_name_layers_and_a_pattern_for_nothing_is_an_error():
    model = network()
    assert transfer.freeze(model, "conv?", "hidden") == ["conv1", "conv2", "hidden"]
    assert {layer.name for layer in model.layers if not layer.trainable} == {
        "conv1",
        "conv2",
        "hidden",
    }
    assert transfer.unfreeze(model, "conv1") == ["conv1"] and transfer.freeze(model, "hidden") == []
    there = "there are conv1, normal1, conv2, normal2, hidden, classes"
    for pattern in ("Conv*", "drop", "flat"):  # what has no weights cannot rest
        with pytest.raises(SeqlabError, match=f"named '.*': {there}"):
            transfer.freeze(model, "normal1", pattern)
    assert model.get_layer("normal1").trainable  # nothing was done by halves


def test_layers_inside_layers():
    body = network()
    body.trainable = False
    model = keras.Model(x := keras.Input(SHAPE), layers.Dense(3, name="top")(body(x)))
    assert transfer.unfreeze(model, "net/conv*") == ["net/conv1", "net/conv2"]
    trained = {weight.path for weight in model.trainable_variables}
    assert trained == {f"{n}/{k}" for n in ("conv1", "conv2", "top") for k in ("kernel", "bias")}
    assert transfer.freeze(model, "net*") == ["net/conv1", "net/conv2"]
    assert len(model.trainable_variables) == 2


def test_frozen_batch_norm_does_not_move_and_uses_its_own_statistics(few):
    model = transfer.with_head(network(), 3)
    transfer.freeze(model, "*")
    x = few.train.images[:5].astype("float32")  # far from the statistics
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
    transfer.unfreeze(model, "normal1")
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
    assert transfer.unfreeze(model, "normal1", batch_norm=True) == ["normal1"]
    assert np.abs(np.asarray(model(x, training=True)) - model(x, training=False)).max() > 0.01


# Two phases


def of(model, *names):
    return {weight.path for name in names for weight in model.get_layer(name).weights}


class Watch(keras.callbacks.Callback):
    """What moved in each phase, and the learning rates."""

    def __init__(self, model):
        super().__init__()
        self.net, self.found, self.rates = model, [], []

    def on_train_begin(self, logs=None):
        self.before = values(self.net)
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_end(self, logs=None):
        self.found.append(moved(self.before, self.net))


CONSTANT = TrainConfig(steps=12, batch=16, evaluations=3, learning_rate=0.02, schedule="constant")


def test_the_head_learns_first_then_the_rest_at_a_lower_rate(few):
    model = transfer.with_head(network(), 3)
    seen = Watch(model)
    options = {"unfreeze_after": 4, "rate": 0.003, "callbacks": [seen]}
    history = transfer.fine_tune(model, few, CONSTANT, Path("here"), **options)
    assert seen.found[0] == of(model, "logits")
    assert seen.found[1] == of(model, "logits", "conv1", "conv2", "hidden")  # and no batch norm
    assert seen.rates == pytest.approx([0.02, 0.003])
    assert history["step"] == [0, 1, 3, 4, 7, 9, 12]
    assert history["learning_rate"][-1] == pytest.approx(0.003)


def test_what_rests_can_be_chosen(few):
    model = transfer.with_head(network(), 3)
    seen = Watch(model)
    options = {"unfreeze_after": 4, "frozen": ("conv*", "normal*"), "stay": ("conv1",)}
    options |= {"batch_norm": True, "callbacks": [seen]}
    transfer.fine_tune(model, few, CONSTANT, Path("here"), **options)
    assert seen.found[0] == of(model, "hidden", "logits")
    assert seen.found[1] == of(model, "conv2", "normal1", "normal2", "hidden", "logits")
    assert seen.rates[1] == pytest.approx(0.002)  # a tenth


def test_one_phase_alone(few):
    for after, want in ((12, ("logits",)), (0, ("logits", "conv1", "conv2", "hidden"))):
        model = transfer.with_head(network(), 3)
        seen = Watch(model)
        folder = Path(f"after{after}")
        transfer.fine_tune(model, few, CONSTANT, folder, unfreeze_after=after, callbacks=[seen])
        assert seen.found == [of(model, *want)]


def test_the_second_phase_never_ends_worse_than_the_first(few):
    model = transfer.with_head(network(), 3)
    history = transfer.fine_tune(model, few, QUICK, Path("a"), unfreeze_after=10, rate=50.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    found = model.evaluate(few.validation.dataset(96), verbose=0)
    assert found == pytest.approx(min(history["val_loss"]), rel=1e-5)
    assert history["val_loss"][-1] > 2 * found  # it did run away, and was taken back


def test_it_goes_on_where_it_was_interrupted(few):
    def tuned(folder, cut=None):
        keras.utils.set_random_seed(3)
        model = transfer.with_head(network(), 3)
        callbacks = [cut] if cut else []
        history = transfer.fine_tune(
            model, few, QUICK, Path(folder), unfreeze_after=6, callbacks=callbacks
        )
        return history, model.get_weights()

    class Cut(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if int(self.model.optimizer.iterations) == 4 and Path("cut/whole").exists():
                raise KeyboardInterrupt

    whole, weights = tuned("whole")
    with pytest.raises(KeyboardInterrupt):
        tuned("cut", Cut())
    again, others = tuned("cut")
    assert whole == again
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_does_not_fit_is_refused_before_training(few):
    model = transfer.with_head(network(), 3)
    with pytest.raises(SeqlabError, match=r"from 0 to 12, the steps in all. Received: 13"):
        transfer.fine_tune(model, few, QUICK, Path("a"), unfreeze_after=13)
    with pytest.raises(SeqlabError, match=r"10 outputs, and there are 3 classes. Use with_head"):
        transfer.fine_tune(network(), few, QUICK, Path("a"), unfreeze_after=4)
    other = transfer.with_head(cnn.build("mlp", (9, 9, 3)), 3)
    with pytest.raises(
        SeqlabError, match=r"takes images of \(9, 9, 3\), and these are \(8, 8, 1\)"
    ):
        transfer.fine_tune(other, few, QUICK, Path("a"), unfreeze_after=4)
    with pytest.raises(SeqlabError, match="every layer rests"):
        transfer.fine_tune(model, few, QUICK, Path("a"), unfreeze_after=4, frozen=("*",))
    with pytest.raises(SeqlabError, match="no layer with weights is named 'block'"):
        transfer.fine_tune(model, few, QUICK, Path("a"), unfreeze_after=4, stay=("block",))
    assert not Path("a").exists()


# Where networks come from


def small_run():
    t = np.arange(300)
    config = Config(DataConfig(window=6), ModelConfig(layers=1, hidden=3), TrainConfig(steps=4))
    return train.start(config, Path("run"), data=split(Series("a", np.sin(t / 5)), config.data))


def test_networks_come_from_runs_and_files():
    run = small_run()
    for one, other in zip(transfer.load(run.path).weights, run.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    for name, words in {
        "none": "no such run or file",
        "a.h5": "must be a run folder, a .keras file, or",
        "a.keras": "cannot be read as a model",
    }.items():
        if name != "none":
            Path(name).write_bytes(b"nothing")
        with pytest.raises(SeqlabError, match=f"{name}: {words}"):
            transfer.load(name)


def test_alexnet_comes_from_its_file_and_gets_a_new_head():
    from test_cnn import alexnet_file

    path, made = alexnet_file(Path(), classes=1000)
    model = transfer.load(path, (67, 67, 3))
    np.testing.assert_array_equal(model.get_layer("fc8").kernel, made["fc8"][0])
    new = transfer.with_head(model, 2, dropout=0.5, pixels="alexnet")
    names = [layer.name for layer in new.layers]
    assert names[:3] == ["images", "pixels", "conv1"] and names[-3:] == [
        "fc7",
        "head_dropout",
        "logits",
    ]
    np.testing.assert_array_equal(new.get_layer("fc7").kernel, made["fc7"][0])
    assert transfer.freeze(new, "conv*", "fc*") == [name for name in made if name != "fc8"]


# Weights


def read_back(path):
    """A reader of its own for what was written."""
    found = {}
    for block in Path(path).read_text().strip().split("\n\n"):
        head, *rows = block.split("\n")
        name, shape, dtype, state = head.split(" ")
        numbers = np.array(" ".join(rows).split(" "), dtype)
        found[name] = numbers.reshape([int(n) for n in shape.split("x")]), state
    return found


def test_weights_are_written_with_every_digit():
    model = network()
    model.get_layer("conv1").kernel.assign(np.random.default_rng(0).normal(size=(3, 3, 1, 5)))
    path = weights.write(weights.listed(model), Path("weights.txt"))
    found = read_back(path)
    assert list(found) == [weight.path for weight in model.weights]
    for weight in model.weights:
        value, state = found[weight.path]
        np.testing.assert_array_equal(value, weight)
        assert state == ("fixed" if "moving" in weight.path else "trained")
    with pytest.raises(SeqlabError, match="cannot be written"):
        weights.write([], Path("nowhere/w.txt"))


def test_the_command_lists_and_writes(capsys):
    model = network()
    transfer.freeze(model, "hidden")
    model.save("net.keras")
    assert cli.main(["weights", "net.keras", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["weights"][0] == {
        "name": "conv1/kernel", "shape": [3, 3, 1, 5], "dtype": "float32", "trained": True,
    }  # fmt: skip
    assert not next(w for w in found["weights"] if w["name"] == "hidden/kernel")["trained"]
    small_run()
    assert cli.main(["weights", "--out", "all.txt"]) == 0  # of the newest run
    said = capsys.readouterr().out
    assert "Wrote all.txt" in said and "kernel" in said
    run = train.load_run("run")
    assert set(read_back("all.txt")) == {weight.path for weight in run.model.weights}
    assert cli.main(["weights", "nowhere"]) == 2
    assert "nowhere: no such run or file" in capsys.readouterr().err
