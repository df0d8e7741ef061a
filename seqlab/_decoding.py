"""What is in a picture file, also where TensorFlow alone does not see what is meant.

It gives positions in a BMP's palette as shades of grey. BMP, GIF and JPEG of four colours it does not
turn grey by itself.
"""

import struct
from typing import Any

import numpy as np

from seqlab._tensorflow import tf

__all__ = ["decoded"]

BMP, JPEG = b"BM", b"\xff\xd8"  # how files begin
FIELDS = struct.Struct(
    "<10xII10xHI"
)  # of a BMP: where pixels begin, length of header, depth, packing
LEADING = 14  # bytes before the part of the header whose length it says
POSITIONS = 8  # bits of a pixel that is a position in a palette


def decoded(content: bytes, channels: int) -> Any:
    """The picture, of an animation the first one: bytes ``[height, width, C]``.

    Raises:
        tf.errors.InvalidArgumentError, ValueError: it is none, or damaged.
    """
    if _has_palette(content):
        colours = _of_palette(content)
    elif channels == 3 or not _stays_coloured(content):
        return tf.io.decode_image(content, channels, expand_animations=False)
    else:
        colours = tf.io.decode_image(content, 3, expand_animations=False)
    return colours if channels == 3 else tf.image.rgb_to_grayscale(colours)


def _stays_coloured(content: bytes) -> bool:
    if content.startswith(JPEG):
        return int(tf.io.extract_jpeg_shape(content)[2]) == 4
    return content.startswith((BMP, b"GIF"))


def _has_palette(content: bytes) -> bool:
    bitmap = content.startswith(BMP) and len(content) >= FIELDS.size
    return bitmap and FIELDS.unpack_from(content)[2] == POSITIONS


def _of_palette(content: bytes) -> Any:
    begin, length, _, packing = FIELDS.unpack_from(content)
    entries = content[LEADING + length : begin]
    palette = np.frombuffer(entries, np.uint8, len(entries) // 4 * 4).reshape(-1, 4)
    positions = tf.io.decode_bmp(content)[..., 0].numpy()
    if packing or positions.max(initial=0) >= len(palette):
        raise ValueError("packed pixels, or colours that its palette lacks")
    return tf.constant(palette[positions][..., 2::-1])  # blue comes first
