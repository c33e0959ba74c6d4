"""The files of a set of tiles: the sheet, each tile, ``tiles.json``, and what shows a plane of the tiles."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from subjective.arguments import check_kind, check_numbers, check_path, check_size
from subjective.checks import InputError, MissingFileError, between, check_number, describe, file_errors
from subjective.conversion import Image, to_uint8
from subjective.files import open_regular, suggest_file, sweep, write_bytes
from subjective.images import MAX_PIXELS, encode_image, read_image
from subjective.planes.corners import COLORS, TileSet, cut_sheet, lay_window, places_in_sheet
from subjective.planes.page import make_page, make_shaders

SHEET_FILE = "sheet.png"
"""Name of the file that holds all tiles. It is written first."""

TILES_FILE = "tiles.json"
"""Name of the file that describes a set of tiles."""

FORMAT, VERSION = "subjective corner tiles", 1
"""What ``tiles.json`` says that it is, and the version of its form."""

MOST_BYTES = 2**20
"""Largest ``tiles.json`` that is read."""

FARTHEST = 2**31 - 1
"""Largest distance in pixels of a window from the plane's origin, along either axis."""

SEEDS = between(0, 2**32 - 1)
"""The seeds of planes."""

TilesLike = TileSet | str | os.PathLike[str]
"""A set of tiles, or the path of its ``tiles.json`` or of the folder that holds it."""


def lay(tiles: TilesLike, size: tuple[int, int], *, seed: int = 0, at: tuple[int, int] = (0, 0)) -> Image:
    """Lay a window of a plane of tiles that never repeats.

    Args:
        tiles: the ``tiles`` of a result of `subjective.make_tiles`, or the path of a ``tiles.json``.
        size: (height, width) of the window in pixels.
        seed: chooses the plane, from 0 to 2^32 - 1.
        at: (row, column) of the window's first pixel on the plane; may be negative. Windows of one seed fit together.

    Returns:
        float32 RGB in [0, 1], ``(*size, 3)``.

    Raises:
        InputError: the tiles cannot be read, or a number is out of its range. `subjective lay` writes planes that are
            larger than memory.
    """
    found = tiles if isinstance(tiles, TileSet) else read_tiles(tiles)
    height, width = check_size("size", size)
    if height * width > MAX_PIXELS:
        raise InputError(f"a window of {width}x{height} is larger than {MAX_PIXELS:,} pixels; ask for less")
    check_number("seed", seed, SEEDS, whole=True)
    return lay_window(found, (height, width), int(seed), check_place(at, (height, width))).astype(np.float32) / 255


