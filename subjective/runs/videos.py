"""Loops as files that play: GIF, animated WebP, MP4."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import imageio.v3 as iio
import numpy as np

from subjective.images import to_uint8, write_bytes

Format = Literal["gif", "webp", "mp4"]
FORMATS: tuple[Format, ...] = get_args(Format)

QUALITY = 90
"""Of WebP, out of 100."""


def can_write(kind: Format) -> bool:
    """Whether what it takes is installed: MP4 wants the ``video`` extra."""
    return kind != "mp4" or importlib.util.find_spec("av") is not None


def write_video(path: str | os.PathLike[str], frames: np.ndarray, fps: float) -> None:
    """Write a loop, whole or not at all; GIF and WebP repeat for ever.

    GIF has 256 colors a frame and whole hundredths of a second; MP4 is H.264 in yuv420p, which every player knows, and
    whose sides are even: an odd one loses its last pixel.

    Args:
        path: where; the suffix gives the format.
        frames: ``(count, height, width, 3)`` in [0, 1]; rounded, and clipped to black and white.
        fps: frames a second.

    Raises:
        ValueError: another shape or suffix, or MP4 without what it takes.
        OSError: it cannot be written.
    """
    target, array = Path(path), to_uint8(frames)
    if array.ndim != 4 or array.shape[3] != 3:
        raise ValueError(f"cannot write frames of shape {array.shape}; wanted (count, height, width, 3)")
    kind = target.suffix.lower().removeprefix(".")
    if kind == "mp4":
        if not can_write("mp4"):
            raise ValueError("to write MP4, install the video extra: pip install 'subjective[video]'")
        write_bytes(target, _mp4(array, fps))
    elif kind in FORMATS:
        options: dict[str, Any] = {"duration": 1000 / fps, "loop": 0}
        if kind == "webp":
            options |= {"quality": QUALITY, "method": 4}
        write_bytes(target, iio.imwrite("<bytes>", array, extension=f".{kind}", plugin="pillow", **options))
    else:
        raise ValueError(f"cannot write {target.name!r}; wanted a name ending in .{', .'.join(FORMATS)}")


def _mp4(array: np.ndarray, fps: float) -> bytes:
    even = array[:, : array.shape[1] // 2 * 2, : array.shape[2] // 2 * 2]
    if 0 in even.shape:
        raise ValueError(f"frames of {array.shape[2]}x{array.shape[1]} pixels make no MP4; wanted 2 a side or more")
    how: dict[str, Any] = {"codec": "libx264", "fps": fps, "out_pixel_format": "yuv420p"}
    return iio.imwrite("<bytes>", even, extension=".mp4", plugin="pyav", **how)


def write_videos(folder: Path, stem: str, frames: np.ndarray, fps: float, kinds: Sequence[Format]) -> list[str]:
    """Write a loop in several formats; returns the files' names."""
    names = [f"{stem}.{kind}" for kind in kinds]
    for name in names:
        write_video(folder / name, frames, fps)
    return names
