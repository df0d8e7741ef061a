"""Image preprocessing against NumPy and tf.image: sizes, colours, boxes, chance, and the two chains."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.ndimage import affine_transform

from seqlab import _moves
from seqlab import preprocessing as p
from seqlab.augmentation import DRAWS, NONE, Augmentation
from seqlab.errors import SeqlabError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (3, 6, 8, 3), np.uint8)
UNIT = (BYTES / 255).astype("float32")


def test_only_bytes_are_scaled():
    np.testing.assert_allclose(p.unit(BYTES), UNIT, rtol=1e-6)
    with pytest.raises(
        SeqlabError, match=r"must be bytes .* Received: float32, perhaps scaled before"
    ):
        p.unit(p.unit(BYTES))
    with pytest.raises(SeqlabError, match="Received: int32"):
        p.unit(BYTES.astype("int32"))


def test_caffe_wants_blue_first_and_the_means_removed():
    found = p.caffe(BYTES).numpy()
    np.testing.assert_allclose(found[..., 0], BYTES[..., 2] - 104.007, atol=1e-4)
    np.testing.assert_allclose(found[..., 2], BYTES[..., 0] - 122.679, atol=1e-4)


# Files


@pytest.mark.parametrize("image", [BYTES[0], UNIT[0]], ids=["bytes", "numbers"])
def test_png_gives_the_pixels_back(tmp_path, image):
    path = tmp_path / "my.png"
    path.write_bytes(p.encode(image).numpy())
    np.testing.assert_array_equal(p.decode(path), BYTES[0])
    assert p.decode(path, 1).shape == (6, 8, 1)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [*itertools.product(("RGB", "L"), ("bmp", "gif", "jpeg", "png")), ("CMYK", "jpeg")],
)
def test_grey_of_each_kind_of_file(tmp_path, mode, kind, capfd):
    path = tmp_path / f"my.{kind}"
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype("uint8")
    picture = Image.fromarray(smooth).convert(mode)
    picture.save(path)
    found, wanted = p.decode(path, 1), np.asarray(picture.convert("L"), int)
    assert found.shape == (16, 16, 1)
    assert np.abs(found[..., 0] - wanted).max() < 12
    assert capfd.readouterr().err == ""  # libjpeg complains by itself


@pytest.mark.parametrize("kind", ["bmp", "gif", "png"])
def test_a_palette_gives_its_colours(tmp_path, kind):
    """TensorFlow gives the positions in a BMP's palette as shades of grey."""
    path = tmp_path / f"my.{kind}"
    picture = Image.fromarray(BYTES[0]).quantize(7)
    picture.save(path)
    np.testing.assert_array_equal(p.decode(path), picture.convert("RGB"))
    wanted = np.asarray(picture.convert("L"), int)
    assert np.abs(p.decode(path, 1)[..., 0] - wanted).max() <= 1


def test_a_grey_bitmap_keeps_its_greys(tmp_path):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(greys).save(tmp_path / "my.bmp")
    np.testing.assert_array_equal(p.decode(tmp_path / "my.bmp", 1)[..., 0], greys)


def test_damaged_palettes_are_named(tmp_path):
    path = tmp_path / "my.bmp"
    Image.fromarray(BYTES[0]).quantize(7).save(path)
    whole = path.read_bytes()
    packed = whole[:30] + b"\1" + whole[31:]
    short = whole[:10] + (54 + 4).to_bytes(4, "little") + whole[14:]  # pixels begin in the palette
    for content in (packed, short, whole[:-20], whole[:60], whole[:40], whole[:20]):
        path.write_bytes(content)
        with pytest.raises(SeqlabError, match=r"my\.bmp: no picture, or a damaged one"):
            p.decode(path)


