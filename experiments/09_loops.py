"""Loops for the gallery, and what frames together cost against frames one by one.

    python experiments/09_loops.py [rock] [gravel] [morph] [FLAGS]    (256 px, each half an hour beside other work)
    python experiments/09_loops.py --speed                            (some minutes)

Each loop is a run of `subjective animate`; its frames' scores and how it moves are in its summary.json, and a row of
this program's table. It is kept in `gallery/` as a WebP, with a sheet of frames beside each other and the difference of
neighbors. `--speed` evaluates loss and gradient of 8 frames of 128 px with 1, 2, 4 and 8 of them at a time,
in turn, and reads the temporary memory off the compiled programs. The current figures are in 09_loops.md.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import jax
import jax.numpy as jnp
import numpy as np
import studio

from subjective.cli.main import main
from subjective.conversion import to_uint8
from subjective.images import read_image
from subjective.network.normalization import load_params
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis import loop as loops
from subjective.synthesis.config import AnimationConfig

HERE = Path(__file__).parent
GALLERY = HERE / "gallery"
LOOPS = {
    "rock": ["-s", "rock"],
    "gravel": ["-s", "gravel"],
    "morph": ["--keyframes", "rock", "gravel", "grass"],
}


def speed() -> None:
    """Seconds and temporary memory of an evaluation by the number of frames at a time."""
    source, params = read_image(HERE / "sources" / "rock.jpg", width=512), load_params()
    cases = {}
    for batch in (1, 2, 4, 8):
        config = AnimationConfig(output_width=128, count=8, octaves=3, schedule="plain", batch=batch)
        job = loops.prepare([source], config, params)
        loss, argument = job.problem(job.stages[-1])
        function, frames = value_and_gradient(loss), jnp.full(job.shape(job.stages[-1]), 0.5)
        memory = function.lower(frames, argument).compile().memory_analysis().temp_size_in_bytes
        jax.block_until_ready(function(frames, argument))
        cases[batch] = (function, frames, argument, memory, [])
    for _ in range(5):
        for function, frames, argument, _, seconds in cases.values():
            began = time.perf_counter()
            jax.block_until_ready(function(frames, argument))
            seconds.append(time.perf_counter() - began)
    least = min(cases[1][-1])
    for batch, (*_, memory, seconds) in cases.items():
        ratio = min(seconds) / least
        print(
            f"{batch} at a time: {min(seconds):.2f} s, {ratio:.2f} of one by one, {memory / 1e6:.0f} MB of temporaries"
        )


def loop(name: str, words: list[str], flags: list[str]) -> None:
    """Make one, and print its row."""
    words = [word if word.startswith("-") else str(HERE / "sources" / f"{word}.jpg") for word in words]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = main(["animate", *words, "-sw", "512", "-op", name, *flags])
    if status:
        raise SystemExit(status)
    folder = Path(out.getvalue().strip())
    (picture,) = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["pictures"]
    frames = picture["scores"]["frames"]
    means = {
        name: np.mean([frame["measures"][name]["score"] for frame in frames]) for name in ("gram", "spectrum", "peak")
    }
    scores = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    moved = picture["scores"]["motion"]["pixels"]
    steps = f"{moved['mean']:.4f} ± {moved['spread']:.4f} to the next, {moved['around_the_end']:.4f} around the end"
    drift = f"flicker {moved['flicker']:.2f}, across {moved['across']:.1f}"
    print(f"{name:7} {picture['seconds'] / 60:.0f} min, {scores}; {steps}, {drift}: {folder}", flush=True)
    keep(name, [read_image(folder / file) for file in picture["files"]])


def keep(name: str, frames: list[np.ndarray]) -> None:
    """Write a loop to the gallery, and a sheet of some of its frames."""
    numbers = [to_uint8(frame) for frame in frames]
    iio.imwrite(
        GALLERY / f"loop_{name}.webp", numbers, plugin="pillow", quality=40, method=6, duration=1000 / 12, loop=0
    )
    half = len(frames) // 2
    cells = [((f"frame {number}",), frames[number]) for number in (0, 1, half)]
    for one, other in ((0, 1), (len(frames) - 1, 0), (0, half)):
        apart = np.clip(0.5 + 8 * (frames[other] - frames[one]), 0, 1)
        cells.append(((f"{one} to {other}, times 8",), apart))
    studio.keep(f"loop_{name}", cells, 3)


if __name__ == "__main__":
    words = sys.argv[1:]
    if "--speed" in words:
        speed()
    else:
        for each in [word for word in words if word in LOOPS] or LOOPS:
            loop(each, LOOPS[each], [word for word in words if word not in LOOPS])
