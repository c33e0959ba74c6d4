"""Read, write, find and resize pictures.

Everywhere in this package, an image is float32 RGB in [0, 1] of shape ``(height, width, 3)``. `subjective.decoding`
converts every other form that a file may have: a palette, alpha, CMYK, 16 bits, a color profile, a rotated picture.
`subjective.conversion` converts arrays.
"""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from PIL import Image as Pillow

from subjective.arguments import check_kind, check_list, check_map, check_path, check_size
from subjective.checks import InputError, above, at_least, check_number, check_word, describe, file_errors
from subjective.choices import DEPTHS, Depth
from subjective.conversion import Image, image_and_opacity_of, image_of
from subjective.decoding import (
    BYTES_PER_PIXEL,
    MAX_BYTES,
    check_memory,
    decode_picture,
    find_profile,
    orient,
    read_bytes,
    to_float,
    to_rgb,
)
from subjective.decoding import PictureWarning as PictureWarning
from subjective.deep import decode_deep, to_color
from subjective.encoding import WRITABLE, check_depth, default_depth, encode_pixels
from subjective.files import suggest_file, write_bytes
from subjective.light import to_light

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Suffixes of the files that are read when a folder or a pattern is given. A file given by name may have any suffix."""

WRITTEN_SUFFIXES = tuple(WRITABLE)
"""Suffixes of the files that are written; the suffix chooses the format."""

MAX_PIXELS = MAX_BYTES // BYTES_PER_PIXEL
"""Largest number of pixels of a picture that is made, 2^27, for example 11585 x 11585: it can be read again."""


PictureLike = str | os.PathLike[str] | Pillow.Image | ArrayLike
"""A picture in any form that `as_image` takes: a path, a PIL image, or an array."""


def find_images(sources: Iterable[str | os.PathLike[str]], what: str = "source") -> list[Path]:
    """List the picture files that are given as files, folders and glob patterns.

    Args:
        sources: each source is a file, a folder or a glob pattern. A folder gives its own pictures, sorted by name, but
            not those of its subfolders. In a pattern, ``**`` also matches subfolders. If a source is the name of an
            existing file, it is not treated as a pattern.
        what: what error messages call a source, such as ``content``.

    Returns:
        The files, in the order of the sources.

    Raises:
        InputError: a source does not exist, a folder or pattern holds no picture, or no source was given.
        FileError: a folder cannot be read.
    """
    files: list[Path] = []
    for source in check_list(f"{what}s", sources, "a list of files, folders and patterns"):
        path = check_path(f"a {what}", source)
        with file_errors("read", str(source)):
            files.extend(_find_one(source, path, what))
    if not files:
        raise InputError(f"no {what} was given; give at least one picture, folder or pattern")
    return files


def _find_one(source: str | os.PathLike[str], path: Path, what: str) -> list[Path]:
    """List the picture files that one source gives; ``path`` is the source as a path."""
    if path.is_dir():
        found = _keep_pictures(path.iterdir())
        if not found:
            wanted = " ".join(sorted(SUFFIXES))
            raise InputError(f"{what} {str(source)!r} is a folder without pictures; wanted files ending in {wanted}")
        return found
    if path.exists():
        return [path]
    if not glob.has_magic(str(source)):
        advice = suggest_file(path) or "give a picture, a folder of pictures or a pattern"
        raise InputError(f"no such {what}: {str(source)!r}; {advice}")
    found = _keep_pictures(Path(match) for match in glob.glob(str(source), recursive=True))
    if not found:
        raise InputError(f"no picture matches the pattern {str(source)!r}; check it with `ls {source}`")
    return found


def _keep_pictures(paths: Iterable[Path]) -> list[Path]:
    """Keep the files with one of `SUFFIXES`, sorted."""
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def read_image(path: str | os.PathLike[str], *, width: int | None = None, scale: float | None = None) -> Image:
    """Read a picture as float32 RGB, and resize the picture if asked.

    Grey becomes three equal channels. Palette indices become colors. Transparent pixels are laid over white, as a
    browser shows them. CMYK and other color spaces are converted to sRGB through the file's own profile, if the file
    has one. 16 bits and floats are kept, but the decoder rounds 16-bit color to 8 bits in PPM, in TIFF if OpenImageIO
    is not installed, and beside a color profile other than sRGB. Light of OpenEXR goes through
    `subjective.light.to_screen`. If the camera recorded an orientation, the picture is rotated upright. Only the first
    frame of an animation is read. A `PictureWarning` says which part of the file was lost: transparency, further
    frames, color of more than 8 bits, or the exact colors of CMYK without a profile.

    Args:
        path: the file.
        width: resize to this width in pixels, and the height in proportion.
        scale: resize by this factor; give either ``width`` or ``scale``. Either way, integers of 8 bits are resized
            with Lanczos' filter before they become floats, as in the 2017 program.

    Returns:
        Image in [0, 1], shape ``(height, width, 3)``.

    Raises:
        InputError: the file is not a picture in one of `subjective.decoding.FORMATS`, is empty, is truncated, or takes
            more than `subjective.decoding.MAX_BYTES` of memory; both ``width`` and ``scale`` are given; or an argument
            is of a wrong kind.
        FileError: the file cannot be opened.
    """
    if width is not None and scale is not None:
        raise InputError("both a source width and a source scale were given; give one of them")
    file, name = check_path("path", path), str(path)
    if width is not None:
        check_number("width", width, at_least(1, "pixels"), whole=True)
    if scale is not None:
        check_number("scale", scale, above(0))
    data = read_bytes(file)
    deep = decode_deep(file, data)
    if deep is not None:
        image = to_color(name, deep)
        return resize(image, _choose_size(name, (image.shape[1], image.shape[0]), width, scale)[::-1])
    return to_float(_resize_integers(name, to_rgb(name, decode_picture(name, data)), width, scale))


def as_image(picture: PictureLike, name: str = "the picture") -> Image:
    """Convert a picture in any form to an image.

    Args:
        picture: the path of a file, a PIL image, or an array in NumPy or JAX (`subjective.conversion.image_of` says
            which arrays are taken).
        name: what messages call the picture.

    Returns:
        float32 RGB in [0, 1], ``(height, width, 3)``. An array that is an image already is returned as it is.

    Raises:
        InputError: the picture cannot be read or converted. The message says why.

    Examples:
        >>> subjective.as_image(np.full((2, 2, 3), 51, np.uint8))[0, 0].tolist()
        [0.20000000298023224, 0.20000000298023224, 0.20000000298023224]
    """
    if isinstance(picture, (str, os.PathLike)):
        return read_image(picture)
    if isinstance(picture, Pillow.Image):
        if 0 in picture.size:
            raise InputError(f"{name} has no pixel; wanted at least one")
        return to_float(to_rgb(name, orient(picture)))
    return image_of(picture, name)


def as_image_with_opacity(picture: PictureLike, name: str = "the picture") -> tuple[Image, Float[np.ndarray, "h w"]]:
    """Convert a picture in any form to an image as it is stored: nothing is laid over white, no profile is followed.

    Args:
        picture: as in `as_image`.
        name: what messages call the picture.

    Returns:
        float32 RGB in [0, 1], and the opacity of each pixel in [0, 1], ``(height, width)``.

    Raises:
        InputError: the picture cannot be read or converted.
    """
    if isinstance(picture, (str, os.PathLike)):
        path = check_path("a picture", picture)
        _warn_of_profile(str(path), read_profile(path))
        return read_stored(path)[:2]
    if isinstance(picture, Pillow.Image):
        _warn_of_profile(name, picture.info.get("icc_profile"))
        return _split_opacity(name, orient(picture))
    image, opacity = image_and_opacity_of(picture, name)
    return image, np.ones(image.shape[:2], np.float32) if opacity is None else opacity


def _warn_of_profile(name: str, icc: bytes | None) -> None:
    if icc:
        lost = "its color profile is not followed: the numbers in the file are kept, and the profile is left out"
        warnings.warn(f"{name!r}: {lost}", PictureWarning, stacklevel=4)


def read_profile(path: Path) -> bytes | None:
    """Return the color profile of a picture file; None if it has none that can be read.

    Raises:
        InputError: the file is no picture.
        FileError: the file cannot be opened.
    """
    return find_profile(read_bytes(path))


def read_stored(path: Path) -> tuple[Image, Float[np.ndarray, "h w"], Depth]:
    """Read a picture as it is stored, see `as_image_with_opacity`.

    Returns:
        float32 RGB in [0, 1], the opacity of each pixel in [0, 1], and how many bits a number has in the file: 8 or 16.

    Raises:
        InputError: the file is no picture of 8 or 16 bits in gray or RGB.
        FileError: the file cannot be opened.
    """
    name, data = str(path), read_bytes(path)
    deep = decode_deep(path, data, as_data=True)
    if deep is None:
        picture = decode_picture(name, data)
        return *_split_opacity(name, picture), "16" if picture.mode.startswith("I") else "8"
    if deep.depth not in ("8", "16"):
        raise InputError(f"{name!r} holds floats, which are not kept bit for bit; wanted a picture of 8 or 16 bits")
    values = deep.values
    opacity = values[:, :, -1] if values.shape[2] in (2, 4) else np.ones(values.shape[:2], np.float32)
    colors = values[:, :, : values.shape[2] - 1 if values.shape[2] in (2, 4) else None]
    return np.repeat(colors, 3, axis=2) if colors.shape[2] == 1 else colors, opacity, deep.depth


def _split_opacity(name: str, picture: Pillow.Image) -> tuple[Image, Float[np.ndarray, "h w"]]:
    """Return the colors of a decoded picture as they are stored, and its opacity."""
    if 0 in picture.size:
        raise InputError(f"{name} has no pixel; wanted at least one")
    if picture.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        raise InputError(f"{name!r} is {picture.mode}, whose colors cannot be kept as they are; convert it to RGB")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        whole = picture.convert("RGBA")
        opacity = np.asarray(whole.getchannel("A"), np.float32) / np.float32(255)
        return to_float(whole.convert("RGB")), opacity
    plain = picture.copy()
    plain.info.pop("icc_profile", None)
    return to_float(to_rgb(name, plain)), np.ones((picture.height, picture.width), np.float32)


def _resize_integers(name: str, picture: Pillow.Image, width: int | None, scale: float | None) -> Pillow.Image:
    """Resize a decoded picture to a width or by a factor; see `read_image`."""
    size = _choose_size(name, picture.size, width, scale)
    return picture if size == picture.size else picture.resize(size, Pillow.Resampling.LANCZOS)


def _choose_size(name: str, own: tuple[int, int], width: int | None, scale: float | None) -> tuple[int, int]:
    """Return the (width, height) that a picture is to have; see `read_image`."""
    columns, rows = own
    if width is not None:
        size = (width, max(1, width * rows // columns))
    elif scale is not None:
        size = (int(columns * scale), int(rows * scale))
    else:
        size = own
    if min(size) < 1:
        raise InputError(
            f"{name!r} of {columns}x{rows} pixels would be resized to {size[0]}x{size[1]}; give a larger one"
        )
    check_memory(name, *size)
    return size


def resize(image: Image, size: tuple[int, int]) -> Float[np.ndarray, "rows columns 3"]:
    """Resize a float image with Lanczos' filter; values stay within [0, 1].

    Args:
        image: ``(height, width, 3)``.
        size: (height, width) of the result.

    Returns:
        ``(*size, 3)``; the same array if the image already has that size.

    Raises:
        InputError: the image is no array of floats of such a shape, or the size is no pair of whole numbers.

    Examples:
        >>> subjective.resize(rock, (32, 48)).shape
        (32, 48, 3)
    """
    check_map("image", image, 3)
    return resize_planes(image, check_size("size", size))


def resize_planes(
    image: Float[np.ndarray, "height width channels"], size: tuple[int, int]
) -> Float[np.ndarray, "rows columns channels"]:
    """Resize a picture with any number of channels, as `resize`."""
    rows, columns = size
    if image.shape[:2] == (rows, columns):
        return image
    planes = [
        np.asarray(Pillow.fromarray(plane).resize((columns, rows), Pillow.Resampling.LANCZOS))
        for plane in np.moveaxis(np.asarray(image, np.float32), 2, 0)
    ]
    return np.clip(np.stack(planes, axis=2), 0, 1, dtype=np.float32)


def write_image(
    path: str | os.PathLike[str],
    image: PictureLike,
    *,
    text: Mapping[str, str] | None = None,
    replace: bool = True,
    depth: Depth | None = None,
    icc: bytes | None = None,
) -> None:
    """Write a picture completely or not at all, see `subjective.files.write_atomically`.

    Args:
        path: the file; its suffix chooses the format.
        image: a picture in any form that `as_image` takes; its values are rounded to the depth.
        text: entries for the text chunks of a PNG file, such as the settings of the run, by keyword. Other formats do
            not store the text.
        replace: whether to replace a file that exists.
        depth: how numbers are stored: ``8`` or ``16`` bits, ``half`` or ``float``. None for 8 bits, and for half
            floats in OpenEXR, which holds linear light.
        icc: the profile that says which colors the numbers are, as from `read_profile`; None for sRGB. BMP and OpenEXR
            do not store it.

    Raises:
        InputError: `as_image` refuses the image, the suffix is not that of a known format, or the format does not have
            the depth or needs a library that is not installed.
        FileError: the file cannot be written, or exists and is not replaced.

    Examples:
        >>> subjective.write_image("gray.png", np.full((4, 4, 3), 0.5, np.float32))
        >>> subjective.read_image("gray.png").shape
        (4, 4, 3)
    """
    target = check_path("path", path)
    data = encode_image(image, target.suffix, name=target.name, text=text, depth=depth, icc=icc)
    write_bytes(target, data, replace=replace)


def encode_image(
    image: PictureLike,
    suffix: str,
    *,
    name: str = "the picture",
    text: Mapping[str, str] | None = None,
    depth: Depth | None = None,
    icc: bytes | None = None,
) -> bytes:
    """Encode a picture as the bytes of a file.

    Args:
        image: as in `write_image`.
        suffix: one of `WRITTEN_SUFFIXES`; chooses the format.
        name: what messages call the file.
        text: as in `write_image`.
        depth: as in `write_image`.
        icc: as in `write_image`.

    Raises:
        InputError: as in `write_image`.
    """
    kind = suffix.lower()
    if kind not in WRITTEN_SUFFIXES:
        raise InputError(f"cannot write {name!r}; wanted a name that ends in {', '.join(WRITTEN_SUFFIXES)}")
    for key, value in check_kind("text", text or {}, Mapping, "a map from keyword to text").items():
        if not (isinstance(key, str) and isinstance(value, str) and re.fullmatch("[ -~\xa1-\xff]{1,79}", key)):
            wanted = "a map from keyword to text; a keyword has 1 to 79 letters of Latin-1"
            raise InputError(f"text holds {describe(key)}: {describe(value)}; wanted {wanted}")
    if depth is not None:
        check_word("depth", depth, DEPTHS)
    stored = depth or default_depth(kind)
    check_depth(repr(name), kind, stored)
    pixels = as_image(image)
    try:
        return encode_pixels(to_light(pixels, 1.0) if kind == ".exr" else pixels, kind, stored, text=text, icc=icc)
    except (ValueError, KeyError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot write {name!r} ({error}); wanted a .png") from None
