"""Write pictures of any size, strip by strip, so that only a few rows are in memory.

The libraries that this package uses encode whole pictures. A PNG is one stream of compressed rows: each strip is
compressed by itself, in threads, and ends at a whole byte, so that the strips' streams make one stream. A TIFF keeps
its strips apart.

References:
    Boutell et al., "Portable network graphics (PNG) specification", third edition, 2025. Deutsch, RFC 1950 and 1951,
    for the stream of a PNG. "TIFF, revision 6.0", Adobe, 1992, and the "BigTIFF" addition, for offsets of 8 bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

STREAMED_SUFFIXES = (".png", ".tif", ".tiff")
"""Suffixes of the files that are written in strips; the suffix chooses the format."""

LEVEL = 3
"""Level of zlib. On photographs, level 6 takes three times as long for files that are 2 % smaller."""

MOST_SIDE = 2**31 - 1
"""Largest side in pixels that a PNG may have."""

Strip = NDArray[np.uint8]


def write_stream(file: BinaryIO, suffix: str, size: tuple[int, int], strips: Iterable[Strip]) -> None:
    """Write a picture.

    Args:
        file: the open file.
        suffix: one of `STREAMED_SUFFIXES`.
        size: (height, width) in pixels.
        strips: the rows from top to bottom, ``(rows, width, 3)`` each; the numbers of rows may differ.
    """
    write = _write_png if suffix.lower() == ".png" else _write_tiff
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        write(file, size, strips, pool, threads + 1)


def _in_order(
    work: Callable[[Strip], tuple[bytes, bytes]], strips: Iterable[Strip], pool: ThreadPoolExecutor, waiting: int
) -> Iterator[tuple[bytes, bytes]]:
    """Do the work for each strip in threads, and yield the results in order; at most ``waiting`` strips are held."""
    pending: deque[Future[tuple[bytes, bytes]]] = deque()
    for strip in strips:
        pending.append(pool.submit(work, strip))
        if len(pending) >= waiting:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _write_png(
    file: BinaryIO, size: tuple[int, int], strips: Iterable[Strip], pool: ThreadPoolExecutor, waiting: int
) -> None:
    file.write(b"\x89PNG\r\n\x1a\n")
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], 8, 2, 0, 0, 0))
    check, head = 1, b"\x78\x01"  # RFC 1950: deflate, a window of 32 KiB, the checksum's start
    for filtered, packed in _in_order(_pack_rows, strips, pool, waiting):
        check = zlib.adler32(filtered, check)
        _write_chunk(file, b"IDAT", head + packed)
        head = b""
    _write_chunk(file, b"IDAT", zlib.compressobj(LEVEL, wbits=-15).flush() + struct.pack(">I", check))
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _pack_rows(strip: Strip) -> tuple[bytes, bytes]:
    """Return rows with the filter ``Sub`` of PNG, each pixel minus that to its left, and the same compressed."""
    rows, width, channels = strip.shape
    filtered = np.empty((rows, 1 + width * channels), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1 : 1 + channels] = strip[:, 0]
    flat = strip.reshape(rows, -1)
    np.subtract(flat[:, channels:], flat[:, :-channels], out=filtered[:, 1 + channels :])
    packer, data = zlib.compressobj(LEVEL, wbits=-15), filtered.tobytes()
    return data, packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


TIFF_ROWS = 64
"""Rows in a strip of a TIFF: all strips but the last have the same number."""


def _write_tiff(
    file: BinaryIO, size: tuple[int, int], strips: Iterable[Strip], pool: ThreadPoolExecutor, waiting: int
) -> None:
    """Write a BigTIFF: the strips, then the directory, to which the header is made to point at the end."""
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    offsets, counts = [], []
    for _, packed in _in_order(_pack_strip, _regroup(strips, TIFF_ROWS), pool, waiting):
        offsets.append(file.tell())
        counts.append(len(packed))
        file.write(packed)
    file.write(bytes(-file.tell() % 8))
    tables = []
    for numbers in (offsets, counts):
        tables.append(file.tell())
        file.write(struct.pack(f"<{len(numbers)}Q", *numbers))
    short, long, long8 = 3, 4, 16
    bits = 8 | 8 << 16 | 8 << 32
    fields = [  # width, height, bits, deflate, RGB, strips, channels, rows, sizes, interleaved, difference to the left
        (256, long, 1, size[1]), (257, long, 1, size[0]), (258, short, 3, bits), (259, short, 1, 8),
        (262, short, 1, 2), (273, long8, len(offsets), offsets[0] if len(offsets) == 1 else tables[0]),
        (277, short, 1, 3), (278, long, 1, min(TIFF_ROWS, size[0])),
        (279, long8, len(counts), counts[0] if len(counts) == 1 else tables[1]),
        (284, short, 1, 1), (317, short, 1, 2),
    ]  # fmt: skip
    directory = file.tell()
    file.write(struct.pack("<Q", len(fields)))
    for field in fields:
        file.write(struct.pack("<HHQQ", *field))
    file.write(struct.pack("<Q", 0))
    file.seek(8)
    file.write(struct.pack("<Q", directory))


def _pack_strip(strip: Strip) -> tuple[bytes, bytes]:
    """Return nothing, and a strip compressed with TIFF's predictor: each pixel minus that to its left."""
    filtered = strip.copy()
    filtered[:, 1:] -= strip[:, :-1]
    return b"", zlib.compress(filtered.tobytes(), LEVEL)


def _regroup(strips: Iterable[Strip], rows: int) -> Iterator[Strip]:
    """Cut strips anew, so that each has ``rows`` rows, but for the last, which may have fewer."""
    held: list[Strip] = []
    count = 0
    for strip in strips:
        held.append(strip)
        count += len(strip)
        if count >= rows:
            whole = np.concatenate(held)
            end = count - count % rows
            yield from np.split(whole[:end], end // rows)
            held, count = [whole[end:]], count - end
    if count:
        yield np.concatenate(held)
