"""`subjective export`: write a trained network for other programs, or as a web page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tqdm import tqdm

from subjective.checks import InputError, setting
from subjective.cli.commands.networks import ExportCommand
from subjective.cli.outputs import check_out, make_place, refuse_existing
from subjective.feedforward import network_file
from subjective.feedforward.export import export_network
from subjective.files import locked_folder
from subjective.terminal import announce

SUFFIXES = {"onnx": ".onnx", "stablehlo": ".stablehlo", "web": ""}
"""Suffix of the default name for each format."""

INCLUDED = "MIT; the sources are in the public domain"
"""Licence of the networks that come with the package and of their sources; see `weights/README.md`."""


def run(options: ExportCommand) -> int:
    """Run the command, and print the path of the file, or of the page, on stdout."""
    target = Path(options.out or os.path.join("outputs", f"{Path(options.network).stem}{SUFFIXES[options.to]}"))
    if options.to == "web":
        _check_folder(options, target)
    else:
        check_out(options, suffixes=[target.suffix.lower()])
        refuse_existing(target, force=options.force)
    path = network_file.find(options.network)
    network = network_file.read(path)
    included = path.parent == network_file.folders()[0]
    licence = options.licence or (INCLUDED if included else None)
    make_place(target)
    with tqdm(desc="onnxruntime-web", unit="B", unit_scale=True, file=sys.stderr, disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        export_network(
            network, target, options.to, name=path.stem, licence=licence, replace=options.force, on_download=progress
        )
    announce(target / "index.html" if options.to == "web" else target)
    return 0


def _check_folder(options: ExportCommand, folder: Path) -> None:
    """Refuse a folder for the page that is a file, that holds something, or that cannot be made."""
    if folder.is_file():
        raise InputError(f"{setting('out')} is {str(folder)!r}, which is a file; wanted a folder for the page")
    if locked := locked_folder(folder):
        raise InputError(
            f"{setting('out')} is {str(folder)!r}, and nothing can be written in {str(locked)!r}; name another"
        )
    if folder.is_dir() and any(folder.iterdir()) and not options.force:
        raise InputError(
            f"{str(folder)!r} holds files already; give another folder, or {setting('force')} to replace them"
        )
