"""Count the bytes that a file of parameters takes, so that a small file cannot ask for more memory than there is.

Numbers of a network hardly compress. A file whose arrays take many times its own size is therefore no network, but a
file that repeats a few bytes: by a stride of 0, by a compressed member, by a fill value, or by naming an array twice.
"""

from __future__ import annotations

import os
from io import BufferedIOBase
from typing import BinaryIO

from subjective.checks import InputError

MAX_FILE_BYTES = 1 << 31
"""A larger file is refused. VGG-19 with its dense layers has 575 million bytes; a checkpoint of a training has more."""

MAX_BYTES = 1 << 29
"""Most bytes of all arrays of a file together, each as it is read.

VGG-19's convolutions have 160 million in float64, and are counted twice where the bytes of an array are unpacked first.
"""

_MAX_UNPACKED_BYTES = 1 << 30
_MIN_BYTES, _MOST_TIMES = 1 << 26, 8  # a small file may take this much, a larger one so many times its size


def most_unpacked(file_bytes: int) -> int:
    """Return the most bytes to which a file of this size may be unpacked where all of it, dense layers too, must be."""
    return min(_MAX_UNPACKED_BYTES, _MIN_BYTES + _MOST_TIMES * file_bytes)


def size_of(stream: BufferedIOBase | BinaryIO) -> int:
    """Return the size of an open file in bytes, and leave its position unchanged."""
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size


class Budget:
    """The bytes that reading one file may still take.

    Attributes:
        limit: the bytes at the start.
        left: the bytes that are left.
    """

    def __init__(self, file_bytes: int):
        """Begin with the bytes that a file of this size may take; see `MAX_BYTES`."""
        self.limit = self.left = min(MAX_BYTES, _MIN_BYTES + _MOST_TIMES * file_bytes)

    def take(self, count: int, what: str) -> None:
        """Count bytes before they are allocated.

        Args:
            count: number of bytes.
            what: what takes them, for the message.

        Raises:
            InputError: the bytes of the file add up to more than `limit`.
        """
        self.left -= count
        if self.left < 0:
            raise InputError(
                f"takes more than {self.limit / 1e6:.0f} MB when it is read, which no VGG network of its size does; it "
                f"ends at {what}"
            )
