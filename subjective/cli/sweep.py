"""`subjective sweep`: a grid of settings, one contact sheet, one table."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subjective import images
from subjective.cli import synthesize
from subjective.cli.evaluate import COLUMNS
from subjective.cli.options import SweepCommand, SynthesizeCommand
from subjective.runs.folder import new_folder
from subjective.runs.pictures import contact_sheet, fitted

SHOWN = (("gram", "sliced_wasserstein"), ("peak", "repetition"))
"""Scores that stand with a picture, line by line; the table has all."""

FIGURES = ("loss", "evaluations", "full_size_evaluations", "seconds")

Parse = Callable[[list[str]], SynthesizeCommand]


@dataclass(frozen=True)
class Variation:
    """One point of the grid: what is set, in words, and the flags that set it."""

    chosen: dict[str, str]
    flags: list[str]


def variations(texts: Sequence[str]) -> list[Variation]:
    """All combinations of ``NAME=VALUE/VALUE/...``, the words of a value joined by ``+``.

    Raises:
        ValueError: a text without a name or with an empty value.
    """
    if not texts:
        raise ValueError("--vary got nothing to vary; wanted NAME=VALUE/VALUE/..., such as octaves=2/3/4")
    axes: list[list[tuple[str, str]]] = []
    for text in texts:
        name, _, values = text.partition("=")
        if not name or not values or not all(values.split("/")):
            raise ValueError(f"--vary got {text!r}; wanted NAME=VALUE/VALUE/..., such as octaves=2/3/4")
        axes.append([(name.removeprefix("--"), value) for value in values.split("/")])
    found = []
    for combination in itertools.product(*axes):
        flags = []
        for name, value in combination:
            flag = f"--{name.replace('_', '-')}"
            if value in ("yes", "no"):
                flags.append(flag if value == "yes" else f"--no-{flag[2:]}")
            else:
                words = value.split("+")
                flags += [f"{flag}={words[0]}"] if len(words) == 1 else [flag, *words]
        found.append(Variation(dict(combination), flags))
    return found


def command(config: SweepCommand, words: list[str], parse: Parse) -> int:
    """Run every combination of settings, and keep sheet and table up to date after each.

    Args:
        config: what is varied.
        words: the flags of `subjective synthesize` that all runs share.
        parse: from flags to settings.

    Raises:
        ValueError: what cannot be meant, before anything is made; or, after all runs, that none made a picture.
    """
    grid = variations(config.vary)
    settings = [parse([*words, *variation.flags]) for variation in grid]  # refuses before anything is made
    for one in settings:
        one.check()
        if one.dry_run:
            raise ValueError("--dry-run is of a single run; give it to subjective synthesize")
    first = config.read_source(images.find_images(config.source)[0])
    folder = new_folder(Path(config.output_dir), config.output_prefix)
    sys.stdout.write(f"{folder}\n")
    sys.stdout.flush()
    height, width = config.size
    cells: list[tuple[list[str], Any]] = [(["source"], first[:height, :width])]
    rows: list[dict[str, Any]] = []
    for number, (variation, one) in enumerate(zip(grid, settings, strict=True), 1):
        words_of = [f"{name} {value}" for name, value in variation.chosen.items()]
        sys.stderr.write(f"run {number}/{len(grid)}: {', '.join(words_of)}\n")
        name = "-".join(_slug(value) for value in variation.chosen.values())[:60]
        runs: list[Path] = []
        try:
            synthesize.synthesize(
                dataclasses.replace(one, output_dir=str(folder), output_prefix=f"{number:03d}-{name}"), runs.append
            )
        except ValueError as error:
            rows.append({**variation.chosen, "status": str(error)})
        for run in runs:
            summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
            known = {**variation.chosen, "status": summary["status"]}
            for picture in summary["pictures"]:
                [file] = picture["files"]
                which = [file] if one.count > 1 else []
                rows.append(known | {"picture": f"{run.name}/{file}"} | _figures(picture))
                unfinished = [] if summary["status"] == "finished" else [summary["status"]]
                lines = [*words_of, *which, *unfinished, *_lines(picture)]
                cells.append((lines, fitted(images.read_image(run / file))))
            if not summary["pictures"]:
                rows.append(known)
        images.write_image(folder / "sheet.png", contact_sheet(cells))
        images.write_bytes(folder / "table.csv", _csv(rows).encode())
    sys.stdout.write(_csv(rows))
    if len(cells) == 1:
        raise ValueError(f"none of {len(grid)} runs made a picture; the first says: {rows[0]['status']}")
    return 0


def _scores(picture: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of a picture in a summary; a sentence in their place says that there are none."""
    scores = picture.get("scores")
    return scores if isinstance(scores, dict) else {}


def _figures(picture: dict[str, Any]) -> dict[str, float]:
    """What the table has of it."""
    scores = _scores(picture)
    values = {f"{key}_value": score["value"] for key, score in scores.items()}
    return {key: picture[key] for key in FIGURES} | {key: score["score"] for key, score in scores.items()} | values


def _lines(picture: dict[str, Any]) -> list[str]:
    """What stands over it on the sheet, besides its settings."""
    scores = _scores(picture)
    lines = [[f"{COLUMNS[name]} {scores[name]['score']:.2f}" for name in line] for line in SHOWN] if scores else []
    return [
        f"loss {picture['loss']:.4g}, {picture['full_size_evaluations']:.0f} evaluations",
        *(", ".join(line) for line in lines),
    ]


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._,@" else "-" for letter in text)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
