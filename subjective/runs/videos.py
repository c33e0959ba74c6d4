"""Files that play: loops as GIF, animated WebP and MP4; videos converted frame by frame."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import imageio.v3 as iio
import numpy as np

from subjective.checks import InputError
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
        raise InputError(f"cannot write frames of shape {array.shape}; wanted (count, height, width, 3)")
    kind = target.suffix.lower().removeprefix(".")
    if kind == "mp4":
        if not can_write("mp4"):
            raise InputError("to write MP4, install the video extra: pip install 'subjective[video]'")
        write_bytes(target, _mp4(array, fps))
    elif kind in FORMATS:
        options: dict[str, Any] = {"duration": 1000 / fps, "loop": 0}
        if kind == "webp":
            options |= {"quality": QUALITY, "method": 4}
        write_bytes(target, iio.imwrite("<bytes>", array, extension=f".{kind}", plugin="pillow", **options))
    else:
        raise InputError(f"cannot write {target.name!r}; wanted a name ending in .{', .'.join(FORMATS)}")


def _mp4(array: np.ndarray, fps: float) -> bytes:
    even = array[:, : array.shape[1] // 2 * 2, : array.shape[2] // 2 * 2]
    if 0 in even.shape:
        raise InputError(f"frames of {array.shape[2]}x{array.shape[1]} pixels make no MP4; wanted 2 a side or more")
    how: dict[str, Any] = {"codec": "libx264", "fps": fps, "out_pixel_format": "yuv420p"}
    return iio.imwrite("<bytes>", even, extension=".mp4", plugin="pyav", **how)


def write_videos(folder: Path, stem: str, frames: np.ndarray, fps: float, kinds: Sequence[Format]) -> list[str]:
    """Write a loop in several formats; returns the files' names."""
    names = [f"{stem}.{kind}" for kind in kinds]
    for name in names:
        write_video(folder / name, frames, fps)
    return names


VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""Files that are taken for videos."""

RATE = 24.0
"""Frames a second, where a video does not say."""


def convert_video(source: Path, target: Path, paint: Callable[[np.ndarray], np.ndarray]) -> int:
    """Write a video of what becomes of each frame of another; sound is left out.

    Args:
        source: a video.
        target: where to; it appears whole or not at all.
        paint: from a frame ``(height, width, 3)`` in [0, 1] to another of the same size.

    Returns:
        The number of frames.

    Raises:
        ValueError: not a video, or no plugin can read or write it.
    """
    if importlib.util.find_spec("av") is None:
        raise InputError("to read and write videos, install the video extra: pip install 'subjective[video]'")
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    count = 0
    try:
        rate = float(iio.immeta(source, plugin="pyav").get("fps") or RATE)
        with iio.imopen(temporary, "w", plugin="pyav") as out:
            out.init_video_stream("libx264", fps=round(rate))
            for frame in iio.imiter(source, plugin="pyav"):
                painted = to_uint8(paint(np.asarray(frame[..., :3], np.float32) / np.float32(255)))
                # H.264's sides are even, as every player wants them: an odd one loses its last pixel.
                out.write_frame(painted[: painted.shape[0] // 2 * 2, : painted.shape[1] // 2 * 2])
                count += 1
        if not count:
            raise InputError("it has no frame")
        os.replace(temporary, target)
    except ValueError:
        raise
    except Exception as error:  # of decoders and encoders
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source.name!r} cannot be made into {target.name!r} ({reason[:200]})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count
