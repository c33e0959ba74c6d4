"""Write loops as GIF, animated WebP and MP4; convert videos frame by frame."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import imageio.v3 as iio
import numpy as np

from subjective.arguments import check_path
from subjective.checks import InputError, above, check_number, describe, file_errors
from subjective.conversion import to_uint8
from subjective.decoding import BYTES_PER_PIXEL, MAX_BYTES, check_memory
from subjective.files import open_regular, write_atomically, write_bytes

Format = Literal["gif", "webp", "mp4"]
"""A format in which loops are written."""

FORMATS: tuple[Format, ...] = get_args(Format)

WEBP_QUALITY = 90
"""Quality of animated WebP, from 0 to 100."""


def write_video(path: str | os.PathLike[str], frames: np.ndarray, fps: float) -> None:
    """Write a loop to a file completely or not at all.

    Args:
        path: the file; its suffix chooses the format.
        frames: as in `encode_video`.
        fps: frames a second.

    Raises:
        InputError: as in `encode_video`, or the suffix is none of `FORMATS`.
        FileError: the file cannot be written.
    """
    target = check_path("path", path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"cannot write {describe(target.name)}; wanted a name ending in .{', .'.join(FORMATS)}")
    write_bytes(target, encode_video(frames, kind, fps))


def encode_video(frames: np.ndarray, kind: Format, fps: float) -> bytes:
    """Encode a loop as the bytes of a file. Players repeat GIF and WebP endlessly.

    A GIF has at most 256 colors in each frame, and a frame lasts a whole number of hundredths of a second. An MP4 holds
    H.264 video with pixels in yuv420p, which every player knows. The sides of an MP4 must be even: if the number of
    rows or columns is odd, the last one is cut off.

    Args:
        frames: ``(count, height, width, 3)`` in [0, 1]; other values are clipped.
        kind: the format.
        fps: frames a second.

    Raises:
        InputError: the frames have another shape, ``fps`` is not above 0 and at most 1000, or the frames are too small
            for MP4.
    """
    array = to_uint8(frames)
    if array.ndim != 4 or array.shape[3] != 3:
        raise InputError(f"cannot write frames of shape {array.shape}; wanted (count, height, width, 3)")
    check_number("fps", fps, above(0, 1000))
    if kind == "mp4":
        return _encode_mp4(array, fps)
    options: dict[str, Any] = {"duration": 1000 / fps, "loop": 0}
    if kind == "webp":
        options |= {"quality": WEBP_QUALITY, "method": 4}
    try:
        return iio.imwrite("<bytes>", array, extension=f".{kind}", plugin="pillow", **options)
    except (OverflowError, struct.error):
        raise InputError(f"fps is {fps:g}; wanted more, because {kind} cannot say how long a frame lasts") from None


def _encode_mp4(array: np.ndarray, fps: float) -> bytes:
    """Encode 8-bit frames ``(count, height, width, 3)`` as MP4."""
    even = array[:, : array.shape[1] // 2 * 2, : array.shape[2] // 2 * 2]
    if 0 in even.shape:
        raise InputError(
            f"cannot write frames of {array.shape[2]}x{array.shape[1]} pixels as MP4; wanted 2 pixels a side or more"
        )
    how: dict[str, Any] = {"codec": "libx264", "fps": fps, "out_pixel_format": "yuv420p"}
    return iio.imwrite("<bytes>", even, extension=".mp4", plugin="pyav", **how)


def write_videos(folder: Path, stem: str, frames: np.ndarray, fps: float, kinds: Sequence[Format]) -> list[str]:
    """Write a loop to ``folder/stem.kind`` for each of several formats; return the names of the files."""
    names = [f"{stem}.{kind}" for kind in kinds]
    for name in names:
        write_video(folder / name, frames, fps)
    return names


VIDEO_SUFFIXES = {".avi": "avi", ".m4v": "mp4", ".mkv": "matroska", ".mov": "mov", ".mp4": "mp4", ".webm": "webm"}
"""Suffixes of the files that are read and written as videos, with FFmpeg's name of the format that is written."""

CONTAINERS = ("mov", "matroska", "avi")
"""Formats of the files that are read as videos, by FFmpeg's names; they are those of `VIDEO_SUFFIXES`.

FFmpeg finds out a file's format by its content. Among the formats that it knows are lists of other files and of streams
in the network, which it would open.
"""

_READING: dict[str, Any] = {  # arguments of PyAV
    "options": {"format_whitelist": ",".join(CONTAINERS), "max_pixels": str(MAX_BYTES // BYTES_PER_PIXEL)}
}

DEFAULT_RATE = 24.0
"""Frames a second of a new video, if the file of the original does not give a number."""


def convert_video(
    source: Path, target: Path, paint: Callable[[np.ndarray], np.ndarray], *, replace: bool = True
) -> int:
    """Paint each frame of a video, and write the frames as a new video without sound.

    Args:
        source: the video.
        target: the new video; it is written completely or not at all.
        paint: takes a frame ``(height, width, 3)`` in [0, 1], and returns the new frame, of the same size.
        replace: whether to replace a file that exists.

    Returns:
        The number of frames.

    Raises:
        InputError: a file cannot be read or written as a video, the video is in none of `CONTAINERS`, has no frame, or
            its frames are too large.
    """
    container = VIDEO_SUFFIXES.get(target.suffix.lower())
    if container is None:
        raise InputError(f"cannot write {target.name!r}; wanted a name that ends in {', '.join(VIDEO_SUFFIXES)}")
    with file_errors("read", source):
        file = open_regular(source, sys.maxsize)
    with file, write_atomically(target, replace=replace) as new:
        try:
            count = _paint_frames(source, file, new, container, paint)
        except InputError:
            raise
        except Exception as error:  # decoders and encoders raise errors of many classes
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{source.name!r} cannot be made into {target.name!r} ({reason[:200]})") from None
        if not count:
            raise InputError(f"{source.name!r} has no frame")
    return count


def _paint_frames(
    source: Path, file: BinaryIO, new: BinaryIO, container: str, paint: Callable[[np.ndarray], np.ndarray]
) -> int:
    """Paint the frames of an open video into another open file; see `convert_video`. Return their number."""
    count = 0
    with _open_video(source, file) as video:
        rows, columns = video.properties(0).shape[:2]
        check_memory(source.name, columns, rows)
        with iio.imopen(new, "w", plugin="pyav", extension=f".{container}", container=container) as out:
            out.init_video_stream("libx264", fps=round(float(video.metadata().get("fps") or DEFAULT_RATE)))
            for frame in video.iter():
                painted = to_uint8(paint(np.asarray(frame[..., :3], np.float32) / np.float32(255)))
                # The sides of H.264 must be even; the last row or column of an odd number is cut off.
                out.write_frame(painted[: painted.shape[0] // 2 * 2, : painted.shape[1] // 2 * 2])
                count += 1
    return count


def _open_video(source: Path, file: BinaryIO) -> Any:
    """Open a video of one of `CONTAINERS` for reading, with imageio's plugin for PyAV."""
    try:
        return iio.imopen(file, "r", plugin="pyav", **_READING)
    except Exception:  # imageio hides the reason, and PyAV raises errors of many classes
        wanted = ", ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"{source.name!r} is not a video that can be read, or is damaged; wanted {wanted}") from None
