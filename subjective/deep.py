"""Read pictures at their own depth: integers of 8 and 16 bits, half floats and floats.

Pillow, which reads all other pictures (`subjective.decoding`), has no colors of more than 8 bits. PyAV reads PNG of 16
bits, and is always there. OpenImageIO reads TIFF of all depths and OpenEXR; it is an extra, see `INSTALL`. A file is
decoded by one named decoder, chosen by the first bytes of the file, never by its name.
"""

from __future__ import annotations

import io
import struct
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from subjective.checks import InputError
from subjective.choices import Depth
from subjective.decoding import (
    INSTALL,
    PictureWarning,
    check_memory,
    decode_picture,
    has_deep_colors,
    read_bytes,
    refusal,
)
from subjective.light import to_screen

Values = NDArray[np.float32]
"""``(height, width, channels)``. Integers of a file are divided by their largest number; floats are as in the file."""

MOST: dict[Depth, int] = {"8": 255, "16": 65535}
"""The largest integer of a depth."""

BYTES_PER_PIXEL = 32
"""Memory for each pixel while a deep picture is read: RGBA of 16 bits in the decoder and as a copy, or RGBA of floats,
and the result."""

MOST_CHANNELS = 64
"""Largest number of channels of a file; those besides gray or RGB and opacity are not read."""

_EXR, _TIFF = b"\x76\x2f\x31\x01", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_FORMATS = {2: "rgb48be", 4: "ya16be", 6: "rgba64be"}  # FFmpeg's name, by the color type in the head of a PNG
_CHANNELS = {"gray16be": 1, "ya16be": 2, "rgb48be": 3, "rgba64be": 4}
_TYPES: dict[str, Depth] = {"uint8": "8", "uint16": "16", "half": "half", "float": "float"}


@dataclass(frozen=True)
class Pixels:
    """The pixels of a file.

    Attributes:
        values: 1 channel for gray, 3 for RGB, and one more for opacity.
        depth: how the file stores them.
        is_light: whether they are linear light, as in OpenEXR; otherwise they are as a screen takes them.
        is_multiplied: whether the colors are multiplied by the opacity.
    """

    values: Values
    depth: Depth
    is_light: bool = False
    is_multiplied: bool = False


class _Layout(NamedTuple):
    """Which channels of a file are read."""

    chosen: list[int]
    others: list[str]


def read_pixels(path: Path) -> Pixels:
    """Read the numbers of a file as they are: no color profile is followed, and opacity stays a channel of its own.

    Raises:
        InputError: as in `subjective.decoding.read_picture`; or the file needs a library that is not installed, or has
            no channels of gray or RGB.
        FileError: the file cannot be opened.
    """
    data = read_bytes(path)
    deep = decode_deep(path, data, as_data=True)
    if deep is not None:
        return deep
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*CMYK without a color profile", category=PictureWarning)
        picture = decode_picture(str(path), data)
    return _from_pillow(str(path), picture)


def _from_pillow(name: str, picture: Pillow.Image) -> Pixels:
    """Return the numbers of a picture that Pillow holds in full."""
    if picture.mode == "F":
        return Pixels(np.asarray(picture, np.float32)[:, :, None], "float")
    if picture.mode.startswith("I"):
        integers = np.asarray(picture)
        if integers.min() < 0 or integers.max() > MOST["16"]:
            raise InputError(f"{name!r} holds integers of more than 16 bits; wanted 16 bits at most")
        return Pixels(integers.astype(np.float32)[:, :, None] / np.float32(MOST["16"]), "16")
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        gray = picture.mode == "1"
        has_opacity = picture.mode in ("La", "PA", "RGBa") or "transparency" in picture.info
        picture = picture.convert("L" if gray else "RGBA" if has_opacity else "RGB")
    integers = np.asarray(picture)
    return Pixels(np.atleast_3d(integers).astype(np.float32) / np.float32(MOST["8"]), "8")


