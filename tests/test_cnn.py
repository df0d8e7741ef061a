"""Image networks: the chapters' parameter counts and shapes, what blocks compute, traps mended."""

import json
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqlab import cli, cnn, preprocessing, transfer
from seqlab._batch_norm import BatchNormalization
from seqlab.errors import SeqlabError


def conv(kernel, before, after, bias=True):
    return (kernel * kernel * before + bias) * after


def dense(*units):
    return sum((a + 1) * b for a, b in pairwise(units))


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def inception_parameters(before, filters):
    ones = 4 * (conv(1, before, filters) + 2 * filters)
    return ones + conv(3, filters, filters) + conv(5, filters, filters) + 4 * filters


@pytest.fixture(scope="module")
def built():
    """Every network in the chapters' size, made once."""
    made = {}  # networks by name
    return lambda name: made[name] if name in made else made.setdefault(name, cnn.build(name))


PARAMETERS = {
    "mlp": dense(784, 500, 10),
    "lenet5": 156 + 2416 + dense(400, 120, 84, 10),
    "lenet5_book": conv(5, 1, 32) + conv(5, 32, 64) + dense(3136, 512, 10),
    "lenet_three": conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 128) + dense(2048, 625, 10),
    "baseline": conv(5, 3, 6) + 12 + dense(1536, 128, 10),
    "lenet5_sigmoid": conv(5, 3, 6) + 2416 + dense(400, 120, 84, 10),
    "alexnet8": conv(3, 3, 96) + 192 + conv(3, 96, 256) + 512 + conv(3, 256, 384)
    + conv(3, 384, 384) + conv(3, 384, 256) + dense(1024, 2048, 2048, 10),
    "alexnet": 60_965_224,  # of the published weights, two groups in layers 2, 4 and 5
    "vgg16": 14_714_688 + 2 * 4224 + dense(512, 512, 512, 10),  # published, and scales and shifts
    "inception10": conv(3, 3, 16) + 32 + inception_parameters(16, 16) + inception_parameters(64, 16)
    + inception_parameters(64, 32) + inception_parameters(128, 32) + dense(128, 10),
    "resnet18": 11_173_962,  # published for CIFAR-10
    "resnet_small": conv(3, 3, 32) + 64 + 4 * (conv(3, 32, 32) + 64)
    + conv(3, 32, 64) + 5 * conv(3, 64, 64) + 6 * 128
    + conv(3, 64, 128) + 3 * conv(3, 128, 128) + 4 * 256 + dense(128, 10),
}  # fmt: skip

