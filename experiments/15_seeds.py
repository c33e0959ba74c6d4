"""How good is a preset whatever the noise? Several pictures of each source, by what none of them optimizes.

    python experiments/15_seeds.py [--preset default] [--widths 256 512] [--seeds 4] [SOURCE...]

Without sources those that the defaults are judged by. Prints a row for each picture, and a table of means with the
least and the most. At 256 pixels some 30 seconds a picture on two cores, at 512 some 100.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from studio import HEAD, STOCHASTIC, Made, make, source

import subjective
from subjective.presets import PRESETS

TABLE = (
    "| | Gram (least, most) | sliced | spectrum, dB (most) | peak above a crop's, most | seams (least, most) | color "
    "| evaluations |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", default=STOCHASTIC[:4], metavar="SOURCE")
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--widths", nargs="+", type=int, default=[256, 512], metavar="PIXELS")
    parser.add_argument("--seeds", type=int, default=4, metavar="N")
    wanted = parser.parse_args()
    lines = []
    print(HEAD, flush=True)
    for width in wanted.widths:
        for name in wanted.sources:
            label = f"{name}, {wanted.preset}, {width} px"
            configs = [
                subjective.preset(wanted.preset, output_width=width, rng_seed=seed) for seed in range(wanted.seeds)
            ]
            made = [make(f"{label}, seed {config.rng_seed}", [source(name)], config) for config in configs]
            lines.append(f"| {label} | {summary(made)} |")
    print("\n".join(["", TABLE, *lines]))


def summary(made: Sequence[Made]) -> str:
    """Cells of `TABLE`: seams of rows and columns together, with their mean's standard error."""

    def scores(name: str) -> np.ndarray:
        return np.asarray([one.scores[name].score for one in made])

    gram = scores("gram")
    spectrum = [one.scores["spectrum"].value for one in made]
    seams = np.asarray([one.scores[way].value for one in made for way in ("seam_rows", "seam_columns")])
    error = np.std(seams, ddof=1) / np.sqrt(len(seams))
    return (
        f"{gram.mean():.2f} ± {gram.std():.2f} ({gram.min():.2f}, {gram.max():.2f}) "
        f"| {scores('sliced_wasserstein').mean():.2f} | {np.mean(spectrum):.1f} ({max(spectrum):.1f}) "
        f"| {max(one.peak for one in made):+.2f} "
        f"| {seams.mean():.2f} ± {error:.2f} ({seams.min():.2f}, {seams.max():.2f}) | {scores('color').mean():.2f} "
        f"| {np.mean([one.evaluations for one in made]):.0f}"
    )


if __name__ == "__main__":
    main()
