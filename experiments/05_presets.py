"""How good are the presets? All four on ten textures, measured by what none of them optimizes.

    python experiments/05_presets.py [SOURCE...]

Writes `gallery/presets_*.jpg` (of all but `fast`) and prints a table; some six minutes a source on two cores, at 256
pixels. `paper` is the 2017 program's own method (Grams of pool1 and conv3_2 at all octaves at once, unnormalized, raw
parameters, `valid`, 500 steps). The current figures are in 05_presets.md.
"""

from __future__ import annotations

import sys
from typing import Any

from studio import HEAD, STOCHASTIC, STRUCTURED, keep, make, source

import subjective
from subjective.synthesis.presets import PRESETS

SHOWN = ("paper", "default", "best")
COLUMNS = 1 + len(SHOWN)


def main() -> None:
    wanted = sys.argv[1:] or STOCHASTIC + STRUCTURED
    print(HEAD, flush=True)
    for kind, names in (("stochastic", STOCHASTIC), ("structured", STRUCTURED)):
        cells: list[Any] = []
        for name in (name for name in wanted if name in names):
            picture = source(name)
            cells.append(([name], picture[:256, :256]))
            made = {
                preset: make(f"{name}, {preset}", [picture], subjective.preset(preset, output_width=256))
                for preset in PRESETS
            }
            cells += [(made[preset].lines(), made[preset].image) for preset in SHOWN]
            keep(f"presets_{kind}", cells, COLUMNS)


if __name__ == "__main__":
    main()