def decode_deep(path: Path, data: bytes, *, as_data: bool = False) -> Pixels | None:
    """Decode a file whose numbers Pillow would not keep; return None for all other files.

    Args:
        path: the file.
        data: its bytes.
        as_data: whether the numbers are no colors, so that a color profile does not matter.

    Raises:
        InputError: the file is damaged or too large, or is OpenEXR and its library is not installed.
    """
    name = str(path)
    if data.startswith(_EXR):
        return _read_with_openimageio(name, data, ".exr", import_openimageio(f"{name!r} is OpenEXR"))
    if data.startswith(_TIFF):
        library = _find_openimageio()
        return _read_with_openimageio(name, data, ".tif", library) if library and not _is_kept(data) else None
    is_deep = data.startswith(b"\x89PNG") and data[12:16] == b"IHDR" and len(data) > 26 and data[24] == 16
    if not is_deep or data[25] not in _PNG_FORMATS:
        return None
    return None if not as_data and _has_foreign_profile(data) else _read_png(name, data)


def _is_kept(data: bytes) -> bool:
    """Return whether Pillow keeps all numbers of a TIFF file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=("TIFF",)) as picture:
                return not has_deep_colors(picture)
    except Exception:  # a kind of TIFF that Pillow does not know, or a damaged file; the other library says which
        return False


def _has_foreign_profile(data: bytes) -> bool:
    """Return whether the colors of a PNG are to be converted to sRGB."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG",)) as picture:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        return "srgb" not in ImageCms.getProfileDescription(profile).lower()
    except Exception:  # no profile; a damaged one is ignored, as viewers do; a damaged picture is refused later
        return False


def _read_png(name: str, data: bytes) -> Pixels:
    """Decode a PNG with 16 bits for each of several channels."""
    import av  # a tenth of a second, and few files need it

    columns, rows = struct.unpack(">II", data[16:24])
    check_memory(name, columns, rows, BYTES_PER_PIXEL, len(data))
    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG",)) as picture:
            picture.verify()  # the checksums, which FFmpeg does not look at
        decoder = av.CodecContext.create("png", "r")
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except Exception as error:  # parsers raise exceptions of almost any class for damaged files
        raise refusal(name, error) from None
    if len(frames) != 1 or (frames[0].height, frames[0].width) != (rows, columns):
        raise refusal(name, ValueError("it holds less than it claims"))
    [frame] = frames
    channels = _CHANNELS.get(frame.format.name)
    if channels is None:
        raise refusal(name, ValueError(f"its pixels are {frame.format.name}"))
    lines = np.frombuffer(bytes(frame.planes[0]), ">u2").reshape(rows, -1)
    values = lines[:, : columns * channels].reshape(rows, columns, channels)
    return Pixels(values.astype(np.float32) / np.float32(MOST["16"]), "16")


def _find_openimageio() -> Any:
    """Return the library; None if it is not installed."""
    try:
        import OpenImageIO
    except ImportError:
        return None
    return OpenImageIO


def import_openimageio(need: str) -> Any:
    """Return the library.

    Args:
        need: what needs it, in words.

    Raises:
        InputError: the library is not installed.
    """
    library = _find_openimageio()
    if library is None:
        raise InputError(f"{need}, which needs a library that is not installed: {INSTALL}")
    return library


def _read_with_openimageio(name: str, data: bytes, suffix: str, library: Any) -> Pixels:
    """Decode the first picture of a TIFF or OpenEXR file.

    The library opens files by name only, and chooses the decoder by the suffix; so it gets a copy of the bytes that
    were looked at, under a name of our own.
    """
    library.attribute("try_all_readers", 0)
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"picture{suffix}"
        copy.write_bytes(data)
        try:
            values, stored = _read_copy(name, copy, library, lost)
        except InputError:
            raise
        except Exception as error:  # also an error message that is no text
            raise refusal(name, ValueError(str(error).replace(str(copy), "").strip(': "'))) from None
    if stored in MOST:
        values = values.astype(np.float32) / np.float32(MOST[stored])
    else:
        values = np.ascontiguousarray(values, np.float32)
        if not np.isfinite(values).all():
            raise InputError(f"{name!r} holds NaN or infinite values; wanted finite numbers")
    for loss in lost:
        warnings.warn(f"{name!r}: {loss}", PictureWarning, stacklevel=4)
    is_light = suffix == ".exr"
    return Pixels(values, stored, is_light, is_multiplied=is_light)


