"""Does it look like the source, and does it tile? The pictures at the head of the README.

    python experiments/02_gallery.py            (about 3 minutes on two cores)

Makes, into `experiments/gallery/`: the sources side by side; rock by the README's first command; and a blend of both
sources, each result repeated 2 x 2, so that a seam would show in the middle.

What came out is in LOG.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import subjective

HERE = Path(__file__).parent
GALLERY = HERE / "gallery"


def main() -> None:
    GALLERY.mkdir(exist_ok=True)
    rock, gravel = (subjective.read_image(HERE / "sources" / f"{name}.jpg") for name in ("rock", "gravel"))
    params = subjective.load_params()
    keep("sources", np.concatenate([rock[:, :254], np.ones((512, 4, 3), np.float32), gravel[:, :254]], axis=1))

    first = subjective.SynthesisConfig(output_width=256)
    blend = subjective.SynthesisConfig(output_width=256)
    for name, sources, config in (("rock_2x2", [rock], first), ("rock_gravel_2x2", [rock, gravel], blend)):
        [result] = subjective.synthesize(sources, config, params=params)
        print(f"{name}: loss {result.loss:.4g} after {result.evaluations} evaluations")
        keep(name, np.tile(np.asarray(result.value), (2, 2, 1)))


def keep(name: str, image: np.ndarray) -> None:
    subjective.write_image(GALLERY / f"{name}.jpg", image)


if __name__ == "__main__":
    main()
