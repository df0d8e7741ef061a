"""Images mirrored, moved and turned, each of a batch by its own amount; no chance in it."""

from math import pi
from typing import Any

from seqlab._tensorflow import keras, tf

__all__ = ["flip", "move", "turn"]

VIEWS = 6  # copies of a batch that cost less than to gather it by pixels


def flip(images: Any, where: Any = True, upside_down: bool = False) -> Any:
    """Mirrored left and right, or up and down, where booleans, one or one per image, say so."""
    turned = images[..., ::-1, :, :] if upside_down else images[..., ::-1, :]
    return tf.where(tf.convert_to_tensor(where)[..., None, None, None], turned, images)


def move(images: Any, by: Any, most: int, mirror: Any = None) -> Any:
    """A batch whose images are moved by integers ``[B, 2]``, down and to the right; zeros come in.

    Each is from -`most` to `most`. Where booleans ``[B]`` say so, images are mirrored first, left and
    right, by the way: several times faster than `flip` and then this.
    """
    padded = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]])
    few = (2 * most + 1) * (1 if mirror is None else 2) <= VIEWS
    moved = (_of_rows if few else _of_pixels)(padded, by, most, images.shape[1:3], mirror)
    return tf.ensure_shape(tf.reshape(moved, tf.shape(images)), images.shape)


def turn(images: Any, degrees: Any, factors: Any) -> Any:
    """A batch of floats whose images are turned counter-clockwise and so many times larger, ``[B]`` each.

    About the centre, between pixels by straight lines; zeros come in.
    """
    y, x = ((size - 1) / 2 for size in images.shape[1:3])
    angle = tf.convert_to_tensor(degrees, tf.float32) * (pi / 180)
    along, across = tf.cos(angle) / factors, tf.sin(angle) / factors
    none = tf.zeros_like(along)
    rows = [along, -across, x - along * x + across * y, across, along, y - across * x - along * y]
    back = tf.stack([*rows, none, none], axis=1)  # where each pixel comes from
    made = keras.ops.image.affine_transform(images, back, data_format="channels_last")
    return tf.ensure_shape(made, images.shape)


def _of_pixels(padded: Any, by: Any, most: int, size: Any, mirror: Any) -> Any:
    """Gathered row by row, then pixel by pixel."""
    rows, columns = (most - by[:, i, None] + tf.range(n) for i, n in enumerate(size))
    if mirror is not None:
        columns = tf.where(mirror[:, None], size[1] - 1 + 2 * most - columns, columns)
    moved = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(moved, columns, axis=2, batch_dims=1)


def _of_rows(padded: Any, by: Any, most: int, size: Any, mirror: Any) -> Any:
    """Gathered by rows alone, out of a copy of all images for each way to move or mirror its columns."""
    ways = [padded] if mirror is None else [padded, _mirrored(padded)]
    copies = [way[:, :, i : i + size[1]] for way in ways for i in range(2 * most + 1)]
    count, height = tf.shape(padded)[0], padded.shape[1]
    which = most - by[:, 1]
    if mirror is not None:
        which += (2 * most + 1) * tf.cast(mirror, which.dtype)
    begin = (which * count + tf.range(count)) * height + most - by[:, 0]
    every = tf.reshape(tf.stack(copies), (-1, size[1] * padded.shape[-1]))
    return tf.gather(every, begin[:, None] + tf.range(size[0]))


def _mirrored(images: Any) -> Any:
    """Left and right: of three axes, the last one of three colours, TensorFlow does it faster."""
    if images.shape[-1] != 3:
        return tf.reverse(images, [2])
    rows = tf.reshape(images, (-1, *images.shape[2:]))
    return tf.reshape(tf.reverse(rows, [1]), tf.shape(images))
