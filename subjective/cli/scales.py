"""`subjective weights convert | normalize | fetch`: store network parameters with their activation scales."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from subjective.checks import count_of
from subjective.cli.commands.networks import WeightsConvert, WeightsFetch, WeightsNormalize
from subjective.cli.options import Options
from subjective.images import find_images
from subjective.network import download, normalization, weights
from subjective.terminal import note, say
from subjective.version import __version__


def run(options: Options) -> int:
    """Run one of the subcommands; return the exit status."""
    return _ACTIONS[type(options)](options)


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


_ACTIONS: dict[type, Callable[[Any], int]] = {
    WeightsConvert: _convert,
    WeightsNormalize: _normalize,
    WeightsFetch: _fetch,
}
