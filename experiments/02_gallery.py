"""Does it look like the source, and does it tile? The pictures at the head of the README.

    python experiments/02_gallery.py [sources] [rock] [gravel] [blend] [path]        (some 3 minutes on two cores)

Makes, into `experiments/gallery/`: the sources side by side; rock by the README's first command and a blend of both
sources, each result repeated 2 x 2, so that a seam would show in the middle; and a path of gravel through grass, a
source to each region.

The current figures are in 02_gallery.md.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from studio import HERE, params_of, source

import subjective

GALLERY = HERE / "gallery"


def main() -> None:
    GALLERY.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()


def sources() -> None:
    keep(
        "sources",
        np.concatenate([source("rock")[:, :254], np.ones((512, 4, 3), np.float32), source("gravel")[:, :254]], axis=1),
    )


def rock() -> None:
    made = synthesize("rock", subjective.SynthesisConfig(output_width=256), "rock")
    keep("rock_2x2", np.tile(made, (2, 2, 1)))


def gravel() -> None:
    made = synthesize("gravel", subjective.SynthesisConfig(output_width=256), "gravel")
    keep("gravel_2x2", np.tile(made, (2, 2, 1)))


def blend() -> None:
    made = synthesize("rock and gravel", subjective.SynthesisConfig(output_width=256), "rock", "gravel")
    keep("rock_gravel_2x2", np.tile(made, (2, 2, 1)))


def path() -> None:
    """A path that winds once on its way up, a fifth of the picture wide, with a border of some ten pixels."""
    size = 512
    rows, columns = np.mgrid[:size, :size] / size
    away = np.abs(columns - 0.5 - 0.15 * np.sin(2 * np.pi * rows))
    gravel = 1 / (1 + np.exp((away - 0.1) * size / 3))
    masks = np.stack([1 - gravel, gravel], axis=2).astype(np.float32)
    config = subjective.SynthesisConfig(output_width=size)
    keep("grass_gravel_path", synthesize("a path", config, "grass", "gravel", masks=masks))


PICTURES = {"sources": sources, "rock": rock, "gravel": gravel, "blend": blend, "path": path}


def synthesize(
    name: str, config: subjective.SynthesisConfig, *given: str, masks: np.ndarray | None = None
) -> np.ndarray:
    began = time.perf_counter()
    [result] = subjective.synthesize([source(each) for each in given], config, params=params_of(), masks=masks)
    seconds = time.perf_counter() - began
    print(f"{name}: loss {result.loss:.4g} after {result.evaluations} evaluations, {seconds:.0f} s", flush=True)
    return result.picture


def keep(name: str, image: np.ndarray) -> None:
    subjective.write_image(GALLERY / f"{name}.jpg", image)


if __name__ == "__main__":
    main()
