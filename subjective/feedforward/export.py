"""Write a trained network for other programs: as ONNX, as StableHLO, or as a web page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from subjective.arguments import check_kind, check_path
from subjective.checks import InputError, check_word, describe, file_errors
from subjective.feedforward import stablehlo, web
from subjective.feedforward.config import ExportFormat
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.onnx_networks import build_model
from subjective.files import write_bytes

UNKNOWN_LICENCE = "not stated"
"""What the metadata says if nobody has named a licence."""


def export_network(
    network: TrainedNetwork,
    path: str | Path,
    to: ExportFormat = "onnx",
    *,
    name: str | None = None,
    licence: str | None = None,
    replace: bool = False,
    on_download: Callable[[int, int], None] | None = None,
) -> None:
    """Write a network for other programs.

    Args:
        network: a style or texture network.
        path: the file; for ``web`` the folder. Folders on the way are made.
        to: ``onnx`` for onnxruntime and others (`subjective.feedforward.onnx_networks`), ``stablehlo`` for JAX without
            this package (`subjective.feedforward.stablehlo`), or ``web`` for a page that runs without a network
            connection (`subjective.feedforward.web`).
        name: name of the network, for the metadata and the page. None for the name of the file or folder.
        licence: licence of the network and of its sources, for the metadata. None for what the network's own file says.
        replace: whether to replace files that exist.
        on_download: called again and again while onnxruntime-web is downloaded, with two numbers of bytes: how many are
            there, and how many there are in all.

    Raises:
        InputError: an argument is of a wrong kind.
        MissingPackageError: a package that writes this format is not installed.
        FileError: a file cannot be written, or exists and is not replaced; or the download fails.
    """
    check_kind("network", network, TrainedNetwork, "a network from network_file.read")
    target = check_path("path", path)
    if not target.name:
        raise InputError(f"path is {str(path)!r}; wanted a file, or for web a folder with a name")
    check_word("to", to, get_args(ExportFormat))
    for label, text in (("name", name), ("licence", licence)):
        if text is not None and not (isinstance(text, str) and text.strip() and text.isprintable()):
            raise InputError(f"{label} is {describe(text)}; wanted a text of one line")
    name = name or target.stem
    recorded = network.facts.get("licence")
    licence = licence or (recorded if isinstance(recorded, str) else UNKNOWN_LICENCE)
    if to == "web":
        web.write(target, network, name=name, licence=licence, replace=replace, on_download=on_download)
        return
    if to == "stablehlo":
        data = stablehlo.serialize(network)
    else:
        data = build_model(network, name=name, licence=licence).SerializeToString()
    with file_errors("make", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, data, replace=replace)
