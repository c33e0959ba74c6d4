"""Read the files of a material, and write a material as files of the same names, depths and packing."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from subjective.checks import InputError, file_errors, setting
from subjective.choices import DEPTHS, Depth
from subjective.decoding import PictureWarning
from subjective.deep import Pixels, peak_of, read_pixels
from subjective.encoding import WRITABLE, check_depth, default_depth, encode_pixels
from subjective.files import suggest_file
from subjective.images import SUFFIXES, read_image, resize_planes
from subjective.light import to_light
from subjective.materials import normals
from subjective.materials.maps import KINDS, PACKS, Convention, Named, name_files, order_kinds, read_kind, read_name

COLORS = frozenset(kind for kind, (channels, _) in KINDS.items() if channels == 3)
"""Maps that are colors: their color profile is followed, and OpenEXR holds their light. All others are data."""

ABSENT = {"ao": 1.0, "roughness": 1.0, "metallic": 0.0}
"""The number that a pack holds for a map that a material does not have."""

KEPT_SUFFIXES = (".png", ".tif", ".tiff", ".exr")
"""Formats that are written again; a map of another format, which may lose detail, is written as PNG."""


class Given(NamedTuple):
    """A file, and the map that it holds."""

    path: Path
    named: Named


@dataclasses.dataclass(frozen=True)
class MapFile:
    """How a file stores a map, or several maps in its channels.

    Attributes:
        path: the file that was read.
        kinds: the map; three maps for a pack.
        suffix: the format in which the map is written.
        depth: how numbers are stored.
        channels: 1 for gray, 3 for RGB.
        convention: where y of a normal points.
        low: the number that 0 stands for.
        high: the number that 1 stands for.
        peak: see `subjective.light.to_light`.
        is_finer: whether the map that was read has more than 8 bits.
    """

    path: Path
    kinds: tuple[str, ...]
    suffix: str
    depth: Depth
    channels: int
    convention: Convention | None = None
    low: float = 0.0
    high: float = 1.0
    peak: float = 1.0
    is_finer: bool = False

    @property
    def name(self) -> str:
        """Name of the file that is written."""
        return f"{self.path.stem}{self.suffix}"


def find_maps(words: Sequence[str]) -> list[Given]:
    """Find the files of a material.

    Args:
        words: folders, files whose names say which map they hold, and ``NAME=FILE``. The files of a folder whose names
            say nothing are left out.

    Raises:
        InputError: a file does not exist, its name says no map, a map comes twice, or there is no albedo.
    """
    named: list[Given] = []
    plain: list[tuple[Path, bool]] = []
    for word in words:
        name, equals, file = word.partition("=")
        if equals and not Path(word).exists():
            named.append(Given(_check_file(file), read_kind(name)))
        elif Path(word).is_dir():
            known = SUFFIXES | set(WRITABLE)
            with file_errors("read", word):
                plain += [(path, False) for path in sorted(Path(word).iterdir()) if path.suffix.lower() in known]
        else:
            plain.append((_check_file(word), True))
    for (path, must), found in zip(plain, name_files([path.stem for path, _ in plain]), strict=True):
        if found is not None:
            named.append(Given(path, found))
        elif must:
            raise InputError(f"the name of {str(path)!r} says no map; name it, such as roughness={path}")
    taken: dict[str, Path] = {}
    for path, found in named:
        for kind in PACKS.get(found.kind, (found.kind,)):
            if kind in taken:
                raise InputError(f"both {str(taken[kind])!r} and {str(path)!r} hold {kind}; give one of them")
            taken[kind] = path
    if "albedo" not in taken:
        had = f"only {', '.join(taken)}" if taken else "no map"
        raise InputError(f"there is no albedo among the files, {had}; name it, such as albedo=rock.png")
    return named


def _check_file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        advice = suggest_file(path) or "give a folder, files, or NAME=FILE"
        raise InputError(f"no such file: {name!r}; {advice}")
    return path


def read_files(
    given: Sequence[Given], wanted: Sequence[str] = (), scale: float | None = None
) -> tuple[dict[str, np.ndarray], list[MapFile]]:
    """Read the maps of a material.

    Args:
        given: from `find_maps`.
        wanted: kinds that are read; all if empty.
        scale: factor by which all maps are resized.

    Returns:
        The channels of each kind, ``(height, width, channels)`` in [0, 1], in the order of `KINDS`; and the files, of
        which a pack keeps the maps that are wanted.

    Raises:
        InputError: a file cannot be read, a pack is gray, or a map that is wanted is missing.
    """
    found: dict[str, np.ndarray] = {}
    files = []
    for path, named in given:
        kinds = PACKS.get(named.kind, (named.kind,))
        if wanted and not set(kinds) & set(wanted):
            continue
        planes, file = _read_file(path, named, kinds)
        found |= planes
        files.append(file)
    for kind in wanted:
        if kind not in found:
            raise InputError(f"{setting('maps')} names {kind}, and no file holds it; there are {', '.join(found)}")
    kept = order_kinds(wanted or tuple(found))
    return {kind: _scale(found[kind], scale) for kind in kept}, files


def _scale(planes: np.ndarray, scale: float | None) -> np.ndarray:
    if scale is None:
        return planes
    rows, columns = (max(int(side * scale), 1) for side in planes.shape[:2])
    return resize_planes(planes, (rows, columns))


def _read_file(path: Path, named: Named, kinds: tuple[str, ...]) -> tuple[dict[str, np.ndarray], MapFile]:
    """Read the map or the maps of a file."""
    is_color = named.kind in COLORS
    with warnings.catch_warnings():
        if is_color:  # read again below, with the same warnings
            warnings.simplefilter("ignore", PictureWarning)
        pixels = read_pixels(path)
    values = pixels.values
    if not is_color and values.shape[2] in (2, 4):
        if values[:, :, -1].min() < 1:
            warnings.warn(f"{str(path)!r}: its opacity is not read", PictureWarning, stacklevel=3)
        values = values[:, :, :-1]
    channels = 1 if pixels.values.shape[2] < 3 else 3
    suffix = path.suffix.lower() if path.suffix.lower() in KEPT_SUFFIXES else ".png"
    depth = pixels.depth if pixels.depth in WRITABLE[suffix] else default_depth(suffix)
    file = MapFile(path, kinds, suffix, depth, channels, peak=peak_of(pixels), is_finer=pixels.depth != "8")
    if is_color:
        return {named.kind: read_image(path)}, file
    if named.kind == "normal" or len(kinds) == 3:
        if channels != 3:
            raise InputError(f"{str(path)!r} is gray; wanted RGB for {named.kind}")
        _check_range(path, values)
    if named.kind == "normal":
        plane = normals.to_plane(values)
        return {"normal": plane}, dataclasses.replace(
            file, convention=named.convention or normals.find_convention(plane)
        )
    if len(kinds) == 3:
        return {kind: values[:, :, number : number + 1] for number, kind in enumerate(kinds)}, file
    file = _find_range(pixels, file)
    plane = values.mean(axis=2, keepdims=True, dtype=np.float64)
    return {named.kind: ((plane - file.low) / (file.high - file.low)).astype(np.float32)}, file


def _check_range(path: Path, values: np.ndarray) -> None:
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{str(path)!r} holds numbers from {values.min():g} to {values.max():g}; wanted 0 to 1")


def _find_range(pixels: Pixels, file: MapFile) -> MapFile:
    """Return the file with the range of its numbers, if they do not lie in [0, 1]."""
    low, high = float(pixels.values.min()), float(pixels.values.max())
    if low >= 0 and high <= 1:
        return file
    return dataclasses.replace(file, low=low, high=high if high > low else low + max(1.0, abs(low)))


def plan_files(
    files: Sequence[MapFile],
    kinds: Sequence[str],
    depth: Depth | None = None,
    suffix: str | None = None,
    *,
    flips_y: bool = False,
    pack: str | None = None,
) -> list[MapFile]:
    """Choose in which formats and depths a material is written.

    Args:
        files: as they were read.
        kinds: maps that are made; a pack of which one is missing is taken apart.
        depth: of all files; as it was read if None.
        suffix: of all files; as it was read if None.
        flips_y: whether y of normals is turned round; a name that says the convention then says the other.
        pack: a name of `PACKS`: write its maps as one picture; ``none``: write each map as a picture of its own; None
            to keep what was packed.

    Raises:
        InputError: a format does not have the depth, two files would have one name, or there is nothing to pack.
    """
    planned: list[MapFile] = []
    for file in _pack(files, kinds, pack):
        kind = suffix or file.suffix
        chosen = depth or (file.depth if file.depth in WRITABLE[kind] else WRITABLE[kind][-1])
        check_depth(f"{file.path.stem}{kind}", kind, chosen)
        file = dataclasses.replace(file, suffix=kind, depth=chosen)
        if flips_y and file.kinds == ("normal",):
            file = _flip_convention(file)
        planned.append(file)
    names = [file.name for file in planned]
    if len(set(names)) < len(names):  # one file for two maps, or files of one name in two folders
        planned = [
            dataclasses.replace(file, path=file.path.with_stem(f"{file.path.stem}_{'_'.join(file.kinds)}"))
            if names.count(file.name) > 1
            else file
            for file in planned
        ]
        names = [file.name for file in planned]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two maps would be written as {name!r}; rename one of the files")
    return planned


def _pack(files: Sequence[MapFile], kinds: Sequence[str], pack: str | None) -> list[MapFile]:
    """Return the files with their maps packed as asked; a pack of which a map is not made is taken apart."""
    single: list[MapFile] = []
    for file in files:
        stays = len(file.kinds) == 1 or (pack is None and set(file.kinds) <= set(kinds))
        single += [file] if stays else _unpack(file, kinds)
    if pack is None or pack == "none":
        return single
    packed = [file for file in single if set(file.kinds) <= set(PACKS[pack])]
    if not packed:
        raise InputError(f"{setting('pack')} {pack} needs one of {', '.join(PACKS[pack])}, and there is none")
    deepest = max(packed, key=lambda file: DEPTHS.index(file.depth))
    albedo = next(file for file in files if file.kinds == ("albedo",))
    whole = dataclasses.replace(
        deepest,
        path=albedo.path.with_stem(f"{_base_of(albedo.path.stem)}_{pack}"),
        kinds=PACKS[pack],
        channels=3,
        low=0.0,
        high=1.0,
    )
    return [file for file in single if file not in packed] + [whole]


def _base_of(stem: str) -> str:
    """Return the stem of an albedo's name without the word that says what it is: ``rock`` for ``rock_albedo``."""
    begin, separator, last = stem.replace("-", "_").rpartition("_")
    found = read_name(last)
    return stem[: len(begin)] if separator and found is not None and found.kind == "albedo" else stem