MAPS = {  # some of what each layer gives for one image, in order
    "mlp": [(784,), (500,), (10,)],
    "lenet5": [(32, 32, 1), (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (400,), (120,), (84,)],
    "lenet5_book": [(28, 28, 32), (14, 14, 32), (14, 14, 64), (7, 7, 64), (3136,), (512,), (10,)],
    "lenet_three": [(14, 14, 32), (14, 14, 64), (7, 7, 64), (7, 7, 128), (4, 4, 128), (2048,), (625,)],
    "baseline": [(32, 32, 6), (16, 16, 6), (1536,), (128,), (10,)],
    "lenet5_sigmoid": [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (400,), (120,), (84,), (10,)],
    "alexnet8": [(30, 30, 96), (14, 14, 96), (12, 12, 256), (5, 5, 256), (5, 5, 384), (5, 5, 256),
                 (2, 2, 256), (1024,), (2048,), (10,)],
    "alexnet": [(55, 55, 96), (27, 27, 96), (27, 27, 256), (13, 13, 256), (13, 13, 384), (13, 13, 256),
                (6, 6, 256), (9216,), (4096,), (1000,)],
    "vgg16": [(32, 32, 64), (16, 16, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (2, 2, 512),
              (1, 1, 512), (512,), (10,)],
    "inception10": [(32, 32, 16), (16, 16, 64), (16, 16, 64), (8, 8, 128), (8, 8, 128), (128,), (10,)],
    "resnet18": [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (512,), (10,)],
    "resnet_small": [(32, 32, 32), (16, 16, 64), (8, 8, 128), (128,), (10,)],
}  # fmt: skip


@pytest.mark.parametrize("name", cnn.NETWORKS)
def test_parameters_are_the_chapters(built, name):
    assert trainable(built(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", cnn.NETWORKS)
def test_feature_maps_are_the_chapters(built, name):
    found = iter(cnn.feature_maps(built(name)))
    for shape in MAPS[name]:
        assert any(shape == given for _, given in found), f"{shape} does not come, or not in order"


@pytest.mark.parametrize("name", cnn.NETWORKS)
def test_networks_end_in_logits(built, name):
    shape, last = cnn.NETWORKS[name].shape, built(name).layers[-1]
    assert isinstance(last, keras.layers.Dense) and last.activation is keras.activations.linear
    images = np.random.default_rng(0).uniform(size=(2, *shape)).astype("float32")
    logits = built(name)(images, training=False).numpy()
    assert logits.shape == (2, cnn.NETWORKS[name].classes) and np.isfinite(logits).all()


def test_variables_of_the_baseline(built):
    shapes = [tuple(weight.shape) for weight in built("baseline").trainable_weights]
    assert shapes == [(5, 5, 3, 6), (6,), (6,), (6,), (1536, 128), (128,), (128, 10), (10,)]


def test_alexnet_has_groups_and_the_layers_of_its_weights(built):
    kernels = {layer.name: layer.kernel.shape for layer in built("alexnet").layers if layer.weights}
    assert kernels["conv1"] == (11, 11, 3, 96) and kernels["conv2"] == (5, 5, 48, 256)
    assert kernels["conv3"] == (3, 3, 256, 384) and kernels["conv4"] == (3, 3, 192, 384)
    assert kernels["conv5"] == (3, 3, 192, 256) and kernels["fc6"] == (9216, 4096)
    assert list(kernels) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


def alexnet_file(folder, classes=5, **changes):
    """A file in the layout of the published one, with small numbers in it."""
    rng = np.random.default_rng(0)
    inputs = {"conv1": (11, 11, 3, 96), "conv2": (5, 5, 48, 256), "conv3": (3, 3, 256, 384)}
    inputs |= {"conv4": (3, 3, 192, 384), "conv5": (3, 3, 192, 256), "fc6": (256, 4096)}
    inputs |= {"fc7": (4096, 4096), "fc8": (4096, classes)}
    made = {
        name: [
            rng.normal(0, 0.01, shape).astype("float32"),
            rng.normal(size=shape[-1:]).astype("float32"),
        ]
        for name, shape in inputs.items()
    } | changes
    np.save(folder / "alexnet.npy", np.array(made, object), allow_pickle=True)
    return folder / "alexnet.npy", made


def test_classes_by_the_published_weights(tmp_path, monkeypatch, capsys):
    """C7: channels in BGR, the mean removed, the five likeliest classes with their probabilities."""
    rng = np.random.default_rng(1)
    scale = {"fc8": (4096, 1000), "fc6": (9216, 4096)}
    wide = {
        name: [rng.normal(0, 0.02, shape).astype("float32"), np.zeros(shape[-1:], "float32")]
        for name, shape in scale.items()
    }
    path, _ = alexnet_file(tmp_path, **wide)
    picture = rng.integers(0, 256, (227, 227, 3), np.uint8)
    (tmp_path / "my.png").write_bytes(preprocessing.encode(picture).numpy())
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", str(path), "my.png", "--json"]) == 0
    ((first, *others),) = (
        one["classes"] for one in json.loads(capsys.readouterr().out)["pictures"]
    )
    model = cnn.build("alexnet")
    cnn.load_alexnet(model, path)
    logits = model(preprocessing.caffe(picture[None])).numpy()[0]
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    assert [first["class"], *(one["class"] for one in others)] == [
        str(i) for i in np.argsort(-logits)[:5]
    ]
    assert first["probability"] == pytest.approx(shares.max(), rel=1e-3)
    assert abs(model(picture[None] / 255.0).numpy()[0] - logits).max() > 1e-3
    Path("names.txt").write_text("\n".join(f"kind {i}" for i in range(1000)))
    assert cli.main(["predict", str(path), "my.png", "--names", "names.txt"]) == 0
    assert f"kind {first['class']}" in capsys.readouterr().out
    Path("names.txt").write_text("cat\ndog")
    assert cli.main(["predict", str(path), "my.png", "--names", "names.txt"]) == 2
    assert "must be 1000 names" in capsys.readouterr().err
    with pytest.raises(SeqlabError, match=r"published weights take \(227, 227, 3\): resize"):
        transfer.load(path, (99, 99, 3))


def test_weights_of_alexnet_are_loaded_by_layer(tmp_path):
    path, made = alexnet_file(tmp_path)
    model = cnn.build("alexnet", (67, 67, 3), 5)
    assert cnn.load_alexnet(model, path) == list(made)
    np.testing.assert_array_equal(model.get_layer("conv4").kernel, made["conv4"][0])
    np.testing.assert_array_equal(model.get_layer("fc8").bias, made["fc8"][1])


def test_alexnet_computes_its_groups_apart(tmp_path):
    model = cnn.build("alexnet", (67, 67, 3), 5)
    layer = model.get_layer("conv2")
    x = np.random.default_rng(0).normal(size=(1, 7, 7, 96)).astype("float32")
    changed = x.copy()
    changed[..., :48] = 0
    before, after = layer(x).numpy(), layer(changed).numpy()
    assert np.abs(before - after)[..., :128].max() > 0.1
    np.testing.assert_array_equal(before[..., 128:], after[..., 128:])


def convolved(x, kernel, bias, stride=1, pad=0):
    """Of one image [H, W, C], as a matrix product per place, then the ReLU."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (0, 1))[
        ::stride, ::stride
    ]
    return np.maximum(np.einsum("yxcij,ijco->yxo", views, kernel) + bias, 0)


def normalised_and_pooled(x):
    """Over five channels, then 3x3 by twos; the numbers are Caffe's (alpha is divided by its size)."""
    sums = [np.square(x[..., max(0, c - 2) : c + 3]).sum(axis=-1) for c in range(x.shape[-1])]
    x = x / (1 + 2e-5 * np.stack(sums, axis=-1)) ** 0.75
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2].max(axis=(-1, -2))


def test_alexnet_from_bytes_to_its_second_layer_is_caffes(tmp_path):
    path, made = alexnet_file(tmp_path)
    model = cnn.build("alexnet", (67, 67, 3), 5)
    cnn.load_alexnet(model, path)
    picture = np.random.default_rng(2).integers(0, 256, (67, 67, 3), np.uint8)
    picture[..., 0] //= 4  # little red, so that the order of channels tells
    blue_first = picture[..., ::-1] - np.array([104.007, 116.669, 122.679])
    x = normalised_and_pooled(convolved(blue_first, *made["conv1"], stride=4))
    kernel, bias = made["conv2"]
    groups = [
        convolved(x[..., :48], kernel[..., :128], bias[:128], pad=2),
        convolved(x[..., 48:], kernel[..., 128:], bias[128:], pad=2),
    ]
    until = keras.Model(model.input, model.get_layer("conv2").output)
    found = until(preprocessing.caffe(picture[None])).numpy()[0]
    np.testing.assert_allclose(found, np.concatenate(groups, axis=-1), rtol=1e-3, atol=1e-3)


def test_other_weights_are_refused_and_change_nothing(tmp_path):
    model = cnn.build("alexnet", (67, 67, 3), 7)
    before = model.get_layer("conv1").kernel.numpy()
    path, made = alexnet_file(tmp_path)
    with pytest.raises(
        SeqlabError, match=r"layer fc8 needs shapes \[\(4096, 7\), \(7,\)\], and the file has"
    ):
        cnn.load_alexnet(model, path)
    np.testing.assert_array_equal(model.get_layer("conv1").kernel, before)
    assert cnn.load_alexnet(model, path, skip=("fc8",)) == list(made)[:-1]
    alexnet_file(tmp_path, conv3=None)
    with pytest.raises(SeqlabError, match=r"layer conv3 needs .* and the file has nothing"):
        cnn.load_alexnet(model, path, skip=("fc8",))
    alexnet_file(tmp_path, conv3=eval)
    with pytest.raises(SeqlabError, match="nothing was run"):
        cnn.load_alexnet(model, path)
    np.save(path, np.ones(3))
    with pytest.raises(SeqlabError, match="no dict from layers"):
        cnn.load_alexnet(model, path)


# Sizes


@pytest.mark.parametrize("name", cnn.NETWORKS)
def test_the_least_size_is_the_least(name):
    least = cnn.NETWORKS[name].least
    options = {"filters": 4} if "filters" in cnn.NETWORKS[name].options else {}
    if name not in ("alexnet", "vgg16"):  # large, and the same whatever the size
        cnn.build(name, (least, least + 3, 3), 2, **options)
    if least > 1:
        with pytest.raises(
            SeqlabError, match=f"from {least}x{least} on. Received: {least}x{least - 1}"
        ):
            cnn.build(name, (least, least - 1, 3))
        inputs = keras.Input((least - 1, least - 1, 3))
        with pytest.raises(Exception, match=r"negative|Computed output size"):
            cnn.NETWORKS[name].make(inputs, 2)


def test_alexnet_is_made_at_its_least_size():
    maps = cnn.feature_maps(cnn.build("alexnet", (67, 67, 3), 2))
    assert (1, 1, 256) in [shape for _, shape in maps]


def test_small_images_are_padded_for_lenet_5():
    model = cnn.build("lenet5", (8, 9, 1))
    padding = keras.Model(model.input, model.get_layer("padding").output)
    image = np.ones((1, 8, 9, 1), "float32")
    found = padding(image).numpy()[0, :, :, 0]
    assert found.shape == (32, 32) and found.sum() == 72 and found[12:20, 11:20].all()
    assert "padding" not in [layer.name for layer in cnn.build("lenet5", (32, 32, 1)).layers]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lenet6",), "must be one of mlp, lenet5,"),
        (("mlp", (28, 28)), "must be (height, width, channels). Received: (28, 28)"),
        (("mlp", None, 1), "`classes` must be an integer from 2 on. Received: 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(SeqlabError) as caught:
        cnn.build(*arguments)
    assert words in str(caught.value)
    with pytest.raises(
        SeqlabError, match=r"resnet18 takes filters, l2, momentum. Received: dropout"
    ):
        cnn.build("resnet18", dropout=0.5)


# What the chapters' traps were


def test_penalties_are_on_dense_weights_alone_and_halved():
    keras.utils.set_random_seed(0)
    model = cnn.build("lenet5_book")
    squares = sum(np.square(layer.kernel).sum() for layer in model.layers[-3:] if layer.weights)
    assert float(sum(model.losses)) == pytest.approx(1e-4 * squares / 2, rel=1e-4)
    assert (
        0.6 < float(sum(model.losses)) < 0.8
    )  # what its author took for a loss that does not fall
    assert not cnn.build("lenet5_book", l2=0).losses
    assert len(cnn.build("resnet18", filters=4).losses) == 1


def test_the_book_starts_from_truncated_normals_and_its_biases():
    keras.utils.set_random_seed(0)
    for name in ("mlp", "lenet5_book"):
        for layer in cnn.build(name).layers:
            if layer.weights:
                kernel, bias = layer.get_weights()
                assert np.abs(kernel).max() < 0.2 and kernel.std() == pytest.approx(0.088, rel=0.05)
                assert (bias == np.float32(0 if "conv" in layer.name else 0.1)).all()
    first, second = (
        cnn.build("lenet_three").get_layer(name).kernel for name in ("conv1", "hidden")
    )
    assert np.std(first) == pytest.approx(0.01, rel=0.1) == pytest.approx(np.std(second), rel=0.1)


def test_pools_of_lenet_three_read_what_relu_gives():
    model = cnn.build("lenet_three")
    for i in (1, 2, 3):
        pool = model.get_layer(f"pool{i}")
        images = np.random.default_rng(0).normal(size=(1, 28, 28, 1)).astype("float32")
        assert keras.Model(model.input, pool.input)(images).numpy().min() == 0


@pytest.mark.parametrize("name", ["inception10", "resnet_small", "baseline"])
def test_statistics_move_in_training_and_serve_in_evaluation(name):
    options = {"filters": 2} if name != "baseline" else {}
    model = cnn.build(name, (8, 8, 3), 2, momentum=0.5, **options)
    images = np.random.default_rng(0).normal(3, 2, (16, 8, 8, 3)).astype("float32")
    normals = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    model(images, training=False)
    assert normals and all(not np.any(layer.moving_mean) for layer in normals)
    model(images, training=True)
    assert all(layer.momentum == 0.5 and np.any(layer.moving_mean) for layer in normals)
    alone, together = model(images[:1], training=False), model(images, training=False)
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-3, atol=1e-5)  # not of the batch


def test_fit_learns_the_statistics_of_a_unit():
    model = block(cnn.conv_bn_relu, (4, 4, 1), 2, momentum=0.0)
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4, 4, 1)), np.ones((8, 4, 4, 2)), batch_size=8, verbose=0)
    assert all(np.any(layer.moving_mean) for layer in model.layers[2:3])


