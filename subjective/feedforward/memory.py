"""How much memory a network needs to make a picture."""

from __future__ import annotations

from subjective.feedforward.networks import Architecture

STYLE_BYTES = 16.5
"""Bytes for each pixel and each channel of a style network's width, in one piece (measured: 16.2)."""

LEAST_BYTES = 170
"""Least bytes for each pixel of a style network, however narrow (measured: 145 to 165)."""

TEXTURE_BYTES = 12.5
"""Bytes for each pixel, channel and scale of a texture network (measured: 12.1)."""

STRIP_BYTES = 6
"""Bytes for each pixel and channel of a style network's maps on the host, in strips: one map of full size, and one of
half the size with twice the channels."""

PICTURE_BYTES = 36
"""Bytes for each pixel of the picture that comes in, of the one that goes out, and of a copy."""


def network_bytes(architecture: Architecture, size: tuple[int, int], rows: int | None = None) -> int:
    """Return how many bytes a network needs to make a picture, apart from the process.

    Args:
        architecture: of the network.
        size: (height, width) of the picture.
        rows: number of rows of a strip; None for a picture in one piece. Texture networks have no strips.
    """
    height, width = size
    if architecture.kind == "texture":
        return int(height * width * (TEXTURE_BYTES * architecture.width * architecture.depth + PICTURE_BYTES))
    each = max(STYLE_BYTES * architecture.width, LEAST_BYTES)
    if rows is None:
        return int(height * width * (each + PICTURE_BYTES))
    return int(height * width * (STRIP_BYTES * architecture.width + PICTURE_BYTES) + min(rows, height) * width * each)
