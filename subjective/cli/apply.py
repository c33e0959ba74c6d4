"""`subjective apply`: repaint pictures, or render a texture, with a trained network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from jax import default_backend

from subjective.checks import InputError, setting
from subjective.cli import polish
from subjective.cli.arguments import render_error
from subjective.cli.commands.networks import ApplyCommand
from subjective.cli.outputs import check_out, make_place, refuse_existing, refuse_inputs, write_out
from subjective.feedforward import network_file, train
from subjective.feedforward.config import normalize_blend
from subjective.feedforward.memory import network_bytes
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.repaint import STRIP_ROWS, WHOLE_PIXELS, repaint
from subjective.images import MAX_PIXELS, WRITTEN_SUFFIXES, encode_image, find_images, read_image, write_image
from subjective.runs.memory import allowed_bytes, format_size, used_bytes
from subjective.runs.preflight import REST_BYTES
from subjective.terminal import announce, note
from subjective.videos import VIDEO_SUFFIXES, convert_video

OUTPUTS = "outputs"
"""Folder for the results if no output is named."""


def run(options: ApplyCommand) -> int:
    """Run the command, and print the path of each written file on stdout."""
    network = network_file.read(options.network)
    blend = normalize_blend(options.blend, network.architecture.sources)
    if options.polish:
        polish.check_sources(options, network)
    if network.architecture.kind == "texture":
        return _render_texture(options, network, blend)
    if not options.images:
        raise InputError("no picture was given; this network repaints pictures: name some, or folders of them")
    if options.size is not None:
        raise InputError(
            f"{setting('size')} is for texture networks, and this one repaints pictures; use {setting('scale')}"
        )
    return _repaint_all(options, network, blend)


def _render_texture(options: ApplyCommand, network: TrainedNetwork, blend: tuple[float, ...]) -> int:
    if options.images:
        raise InputError("this network renders textures from noise, and repaints no picture; leave the pictures out")
    if options.strength != 1:
        raise InputError(
            f"{setting('strength')} is {options.strength:g}, and this network renders textures, of which there is no "
            f"weaker kind; leave it out, or mix the sources with {setting('blend')}"
        )
    height, width = options.texture_size
    if height * width > MAX_PIXELS:
        raise InputError(f"a picture of {width}x{height} is larger than {MAX_PIXELS:,} pixels; ask for less")
    seed = f"-seed{options.seed}" if options.seed else ""
    name = f"{Path(options.network).stem}-{width}x{height}{_name_blend(options)}{seed}.png"
    target = Path(options.out or OUTPUTS)
    if not _names_file(options.out, WRITTEN_SUFFIXES):
        target = target / name
    polished = None
    if options.polish:
        out = None if options.out is None else str(target)
        target = Path(OUTPUTS) / name
        polished = polish.plan_texture(replace(options, out=out), network, blend, (height, width), target)
        check_out(polished)
    _check_target(options, target)
    if not _fits(options, network, (height, width)):
        _refuse_size(options, network, (height, width))
    texture = train.draw(network.architecture, network.params, (height, width), blend, options.seed)
    _write(options, target, texture)
    return 0 if polished is None else polish.run(polished)


def _check_target(options: ApplyCommand, target: Path) -> None:
    """Refuse a file that is read, or that exists; make the folder of the file. A file that is polished may exist."""
    refuse_inputs(options, target)
    if not options.polish:
        refuse_existing(target, force=options.force)
    make_place(target)


def _write(options: ApplyCommand, target: Path, made: np.ndarray) -> None:
    """Write what the network made, and print its path. Before it is polished, a file that holds the same stays."""
    if options.polish:
        write_out(target, encode_image(made, target.suffix, name=target.name), force=options.force)
    else:
        write_image(target, made, replace=options.force)
        announce(target)


def _repaint_all(options: ApplyCommand, network: TrainedNetwork, blend: tuple[float, ...]) -> int:
    """Repaint each picture and video, and return the exit status.

    A file that cannot be repainted is left out with a note; if it is the only file, the error is raised.
    """
    files = _list_files(options)
    if options.polish and any(_is_video(file) for file in files):
        raise InputError(f"{setting('polish')} is for pictures, and a video was given; leave one of them out")
    pairs = list(_targets(options, files))
    refuse_inputs(options, *(target for _, target in pairs))
    made = list(_targets(replace(options, out=None), files)) if options.polish else pairs
    statuses = []
    for (file, target), (_, out) in zip(made, pairs, strict=True):
        try:
            _check_target(options, target)
            if _is_video(file):
                paint = partial(_paint, options, network, blend)
                convert_video(file, target, paint, replace=options.force)
                announce(target)
                continue
            named = replace(options, out=None if options.out is None else str(out))
            image = read_image(file, scale=options.scale)
            polished = polish.plan_painting(named, network, file, image.shape[:2], target) if options.polish else None
            if polished is not None:
                check_out(polished)
            _write(options, target, _paint(options, network, blend, image))
            statuses += [] if polished is None else [polish.run(polished)]
        except InputError as error:
            if len(files) == 1:
                raise
            statuses.append(2)
            note(f"note: left out {file.name!r}: {render_error(error, type(options))}")
    failed = statuses.count(2)
    if failed:
        note(f"{failed} of {len(files)} pictures were left out")
    return 2 if failed == len(files) else 1 if 1 in statuses else 0


def _paint(options: ApplyCommand, network: TrainedNetwork, blend: tuple[float, ...], image: np.ndarray) -> np.ndarray:
    """Repaint a picture or a frame: in one piece, or in strips if it is large or does not fit into memory.

    Raises:
        InputError: it does not fit in strips either.
    """
    size, rows = (image.shape[0], image.shape[1]), options.tile
    if rows is None and (size[0] * size[1] > WHOLE_PIXELS or not _fits(options, network, size)):
        rows = STRIP_ROWS
    if rows is not None and not _fits(options, network, size, rows):
        _refuse_size(options, network, size, rows)
    return repaint(network, image, blend, rows, strength=options.strength)


def _fits(options: ApplyCommand, network: TrainedNetwork, size: tuple[int, int], rows: int | None = None) -> bool:
    """Return whether a picture fits into memory. If a device has memory of its own, strips always fit."""
    on_host = default_backend() == "cpu"
    if rows is not None and not on_host:
        return True
    process = used_bytes() + REST_BYTES if on_host else 0
    return process + network_bytes(network.architecture, size, rows) <= allowed_bytes(options.memory_limit)


def _refuse_size(
    options: ApplyCommand, network: TrainedNetwork, size: tuple[int, int], rows: int | None = None
) -> NoReturn:
    needed = used_bytes() + REST_BYTES + network_bytes(network.architecture, size, rows)
    allowed = format_size(allowed_bytes(options.memory_limit))
    raise InputError(
        f"a picture of {size[1]}x{size[0]} needs {format_size(needed)} of memory with this network, and {allowed} may "
        f"be used; make it smaller, or use another {setting('memory_limit')}"
    )


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES


def _list_files(options: ApplyCommand) -> list[Path]:
    """Return the picture files, then the video files."""
    videos = [Path(name) for name in options.images if _is_video(Path(name))]
    pictures = [name for name in options.images if not _is_video(Path(name))]
    if not pictures:
        return find_images([str(video) for video in videos], "picture")
    return [*find_images(pictures, "picture"), *videos]


def _targets(options: ApplyCommand, files: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each file with the path of its result."""
    folder = Path(options.out or OUTPUTS)
    if len(files) == 1 and _names_file(
        options.out, sorted(VIDEO_SUFFIXES) if _is_video(files[0]) else WRITTEN_SUFFIXES
    ):
        yield files[0], folder
        return
    if folder.is_file() or (folder.suffix.lower() in (*WRITTEN_SUFFIXES, *VIDEO_SUFFIXES) and not folder.is_dir()):
        raise InputError(f"{setting('out')} {str(folder)!r} names a file; wanted a folder for {len(files)} pictures")
    names = [file.stem for file in files]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two pictures are called {name!r}; repaint them into folders of their own")
    strength = f"-strength{options.strength:g}" if options.strength != 1 else ""
    for file in files:
        stem = file.stem if options.out else f"{file.stem}-{Path(options.network).stem}{_name_blend(options)}{strength}"
        yield file, folder / f"{stem}{file.suffix if _is_video(file) else '.png'}"


def _names_file(out: str | None, suffixes: Sequence[str]) -> bool:
    """Return whether --out names a file for the one result, and not a folder.

    Raises:
        InputError: the file has another suffix than ``suffixes``.
    """
    if out is None or out[-1:] in ("/", os.sep) or Path(out).is_dir() or not Path(out).suffix:
        return False
    if Path(out).suffix.lower() not in suffixes:
        known = ", ".join(suffixes)
        raise InputError(f"{setting('out')} is {out!r}; wanted a name that ends in {known}, or a folder: {out + '/'!r}")
    return True


def _name_blend(options: ApplyCommand) -> str:
    """Return the part of a file's name that says the blend; empty for the default blend."""
    return "".join(f"-{share:g}" for share in options.blend or ())