def test_jpeg_gives_about_the_pixels_back(tmp_path):
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype("uint8")
    path = tmp_path / "my.jpg"
    path.write_bytes(p.encode(smooth, "jpeg").numpy())
    assert np.abs(p.decode(path).astype(int) - smooth).max() < 12
    with pytest.raises(SeqlabError, match=r"`kind` must be one of png, jpeg. Received: 'gif'"):
        p.encode(smooth, "gif")


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "my.jpg"
    for content in (b"", b"hello", p.encode(BYTES[0], "jpeg").numpy()[:200], b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(content)
        with pytest.raises(SeqlabError, match=r"my\.jpg: no picture, or a damaged one"):
            p.decode(path)
    with pytest.raises(SeqlabError, match=r"none\.jpg: cannot be read: No such file"):
        p.decode(tmp_path / "none.jpg")


# Sizes


@pytest.mark.parametrize("method", p.METHODS)
def test_resize(method):
    found = p.resize(UNIT, (3, 4), method).numpy()
    assert found.shape == (3, 3, 4, 3) and found.dtype == np.float32
    flat = np.full((1, 6, 8, 3), 0.25, "float32")
    np.testing.assert_allclose(p.resize(flat, (5, 11), method), 0.25, atol=1e-6)
    means = UNIT.reshape(3, 3, 2, 4, 2, 3).mean(axis=(2, 4))
    if method == "area":
        np.testing.assert_allclose(found, means, atol=1e-6)
    if method == "nearest":
        assert np.isin(found, UNIT).all()
    else:
        assert np.abs(found - means).max() < 0.25  # smoothed: no pixel stands for its neighbours
    with pytest.raises(SeqlabError, match=r"bilinear, nearest, bicubic, area. Received: 'cubic'"):
        p.resize(UNIT, (3, 4), "cubic")


def test_resized_bytes_are_bytes():
    image = BYTES[0]
    assert p.resized_bytes(image, (6, 8)) is image
    found = p.resized_bytes(image, (3, 4))
    assert found.dtype == np.uint8 and found.shape == (3, 4, 3)
    white = np.full((6, 8, 3), 255, "uint8")
    assert (p.resized_bytes(white, (5, 5)) == 255).all()


def test_crops_and_pads():
    np.testing.assert_array_equal(p.crop_or_pad(UNIT, (4, 12))[:, :, 2:-2], UNIT[:, 1:5])
    np.testing.assert_array_equal(p.crop_or_pad(UNIT, (8, 8))[:, 0], 0 * UNIT[:, 0])
    np.testing.assert_array_equal(p.central_crop(UNIT, 0.5), UNIT[:, 1:5, 2:6])
    np.testing.assert_array_equal(p.crop_to_box(UNIT, 1, 2, 3, 4), UNIT[:, 1:4, 2:6])
    padded = p.pad_to_box(UNIT, 1, 2, 9, 11).numpy()
    np.testing.assert_array_equal(padded[:, 1:7, 2:10], UNIT)
    assert padded.shape == (3, 9, 11, 3) and padded.sum() == pytest.approx(UNIT.sum(), rel=1e-5)


def test_standardise():
    found = p.standardise(UNIT).numpy()
    np.testing.assert_allclose(
        found[1], (UNIT[1] - UNIT[1].mean()) / UNIT[1].std(), rtol=1e-4, atol=1e-5
    )
    assert not np.any(p.standardise(np.full((1, 4, 4, 3), 0.5, "float32")))


# Boxes and chance


def test_boxes_are_drawn():
    images = np.zeros((1, 9, 9, 3), "float32")
    found = p.draw_boxes(images, [[[0.25, 0.125, 0.75, 0.875]]]).numpy()[0]
    assert (found[..., 1:] == 0).all()
    rows, columns = np.nonzero(found[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 1, 7)
    assert not found[3:6, 2:7].any()  # an outline
    assert p.draw_boxes(images, [[[0, 0, 1, 1]]], [[0.0, 1.0, 0.0]]).numpy()[0, 0, 0].tolist() == [
        0,
        1,
        0,
    ]


def test_random_crops_keep_enough_of_a_box():
    """The image holds its own coordinates, so a crop tells where it was cut."""
    size = 40
    image = np.stack([*np.mgrid[:size, :size], np.zeros((size, size))], axis=-1).astype("float32")
    box = np.array([[0.5, 0.25, 0.75, 0.5]], "float32")
    shapes = set()
    for seed in range(40):
        part = p.random_crop(image, (seed, 0), box, least=0.6).numpy()
        top, left = part[0, 0, :2]
        bottom, right = part[-1, -1, :2] + 1
        height = min(bottom, 30) - max(top, 20)
        width = min(right, 20) - max(left, 10)
        assert height > 0 and width > 0 and height * width >= 0.6 * 100
        shapes.add(part.shape)
    assert len(shapes) > 10
    again = p.random_crop(image, (39, 0), box, least=0.6)
    np.testing.assert_array_equal(again, part)


def test_flip():
    np.testing.assert_array_equal(p.flip(BYTES), BYTES[:, :, ::-1])
    np.testing.assert_array_equal(p.flip(BYTES, upside_down=True), BYTES[:, ::-1])
    np.testing.assert_array_equal(p.flip(BYTES[0], False), BYTES[0])
    found = p.flip(BYTES, np.array([True, False, True])).numpy()
    np.testing.assert_array_equal(found[0], BYTES[0, :, ::-1])
    np.testing.assert_array_equal(found[1], BYTES[1])


@pytest.mark.parametrize("views", [0, 10])
def test_move(views, monkeypatch):
    monkeypatch.setattr(_moves, "VIEWS", views)  # by pixels, and by rows
    by = np.array([[2, -1], [0, 0], [-2, 2]], "int32")
    found = p.move(BYTES, by, 2, np.array([False, True, True])).numpy()
    expected = np.zeros_like(BYTES)
    expected[0, 2:, :-1] = BYTES[0, :-2, 1:]
    expected[1] = BYTES[1, :, ::-1]
    expected[2, :-2, 2:] = BYTES[2, 2:, ::-1][:, :-2]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(p.move(BYTES, by, 2)[0], expected[0])


# Colours


@pytest.mark.parametrize(
    ("ours", "theirs", "amounts"),
    [
        (p.brightness, tf.image.adjust_brightness, (-0.2, 0.0, 0.3)),
        (p.contrast, tf.image.adjust_contrast, (0.2, 1.0, 1.8)),
        (p.saturation, tf.image.adjust_saturation, (0.0, 0.5, 1.9)),
        (p.hue, tf.image.adjust_hue, (-0.4, 0.0, 0.1)),
    ],
)
def test_colours_are_those_of_tensorflow_with_an_amount_per_image(ours, theirs, amounts):
    expected = [theirs(image, amount) for image, amount in zip(UNIT, amounts, strict=True)]
    np.testing.assert_allclose(ours(UNIT, np.float32(amounts)), expected, atol=2e-6)
    np.testing.assert_allclose(ours(UNIT[0], amounts[0]), expected[0], atol=2e-6)  # one image
    np.testing.assert_allclose(ours(UNIT, amounts[2])[2], expected[2], atol=2e-6)  # one for all


ALL = Augmentation(brightness=0.2, contrast=(0.5, 2.0), saturation=(0.1, 1.5), hue=0.2)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
def test_colours_are_changed_in_the_order_given(order):
    draws = RNG.random((3, DRAWS), np.float32)
    b, c, s, h = draws[:, 3:].T
    steps = [
        lambda x: p.brightness(x, -0.2 + 0.4 * b),
        lambda x: p.contrast(x, 0.5 + 1.5 * c),
        lambda x: p.saturation(x, np.float32(0.1 + 1.4 * s)),
        lambda x: p.hue(x, -0.2 + 0.4 * h),
    ]
    expected = UNIT
    for i in order:
        expected = steps[i](expected)
    found = p.colours(UNIT, draws, order, ALL).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.max() > 1 and found.min() < 0  # clipping is left to the end of the chain


def test_the_order_is_drawn_only_where_it_matters():
    assert ALL.order_matters and not Augmentation(brightness=0.1, contrast=(0.5, 2)).order_matters
    assert not Augmentation(hue=0.1).order_matters and not NONE.order_matters
    draws = RNG.random((3, DRAWS), np.float32)
    plain = Augmentation(brightness=0.3, contrast=(0.2, 1.8))
    one = p.contrast(p.brightness(UNIT, 0.6 * draws[:, 3] - 0.3), 0.2 + 1.6 * draws[:, 4])
    other = p.brightness(p.contrast(UNIT, 0.2 + 1.6 * draws[:, 4]), 0.6 * draws[:, 3] - 0.3)
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(p.colours(UNIT, draws, None, plain), one, atol=1e-5)


# Turns


def test_right_angles_are_turned_exactly():
    found = p.turn(UNIT[:, :5, :5], [0, 90, -180], [1, 1, 1]).numpy()
    expected = [np.rot90(UNIT[i, :5, :5], i) for i in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_angle_and_a_size_are_those_of_scipy():
    image = RNG.random((9, 12, 1)).astype("float32")
    angle, factor = np.deg2rad(20), 1.3
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / factor
    middle = (np.array(image.shape[:2]) - 1) / 2  # rows and columns, and rows count downwards
    expected = affine_transform(
        image[..., 0], back, middle - back @ middle, order=1, mode="grid-constant"
    )
    found = p.turn(image[None], [20.0], [1.3]).numpy()[0, ..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_chain_turns_either_way_and_draws_for_it_behind_all_else():
    augmentation = Augmentation(rotate=90, zoom=0.5)
    assert augmentation.draws == DRAWS + 2 and Augmentation(shift=2, hue=0.1).draws == DRAWS
    draws = np.full((1, 3, DRAWS + 2), 0.5, np.float32)
    draws[0, :, -2], draws[0, :, -1] = [0, 1, 0.5], [0.5, 0.5, 1]
    square = BYTES[None, :, :5, :5]
    found = p.training(augmentation)(tf.constant(square), draws, np.zeros((1, 4), "int32"))[0]
    expected = p.turn(p.unit(square[0]), [-90, 90, 0], [1, 1, 1.5])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    one = [p.for_training(BYTES[0], (0, i), (8, 8), Augmentation(rotate=180)) for i in (1, 1, 2)]
    plain = p.for_training(BYTES[0], (0, 1), (8, 8), Augmentation())
    np.testing.assert_array_equal(one[0], one[1])
    assert np.abs(one[0] - plain).max() > 0.1 and np.abs(one[0] - one[2]).max() > 0.1


# The chains


def test_the_training_chain_of_batches_does_all_of_it_once():
    augmentation = Augmentation(True, 1, 0.3, (0.2, 1.8), standardise=True)
    chunk, draws = BYTES[:, None].repeat(2, 1), RNG.random((3, 2, DRAWS), np.float32)
    order = np.tile(np.arange(4, dtype="int32"), (3, 1))
    found = p.training(augmentation)(tf.constant(chunk), draws, order).numpy()
    for k in range(3):
        for i in range(2):
            u = draws[k, i]
            by = (u[None, 1:3] * 3).astype("int32") - 1
            x = p.unit(p.move(chunk[k, i][None], by, 1, u[None, 0] < 0.5))[0]
            x = p.contrast(p.brightness(x, 0.6 * u[3] - 0.3), 0.2 + 1.6 * u[4])
            expected = p.standardise(np.clip(x, 0, 1))
            np.testing.assert_allclose(found[k, i], expected, atol=1e-4)


def test_shifts_reach_every_place_and_no_other():
    draws = np.zeros((1, 5, DRAWS), np.float32)
    draws[0, :, 1] = [0, 0.4, 0.6, 0.99, np.nextafter(np.float32(1), np.float32(0))]
    one = np.zeros((1, 5, 3, 3, 1), "uint8")
    one[:, :, 1, 1] = 255
    order = np.zeros((1, 4), "int32")
    found = p.training(Augmentation(shift=1))(tf.constant(one), draws, order).numpy()
    assert found[0, :, :, 0, 0].argmax(axis=1).tolist() == [0, 1, 1, 2, 2]


def test_the_training_chain_of_one_picture():
    image = RNG.integers(0, 256, (30, 20, 3), np.uint8)
    augmentation = Augmentation(True, 0, 0.2, (0.5, 1.5), (0.5, 1.5), 0.1)
    chain = tf.function(lambda seed: p.for_training(image, seed, (7, 9), augmentation))
    views = [chain(tf.constant([seed, 5])).numpy() for seed in range(6)]
    assert all(view.shape == (7, 9, 3) and 0 <= view.min() <= view.max() <= 1 for view in views)
    assert len({view.tobytes() for view in views}) == 6
    np.testing.assert_array_equal(chain(tf.constant([3, 5])), views[3])


def test_the_evaluation_chain_is_the_middle_and_nothing_random():
    image = RNG.integers(0, 256, (16, 24, 3), np.uint8)
    loud = Augmentation(True, 3, 0.5, (0.1, 3.0), (0.1, 3.0), 0.5)
    found = p.for_evaluation(image, (8, 12), loud, share=0.5)
    np.testing.assert_allclose(found, image[4:12, 6:18] / 255, atol=1e-6)
    np.testing.assert_allclose(p.evaluation(loud)(BYTES), UNIT, rtol=1e-6)


def test_pictures_go_through_tf_data(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(
            p.encode(np.full((9 + i, 8, 3), 50 * i, "uint8")).numpy()
        )
    files = tf.data.Dataset.list_files(str(tmp_path / "*.png"), shuffle=False)

    def view(i, name):
        image = tf.io.decode_png(tf.io.read_file(name), 3)
        return p.for_training(image, (i, 0), (4, 4), Augmentation(flip=True))

    found = list(files.enumerate().map(view, num_parallel_calls=2).batch(4).as_numpy_iterator())
    expected = (np.arange(4, dtype="float32") * 50 / 255)[:, None, None, None]
    np.testing.assert_allclose(found[0], np.broadcast_to(expected, (4, 4, 4, 3)), atol=1e-5)