def check_place(at: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (row, column) of a window's first pixel.

    Raises:
        InputError: it is no pair of whole numbers, or the window reaches farther than `FARTHEST`.
    """
    wanted = "(row, column) of the window's first pixel"
    numbers = check_numbers("at", at, between(-FARTHEST, FARTHEST - max(size)), wanted, whole=True)
    if len(numbers) != 2:
        raise InputError(f"at is {describe(at)}; wanted {wanted}")
    return int(numbers[0]), int(numbers[1])


def save_tiles(tiles: TileSet, folder: str | os.PathLike[str]) -> list[Path]:
    """Write a set of tiles: the sheet, each tile, ``tiles.json``, shaders, and a page that pans over a plane.

    Args:
        tiles: the ``tiles`` of a result of `subjective.make_tiles`.
        folder: the folder, which is made if there is none. Files with the same names are replaced.

    Returns:
        The files, ``tiles.json`` last.

    Raises:
        InputError: ``tiles`` is something else.
        FileError: a file cannot be written.
    """
    check_kind("tiles", tiles, TileSet, "the tiles of a result of make_tiles")
    place = check_path("folder", folder)
    with file_errors("make", place):
        place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    across = tiles.colors**2
    sheet = encode_image(tiles.sheet, ".png")
    files: dict[str, bytes] = {SHEET_FILE: sheet}
    entries = []
    for number, (tile, at) in enumerate(zip(tiles.tiles, places_in_sheet(tiles.colors), strict=True)):
        corners = [number // tiles.colors**power % tiles.colors for power in (3, 2, 1, 0)]
        name = f"tile-{''.join(map(str, corners))}.png"
        files[name] = encode_image(tile, ".png")
        row, column = divmod(int(at), across)
        entries.append({"file": name, "corners": [corners[:2], corners[2:]], "row": row, "column": column})
    description = {
        "format": FORMAT,
        "version": VERSION,
        "colors": tiles.colors,
        "side": tiles.side,
        "shared": tiles.shared,
        "sheet": {"file": SHEET_FILE, "rows": across, "columns": across},
        "tiles": entries,
    }
    files |= {name: text.encode() for name, text in make_shaders(tiles).items()}
    files["page.html"] = make_page(tiles, sheet).encode()
    files[TILES_FILE] = (json.dumps(description, indent=1) + "\n").encode()
    for name, data in files.items():
        write_bytes(place / name, data)
    return [place / name for name in files]


def find_files(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return the paths of ``tiles.json`` and of the sheet from which `read_tiles` reads a set of tiles.

    Args:
        path: the ``tiles.json``, or the folder that holds it.

    Raises:
        InputError: there is no such file, or it does not describe a set of tiles.
    """
    file = check_path("tiles", path)
    with file_errors("read", file):
        file = file / TILES_FILE if file.is_dir() else file
        if not file.exists():
            advice = suggest_file(file) or "give the tiles.json that `subjective tiles` wrote"
            raise MissingFileError(f"no such file: {str(file)!r}; {advice}")
    return file, file.parent / _read_description(file)["sheet"]["file"]


def read_tiles(path: str | os.PathLike[str]) -> TileSet:
    """Read a set of tiles that `save_tiles` has written.

    Args:
        path: its ``tiles.json``, or the folder that holds it.

    Raises:
        InputError: there is no such file, it does not describe a set of tiles, or the sheet does not fit.
    """
    file, sheet_file = find_files(path)
    found = _read_description(file)
    colors, side, shared = found["colors"], found["side"], found["shared"]
    sheet = to_uint8(read_image(sheet_file))
    wanted = colors**2 * side
    if sheet.shape[:2] != (wanted, wanted):
        given = f"{sheet.shape[1]}x{sheet.shape[0]}"
        raise InputError(
            f"the sheet beside {str(file)!r} has {given} pixels; wanted {wanted}x{wanted}, as {file.name} says"
        )
    return TileSet(cut_sheet(sheet, colors), colors, shared)


def _read_description(file: Path) -> dict[str, Any]:
    """Read ``tiles.json``, and check what `read_tiles` takes from it."""
    with file_errors("read", file), open_regular(file, MOST_BYTES) as opened:
        data = opened.read(MOST_BYTES)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(file)!r} is no JSON file: {error}") from None
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise InputError(f"{str(file)!r} does not describe tiles; wanted the tiles.json that `subjective tiles` wrote")
    if found.get("version") != VERSION:
        raise InputError(f"{str(file)!r} has version {describe(found.get('version'))}; wanted {VERSION}")
    name = str(file)
    check_number(f"colors in {name!r}", found.get("colors"), between(*COLORS), whole=True)
    check_number(f"side in {name!r}", found.get("side"), between(1, 2**14), whole=True)
    check_number(f"shared in {name!r}", found.get("shared"), between(1, found["side"] // 2), whole=True)
    sheet = check_kind(f"sheet in {name!r}", found.get("sheet"), Mapping, "the file, rows and columns of the sheet")
    beside = sheet.get("file")
    if not isinstance(beside, str) or not beside or Path(beside).name != beside or "\\" in beside or "\0" in beside:
        raise InputError(f"the sheet's file in {name!r} is {describe(beside)}; wanted a name of a file beside it")
    return dict(found)
