"""`subjective repeat`: show a picture several times beside itself, to see whether it tiles."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from subjective.checks import InputError, setting
from subjective.cli.commands.tools import RepeatCommand
from subjective.cli.outputs import check_out, write_out
from subjective.images import MAX_PIXELS, encode_image, find_images, read_image


def run(options: RepeatCommand) -> int:
    """Run the command, and print the path of the file that it writes."""
    file, *more = find_images([options.image], "picture")
    if more:
        raise InputError(f"{options.image!r} stands for {1 + len(more)} pictures; give one file")
    times = options.times
    out = Path(options.out) if options.out is not None else file.with_name(f"{file.stem}-{times}x{times}.png")
    check_out(dataclasses.replace(options, out=str(out)))
    picture = read_image(file)
    if times**2 * picture.shape[0] * picture.shape[1] > MAX_PIXELS:
        raise InputError(f"{setting('times')} is {times}; that is more than {MAX_PIXELS:,} pixels, ask for less")
    write_out(out, encode_image(np.tile(picture, (times, times, 1)), out.suffix), force=options.force)
    return 0
