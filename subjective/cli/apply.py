"""`subjective apply`: pictures repainted and textures rendered by a trained network."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from subjective import images
from subjective.cli.network_options import ApplyCommand
from subjective.feedforward import export, network_file, train
from subjective.feedforward.config import check_blend
from subjective.feedforward.network_file import Network
from subjective.feedforward.networks import SMALLEST
from subjective.feedforward.repaint import repaint
from subjective.runs import video
from subjective.runs.remarks import say

WHOLE_PIXELS = 2**21
"""Pixels up to which a picture is repainted at once."""

STRIP_ROWS = 128
"""Of a larger one's strips."""


def apply(config: ApplyCommand) -> int:
    """`subjective apply`; names each file that it has written on stdout.

    Args:
        config: what was asked.
    """
    config.check()
    network = network_file.read(config.network)
    blend = check_blend(config.blend, network.architecture.sources)
    if config.export is not None:
        export.write(Path(config.export), network)
        _announce(Path(config.export))
        if not config.images and config.size is None:
            return 0
    if network.architecture.kind == "texture":
        return _texture(config, network, blend)
    if not config.images:
        raise ValueError("no picture was given; this network repaints pictures: name some, or folders of them")
    if config.size is not None:
        raise ValueError("--size is for texture networks, and this one repaints pictures; use --scale")
    return _style(config, network, blend)


def painted(network: Network, image: np.ndarray, blend: tuple[float, ...], rows: int | None = None) -> np.ndarray:
    """A picture repainted: at once, or in strips of so many rows where it is large.

    Args:
        network: a style network.
        image: RGB in [0, 1].
        blend: share of each style.
        rows: of a strip; as its size asks for, if not given.

    Raises:
        ValueError: the picture is too small.
    """
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"a picture of {image.shape[1]}x{image.shape[0]} is too small; wanted {SMALLEST} pixels a side"
        )
    if rows is None and image.shape[0] * image.shape[1] <= WHOLE_PIXELS:
        return train.paint(network.architecture, network.params, image, blend)
    shares = np.asarray(blend, np.float32)
    return repaint(network.architecture, network.params, image, shares, rows=rows or STRIP_ROWS)


def _texture(config: ApplyCommand, network: Network, blend: tuple[float, ...]) -> int:
    if config.images:
        raise ValueError("this network renders textures from noise, and repaints no picture; leave the pictures out")
    height, width = config.picture_size
    if height * width > images.MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} is larger than {images.MAX_PIXELS:,} pixels; ask for less")
    texture = train.draw(network.architecture, network.params, (height, width), blend, config.rng_seed)
    target = Path(config.output or Path("outputs") / f"{Path(config.network).stem}-{width}x{height}.png")
    if target.is_dir():
        target = target / f"{Path(config.network).stem}-{width}x{height}.png"
    _write(target, texture)
    return 0


def _style(config: ApplyCommand, network: Network, blend: tuple[float, ...]) -> int:
    videos = [Path(name) for name in config.images if Path(name).suffix.lower() in video.SUFFIXES]
    files = images.find_images([name for name in config.images if Path(name) not in videos] or videos, "picture")
    files = files if files == videos else [*files, *videos]
    alone = len(files) == 1 and config.output is not None and Path(config.output).suffix != ""
    folder = Path(config.output or "outputs")
    if not alone:
        if folder.is_file():
            raise ValueError(f"--output is {str(folder)!r}, which is a file; wanted a folder for {len(files)} pictures")
        names = [file.stem for file in files]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two pictures are called {name!r}; repaint them into folders of their own")
    failed = 0
    for file in files:
        stem = file.stem if config.output else f"{file.stem}-{Path(config.network).stem}"
        target = folder if alone else folder / f"{stem}{file.suffix if file in videos else '.png'}"
        if target.exists() and target.samefile(file):
            raise ValueError(f"{str(target)!r} is the picture itself; give another --output")
        try:
            if file in videos:
                target.parent.mkdir(parents=True, exist_ok=True)
                video.convert(file, target, lambda frame: painted(network, frame, blend, config.tile))
                _announce(target)
            else:
                _write(target, painted(network, images.read_image(file, scale=config.scale), blend, config.tile))
        except ValueError as error:
            if len(files) == 1:
                raise
            failed += 1
            say(f"note: left out {file.name!r}: {error}")
    if failed:
        say(f"{failed} of {len(files)} pictures were left out")
    return 2 if failed == len(files) else 0


def _write(target: Path, picture: np.ndarray) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(target, picture)
    _announce(target)


def _announce(path: Path) -> None:
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
