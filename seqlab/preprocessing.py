"""Image preprocessing in TensorFlow: decoding, sizes, colours, crops, and the two chains of them.

Pixels are bytes (uint8, 0 to 255) until `unit` makes them numbers in [0, 1], and only bytes are taken
there, so that nothing is scaled twice. Colour changes may leave [0, 1]; the chains clip at their end.
Functions take one image ``[height, width, C]`` or a batch ``[B, height, width, C]``. Chance comes from
outside, as numbers drawn or a seed of two integers: the same ones give the same pixels. Boxes are
(top, left, bottom, right), as fractions of height and width.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqlab._bounded_files import opened
from seqlab._colours import brightness, colours, contrast, hue, saturation
from seqlab._decoding import decoded
from seqlab._moves import flip, move, turn
from seqlab._tensorflow import tf
from seqlab.augmentation import DRAWS, NONE, TURNS, Augmentation
from seqlab.errors import SeqlabError, check_choice

__all__ = [
    "METHODS",
    "brightness",
    "caffe",
    "central_crop",
    "colours",
    "contrast",
    "crop_or_pad",
    "crop_to_box",
    "decode",
    "draw_boxes",
    "encode",
    "evaluation",
    "flip",
    "for_evaluation",
    "for_training",
    "hue",
    "move",
    "pad_to_box",
    "random_crop",
    "resize",
    "resized_bytes",
    "saturation",
    "standardise",
    "training",
    "turn",
    "unit",
]

METHODS = ("bilinear", "nearest", "bicubic", "area")
LEAST_OF_BOX = 0.4  # share of a box that a random crop keeps
CAFFE_MEANS = (104.007, 116.669, 122.679)  # of ImageNet's training images: blue, green, red
MOST_BYTES = 2**28  # of a file with a picture


# Bytes and numbers


def decode(path: str | Path, channels: int = 3) -> Any:
    """The picture in a JPEG, PNG, GIF or BMP file: bytes ``[height, width, C]``, a NumPy array.

    Raises:
        SeqlabError: naming the file: missing, truncated, or no picture.
    """
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise SeqlabError(f"{path}: larger than {MOST_BYTES} bytes")
        with opened(Path(path)) as file:
            content = file.read()
        return decoded(content, channels).numpy()
    except OSError as error:
        raise SeqlabError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, ValueError) as error:
        if isinstance(error, SeqlabError):
            raise
        raise SeqlabError(f"{path}: no picture, or a damaged one") from error


def encode(image: Any, kind: str = "png") -> Any:
    """The content of a ``png`` or ``jpeg`` file, from bytes or from numbers in [0, 1]."""
    check_choice("kind", kind, ("png", "jpeg"))
    image = tf.image.convert_image_dtype(image, tf.uint8, saturate=True)
    return tf.io.encode_png(image) if kind == "png" else tf.io.encode_jpeg(image, quality=95)


def unit(images: Any) -> Any:
    """Bytes to float32 in [0, 1].

    Raises:
        SeqlabError: the pixels are no bytes: they were scaled before.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype != tf.uint8:
        raise SeqlabError(
            "images must be bytes (uint8, 0 to 255), which are scaled here."
            f" Received: {images.dtype.name}, perhaps scaled before. Give the bytes"
        )
    return tf.cast(images, tf.float32) / 255


def standardise(images: Any) -> Any:
    """Mean zero and variance one in each image; one of a single value becomes zeros."""
    return tf.image.per_image_standardization(images)


def caffe(images: Any) -> Any:
    """Bytes to what the published Caffe weights want: channels blue, green, red, less their means."""
    return tf.reverse(unit(images) * 255, [-1]) - tf.constant(CAFFE_MEANS)


# Sizes


def resize(images: Any, size: tuple[int, int], method: str = "bilinear") -> Any:
    """To (height, width) by one of `METHODS`, smoothed first where it gets smaller; float32.

    ``bicubic`` can leave the range of its input.
    """
    check_choice("method", method, METHODS)
    smooth = method in ("bilinear", "bicubic")
    return tf.image.resize(images, size, method, antialias=smooth)


def resized_bytes(image: Any, size: tuple[int, int]) -> Any:
    """Bytes to bytes of another size, a NumPy array; as they are if it is theirs already."""
    if tuple(image.shape[:2]) == tuple(size):
        return image
    return tf.saturate_cast(tf.round(resize(image, size)), tf.uint8).numpy()


def crop_or_pad(images: Any, size: tuple[int, int]) -> Any:
    """To (height, width) about the centre: what is too large is cut, zeros go around the rest."""
    return tf.image.resize_with_crop_or_pad(images, *size)


def central_crop(images: Any, share: float) -> Any:
    """The middle, so much of height and of width."""
    return tf.image.central_crop(images, share)


