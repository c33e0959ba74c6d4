"""Videos, frame by frame: one in, one out, of the same rate; whatever imageio's plugins can read and write."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from subjective.images import to_uint8

SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""Files that are taken for videos."""

RATE = 24.0
"""Frames a second, where a video does not say."""


def convert(source: Path, target: Path, paint: Callable[[np.ndarray], np.ndarray]) -> int:
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
        raise ValueError("to read and write videos, install the video extra: pip install 'subjective[video]'")
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
            raise ValueError("it has no frame")
        os.replace(temporary, target)
    except ValueError:
        raise
    except Exception as error:  # of decoders and encoders
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{source.name!r} cannot be made into {target.name!r} ({reason[:200]})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return count
