"""Decode picture files that come from strangers.

A file is decoded only in one of `FORMATS`, whatever its name says: Pillow knows some 40 formats, and to open one of
them, PostScript, it starts another program. The memory that decoding takes is counted before anything is decoded,
because a file of a few kilobytes can claim to hold more pixels than fit into memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from subjective.checks import InputError, file_errors
from subjective.conversion import Image
from subjective.files import open_regular

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""Formats that are read, by Pillow's names. PPM stands for PBM, PGM, PNM and PFM too."""

MAX_BYTES = 2**31
"""Most memory in bytes that reading a picture may take: 2 GiB, enough for 2^27 pixels (11585 x 11585) of 8-bit RGB.

The file itself counts, and for each pixel all copies that exist at one time; see `BYTES_PER_PIXEL`.
"""

BYTES_PER_PIXEL = 16
"""Memory for each pixel while a picture is read: 4 bytes in Pillow, which pads RGB, and 12 in the result in float32.

The decoders and the conversions of colors, which come before the result is made, need no more than that.
"""

INSTALL = "pip install 'subjective[maps]'"
"""What installs the library that reads and writes all depths of TIFF, and OpenEXR."""

DEEP_ADVICE = {"TIFF": f"to keep all, {INSTALL}", "PNG": "its color profile can only be followed so"}
"""What to do about colors of which 8 bits are read, for each format."""

_WEBP_BYTES_PER_PIXEL = 24  # its decoder keeps two canvases and the frame, and hands over a copy

_MAX_SCANS = 100  # a JPEG in passes has some ten; each costs as much time as a whole picture, and a few bytes

_MOST_PACKED = 1032  # times that the packing of PNG, which is zlib's, can shrink anything

_PIXELS_AT_ONCE = 1 << 20  # pixels that are converted to floats in one piece


class PictureWarning(UserWarning):
    """A part of a picture file was not read, such as its transparency."""


