"""What the experiments share: sources, a run with its scores, a contact sheet and a table."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

import subjective
from subjective.compilation import enable_disk_cache
from subjective.conversion import to_uint8
from subjective.evaluation.yardstick import Yardstick
from subjective.runs.pictures import draw_contact_sheet

HERE = Path(__file__).parent
STOCHASTIC = ("rock", "gravel", "grass", "soil", "sand", "slate")
STRUCTURED = ("paving", "planks", "tiles", "metal", "solar", "green_tiles")
DRIFTING = ("rust", "mossy_slate")
"""Sources whose colors change slowly over their detail."""

QUALITY = 75
"""Of JPEG files in the gallery: its pictures are to be looked at, and the repository is to stay small."""

enable_disk_cache()


class Made:
    """A picture with what it took and what it scores."""

    def __init__(self, label: str, image: np.ndarray, evaluations: float, seconds: float, loss: float, scores: dict):
        self.label, self.image, self.evaluations, self.seconds = label, image, evaluations, seconds
        self.loss, self.scores = loss, scores

    @property
    def peak(self) -> float:
        """log10 of the picture's strongest peak over that of the source's crops."""
        return self.scores["peak"].value - self.scores["peak"].reference

    def lines(self) -> list[str]:
        """What stands above it on a sheet."""
        scores = self.scores
        return [
            self.label,
            f"Gram {scores['gram'].score:.2f}, sliced {scores['sliced_wasserstein'].score:.2f}",
            f"spectrum {scores['spectrum'].value:.1f} dB, peak {self.peak:+.2f}, {self.evaluations:.0f} ev.",
        ]


def source(name: str) -> np.ndarray:
    """A source of this folder."""
    return subjective.read_image(HERE / "sources" / f"{name}.jpg")


def file_of(name: str) -> str:
    """The file that a name stands for: a source of this folder, a photograph that comes along, or that very file."""
    folders = (HERE / "sources", HERE.parent / "weights" / "photographs")
    return str(next((file for folder in folders if (file := folder / f"{name}.jpg").is_file()), name))


@cache
def params_of(raw: bool = False) -> Any:
    """The network, raw or normalized."""
    return subjective.load_params(raw=raw)


def make(label: str, sources: Sequence[np.ndarray], config: subjective.SynthesisConfig) -> Made:
    """Make a picture and measure it; evaluations count as the share of full size that they are."""
    spent = [0.0, 0]

    def on_step(_: int, step: subjective.Step) -> None:
        spent[0] += (step.evaluations - spent[1]) * step.value.size
        spent[1] = step.evaluations

    began = time.perf_counter()
    [result] = subjective.synthesize(sources, config, params=params_of(config.raw_weights), on_step=on_step)
    seconds = time.perf_counter() - began
    image = to_uint8(result.value).astype(np.float32) / 255
    scores = subjective.evaluate(image, sources, params_of(), portilla_simoncelli=False)
    made = Made(label, image, spent[0] / image.size, seconds, result.loss, scores)
    print(row(made), flush=True)
    return made


def make_several(
    label: str, sources: Sequence[np.ndarray], config: subjective.SynthesisConfig, number: int
) -> list[Made]:
    """As `make`, so many pictures, each from noise of its own."""
    configs = [dataclasses.replace(config, seed=seed) for seed in range(number)]
    return [make(f"{label}, seed {config.seed}", sources, config) for config in configs]


SEEN = ("fidelity", "coverage", "long_range", "tints", "color_edges", "grain")
"""Measures of what a person sees first."""

HEAD = (
    "| | unlike | lacks | order | tints | edges | grain | Gram | sliced | spectrum (source), dB | peak | color | seams "
    "| repeats (source) | copied (source) | evaluations | seconds |\n" + "| --- " * 17 + "|"
)


def row(made: Made) -> str:
    """A line of the table under `HEAD`."""
    s = made.scores
    return (
        f"| {made.label} | {' | '.join(f'{s[key].score:.2f}' for key in SEEN)} "
        f"| {s['gram'].score:.2f} | {s['sliced_wasserstein'].score:.2f} "
        f"| {s['spectrum'].value:.1f} ({s['spectrum'].reference:.1f}) | {made.peak:+.2f} | {s['color'].score:.2f} "
        f"| {s['seam_rows'].value:.2f} {s['seam_columns'].value:.2f} "
        f"| {s['repetition'].value:.2f} ({s['repetition'].reference:.2f}) "
        f"| {s['copied'].value:.2f} ({s['copied'].reference:.2f}) | {made.evaluations:.0f} | {made.seconds:.0f} |"
    )


MEANS = (
    "| | unlike (most) | order (most) | tints (most) | edges (most) | Gram (least, most) | sliced "
    "| spectrum, dB (most) | peak above a crop's, most | seams (least, most) | color | evaluations |\n"
    + "| --- " * 12
    + "|"
)


def means(made: Sequence[Made]) -> str:
    """Cells of `MEANS`: seams of rows and columns together, with their mean's standard error."""

    def scores(name: str) -> np.ndarray:
        return np.asarray([one.scores[name].score for one in made])

    gram = scores("gram")
    spectrum = [one.scores["spectrum"].value for one in made]
    seams = np.asarray([one.scores[way].value for one in made for way in ("seam_rows", "seam_columns")])
    error = np.std(seams, ddof=1) / np.sqrt(len(seams))
    seen = [scores(key) for key in ("fidelity", "long_range", "tints", "color_edges")]
    return (
        f"{' | '.join(f'{each.mean():.2f} ({each.max():.2f})' for each in seen)} | "
        f"{gram.mean():.2f} ± {gram.std():.2f} ({gram.min():.2f}, {gram.max():.2f}) "
        f"| {scores('sliced_wasserstein').mean():.2f} | {np.mean(spectrum):.1f} ({max(spectrum):.1f}) "
        f"| {max(one.peak for one in made):+.2f} "
        f"| {seams.mean():.2f} ± {error:.2f} ({seams.min():.2f}, {seams.max():.2f}) | {scores('color').mean():.2f} "
        f"| {np.mean([one.evaluations for one in made]):.0f}"
    )


