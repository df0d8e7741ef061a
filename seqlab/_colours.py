"""Colours of images in [0, 1]; factors and amounts are one for all, or one per image.

Results may leave [0, 1], and are not clipped here: who chains several clips once, at the end.
"""

from functools import partial
from typing import Any

from seqlab._tensorflow import tf
from seqlab.augmentation import Augmentation

__all__ = ["brightness", "colours", "contrast", "hue", "saturation"]


def brightness(images: Any, amount: Any) -> Any:
    """So much added to every pixel."""
    return images + _per_image(amount)


def contrast(images: Any, factor: Any) -> Any:
    """The distance from the mean of the image's channel, multiplied."""
    mean = tf.reduce_mean(images, axis=(-3, -2), keepdims=True)
    return (images - mean) * _per_image(factor) + mean


def saturation(images: Any, factor: Any) -> Any:
    """The saturation (of hue, saturation, value) multiplied, and kept below one."""
    parts = tf.image.rgb_to_hsv(images)
    full = tf.clip_by_value(parts[..., 1:2] * _per_image(factor), 0, 1)
    return tf.image.hsv_to_rgb(tf.concat([parts[..., :1], full, parts[..., 2:]], axis=-1))


def hue(images: Any, amount: Any) -> Any:
    """The hue turned by so much of the circle."""
    parts = tf.image.rgb_to_hsv(images)
    turned = tf.math.floormod(parts[..., :1] + _per_image(amount), 1.0)
    return tf.image.hsv_to_rgb(tf.concat([turned, parts[..., 1:]], axis=-1))


def colours(images: Any, draws: Any, order: Any, augmentation: Augmentation) -> Any:
    """The colour changes that are on, by amounts from draws, in an order; unclipped.

    Args:
        images: ``[..., height, width, 3]`` in [0, 1].
        draws: ``[..., DRAWS]`` from [0, 1), and perhaps more; those from the third on are looked at.
        order: a permutation of 0 to 3; it is not looked at where it makes no difference.
        augmentation: the ranges of the amounts.
    """
    names = list(COLOURS)
    on = [names.index(name) for name in augmentation.colours]

    def change(i: int, images: Any) -> Any:
        low, high = augmentation.range_of(names[i])
        return COLOURS[names[i]](images, low + (high - low) * draws[..., MOVES + i])

    if not augmentation.order_matters:
        for i in on:
            images = change(i, images)
        return images
    order = tf.convert_to_tensor(order, tf.int32)
    for k in range(len(names)):
        ways = [partial(change if i in on else _unchanged, i, images) for i in range(len(names))]
        images = tf.ensure_shape(tf.switch_case(order[k], ways), images.shape)
    return images


def _unchanged(i: int, images: Any) -> Any:
    del i
    return images


def _per_image(amount: Any) -> Any:
    return tf.convert_to_tensor(amount, tf.float32)[..., None, None, None]


MOVES = 3  # draws before those of the colours
COLOURS = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
