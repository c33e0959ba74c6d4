"""`subjective lay`: lay tiles on a plane that never repeats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from subjective.checks import InputError
from subjective.cli.commands.planes import LayCommand
from subjective.cli.outputs import check_out, make_place, write_out
from subjective.files import find_shared, write_atomically
from subjective.images import encode_image
from subjective.planes.corners import lay_strips
from subjective.planes.page import make_page
from subjective.planes.streams import STREAMED_SUFFIXES, write_stream
from subjective.planes.tile_files import find_files, read_tiles
from subjective.terminal import announce

PLANE_FILE = "plane.png"
"""The file in the working folder that is written if no file is named."""


def run(options: LayCommand) -> int:
    """Run the command, and print the path of each file that it writes."""
    if options.out is None and options.page is None:
        options = dataclasses.replace(options, out=PLANE_FILE)
    check_out(options, suffixes=STREAMED_SUFFIXES)
    check_out(options, "page", suffixes=[".html"])
    outputs = [Path(name) for name in (options.out, options.page) if name is not None]
    if shared := find_shared(outputs, find_files(options.tiles)):
        raise InputError(f"{str(shared)!r} is read or written by this very command; give the result another name")
    found = read_tiles(options.tiles)
    if options.out is not None:
        out = Path(options.out)
        make_place(out)
        with write_atomically(out, replace=options.force) as file:
            strips = lay_strips(found, options.window, options.seed, options.place)
            write_stream(file, out.suffix, options.window, strips)
        announce(out)
    if options.page is not None:
        page = make_page(found, encode_image(found.sheet, ".png"), options.seed)
        write_out(Path(options.page), page.encode(), force=options.force)
    return 0