def _unpack(file: MapFile, kinds: Sequence[str]) -> list[MapFile]:
    """Return a file for each of the maps of a pack that are made."""
    made = [kind for kind in file.kinds if kind in kinds]
    return [
        dataclasses.replace(file, path=file.path.with_stem(f"{file.path.stem}_{kind}"), kinds=(kind,), channels=1)
        for kind in made
    ]


_OTHER = {"gl": "dx", "dx": "gl", "opengl": "directx", "directx": "opengl"}


def _flip_convention(file: MapFile) -> MapFile:
    """Return the file of a normal with the other convention, also in its name."""

    def change(found: re.Match[str]) -> str:
        word = found.group()
        other = _OTHER[word.lower()]
        return other.upper() if word.isupper() else other

    stem = re.sub(r"(?i)opengl|directx|(?<![a-km-z])(?:gl|dx)(?![a-z])", change, file.path.stem)
    flipped: dict[str | None, Convention | None] = {"opengl": "directx", "directx": "opengl"}
    return dataclasses.replace(file, path=file.path.with_stem(stem), convention=flipped.get(file.convention))


def encode_map(
    file: MapFile, maps: Mapping[str, np.ndarray], *, text: Mapping[str, str] | None = None, flips_y: bool = False
) -> bytes:
    """Encode the map or the maps of a file.

    Args:
        file: how they are stored, from `plan_files`.
        maps: the maps by their kinds, as in `subjective.synthesis.material.MaterialResult.maps`.
        text: entries for the text chunks of a PNG file.
        flips_y: whether y of normals is turned round.

    Raises:
        InputError: the format needs a library that is not installed.
    """
    picture = maps.get(file.kinds[0], np.empty(0))
    if len(file.kinds) == 3:
        size = maps["albedo"].shape[:2]
        picture = np.stack([maps.get(kind, np.full(size, ABSENT[kind], np.float32)) for kind in file.kinds], axis=2)
    values = np.atleast_3d(np.asarray(picture, np.float32))
    if flips_y and file.kinds == ("normal",):
        values = np.stack([values[:, :, 0], 1 - values[:, :, 1], values[:, :, 2]], axis=2)
    is_color = file.kinds[0] in COLORS
    if is_color and file.suffix == ".exr":
        values = to_light(values, file.peak)
    if not is_color and file.depth in ("half", "float"):
        values = (values * np.float32(file.high - file.low) + np.float32(file.low)).astype(np.float32)
    if file.channels == 1 and values.shape[2] == 3:
        values = values.mean(axis=2, keepdims=True)
    elif file.channels == 3 and values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    dither = file.depth == "8" and file.is_finer and not is_color
    return encode_pixels(values, file.suffix, file.depth, text=text, dither=dither)
