"""Do the paper's claims hold here? Octaves, layers, averaged sources, joins.

    python experiments/03_paper.py [octaves] [layers] [many] [joins]

Writes a contact sheet to `gallery/` and prints a table for each; some 25 minutes on two cores in all. Octaves and
layers by the method of the 2017 program (Grams, unnormalized, raw parameters, all octaves at once), but `circular` and
with 200 steps; many sources and joins by the defaults. The current figures are in 03_paper.md.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from studio import HEAD, STOCHASTIC, STRUCTURED, Made, keep, make, source

import subjective

PAPER = subjective.preset("paper", output_width=256, padding_mode="circular", max_iter=200)
DEFAULT = subjective.preset("default", output_width=256)


def octaves() -> None:
    """One octave against several, on a texture with structure larger than any one layer sees."""
    pictures = [source("paving")]
    made = [make(f"{n} octave{'s'[: n > 1]}", pictures, dataclasses.replace(PAPER, octaves=n)) for n in range(1, 5)]
    # A fifth octave needs 557 pixels of source for conv3_2.
    larger = subjective.resize(pictures[0], (560, 560))
    made.append(make("5 octaves, source enlarged", [larger], dataclasses.replace(PAPER, octaves=5)))
    show("paper_octaves", pictures, made, 3)


def layers() -> None:
    """One layer against many, at four octaves."""
    pictures = [source("gravel")]
    choices = (("pool1",), ("conv3_2",), ("pool1", "conv3_2"), ("conv1_1", "pool1", "pool2", "conv3_2"))
    made = [
        make(" ".join(choice), pictures, dataclasses.replace(PAPER, octaves=4, layers=choice)) for choice in choices
    ]
    show("paper_layers", pictures, made, 3)


def many() -> None:
    """Sources averaged: gravel with rock, tiles with sand, all ten textures at once."""
    groups = {
        "rock and gravel": ("rock", "gravel"),
        "tiles and sand": ("tiles", "sand"),
        "all ten": STOCHASTIC + STRUCTURED,
    }
    cells: list[tuple[list[str], np.ndarray]] = []
    for label, names in groups.items():
        pictures = [source(name) for name in names]
        made = make(label, pictures, DEFAULT)
        cells += [([f"sources: {label}"], side_by_side(pictures)), (made.lines(), made.image)]
    keep("paper_many", cells, 2)


def side_by_side(pictures: list[np.ndarray]) -> np.ndarray:
    """Corners of several pictures as one of some 256 pixels."""
    rows = 1 if len(pictures) < 5 else 2
    columns = len(pictures) // rows
    corners = [picture[: 256 // rows, : 256 // columns] for picture in pictures]
    return np.concatenate([np.concatenate(corners[row * columns :][:columns], axis=1) for row in range(rows)])


def joins() -> None:
    """The join modes side by side, on rock and gravel."""
    pictures = [source("rock"), source("gravel")]
    made = [
        make(mode, pictures, dataclasses.replace(DEFAULT, join_mode=mode))
        for mode in ("average", "max", "log_euclidean", "geodesic")
    ]
    show("paper_joins", pictures, made, 3)


def show(name: str, pictures: list[np.ndarray], made: list[Made], columns: int) -> None:
    sources = [(["source"], picture[:256, :256]) for picture in pictures]
    keep(name, [*sources, *((one.lines(), one.image) for one in made)], columns)


if __name__ == "__main__":
    for question in sys.argv[1:] or ("octaves", "layers", "many", "joins"):
        print(f"\n{question}\n\n{HEAD}", flush=True)
        {"octaves": octaves, "layers": layers, "many": many, "joins": joins}[question]()
