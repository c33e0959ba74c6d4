"""Read the pictures of runs for the page: reduced, cut, or as they are. A picture that a link names is not read."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from subjective.checks import InputError
from subjective.decoding import read_picture, to_rgb
from subjective.files import open_plainly
from subjective.images import encode_image, read_image
from subjective.network.formats.native import sha256
from subjective.runs.control import PREVIEW_FILE

THUMBNAIL = 288
"""Longest side of a thumbnail in pixels."""

LARGEST_SOURCE = 2048
"""Longest side of a source as it is shown, in pixels."""

MOST_CUT = 2048
"""Longest side of a part of a picture that is cut out at full size."""

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".exr": "image/x-exr",
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/plain; charset=utf-8",
}
"""The type of each kind of file that is served; no other kind is."""

LARGE = 2**24
"""Pixels from which on a decoded picture is kept for `KEPT_SECONDS`: to decode one again takes seconds."""

KEPT_SECONDS = 30.0
"""Seconds for which a large picture stays decoded after it was last asked for."""

CACHE_BYTES = 48_000_000
"""Most bytes of reduced pictures that are kept in memory."""


class Cache:
    """Keeps what was made last, up to `CACHE_BYTES`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._kept: OrderedDict[Any, bytes] = OrderedDict()
        self._size, self._lock = 0, threading.Lock()

    def get(self, key: Any, make: Callable[[], bytes]) -> bytes:
        """Return what is kept under a key; if there is nothing, make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > CACHE_BYTES and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


def find_file(folder: Path, name: str) -> Path:
    """Return the path of a file of a run that may be shown.

    Raises:
        InputError: the name is no plain name, or is not that of a picture or of a text of a run.
    """
    plain = name == PREVIEW_FILE or not name.startswith(".")
    if plain and name and not any(mark in name for mark in "/\\\0") and Path(name).suffix.lower() in TYPES:
        return folder / name
    raise InputError("there is no such file in the run")


def make_thumbnail(path: Path, side: int = THUMBNAIL) -> bytes:
    """Return a picture, reduced so that no side is longer than ``side`` pixels, as JPEG.

    Raises:
        InputError: the file is a link, or no picture.
        OSError: the file cannot be read.
    """
    picture = _read(path)
    longest = max(picture.size)
    if longest > side:
        size = (max(round(picture.width * side / longest), 1), max(round(picture.height * side / longest), 1))
        picture = picture.resize(size, Pillow.Resampling.BOX, reducing_gap=2.0)
    return _encode(picture, "JPEG", quality=90, subsampling=0)


def cut_out(path: Path, left: int, top: int, width: int, height: int) -> bytes:
    """Return a part of a picture at full size, as PNG.

    Args:
        path: the picture.
        left: first column; it may lie outside the picture, as may the others.
        top: first row.
        width: number of columns.
        height: number of rows.

    Raises:
        InputError: the part is empty or too large, or the file is a link or no picture.
        OSError: the file cannot be read.
    """
    if not (0 < width <= MOST_CUT and 0 < height <= MOST_CUT):
        raise InputError(f"a part of {width} x {height} pixels was asked for; wanted 1 to {MOST_CUT} on each side")
    picture = _read(path)
    box = (max(left, 0), max(top, 0), min(left + width, picture.width), min(top + height, picture.height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise InputError("the part lies outside the picture")
    return _encode(picture.crop(box), "PNG", compress_level=1)


def _read(path: Path) -> Pillow.Image:
    """Read a picture. Pictures are decoded one after the other, because each may take much memory."""
    open_plainly(path, "rb").close()  # refuses a link
    with _DECODING:
        return _NEWEST.get(path)


class _Newest:
    """The large picture that was decoded last, for a while: the parts that a page asks for are mostly of one."""

    def __init__(self) -> None:
        self._key: Any = None
        self._picture: Pillow.Image | None = None
        self._timer: threading.Timer | None = None

    def get(self, path: Path) -> Pillow.Image:
        """Return a picture, which the caller must not change."""
        status = path.stat()
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        if self._picture is None or key != self._key:
            picture = to_rgb(path.name, read_picture(path))
            if picture.width * picture.height < LARGE:
                return picture
            self._key, self._picture = key, picture
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(KEPT_SECONDS, self._forget)
        self._timer.daemon = True
        self._timer.start()
        return self._picture

    def _forget(self) -> None:
        with _DECODING:
            self._key = self._picture = None


_DECODING, _NEWEST = threading.Lock(), _Newest()


def _encode(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def list_sources(config: dict[str, Any]) -> list[dict[str, str]]:
    """Return the pictures that a run has read: for each, ``use``, ``name``, ``path`` and ``sha256``."""
    pictures = config.get("pictures")
    found: list[Any] = pictures if isinstance(pictures, list) else []
    names = ("use", "name", "path", "sha256")
    return [
        {name: one[name] for name in names}
        for one in found
        if isinstance(one, dict) and all(isinstance(one.get(name), str) for name in names)
    ]


def find_scale(source: dict[str, str], config: dict[str, Any]) -> tuple[int | None, float | None]:
    """Return the width to which a run has resized a source, or the factor by which it has; None for what it has not."""
    settings = config.get("settings")
    if source["use"] != "source" or not isinstance(settings, dict):
        return None, None
    width, scale = settings.get("source_width"), settings.get("source_scale")
    if type(width) is int:
        return width, None
    return None, scale if type(scale) in (int, float) else None


def show_source(source: dict[str, str], width: int | None, scale: float | None) -> bytes:
    """Return a source as a run has seen it, as PNG.

    A source lies outside of the served folder, and the record that names it may come from anywhere. So it is shown only
    if its sha256 is the recorded one: nobody learns more than who wrote the record knew.

    Args:
        source: from `list_sources`.
        width: see `find_scale`.
        scale: see `find_scale`.

    Raises:
        InputError: the file has changed, is gone, or is no picture.
    """
    path = Path(source["path"])
    try:
        found = sha256(path) if path.is_file() else ""
    except OSError:
        raise InputError(f"{source['name']} is no longer where the run has read it") from None
    if not found:
        raise InputError(f"{source['name']} is no longer where the run has read it")
    if found != source["sha256"]:
        raise InputError(f"{source['name']} has changed since the run has read it")
    picture = read_image(path, width=width, scale=scale)
    if max(picture.shape) > LARGEST_SOURCE:  # only a corner at the run's own scale, which the page can compare
        picture = picture[:LARGEST_SOURCE, :LARGEST_SOURCE]
    return encode_image(picture, ".png")
