"""Read, write and find pictures: the only place where files and integers meet float.

An image is float32 RGB in [0, 1], shape ``(height, width, 3)``, as everywhere in this
package. What a file holds besides (palette, alpha, CMYK, 16 bits, a color profile, a
rotation noted by the camera) ends here.
"""

from __future__ import annotations

import contextlib
import glob
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import imageio.v3 as iio
import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from subjective.checks import InputError, file_errors

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Files taken from a folder given as a source; any other file can still be named itself."""

MAX_PIXELS = 2**27
"""Largest picture that is read or made (11585 x 11585). A file of a few kilobytes can claim more."""

Image = Float[np.ndarray, "height width 3"]


def find_images(sources: Iterable[str | os.PathLike[str]], what: str = "source") -> list[Path]:
    """List the picture files that files, folders and glob patterns stand for.

    Args:
        sources: each a file, a folder (its pictures, sorted by name, not recursive) or a glob
            pattern (``**`` recurses). A name that exists is never read as a pattern.
        what: what to call one that is not there.

    Returns:
        The files, in the order of the sources.

    Raises:
        ValueError: a source that does not exist, or a folder or pattern that holds no picture.
    """
    files: list[Path] = []
    for source in sources:
        with file_errors("read", str(source)):
            files.extend(_find(source, what))
    if not files:
        raise InputError(f"no {what} was given; give at least one picture, folder or pattern")
    return files


def _find(source: str | os.PathLike[str], what: str) -> list[Path]:
    """The picture files that one source stands for."""
    path = Path(source)
    if path.is_dir():
        found = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())
        if not found:
            wanted = " ".join(sorted(SUFFIXES))
            raise InputError(f"{what} {str(source)!r} is a folder without pictures; wanted files ending in {wanted}")
        return found
    if path.exists():
        return [path]
    if not glob.has_magic(str(source)):
        raise InputError(f"no such {what}: {str(source)!r}; give a picture, a folder of pictures or a pattern")
    matches = sorted(Path(match) for match in glob.glob(str(source), recursive=True))
    found = [f for f in matches if f.suffix.lower() in SUFFIXES and f.is_file()]
    if not found:
        raise InputError(f"no picture matches the pattern {str(source)!r}; check it with `ls {source}`")
    return found


def read_image(path: str | os.PathLike[str], *, width: int | None = None, scale: float | None = None) -> Image:
    """Read a picture as float32 RGB, resized on the way if asked.

    Grey becomes three equal channels; a palette is looked up; transparency is laid over
    white, as a browser shows it; CMYK and other color spaces go through the file's own profile
    to sRGB where it carries one; 16-bit grey keeps its 16 bits (16-bit color is rounded
    to 8 by the decoder); the camera's orientation is applied. Of an animation, the first frame.

    Args:
        path: the file.
        width: resize to this width in pixels, height in proportion.
        scale: or resize by this factor. Both resize with Lanczos' filter, in the file's own
            integers, as the 2017 program did.

    Returns:
        Image in [0, 1], shape ``(height, width, 3)``.

    Raises:
        ValueError: not a picture, empty, truncated, or larger than ``MAX_PIXELS``, before or
            after resizing; or both ``width`` and ``scale``.
        OSError: the file cannot be opened.
    """
    if width is not None and scale is not None:
        raise InputError("both a source width and a source scale were given; give one of them")
    name = str(path)
    if Path(path).is_dir():
        raise InputError(f"{name!r} is a folder; wanted a picture file")
    with file_errors("read", name):
        data = Path(path).read_bytes()
    if not data:
        raise InputError(f"{name!r} is empty (0 bytes); wanted a picture file")
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes that we check ourselves, and of metadata that we do not use.
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data)) as file:
                _check_pixels(name, *file.size)
                file.load()
                picture = _upright(file)
    except Pillow.DecompressionBombError:
        raise InputError(f"{name!r} claims more than {MAX_PIXELS:,} pixels; scale the file down first") from None
    except UnidentifiedImageError:
        raise InputError(f"{name!r} is not a picture that can be read; wanted PNG, JPEG, TIFF, WebP, …") from None
    except _TooLarge:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name!r} is damaged or incomplete ({reason}); wanted a whole picture file") from None
    picture = _to_rgb(name, picture)
    columns, rows = picture.size
    if width is not None:
        size = (width, max(1, width * rows // columns))
    elif scale is not None:
        size = (int(columns * scale), int(rows * scale))
    else:
        size = (columns, rows)
    if min(size) < 1:
        raise InputError(
            f"{name!r} of {columns}x{rows} pixels would be resized to {size[0]}x{size[1]}; give a larger one"
        )
    _check_pixels(name, *size)
    resized = picture if size == (columns, rows) else picture.resize(size, Pillow.Resampling.LANCZOS)
    array = np.asarray(resized)
    if array.ndim == 2:  # 16-bit grey, carried as float in [0, 1]
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
        return np.ascontiguousarray(np.clip(array, 0, 1), dtype=np.float32)
    return np.asarray(array, dtype=np.float32) / np.float32(255)


def resize(image: Image, size: tuple[int, int]) -> Float[np.ndarray, "rows columns 3"]:
    """Resize a float image with Lanczos' filter; values stay within [0, 1].

    Args:
        image: ``(height, width, 3)``.
        size: (height, width) wanted.

    Returns:
        ``(*size, 3)``; the image itself where the size is its own.
    """
    if image.shape[:2] == size:
        return image
    planes = [
        np.asarray(Pillow.fromarray(image[:, :, channel]).resize((size[1], size[0]), Pillow.Resampling.LANCZOS))
        for channel in range(3)
    ]
    return np.clip(np.stack(planes, axis=2), 0, 1, dtype=np.float32)


class _TooLarge(ValueError):
    """More than `MAX_PIXELS`; told apart from what decoders raise."""


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """Turned as the camera noted; as it is, where that note is damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # of the parser of metadata, on which the picture does not depend
        return picture.copy()


