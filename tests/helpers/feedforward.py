"""Small feed-forward networks, and what they are trained by."""

import dataclasses

import jax
import numpy as np

from subjective.feedforward import network_file
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.networks import Architecture
from subjective.feedforward.step import parameters_of
from subjective.images import write_image

# One layer at one octave is quickly compiled; the same number of steps makes the same program.
TEXTURE = TrainConfig(
    texture=True, size=16, batch=2, steps=25, width=2, depth=1, learning_rate=1e-2,
    layers=("conv1_1",), statistic=("gram",), octaves=1,
)  # fmt: skip
STYLE = dataclasses.replace(TEXTURE, texture=False, content_layer="conv1_1", content_weight=1.0)


def random_network(kind="style", border="reflect", sources=2, width=4, depth=2, seed=0):
    """An architecture, and parameters that are all random, gains and shifts too."""
    architecture = Architecture(kind, sources, width, depth, border)
    params = parameters_of(architecture.build(seed))
    random = np.random.default_rng(seed + 1)
    return architecture, jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype("f4"), params)


def write_network(path, kind="style", sources=1):
    """Write a network that was never trained; return its path."""
    border = "circular" if kind == "texture" else "reflect"
    architecture = Architecture(kind, sources, width=2, depth=2, border=border)
    network_file.write(path, network_file.TrainedNetwork(architecture, parameters_of(architecture.build())))
    return path


def write_photographs(parent):
    """Write five pictures, and a file that is none, into a folder; return the folder."""
    rng, folder = np.random.default_rng(0), parent / "photographs"
    folder.mkdir()
    for number, size in enumerate([(20, 30), (40, 25), (16, 16), (33, 17), (64, 20)]):
        write_image(folder / f"{number}.png", rng.uniform(size=(*size, 3)))
    (folder / "bad.jpg").write_bytes(b"not a picture")
    return folder