def read_picture(path: Path) -> Pillow.Image:
    """Read a file as a picture that stands upright.

    Returns:
        The picture in one of Pillow's modes; see `to_rgb`.

    Raises:
        InputError: the file is a folder, a pipe or a device, is not a picture in one of `FORMATS`, is empty or damaged,
            or needs more than `MAX_BYTES`.
        FileError: the file cannot be opened.
    """
    return decode_picture(str(path), read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read a picture file as it is.

    Raises:
        InputError: the file is a folder, a pipe or a device, is empty, or has more than `MAX_BYTES`.
        FileError: the file cannot be opened.
    """
    name = str(path)
    with file_errors("read", name):
        if path.is_dir():
            raise InputError(f"{name!r} is a folder; wanted a picture file")
        with open_regular(path, MAX_BYTES) as file:
            data = file.read()
    if not data:
        raise InputError(f"{name!r} is empty (0 bytes); wanted a picture file")
    return data


def read_size(path: Path) -> tuple[int, int]:
    """Return the size of a picture in pixels, (width, height), as the head of its file says; nothing is decoded.

    Raises:
        InputError: the file is not a picture in one of `FORMATS`.
        FileError: the file cannot be opened.
    """
    name = str(path)
    with file_errors("read", name), open_regular(path, MAX_BYTES) as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Pillow.open(file, formats=FORMATS) as picture:
                    size: tuple[int, int] = picture.size
                    return size
        except Exception as error:  # Pillow's parsers raise exceptions of almost any class for damaged files
            raise refusal(name, error) from None


def decode_picture(name: str, data: bytes) -> Pillow.Image:
    """Decode a file's bytes into a picture that stands upright.

    Raises:
        InputError: the bytes are not a picture, are damaged, or claim too many pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures, which `_check_claim` refuses, and about metadata, which is not used.
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as file:
                _check_claim(name, file, data)
                lost = _find_losses(file)
                with _silent_libtiff() if file.format == "TIFF" else contextlib.nullcontext():
                    file.load()
                picture = orient(file)
    except Exception as error:  # Pillow's decoders raise exceptions of almost any class for damaged files
        raise refusal(name, error) from None
    for loss in lost:
        warnings.warn(f"{name!r}: {loss}", PictureWarning, stacklevel=4)
    return picture


@contextlib.contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Keep libtiff from writing to stderr. What it has to say of a damaged file, Pillow raises as an exception."""
    setters = _libtiff_handlers()
    before = [(setter, setter(None)) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in before:
            setter(handler)


@lru_cache(maxsize=1)
def _libtiff_handlers() -> tuple[Any, ...]:
    """Return the functions of the libtiff that Pillow has loaded which set who is told of errors and of warnings.

    Each takes a function, or None for nobody, and returns the one before. There are none where libtiff is not found.
    """
    folder = Path(Pillow.__file__).parent
    bundled = [*folder.parent.glob("[pP]illow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")]  # Linux, macOS
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(str(bundled[0]) if bundled else "libtiff.so.6", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        setters = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
        for setter in setters:
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
        return setters
    return ()


def refusal(name: str, error: Exception) -> InputError:
    """Return the error that says why a library could not open or decode a file."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, Pillow.DecompressionBombError):
        most = MAX_BYTES // BYTES_PER_PIXEL
        return InputError(f"{name!r} claims more than {most:,} pixels; scale the file down first")
    if isinstance(error, UnidentifiedImageError):
        return InputError(f"{name!r} is not a picture that can be read; wanted {', '.join(FORMATS[:-1])} or PPM")
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{name!r} is damaged or incomplete ({reason[:200]}); wanted a whole picture file")


def _check_claim(name: str, file: Pillow.Image, data: bytes) -> None:
    """Refuse an opened file that would take too much memory or time to decode."""
    columns, rows = file.size
    each = _WEBP_BYTES_PER_PIXEL if file.format == "WEBP" else BYTES_PER_PIXEL
    check_memory(name, columns, rows, each, len(data))
    # Pillow takes a PNG that holds fewer rows than it claims, and leaves the others black.
    bits = 1 if file.mode in ("1", "L", "P") else 8 * len(file.getbands())
    if file.format == "PNG" and rows * columns * bits > 8 * _MOST_PACKED * len(data):
        raise InputError(f"{name!r} claims {columns}x{rows} pixels in {len(data)} bytes; wanted a whole picture file")
    scans = data.count(b"\xff\xda") if file.format in ("JPEG", "MPO") else 0
    if scans > _MAX_SCANS:
        raise InputError(f"{name!r} is a JPEG of {scans} passes, more than {_MAX_SCANS}; save it again as PNG")


def check_memory(name: str, columns: int, rows: int, each: int = BYTES_PER_PIXEL, besides: int = 0) -> None:
    """Refuse a picture that would take more than `MAX_BYTES` to read.

    Args:
        name: what the message calls the picture.
        columns: width in pixels.
        rows: height in pixels.
        each: bytes for each pixel.
        besides: further bytes, such as those of the file.

    Raises:
        InputError: the picture takes more.
    """
    needed = columns * rows * each + besides
    if needed > MAX_BYTES:
        raise InputError(
            f"{name!r} would be {columns}x{rows} pixels and take {needed / 1e9:.3g} GB, more than "
            f"{MAX_BYTES / 1e9:.3g}; scale it down or crop it first"
        )


def _find_losses(file: Pillow.Image) -> list[str]:
    """Say which parts of an opened file will not be read."""
    losses = []
    # The frames are not counted: that takes minutes in a file of many small ones. What follows the picture in an MPO of
    # a camera is no frame.
    if getattr(file, "is_animated", False) and file.format != "MPO":
        losses.append("only the first of its frames is read")
    if has_deep_colors(file):
        advice = DEEP_ADVICE.get(file.format or "", "to keep all, save it as PNG")
        losses.append(f"its colors of 16 bits are read as 8 bits; {advice}")
    if file.mode == "CMYK" and not file.info.get("icc_profile"):
        losses.append("it is CMYK without a color profile, so its colors are converted by a rule of thumb")
    return losses


def has_deep_colors(file: Pillow.Image) -> bool:
    """Return whether an opened file has more than 8 bits for each of several channels."""
    tile = getattr(file, "tile", None)
    if not tile or file.mode[0] in "IF":  # grey of 16 bits or of floats keeps its depth
        return False
    arguments: Any = tile[0][3]  # how the decoder unpacks the pixels: a raw mode such as RGB;16B, or a tuple with one
    raw, *more = [arguments] if isinstance(arguments, str) else arguments or [""]
    if file.format == "PPM":
        return bool(more) and int(more[0]) > 255  # the largest number of a channel
    return re.search(";16[BLN]", str(raw)) is not None


def orient(picture: Pillow.Image) -> Pillow.Image:
    """Rotate a picture upright if its camera recorded an orientation. A damaged record is ignored."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the parser of metadata failed; the pixels do not depend on the metadata
        return picture.copy()


def to_rgb(name: str, picture: Pillow.Image) -> Pillow.Image:
    """Convert a picture to 8-bit RGB; convert grey of more than 8 bits to mode F (float) in [0, 1].

    Transparent pixels are laid over white. A color profile is followed.

    Raises:
        InputError: the picture holds floats outside [0, 1], or integers of more than 16 bits.
    """
    if picture.mode.startswith("I"):
        return _scale_grey(name, picture)
    if picture.mode == "F":
        return _check_floats(name, picture)
    if picture.mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode == "RGBA":
        if np.min(picture.getchannel("A").getextrema()) < 255:
            warnings.warn(f"{name!r}: transparent pixels are laid over white", PictureWarning, stacklevel=3)
        profile = picture.info.get("icc_profile")
        picture = Pillow.alpha_composite(Pillow.new("RGBA", picture.size, (255, 255, 255, 255)), picture)
        picture = picture.convert("RGB")
        if profile:
            picture.info["icc_profile"] = profile
    return _to_srgb(picture)


def _scale_grey(name: str, picture: Pillow.Image) -> Pillow.Image:
    """Divide 16-bit grey by 65535, because Pillow's own conversion clips at 255.

    Older versions of Pillow open a 16-bit PNG in mode I, which has 32-bit integers.
    """
    columns, rows = picture.size
    values = np.empty((rows, columns), np.float32)
    clear = picture.info.get("transparency")  # the one grey value that is transparent
    for integers, part in _pieces(picture):
        if integers.min() < 0 or integers.max() > 65535:
            given = f"integers from {integers.min()} to {integers.max()}"
            raise InputError(f"{name!r} holds {given}; wanted 16 bits at most")
        values[part] = integers.astype(np.float32) / 65535
        if isinstance(clear, int):
            values[part][integers == clear] = 1
    return Pillow.fromarray(values)


def _check_floats(name: str, picture: Pillow.Image) -> Pillow.Image:
    """Return a picture of floats unchanged; refuse values outside [0, 1]."""
    for piece, _ in _pieces(picture):
        low, high = float(piece.min()), float(piece.max())
        if not (low >= 0 and high <= 1):
            raise InputError(
                f"{name!r} holds float values from {low:g} to {high:g}; wanted 0 to 1: convert it to 16 bits first"
            )
    return picture


def find_profile(data: bytes) -> bytes | None:
    """Return the color profile in the bytes of a picture file; None if it has none that can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if data[:4] in (b"II*\0", b"MM\0*"):  # of TIFF, Pillow opens some depths only
                directory, file = TiffImagePlugin.ImageFileDirectory_v2(data[:8]), io.BytesIO(data)
                file.seek(directory.next)
                directory.load(file)
                return directory.get(TiffImagePlugin.ICCPROFILE) or None
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
                return picture.info.get("icc_profile") or None
    except Exception:  # parsers raise exceptions of almost any class for damaged files
        return None


def is_of_rgb(profile: bytes) -> bool:
    """Return whether a color profile says which colors numbers in RGB are."""
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() == "RGB"
    except Exception:  # a damaged profile
        return False


def _to_srgb(picture: Pillow.Image) -> Pillow.Image:
    """Convert to sRGB through the embedded color profile; without a usable profile, convert to RGB by Pillow's rule."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # ignore a profile that does not fit its picture, as viewers do
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def to_float(picture: Pillow.Image) -> Image:
    """Return the pixels of a picture from `to_rgb` as an image. Only a few rows are converted at a time."""
    columns, rows = picture.size
    image = np.empty((rows, columns, 3), np.float32)
    for piece, part in _pieces(picture):
        if piece.ndim == 2:  # grey of more than 8 bits; `to_rgb` has converted it to floats in [0, 1]
            image[part] = np.clip(piece, 0, 1)[:, :, np.newaxis]
        else:
            np.divide(piece, np.float32(255), out=image[part], dtype=np.float32)
    return image


def _pieces(picture: Pillow.Image) -> Iterator[tuple[np.ndarray, slice]]:
    """Yield the pixels of a few rows at a time, with the place of these rows in the whole picture."""
    columns, rows = picture.size
    step = max(1, _PIXELS_AT_ONCE // columns)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        yield np.asarray(picture.crop((0, top, columns, bottom))), slice(top, bottom)
