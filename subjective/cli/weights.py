"""`subjective weights list | show | convert | normalize | fetch`: manage network parameters."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro
from tqdm import tqdm

from subjective.checks import count_of
from subjective.cli.options import Options
from subjective.images import find_images
from subjective.network import download, normalization, weights
from subjective.synthesis.settings import arg
from subjective.terminal import note, say
from subjective.version import __version__


@dataclass(frozen=True, kw_only=True)
class _DataDir(Options):
    group: ClassVar[str] = "input"

    data_dir: Annotated[str | None, arg("-d", metavar="DIR")] = None
    """Folder with further network parameters. Default: the user's data folder."""


@dataclass(frozen=True, kw_only=True)
class WeightsList(_DataDir):
    """List the parameters on this machine, and those that `fetch` can download."""


@dataclass(frozen=True, kw_only=True)
class WeightsShow(_DataDir):
    """Verify parameters, and describe them as JSON."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME|FILE")] = "vgg16"
    """A name that `list` shows, or a file."""


@dataclass(frozen=True, kw_only=True)
class WeightsConvert(_DataDir):
    """Convert parameters of another program, and store them in the data folder with activation scales."""

    file: Annotated[tyro.conf.Positional[str], arg(metavar="FILE")]
    """Keras .h5 or .keras, torchvision .pth or .safetensors, .npz, MatConvNet .mat, Gatys' .npy, or ONNX."""
    name: Annotated[str | None, arg(metavar="NAME")] = None
    """Name of the stored parameters. Default: the name of the file."""
    convention: Annotated[str | None, arg(metavar="caffe-bgr|caffe-rgb|torchvision")] = None
    """Order and range of colors in the network's input. Default: the usual convention of the file's format."""


@dataclass(frozen=True, kw_only=True)
class WeightsNormalize(_DataDir):
    """Measure activation scales again, and store them: beside the parameters, or in the data folder for parameters
    that come with the package."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME|FILE")]
    """A name that `list` shows, or a file in this package's own format."""
    pictures: Annotated[tuple[str, ...] | None, arg(metavar="PICTURE...")] = None
    """Pictures to measure on: files, folders or patterns. Default: the photographs that come with the package."""


@dataclass(frozen=True, kw_only=True)
class WeightsFetch(_DataDir):
    """Download published parameters, verify and convert them, and store them in the data folder."""

    name: Annotated[tyro.conf.Positional[str], arg(metavar="NAME")]
    """Name of published parameters that `list` shows."""


def run(options: Options) -> int:
    """Run one of the subcommands; return the exit status."""
    return _ACTIONS[type(options)](options)


def _list(action: WeightsList) -> int:
    rows = [("NAME", "SIZE", "SCALES", "WHERE")]
    for entry in weights.list_networks(action.data_dir):
        rows.append((entry.name, f"{entry.bytes / 1e6:.0f} MB", "yes" if entry.scales else "no", str(entry.path)))
    present = {row[0] for row in rows}
    rows.extend((name, "-", "-", "to be fetched") for name in download.PUBLISHED_FILES if name not in present)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        sys.stdout.write("  ".join([*cells, row[3]]) + "\n")
    return 0


def _show(action: WeightsShow) -> int:
    network = weights.load(action.name, action.data_dir)
    sys.stdout.write(json.dumps(weights.describe(network), indent=2) + "\n")
    return 0


def _convert(action: WeightsConvert) -> int:
    path = weights.convert(action.file, action.data_dir, action.name, action.convention)
    return _keep_with_scales(path)


def _normalize(action: WeightsNormalize) -> int:
    network = weights.load(action.name, action.data_dir)
    pictures = None if action.pictures is None else find_images(action.pictures)
    return _keep_with_scales(network.path, pictures, action.data_dir)


def _fetch(action: WeightsFetch) -> int:
    folder = weights.default_data_dir() if action.data_dir is None else Path(action.data_dir)
    bar = tqdm(desc=action.name, unit="B", unit_scale=True, file=sys.stderr, disable=None)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    with bar:
        path = download.fetch(action.name, folder, progress=progress)
    return _keep_with_scales(path)


def _keep_with_scales(path: Path, pictures: list[Path] | None = None, data_dir: str | None = None) -> int:
    """Measure the activation scales of the network in a file, and write them; print the path of the network.

    Scales of a network that comes with the package go to the data folder: the installed package is never changed.
    """
    network = weights.load(path)
    files = normalization.find_photographs() if pictures is None else pictures
    say(f"measuring activations on {count_of(len(files), 'picture')} ...")
    scales = normalization.activation_scales(network.params, files)
    facts = {
        "program": f"subjective {__version__}, subjective/network/normalization.py",
        "pictures": " ".join(file.name for file in files),
    }
    target = weights.own_scales_path(path, data_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    weights.save_scales(scales, target, network.sha256, facts)
    if target.parent != path.parent:
        note(f"note: {network.name} now uses the scales in {target}; delete this file to use the package's own again")
    sys.stdout.write(f"{path}\n")
    return 0


SUBCOMMANDS: dict[str, type[Options]] = {
    "list": WeightsList,
    "show": WeightsShow,
    "convert": WeightsConvert,
    "normalize": WeightsNormalize,
    "fetch": WeightsFetch,
}
"""The options of each subcommand."""

_ACTIONS: dict[type, Callable[[Any], int]] = {
    WeightsList: _list,
    WeightsShow: _show,
    WeightsConvert: _convert,
    WeightsNormalize: _normalize,
    WeightsFetch: _fetch,
}
