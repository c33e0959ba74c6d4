"""How good is a preset whatever the noise? Several pictures of each source, by what none of them optimizes.

    python experiments/15_seeds.py [--preset default] [--widths 256 512] [--seeds 4] [SOURCE...]

Without sources those that the defaults are judged by. Prints a row for each picture, and a table of means with the
least and the most. At 256 pixels some 30 seconds a picture on two cores, at 512 some 100. The current
figures are in 15_seeds.md.
"""

from __future__ import annotations

import argparse

from studio import HEAD, MEANS, STOCHASTIC, make_several, means, source

import subjective
from subjective.synthesis.presets import PRESETS


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
            config = subjective.preset(wanted.preset, output_width=width)
            made = make_several(label, [source(name)], config, wanted.seeds)
            lines.append(f"| {label} | {means(made)} |")
    print("\n".join(["", MEANS, *lines]))


if __name__ == "__main__":
    main()