AVERAGES = "Gram | sliced | spectrum, dB | peak | color | mean color, levels | cut off"


def averages(values: Sequence[Any], source: np.ndarray, yardstick: Yardstick) -> str:
    """Cells of a table under `AVERAGES`: of several pictures, as they were made, the mean, and Gram scores' spread.

    The last three say how far colors drift: distance of the histograms over a crop's, of the means, and the share of
    values beyond black or white.
    """
    found = [yardstick.score(to_uint8(value).astype(np.float32) / 255) for value in values]
    grams, sliced, color = ([s[k].score for s in found] for k in ("gram", "sliced_wasserstein", "color"))
    spectrum = np.mean([scores["spectrum"].value for scores in found])
    peak = np.mean([scores["peak"].value - scores["peak"].reference for scores in found])
    means = 255 * np.mean([np.abs(np.mean(value, axis=(0, 1)) - source.mean(axis=(0, 1))) for value in values])
    beyond = np.mean([np.mean((np.asarray(value) < 0) | (np.asarray(value) > 1)) for value in values])
    return (
        f"{np.mean(grams):.2f} ± {np.std(grams):.2f} | {np.mean(sliced):.2f} | {spectrum:.1f} | {peak:+.2f} "
        f"| {np.mean(color):.2f} | {means:.1f} | {beyond:.1%}"
    )


def keep(name: str, cells: Iterable[tuple[Sequence[str], np.ndarray]], columns: int) -> None:
    """Write a contact sheet to the gallery."""
    folder = HERE / "gallery"
    folder.mkdir(exist_ok=True)
    iio.imwrite(folder / f"{name}.jpg", to_uint8(draw_contact_sheet(list(cells), columns)), quality=QUALITY)