def test_the_momentum_of_inception_suits_few_steps(built):
    kinds = {type(layer): layer for layer in built("inception10").layers}
    assert kinds[BatchNormalization].momentum == 0.9


def normal_pair(policy, channels=3):
    """Our batch normalisation and Keras', with the same weights that are not those of the beginning."""
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 2, channels).astype("float32") for _ in range(4)]
    made = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.7, epsilon=1e-2, dtype=policy)
        layer.build((None, 4, 5, channels))
        layer.set_weights(weights)
        made.append(layer)
    return made


def learned(layer, images, target):
    """Outputs, what they pass on and learn, and the statistics after one step of training."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * target)
    gradients = tape.gradient(loss, [images, layer.gamma.value, layer.beta.value])
    found = [outputs, *gradients, layer.moving_mean, layer.moving_variance]
    return [np.asarray(keras.ops.cast(value, "float32")) for value in found]


@pytest.mark.parametrize(
    ("policy", "error"), [("float32", 2e-5), ("mixed_bfloat16", 2e-2)], ids=str
)
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("channels", [3, 9])  # by rows, and by the kernel
def test_batch_normalisation_gives_keras_numbers(policy, error, frozen, channels):
    rng = np.random.default_rng(1)
    images = tf.constant(rng.normal(3, 2, (2, 4, 5, channels)), "float32")
    target = rng.normal(size=(2, 4, 5, channels)).astype("float32")
    ours, theirs = normal_pair(policy, channels)
    ours.trainable = theirs.trainable = not frozen
    assert ours(images).dtype == theirs(images).dtype
    for mine, right in zip(
        learned(ours, images, target), learned(theirs, images, target), strict=True
    ):
        np.testing.assert_allclose(mine, right, rtol=error, atol=error * np.abs(right).max())
    alone = [np.asarray(keras.ops.cast(layer(images), "float32")) for layer in (ours, theirs)]
    np.testing.assert_allclose(*alone, rtol=error, atol=2 * error)


def test_statistics_of_bfloat16_images_are_not_rounded():
    layer, _ = normal_pair("mixed_bfloat16")
    before = np.asarray(layer.moving_mean)
    images = tf.ones((2, 4, 5, 3), tf.bfloat16)
    assert layer(images, training=True).dtype == tf.bfloat16
    np.testing.assert_allclose(layer.moving_mean, 0.7 * before + 0.3, rtol=1e-6)


def test_the_ablation_has_the_networks_that_differ():
    variants = {name: cnn.build("mlp", **options) for name, options in cnn.ABLATION.items()}
    assert trainable(variants["no hidden layer"]) == dense(784, 10)
    hidden = {name: model.layers[2].activation for name, model in variants.items()}
    assert hidden["no activation"] is keras.activations.linear
    assert hidden["chapter"] is hidden["no regularisation"] is keras.activations.relu
    assert [bool(model.losses) for model in variants.values()] == [True, True, True, False]


# Blocks alone


def block(make, shape, *arguments, **options):
    inputs = keras.Input(shape)
    return keras.Model(inputs, make(inputs, *arguments, **options))


def test_conv_bn_relu():
    model = block(cnn.conv_bn_relu, (5, 7, 2), 3, 3, 2, use_bias=False, momentum=0.8)
    assert model.output_shape == (None, 3, 4, 3) and trainable(model) == conv(3, 2, 3, False) + 6
    images = np.random.default_rng(0).normal(size=(4, 5, 7, 2)).astype("float32")
    assert model(images).numpy().min() == 0
    assert block(cnn.conv_bn_relu, (5, 7, 2), 3, activation=None)(images).numpy().min() < 0


def test_inception_joins_its_branches_in_order():
    model = block(cnn.inception, (6, 6, 2), 3, 2)
    assert model.output_shape == (None, 3, 3, 12)
    assert trainable(model) == inception_parameters(2, 3)
    kernels = [tuple(w.shape) for w in model.trainable_weights if len(w.shape) == 4]
    assert sorted(kernels) == sorted([(1, 1, 2, 3)] * 4 + [(3, 3, 3, 3), (5, 5, 3, 3)])
    made_by = {id(layer.output): layer for layer in model.layers}
    units = [
        made_by[id(made_by[id(x.input)].input)]
        for x in map(made_by.get, map(id, model.layers[-1].input))
    ]
    assert [unit.kernel_size for unit in units] == [(1, 1), (3, 3), (5, 5), (1, 1)]
    assert isinstance(made_by[id(units[3].input)], keras.layers.MaxPooling2D)


def silent(model):
    """The model with every batch normalisation giving zero, so that only what goes around is left."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(0 * layer.gamma)
    return model


