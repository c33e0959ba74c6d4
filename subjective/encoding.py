"""Encode pictures as files of all depths: integers of 8 and 16 bits, half floats and floats."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import PngImagePlugin

from subjective.checks import InputError
from subjective.choices import Depth
from subjective.deep import MOST, Values, import_openimageio

WRITABLE: dict[str, tuple[Depth, ...]] = {
    ".png": ("8", "16"),
    ".jpg": ("8",),
    ".jpeg": ("8",),
    ".webp": ("8",),
    ".tif": ("8", "16", "float"),
    ".tiff": ("8", "16", "float"),
    ".bmp": ("8",),
    ".exr": ("half", "float"),
}
"""Depths of each format, by the suffix; the first one is the default."""


def default_depth(suffix: str) -> Depth:
    """Return the depth of a format, by its suffix, if no other is asked for."""
    return WRITABLE[suffix.lower()][0]


def check_depth(name: str, suffix: str, depth: Depth) -> None:
    """Refuse a depth that a format does not have, or that needs a library that is not installed.

    Args:
        name: what the message calls the file.
        suffix: a suffix of `WRITABLE`.
        depth: the depth.

    Raises:
        InputError: see above.
    """
    known = WRITABLE[suffix.lower()]
    if depth not in known:
        others = [other for other in (".png", ".tif", ".exr") if depth in WRITABLE[other]]
        wanted = f"depth {' or '.join(known)}, or a name that ends in {' or '.join(others)}"
        raise InputError(f"{name} cannot have the depth {depth}; wanted {wanted}")
    if suffix.lower() == ".exr" or (depth != "8" and suffix.lower() != ".png"):
        import_openimageio(f"{name} has the format {suffix} and the depth {depth}")


def encode_pixels(
    values: Values,
    suffix: str,
    depth: Depth,
    *,
    text: Mapping[str, str] | None = None,
    dither: bool = False,
    icc: bytes | None = None,
) -> bytes:
    """Encode numbers as the bytes of a file.

    Args:
        values: 1 channel for gray, or 3 for RGB. For integers, numbers outside [0, 1] are clipped.
        suffix: a suffix of `WRITABLE`; chooses the format.
        depth: a depth that the format has, see `check_depth`.
        text: entries for the text chunks of a PNG file.
        dither: add noise of up to half a step before numbers are rounded to integers, so that slow slopes do not become
            terraces. The noise is always the same.
        icc: the profile that says which colors the numbers are; BMP and OpenEXR do not store it.

    Raises:
        InputError: as in `check_depth`.
    """
    kind = suffix.lower()
    check_depth("the file", kind, depth)
    if depth in MOST:
        stored: NDArray[Any] = round_to_depth(values, depth, dither=dither)
    else:
        stored = np.asarray(values, np.float32)
    if kind == ".png" and depth == "16" and stored.shape[2] == 3:
        return _add_chunks(_encode_png(stored), text, icc)
    if kind != ".exr" and (depth == "8" or kind == ".png"):
        options: dict[str, Any] = {"format": Pillow.registered_extensions()[kind], "icc_profile": icc}
        if kind == ".png":
            options |= {"pnginfo": _text_chunks(text), "compress_level": 6}
        elif kind in (".jpg", ".jpeg", ".webp"):
            options |= {"quality": 95} | ({} if kind == ".webp" else {"subsampling": 0})
        file = io.BytesIO()
        Pillow.fromarray(stored[:, :, 0] if stored.shape[2] == 1 else stored).save(file, **options)
        return file.getvalue()
    return _encode_with_openimageio(stored, kind, depth, icc)


def round_to_depth(values: Values, depth: Depth, *, dither: bool = False) -> NDArray[Any]:
    """Round numbers in [0, 1] to integers of 8 or 16 bits; see `encode_pixels`."""
    scaled = np.clip(np.asarray(values, np.float64), 0, 1) * MOST[depth]
    if dither:
        scaled += np.random.default_rng(0).random(scaled.shape) - 0.5
    return np.clip(np.rint(scaled), 0, MOST[depth]).astype(np.uint8 if depth == "8" else np.uint16)


def _text_chunks(text: Mapping[str, str] | None) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    return info


def _encode_png(integers: NDArray[np.uint16]) -> bytes:
    """Encode RGB of 16 bits as PNG."""
    import av

    encoder: Any = av.CodecContext.create("png", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *integers.shape[:2], "rgb48be"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"compression_level": "6", "pred": "mixed"}
    frame = av.VideoFrame.from_ndarray(integers, format="rgb48be")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _add_chunks(png: bytes, text: Mapping[str, str] | None, icc: bytes | None) -> bytes:
    """Put a profile and the text chunks after the head of a PNG file, which is its first chunk."""
    head = 8 + 25
    chunks = b""
    profile = [] if icc is None else [(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))]
    texts: Any = _text_chunks(text).chunks
    for kind, content, *_ in [*profile, *texts]:
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:head] + chunks + png[head:]


def _encode_with_openimageio(stored: NDArray[Any], kind: str, depth: Depth, icc: bytes | None) -> bytes:
    """Encode numbers as TIFF or OpenEXR."""
    library = import_openimageio(f"the format {kind}")
    types = {"8": library.UINT8, "16": library.UINT16, "half": library.HALF, "float": library.FLOAT}
    height, width, channels = stored.shape
    spec = library.ImageSpec(width, height, channels, types[depth])
    spec.channelnames = ("R", "G", "B") if channels == 3 else ("Y",)
    spec.attribute("compression", "zip")
    if icc is not None and kind != ".exr":
        spec.attribute("ICCProfile", library.TypeDesc(f"uint8[{len(icc)}]"), np.frombuffer(icc, np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"picture{kind}"
        writer = library.ImageOutput.create(str(path))
        if not (writer and writer.open(str(path), spec) and writer.write_image(stored) and writer.close()):
            raise InputError(f"the picture cannot be encoded as {kind} ({(writer or library).geterror()[:200]})")
        return path.read_bytes()