def crop_to_box(images: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of this height and width whose upper left corner is there, in pixels."""
    return tf.image.crop_to_bounding_box(images, top, left, height, width)


def pad_to_box(images: Any, top: int, left: int, height: int, width: int) -> Any:
    """An image of this height and width, zero but for the given one, whose corner is there."""
    return tf.image.pad_to_bounding_box(images, top, left, height, width)


def random_crop(image: Any, seed: Any, boxes: Any = None, least: float = LEAST_OF_BOX) -> Any:
    """A part of one image, of random size and aspect, that holds a share of one of the boxes.

    Args:
        image: ``[height, width, C]``.
        seed: two integers.
        boxes: float32 ``[number, 4]``; None means the whole image.
        least: how much of a box is kept, at least.
    """
    boxes = tf.constant([[0.0, 0.0, 1.0, 1.0]]) if boxes is None else tf.convert_to_tensor(boxes)
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image), boxes[None], seed, min_object_covered=least
    )
    part = tf.slice(image, begin, size)
    part.set_shape((None, None, image.shape[-1]))
    return part


def draw_boxes(images: Any, boxes: Any, outlines: Any = ((1.0, 0.0, 0.0),)) -> Any:
    """A batch in [0, 1] with the outlines of boxes ``[B, number, 4]``, in these colours by turns."""
    return tf.image.draw_bounding_boxes(images, boxes, outlines)


# The chains


def training(augmentation: Augmentation) -> Callable[[Any, Any, Any], Any]:
    """What chunks of bytes go through for training; all chance comes with them.

    Returns:
        A function of bytes ``[K, B, height, width, C]``, draws float32 ``[K, B, augmentation.draws]``
        from [0, 1), and the order of the colour changes, integers ``[K, 4]``, which gives float32 of the
        first's shape.
    """

    def chunk(images: Any, draws: Any, order: Any) -> Any:
        one_by_one = tf.reshape(images, (-1, *images.shape[2:]))
        own = tf.reshape(draws, (-1, augmentation.draws))
        flat = _turned(unit(_moved(one_by_one, own, augmentation)), own, augmentation)
        if augmentation.order_matters:
            batches = tf.reshape(flat, tf.shape(images)), draws, order
            change = lambda parts: colours(parts[0], parts[1], parts[2], augmentation)  # noqa: E731
            spec = tf.TensorSpec(images.shape[1:], tf.float32)
            flat = tf.reshape(tf.map_fn(change, batches, fn_output_signature=spec), tf.shape(flat))
        else:
            flat = colours(flat, own, None, augmentation)
        done = (_finish if augmentation.colours else _scaled)(flat, augmentation)
        return tf.ensure_shape(tf.reshape(done, tf.shape(images)), images.shape)

    return chunk


def _moved(images: Any, draws: Any, augmentation: Augmentation) -> Any:
    most = augmentation.shift
    if not augmentation.flip and not most:
        return images
    by = tf.minimum(tf.cast(draws[:, 1:3] * (2 * most + 1), tf.int32) - most, most)
    return move(images, by, most, draws[:, 0] < 0.5 if augmentation.flip else None)


def _turned(images: Any, draws: Any, augmentation: Augmentation) -> Any:
    if augmentation.draws == DRAWS:
        return images
    angle, size = (2 * draws[:, DRAWS + i] - 1 for i in range(TURNS))
    return turn(images, angle * augmentation.rotate, 1 + size * augmentation.zoom)


def evaluation(augmentation: Augmentation = NONE) -> Callable[[Any], Any]:
    """What batches of bytes go through for evaluation: the scaling of the training, and nothing else."""
    return lambda images: _scaled(unit(images), augmentation)


def for_training(
    image: Any,
    seed: Any,
    size: tuple[int, int],
    augmentation: Augmentation = NONE,
    boxes: Any = None,
) -> Any:
    """One picture of any size: crop, resize by a random method, flip, colours in random order, clip.

    Args:
        image: bytes ``[height, width, C]``.
        seed: two integers.
        size: (height, width) of the result.
        augmentation: what to do beside the crop; `shift` has no part in it.
        boxes: float32 ``[number, 4]``; the crop holds a share of one of them.

    Returns:
        Float32 ``[*size, C]``.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int64), 4)
    part = random_crop(unit(image), seeds[0], boxes)
    which = tf.random.stateless_uniform((), seeds[1], 0, len(METHODS), tf.int32)
    ways = [lambda method=method: resize(part[None], size, method) for method in METHODS]
    view = tf.ensure_shape(tf.switch_case(which, ways)[0], (*size, image.shape[-1]))
    draws = tf.random.stateless_uniform((augmentation.draws,), seeds[2])
    order = tf.random.experimental.stateless_shuffle(tf.range(4), seeds[3])
    if augmentation.flip:
        view = flip(view, draws[0] < 0.5)
    view = _turned(view[None], draws[None], augmentation)[0]
    return _finish(colours(view, draws, order, augmentation), augmentation)


def for_evaluation(
    image: Any, size: tuple[int, int], augmentation: Augmentation = NONE, share: float = 0.875
) -> Any:
    """One picture of any size: its middle, resized; nothing random.

    Args:
        image: bytes ``[height, width, C]``.
        size: (height, width) of the result.
        augmentation: only its scaling counts.
        share: how much of height and width the middle has.
    """
    view = resize(central_crop(unit(image), share), size)
    return _finish(view, augmentation)


def _finish(images: Any, augmentation: Augmentation) -> Any:
    """The end of a chain whose colours or sizes may have left [0, 1]."""
    return _scaled(tf.clip_by_value(images, 0, 1), augmentation)


def _scaled(images: Any, augmentation: Augmentation) -> Any:
    if not augmentation.standardise:
        return images
    return tf.ensure_shape(standardise(images), images.shape)
