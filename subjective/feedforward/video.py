"""Videos, frame by frame: one in, one out, of the same rate; whatever imageio's plugins can read and write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    plugin = _plugin()
    count = 0
    try:
        rate = float(iio.immeta(source, plugin=plugin).get("fps") or RATE)
        writer: Any = iio.imopen  # whose types know each plugin by its own
        with writer(temporary, "w", plugin=plugin) as out:
            if plugin == "pyav":
                out.init_video_stream("libx264", fps=round(rate))
            for frame in iio.imiter(source, plugin=plugin):
                painted = to_uint8(paint(np.asarray(frame[..., :3], np.float32) / np.float32(255)))
                _append(out, painted, plugin, rate)
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


def _append(out: Any, frame: np.ndarray, plugin: str, rate: float) -> None:
    if plugin == "pyav":
        out.write_frame(frame)
    else:
        out.write(frame, is_batch=False, fps=rate, macro_block_size=1)


def _plugin() -> str:
    for module, plugin in (("av", "pyav"), ("imageio_ffmpeg", "FFMPEG")):
        try:
            __import__(module)
        except ImportError:
            continue
        return plugin
    raise ValueError("videos want a plugin of imageio; install one with `pip install 'imageio[pyav]'`")
