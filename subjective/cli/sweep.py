"""`subjective sweep`: run a grid of settings, and show the results on one contact sheet and in one table."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, count_of, describe, setting
from subjective.cli.arguments import parse, without_flag
from subjective.cli.attempts import attempt
from subjective.cli.commands.pictures import SweepCommand, SynthesizeCommand
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.words import NUMBER
from subjective.files import write_bytes
from subjective.images import find_images, read_image, write_image
from subjective.runs.folder import new_folder
from subjective.runs.pictures import describe_picture, draw_contact_sheet, fit_to_cell
from subjective.terminal import announce, report_error, say

FIGURES = ("loss", "evaluations", "full_size_evaluations", "seconds")
"""Numbers about each picture that the table has besides scores."""


@dataclass(frozen=True)
class Variation:
    """One point of the grid.

    Attributes:
        chosen: a map from the name of each varied setting to its value, as given.
        flags: the flags that set these values.
    """

    chosen: dict[str, str]
    flags: list[str]


def list_variations(texts: Sequence[str]) -> list[Variation]:
    """List all combinations of values.

    Args:
        texts: ``NAME=VALUE/VALUE/...`` for each setting to vary; ``+`` joins the words of a value.

    Raises:
        InputError: there is no text, a text has no name, or a value is empty.
    """
    wanted = "wanted NAME=VALUE/VALUE/..., such as octaves=2/3/4"
    if not texts:
        raise InputError(f"{setting('vary')} got nothing to vary; {wanted}")
    axes: list[list[tuple[str, str]]] = []
    for text in texts:
        name, _, values = text.partition("=")
        if not name or not values or not all(values.split("/")):
            raise InputError(f"{setting('vary')} got {describe(text)}; {wanted}")
        numbers = values.split(",")
        if len(numbers) > 1 and all(NUMBER.fullmatch(number) for number in numbers):
            raise InputError(f"{setting('vary')} got {text!r}; put / between values: {name}={'/'.join(numbers)}")
        axes.append([(name.removeprefix("--"), value) for value in values.split("/")])
    return [
        Variation(dict(combination), [flag for name, value in combination for flag in _flags(name, value)])
        for combination in itertools.product(*axes)
    ]


def _flags(name: str, value: str) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if value in ("yes", "no"):
        return [flag if value == "yes" else f"--no-{flag[2:]}"]
    words = value.split("+")
    return [f"{flag}={words[0]}"] if len(words) == 1 else [flag, *words]


def run(options: SweepCommand, words: Sequence[str]) -> int:
    """Run every combination of settings. After each run, write the contact sheet and the table again.

    The sheet shows each picture, and beside it where the picture is unlike its sources.

    Args:
        options: options of the command.
        words: the words that ``options`` was parsed from. Each run gets all of them except --vary and its values.

    Raises:
        InputError: the options of a run cannot be used (raised before the first run), or no run made a picture.
    """
    check_out(options)
    grid = list_variations(options.vary)
    shared = without_flag(words, "--vary")
    runs = [parse(SynthesizeCommand, "synthesize", [*shared, *variation.flags]) for variation in grid]
    if any(one.dry_run for one in runs):
        raise InputError(f"{setting('dry_run')} is for a single run; give it to subjective synthesize")
    first = options.read_source(find_images(options.source)[0])
    folder = new_folder(Path(options.output_dir), options.output_prefix)
    announce(folder)
    height, width = options.size
    cells: list[tuple[list[str], Any]] = [(["source"], first[:height, :width])]
    rows: list[dict[str, Any]] = []
    failed = 0
    for number, (variation, one) in enumerate(zip(grid, runs, strict=True), 1):
        heads = [f"{name} {value}" for name, value in variation.chosen.items()]
        say(f"run {number}/{len(grid)}: {', '.join(heads)}")
        name = "-".join(_slug(value) for value in variation.chosen.values())[:60]
        prefix = f"{number:03d}-{name}"
        one = dataclasses.replace(one, output_dir=str(folder), output_prefix=prefix, out=None)
        made = attempt(one)
        failed += made.status != 0
        if made.folder is None:
            rows.append({**variation.chosen, "status": made.reason})
        else:
            added, shown = _results_of(made.folder, heads, variation.chosen, several=one.count > 1)
            rows += added
            cells += shown
        write_image(folder / "sheet.png", draw_contact_sheet(cells))
        write_bytes(folder / "table.csv", _csv(rows).encode())
    sys.stdout.write(_csv(rows))
    if len(cells) == 1:
        raise InputError(f"no run of {len(grid)} made a picture; the first says: {rows[0]['status']}")
    if options.out is not None:
        copy_pictures([folder / "sheet.png"], options.out, force=options.force)
    if failed:
        report_error(f"{failed} of {count_of(len(grid), 'run')} failed; the table says why")
    return 1 if failed else 0


def _results_of(
    run: Path, heads: list[str], chosen: dict[str, str], *, several: bool
) -> tuple[list[dict[str, Any]], list[tuple[list[str], Any]]]:
    """Return the rows of the table and the cells of the sheet for a run.

    Args:
        run: the run folder.
        heads: lines above each picture that say what was varied.
        chosen: see `Variation`.
        several: whether the run makes several pictures, so that a cell must name its file.
    """
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    known = {**chosen, "status": summary["status"]}
    rows: list[dict[str, Any]] = []
    cells: list[tuple[list[str], Any]] = []
    for picture in summary["pictures"]:
        [file] = picture["files"]
        rows.append(known | {"picture": f"{run.name}/{file}"} | _figures(picture))
        unfinished = [] if summary["status"] == "finished" else [summary["status"]]
        lines = [*heads, *([file] if several else []), *unfinished, *describe_picture(picture)]
        shown = [fit_to_cell(read_image(run / name)) for name in (file, picture.get("map")) if name]
        cells.append((lines, np.concatenate(shown, axis=1)))
    return rows or [known], cells


def _figures(picture: dict[str, Any]) -> dict[str, Any]:
    """Return what the table says about a picture: `FIGURES`, the sentence, scores, and the values of the measures."""
    found = {key: picture[key] for key in FIGURES}
    if "scores" in picture:
        measures = picture["scores"]["measures"]
        found["sentence"] = picture["scores"]["sentence"]
        found |= {key: score["score"] for key, score in measures.items()}
        found |= {f"{key}_value": score["value"] for key, score in measures.items()}
    return found


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._,@" else "-" for letter in text)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