def _check_pixels(name: str, columns: int, rows: int) -> None:
    if columns * rows > MAX_PIXELS:
        raise _TooLarge(
            f"{name!r} would be {columns}x{rows} pixels, more than {MAX_PIXELS:,}; scale it down or crop it first"
        )


def _to_rgb(name: str, picture: Pillow.Image) -> Pillow.Image:
    """An 8-bit RGB picture, or one of mode F in [0, 1] for grey of more than 8 bits."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        # Pillow's own conversion clips at 255. "I" is how it holds 16-bit PNG in older versions.
        integers = np.asarray(picture)
        if integers.min() < 0 or integers.max() > 65535:
            raise InputError(
                f"{name!r} holds integers from {integers.min()} to {integers.max()}; wanted 16 bits at most"
            )
        clear = picture.info.get("transparency")
        values = integers.astype(np.float32) / 65535
        return Pillow.fromarray(
            np.where(integers == clear, np.float32(1), values) if isinstance(clear, int) else values
        )
    if picture.mode == "F":
        values = np.asarray(picture, dtype=np.float32)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise InputError(
                f"{name!r} holds float values from {low:g} to {high:g}; wanted 0 to 1: convert it to 16 bits first"
            )
        return picture
    if picture.mode in ("LA", "La", "PA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode == "RGBA":
        white = Pillow.new("RGBA", picture.size, (255, 255, 255, 255))
        profile = picture.info.get("icc_profile")
        picture = Pillow.alpha_composite(white, picture).convert("RGB")
        if profile:
            picture.info["icc_profile"] = profile
    return _to_srgb(picture)


def _to_srgb(picture: Pillow.Image) -> Pillow.Image:
    """Through the embedded color profile, where there is a usable one; else plainly."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that does not fit its picture is ignored, as viewers do
    return picture.convert("RGB")


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Round an image in [0, 1] to 8-bit integers; values outside become black or white."""
    return np.rint(np.clip(np.asarray(image, dtype=np.float64), 0, 1) * 255).astype(np.uint8)


def write_image(path: str | os.PathLike[str], image: np.ndarray, *, text: Mapping[str, str] | None = None) -> None:
    """Write an 8-bit picture, whole or not at all.

    The bytes go to a temporary file beside, which then takes the name: neither an interrupt
    nor a full disk leaves half a picture, or costs the one that was there.

    Args:
        path: where; the suffix gives the format.
        image: ``(height, width, 3)`` in [0, 1]; rounded, and clipped to black and white.
        text: provenance for PNG text chunks; other formats ignore it.

    Raises:
        ValueError: the image has another shape or is not finite, or no such format is known.
        OSError: it cannot be written.
    """
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3:
        raise InputError(f"cannot write an image of shape {array.shape}; wanted (height, width, 3)")
    if not np.isfinite(array).all():
        raise InputError("cannot write an image that holds NaN or infinite values")
    target = Path(path)
    options: dict[str, Any] = {}
    if target.suffix.lower() == ".png":
        info = PngImagePlugin.PngInfo()
        for key, value in (text or {}).items():
            info.add_itxt(key, value)
        options = {"pnginfo": info, "compress_level": 6}
    elif target.suffix.lower() in (".jpg", ".jpeg", ".webp"):
        options = {"quality": 92}
    try:
        encoded = iio.imwrite("<bytes>", to_uint8(array), extension=target.suffix.lower(), plugin="pillow", **options)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"cannot write {target.name!r} ({error}); name it .png, .jpg, .webp or .tif") from None
    write_bytes(target, encoded)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file's content in one step."""
    with written_whole(path) as file:
        file.write(data)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when all of it is on the disk: a temporary one beside it, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with file_errors("write", path):
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