def _read_copy(name: str, copy: Path, library: Any, lost: list[str]) -> tuple[NDArray[Any], Depth]:
    """Read the channels of a file and the depth of its numbers; add to ``lost`` what is not read."""
    ask = library.ImageSpec()
    ask.attribute("oiio:UnassociatedAlpha", 1)
    reader = library.ImageInput.open(str(copy), ask)
    if reader is None:
        raise ValueError(library.geterror())
    try:
        spec = reader.spec()
        layout = _choose_channels(name, spec)
        check_memory(name, spec.width, spec.height, BYTES_PER_PIXEL + 4 * spec.nchannels, copy.stat().st_size)
        stored = _TYPES.get(str(spec.format))
        if stored is None:
            lost.append(f"its numbers of type {spec.format} are read as floats of 32 bits")
        found = reader.read_image(0, 0, 0, spec.nchannels, spec.format if stored else library.FLOAT)
        if found is None:
            raise ValueError(reader.geterror())
        if reader.seek_subimage(1, 0):
            lost.append("only the first of its pictures is read")
    finally:
        reader.close()
    if layout.others:
        lost.append(f"its channels {', '.join(layout.others)} are not read")
    return found[:, :, layout.chosen], stored or "float"


def _choose_channels(name: str, spec: Any) -> _Layout:
    """Find gray or RGB, and opacity, among the channels of a file.

    Raises:
        InputError: the file has no such channels, holds a volume, or holds several numbers for a channel of a pixel.
    """
    names = list(spec.channelnames)
    if spec.deep or spec.depth > 1 or len(names) > MOST_CHANNELS:
        raise InputError(f"{name!r} is a deep picture, a volume, or of many channels; wanted a plain picture")
    for wanted in (["R", "G", "B"], ["Y"], ["L"]):
        if set(wanted) <= set(names):
            chosen = [names.index(one) for one in [*wanted, *(["A"] if "A" in names else [])]]
            return _Layout(chosen, [one for number, one in enumerate(names) if number not in chosen])
    if len(names) == 1:
        return _Layout([0], [])
    raise InputError(f"{name!r} has the channels {', '.join(names[:8])}; wanted R, G and B, or Y")


def peak_of(pixels: Pixels) -> float:
    """Return the strongest light of a picture, at least 1; 1 for pictures that are no light."""
    return max(float(pixels.values[:, :, :3].max()), 1.0) if pixels.is_light else 1.0


def to_color(name: str, pixels: Pixels, peak: float | None = None) -> Values:
    """Turn pixels into an image: RGB in [0, 1]. Opacity is laid over white; light goes through `to_screen`.

    Raises:
        InputError: the pixels are floats outside [0, 1], and no light.
    """
    values = pixels.values
    if values.shape[2] in (2, 4):
        opacity = values[:, :, -1:]
        if opacity.min() < 1:
            warnings.warn(f"{name!r}: transparent pixels are laid over white", PictureWarning, stacklevel=3)
        values = values[:, :, :-1] * (1 if pixels.is_multiplied else opacity) + (1 - opacity)
    if pixels.is_light:
        values = to_screen(values, peak_of(pixels) if peak is None else peak)
    elif not (values.min() >= 0 and values.max() <= 1):
        given = f"float values from {values.min():g} to {values.max():g}"
        raise InputError(f"{name!r} holds {given}; wanted 0 to 1, or OpenEXR for light of any strength")
    return values if values.shape[2] == 3 else np.repeat(values, 3, axis=2)
