"""Does it look like the source, and does it tile? The pictures at the head of the README.

    python experiments/02_gallery.py [sources] [rock] [gravel] [blend] [path] [guide] [enlarge]     (some 5 minutes)

Makes, into `experiments/gallery/`: the sources side by side; rock by the README's first command and a blend of both
sources, each result repeated 2 x 2, so that a seam would show in the middle; and a path of gravel through grass, a
source to each region; and two for docs/editing.md: a guide with its labels, and an enlarged picture beside the pixels
that it was reduced from.

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


def guide() -> None:
    """The green parts of mossy slate are one region, and the rest is the other: the result is painted with both."""
    slate = subjective.resize(source("mossy_slate"), (256, 256))
    green = slate[:, :, 1] - slate[:, :, [0, 2]].mean(axis=2)
    rows, columns = np.indices((256, 256)) - 128
    colors = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], np.float32)
    labels = [colors[part.astype(int)] for part in (green > np.median(green), np.hypot(rows, columns) < 80)]
    [result] = subjective.synthesize(
        slate, subjective.SynthesisConfig(output_width=256), params=params_of(), guide=(labels[0], labels[1])
    )
    keep("guide", beside(slate, *labels, result.picture), suffix="webp")


def enlarge() -> None:
    """The upper left quarter of rock at half its size; the detail comes from the right half, which it does not show."""
    rock = source("rock")
    true = rock[:256, :256]
    small = true.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    config = subjective.EnlargeConfig(scale=2)
    [result] = subjective.enlarge(small, config, params=params_of(), sources=rock[:, 256:])
    larger = small.repeat(2, axis=0).repeat(2, axis=1)
    keep("enlarge", beside(larger, subjective.resize(small, (256, 256)), result.picture, true), suffix="webp")


def beside(*pictures: np.ndarray) -> np.ndarray:
    """Pictures of one height side by side, 4 white pixels apart."""
    gap = np.ones((pictures[0].shape[0], 4, 3), np.float32)
    return np.concatenate([part for picture in pictures for part in (gap, picture)][1:], axis=1)


PICTURES = {
    "sources": sources,
    "rock": rock,
    "gravel": gravel,
    "blend": blend,
    "path": path,
    "guide": guide,
    "enlarge": enlarge,
}


def synthesize(
    name: str, config: subjective.SynthesisConfig, *given: str, masks: np.ndarray | None = None
) -> np.ndarray:
    began = time.perf_counter()
    [result] = subjective.synthesize([source(each) for each in given], config, params=params_of(), masks=masks)
    seconds = time.perf_counter() - began
    print(f"{name}: loss {result.loss:.4g} after {result.evaluations} evaluations, {seconds:.0f} s", flush=True)
    return result.picture


def keep(name: str, image: np.ndarray, suffix: str = "jpg") -> None:
    subjective.write_image(GALLERY / f"{name}.{suffix}", image)


if __name__ == "__main__":
    main()
