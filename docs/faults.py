"""Make faults.webp of the page start.md: what goes wrong, and what mends it. `python docs/faults.py`; four minutes.

Each column shows a source, a picture with settings that bring a fault, and one with the defaults.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import subjective
from subjective import SynthesisConfig

HERE = Path(__file__).parent
SIDE = 160
GAP = 6

FAULTS = {
    "rust": {"init": "random"},
    "green_tiles": {"init": "random"},
    "mossy_slate": {"init": "random", "octaves": 1},
    "tiles": {"enough": 0.0, "statistic": ("gram",), "layers": ("pool1", "conv3_2"), "max_iter": 200},
    "rock": {"padding_mode": "valid", "init": "random"},
}
"""By source: colors that do not drift as in the source, broken structure, large shapes that are missing, a weave, and a
seam. The last is shown repeated 2 x 2."""


def show(picture, *, repeated):
    """Return a picture as bytes: its own middle, or all of it in four copies, `SIDE` pixels wide."""
    pixels = np.asarray(picture)
    if repeated:
        pixels = np.tile(pixels, (2, 2, 1))
    pixels = np.asarray(subjective.resize(pixels, (SIDE, SIDE)) if pixels.shape[0] != SIDE else pixels)
    return np.clip(pixels * 255, 0, 255).round().astype(np.uint8)


def main():
    """Make the pictures, and lay them on a white sheet."""
    params = subjective.load_params()
    sheet = np.full((3 * SIDE + 2 * GAP, len(FAULTS) * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for column, (name, fault) in enumerate(FAULTS.items()):
        source = subjective.read_image(HERE.parent / f"experiments/sources/{name}.jpg", width=2 * SIDE)
        made = [
            subjective.synthesize(source, SynthesisConfig(output_width=SIDE, **changes), params=params)[0].picture
            for changes in (fault, {})
        ]
        left = column * (SIDE + GAP)
        for row, picture in enumerate([source[:SIDE, :SIDE], *made]):
            top = row * (SIDE + GAP)
            sheet[top : top + SIDE, left : left + SIDE] = show(picture, repeated=name == "rock" and row > 0)
        print(name, flush=True)
    Image.fromarray(sheet).save(HERE / "faults.webp", quality=88, method=6)


if __name__ == "__main__":
    main()
