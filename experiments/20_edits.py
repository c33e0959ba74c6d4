"""Is what `repair`, `expand` and `tileable` make as good as the photograph that it continues?

    python experiments/20_edits.py [--size 384] [--only repair,expand,tileable] [--runs FOLDER] [NAME...]

Crops of photographs: five with a third missing, two of them in several pieces; three of which the middle is known; five
that are to tile. Each is made by the command with its defaults, in run folders under `--runs`, where those that are
there already are taken as they are. A line of the table for each: scores of the made part alone, whether what was kept
has the bytes that it had, and for `tileable` the scores of the seams. One sheet for each command under `--runs`: what
was given and what came, at full size. Some 25 minutes on two cores (384 px).

The current figures are in 20_edits.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from studio import file_of

from subjective.cli.main import main
from subjective.conversion import to_uint8
from subjective.images import read_image, write_image
from subjective.runs.pictures import draw_contact_sheet

CASES = {
    "repair": ("rock", "grass", "mossy_slate", "paving", "rust"),
    "expand": ("gravel", "slate", "planks"),
    "tileable": ("gravel", "soil", "mossy_slate", "metal", "rust"),
}
"""Sources of each command."""

SHOWN = (
    *("fidelity", "coverage", "gram", "sliced_wasserstein", "spectrum", "grain", "long_range"),
    *("tints", "color_edges", "color"),
)
"""Measures of the table."""


def hole(size: int, pieces: int) -> np.ndarray:
    """The missing third of a square picture: one disk, or so many."""
    rows, columns = np.mgrid[:size, :size] / size
    if pieces == 1:
        return (rows - 0.52) ** 2 + (columns - 0.47) ** 2 < 1 / 3 / np.pi
    centers = [(0.24, 0.28), (0.3, 0.76), (0.72, 0.22), (0.78, 0.7)][:pieces]
    radius = np.sqrt(1 / 3 / pieces / np.pi)
    return np.any([(rows - top) ** 2 + (columns - left) ** 2 < radius**2 for top, left in centers], axis=0)


def run(command: str, name: str, given: argparse.Namespace) -> tuple[list[tuple[str, np.ndarray]], str]:
    """Make one case; return what the sheet shows and the line of the table."""
    size, here = given.size, given.runs / f"{command}-{name}-{given.size}"
    here.mkdir(parents=True, exist_ok=True)
    whole = read_image(file_of(name))
    photograph = whole[: min(size, *whole.shape[:2]), : min(size, *whole.shape[:2])]
    size = len(photograph)
    out = here / "out.png"
    if command == "repair":
        missing = hole(size, 4 if name in ("grass", "paving") else 1)
        write_image(here / "given.png", np.where(missing[..., None], 1, photograph))
        write_image(here / "fill.png", np.repeat(missing[..., None], 3, 2).astype(np.float32))
        flags, kept, corner = ["--fill", str(here / "fill.png")], ~missing, (0, 0)
    elif command == "expand":
        photograph = photograph[size // 6 : -(size // 6), size // 6 : -(size // 6)]
        write_image(here / "given.png", photograph)
        flags, kept, corner = ["--size", f"{size}x{size}"], np.ones(photograph.shape[:2], bool), (size // 6, size // 6)
    else:
        write_image(here / "given.png", photograph)
        kept, corner = np.zeros((size, size), bool), (0, 0)
        inside = slice(round(0.15 * size), size - round(0.15 * size))
        kept[inside, inside] = True
        flags = ["--border", "15%"]
    if not out.is_file():
        with contextlib.redirect_stdout(io.StringIO()) as said:
            status = main([command, str(here / "given.png"), *flags, "--out", str(out), "--output-dir", str(here)])
        if status:
            raise SystemExit(status)
        (here / "run.txt").write_text(said.getvalue().splitlines()[0], encoding="utf-8")
    folder = Path((here / "run.txt").read_text(encoding="utf-8"))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    scores = summary["pictures"][0]["scores"]
    measures = scores["made"]["measures"]
    before, made = iio.imread(here / "given.png"), iio.imread(out)
    rows, columns = (slice(start, start + length) for start, length in zip(corner, before.shape[:2], strict=True))
    is_kept = np.array_equal(made[rows, columns][kept], before[kept])
    seams = " ".join(f"{scores[key]['after']['score']:.2f}" for key in ("seam_rows", "seam_columns") if key in scores)
    cells = [f"{measures[key]['score']:.2f}" if key in measures else "" for key in SHOWN]
    line = f"| {command} {name} | {' | '.join(cells)} | {seams} | {'yes' if is_kept else 'NO'} |"
    shown = np.roll(made, (size // 2, size // 2), (0, 1)) if command == "tileable" else made  # seams in the middle
    return [(f"{name}, given", before / 255), (name, shown / 255)], line


def make_all(arguments: Sequence[str] | None = None) -> None:
    """Make what was asked for, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="NAME", help="sources in place of those of this experiment")
    options.add_argument("--size", type=int, default=384)
    options.add_argument("--only", default=",".join(CASES))
    options.add_argument("--runs", type=Path, default=Path("edits"))
    given = options.parse_args(arguments)
    print(f"| | {' | '.join(SHOWN)} | seams | kept |\n{'| --- ' * (len(SHOWN) + 3)}|")
    for command in given.only.split(","):
        cells: list[tuple[Sequence[str], np.ndarray]] = []
        for name in given.names or CASES[command]:
            shown, line = run(command, name, given)
            print(line, flush=True)
            cells += [([label], picture.astype(np.float32)) for label, picture in shown]
        iio.imwrite(given.runs / f"{command}.png", to_uint8(draw_contact_sheet(cells, 2)))


if __name__ == "__main__":
    make_all()
