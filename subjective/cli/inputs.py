"""Read files that a command names: masks, a starting picture, frame weights, a network's parameters."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, MissingFileError, count_of, describe, file_errors, setting
from subjective.choices import INITS
from subjective.cli.options import NetworkOptions, PluginOptions
from subjective.decoding import is_of_rgb
from subjective.images import read_image, read_profile, resize
from subjective.network import normalization, weights
from subjective.network.formats.native import sha256
from subjective.network.vgg import Params
from subjective.runs.provenance import describe_file
from subjective.synthesis.config import PictureConfig
from subjective.terminal import note


def read_kept_profile(picture: Path, out: str | None) -> bytes | None:
    """Return the color profile that the result of an edit gets: that of its picture, whose numbers it keeps.

    Args:
        picture: the file.
        out: the file that --out names, if any.
    """
    profile = read_profile(picture)
    if profile is None:
        return None
    if not is_of_rgb(profile):
        note(f"note: the color profile of {str(picture)!r} is not one of RGB, and is left out")
        return None
    if out is not None and Path(out).suffix.lower() == ".bmp":
        note(f"note: {out!r} gets no color profile, which BMP does not store; {str(picture)!r} has one")
    return profile


@dataclass(frozen=True)
class LossNetwork:
    """The network that the loss of a run uses.

    Attributes:
        params: parameters for the loss: raw or normalized, as the run asks.
        judge: parameters for the scores, as in `subjective evaluate`: normalized if the network's activation scales are
            known. Thus the scores of raw and of normalized runs can be compared.
        facts: what ``config.json`` says about the network.
    """

    params: Params
    judge: Params
    facts: dict[str, Any]


def read_network(options: NetworkOptions, *, raw: bool) -> LossNetwork:
    """Load the network that the options name.

    Args:
        options: options of the command.
        raw: whether the run uses the parameters as published; otherwise they are normalized.
    """
    if options.data_dir is not None and not Path(options.data_dir).is_dir():
        raise InputError(
            f"{setting('data_dir')} is {options.data_dir!r}, which is no folder; wanted one that holds parameters"
        )
    network = weights.load(options.weights, options.data_dir)
    named = any(entry.name == options.weights for entry in weights.list_networks(options.data_dir))
    facts = {
        "use": options.weights if named else str(network.path.absolute()),
        "architecture": network.architecture,
        "sha256": network.sha256,
        "scales_sha256": None if raw else sha256(weights.scales_path(network.path, options.data_dir)),
    }
    params = normalization.params_of(network, raw=raw)
    judge = normalization.params_of(network, raw=network.scales is None)
    return LossNetwork(params, judge, facts)


def describe_plugins(options: PluginOptions) -> dict[str, Any]:
    """Return what ``config.json`` says about the plugins; nothing without plugins."""
    described = [describe_file(Path(file), "plugin") for file in options.plugin]
    return {"plugins": described} if described else {}


def read_start(config: PictureConfig) -> tuple[np.ndarray | None, list[dict[str, str]]]:
    """Read the starting picture, resized to the output's size, and describe the picture's file.

    Returns:
        The picture and a list with the description; None and an empty list if ``config.init`` names no file.
    """
    if config.init in INITS:
        return None, []
    path = Path(config.init)
    if not path.exists():
        raise InputError(
            f"{setting('init')} is {config.init!r}, which is no file; wanted {', '.join(INITS)} or a picture file (for "
            f"the noise, {setting('seed')} or --seed takes a whole number)"
        )
    return resize(read_image(path), config.output_size), [describe_file(path, "start")]


def read_mask(name: str, size: tuple[int, int]) -> np.ndarray:
    """Read a mask as gray values ``(height, width)``, resized to ``size``, which is (height, width)."""
    if not Path(name).is_file():
        raise MissingFileError(
            f"no such mask: {name!r}; give a picture, white where its source holds and black elsewhere"
        )
    return np.asarray(resize(read_image(name), size).mean(axis=2))


def read_frame_weights(path: str, frames: int, sources: int) -> np.ndarray:
    """Read a CSV table of weights: one line for each frame, one column for each source. A header line is skipped.

    Returns:
        ``(frames, sources)``, each row divided by its sum.

    Raises:
        InputError: the file cannot be read, the table has another number of lines or columns, or the weights of a
            frame are negative, not finite, or all 0.
    """
    name = Path(path).name
    rows = _read_table(path)
    if len(rows) != frames or any(len(row) != sources for row in rows):
        columns = " or ".join(map(str, sorted({len(row) for row in rows}))) or "no"
        raise InputError(
            f"{name!r} has {count_of(len(rows), 'line')} of {columns} numbers; wanted {frames} of {sources}: a line "
            f"for each frame ({setting('count')}), a number for each source"
        )
    for number, row in enumerate(rows, 1):
        if not _are_weights(row):
            given = describe(", ".join(row))
            raise InputError(f"line {number} of {name!r} is {given}; wanted non-negative numbers, not all 0")
    table = np.asarray([[float(cell) for cell in row] for row in rows])
    return table / table.sum(axis=1, keepdims=True)


def _read_table(path: str) -> list[list[str]]:
    """Read the cells of a CSV file. Empty lines are skipped, and also a first line without any number."""
    try:
        with file_errors("read", path), open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{setting('frame_weights')} is {path!r}, no CSV file that can be read ({error})") from None
    has_head = bool(rows) and not any(_is_number(cell) for cell in rows[0])
    return rows[1:] if has_head else rows


def _are_weights(cells: Sequence[str]) -> bool:
    if not all(_is_number(cell) and 0 <= float(cell) < math.inf for cell in cells):
        return False
    return sum(map(float, cells)) > 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