def test_residual_adds_its_input():
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    model = silent(block(cnn.residual, (4, 4, 3), 3))
    np.testing.assert_allclose(model(images), np.maximum(images, 0), atol=1e-6)
    assert trainable(model) == 2 * conv(3, 3, 3, False) + 12
    wider = block(cnn.residual, (4, 4, 3), 5, 2)
    assert wider.output_shape == (None, 2, 2, 5)
    assert trainable(wider) == conv(3, 3, 5, 0) + conv(3, 5, 5, 0) + conv(1, 3, 5, 0) + 30
    assert not silent(wider)(images).numpy().any()


def test_pooled_residual_averages_its_input_and_pads_channels_on_both_sides():
    images = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
    found = silent(block(cnn.pooled_residual, (4, 6, 3), 6, 2))(images).numpy()
    means = images.reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(found[..., 1:4], means, atol=1e-6)
    assert found.shape == (2, 2, 3, 6) and not found[..., [0, 4, 5]].any()
    same = silent(block(cnn.pooled_residual, (4, 6, 3), 3))(images)
    np.testing.assert_allclose(same, images, atol=1e-6)
    assert block(cnn.pooled_residual, (5, 7, 3), 6, 2).output_shape == (None, 3, 4, 6)


def test_local_response_normalisation():
    layer = cnn.LocalResponseNormalization(radius=1, alpha=0.5, beta=0.7, bias=2.0)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    squares = np.pad(x**2, ((0, 0), (0, 0), (0, 0), (1, 1)))
    sums = squares[..., :-2] + squares[..., 1:-1] + squares[..., 2:]
    np.testing.assert_allclose(layer(x), x / (2 + 0.5 * sums) ** 0.7, rtol=1e-5)
    again = cnn.LocalResponseNormalization.from_config(layer.get_config())
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [("resnet_small", (8, 8, 3), {"filters": 3}), ("lenet_three", (8, 8, 1), {"dropout": 0.0})],
)
def test_models_are_saved_and_loaded(tmp_path, name, shape, options):
    model = cnn.build(name, shape, 3, **options)
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


# Facts about convolutions


def test_a_patch_costs_what_the_chapter_says():
    patch = block(keras.layers.Conv2D(5, 2).__call__, (2, 2, 3))
    assert patch.output_shape == (None, 1, 1, 5) and trainable(patch) == (2 * 2 * 3 + 1) * 5


def test_same_padding_begins_at_the_right_and_the_bottom():
    corner = keras.layers.Conv2D(1, 2, 2, "same", kernel_initializer="ones")
    found = corner(np.ones((1, 3, 3, 1), "float32")).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(found, [[4, 2], [2, 1]])


def test_parameters_of_convolutions_do_not_depend_on_the_size():
    sizes = [trainable(cnn.build("resnet_small", (n, n, 3), filters=2)) for n in (8, 21)]
    assert sizes[0] == sizes[1]
