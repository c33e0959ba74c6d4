"""Four published programs for style transfer, and the multiscale one: pictures, content and style scores, times.

    python experiments/12_transfer.py CONTENT:STYLE... [--width 512] [--steps N] [--like NAME[=WEIGHT]...] [--sheet F]

Each content in its style by `subjective transfer --like NAME`, in run folders under `--runs`, where those that are
there already are taken as they are; and by the network of that style where one comes along (`subjective apply STYLE`:
MATLAB's program, but for size and training, see `10_train.py`). One contact sheet: a row for each pair. CONTENT and
STYLE are files, or names of photographs that come along. `single` is multiscale's loss at one octave alone; a WEIGHT
is the content's, so that programs can be compared at equal content. Where they depart from what was published:

- tensorflow (the tutorial with `vgg16_weights.npz`): its parameters are the embedded ones. The style is resized to the
  content's width, since unnormalized Gram matrices grow with the picture. Content starts the picture.
- pytorch (the tutorial with `input_param.clamp_`): VGG-16 with Caffe's parameters, not torchvision's VGG-19. Those
  see pictures 57.6 times as far from their mean, so that the published weights (1e6 and 1) are divided by that to the
  4th and 2nd power. Clamping between steps breaks L-BFGS; here [0, 1] are true bounds. A picture every 100 steps.
- prisma (the Keras program): content at conv4_2, style at conv1_1 to conv4_1, since the embedded parameters end before
  conv5. Sums over pixels are kept, by weights; the total variation's are those of 400 x 400 pixels. Rounds of 20
  evaluations, after which its optimizer forgets what it has learned, are one run here; a picture every 20 steps.

The current figures are in 12_transfer.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from studio import file_of

from subjective.cli.main import main
from subjective.evaluation.yardstick import evaluate
from subjective.feedforward import network_file
from subjective.feedforward.repaint import repaint
from subjective.images import read_image, write_image
from subjective.network.normalization import load_params
from subjective.network.vgg import extract_features
from subjective.pyramid import gaussian_pyramid
from subjective.runs.pictures import draw_contact_sheet
from subjective.synthesis.presets import PUBLISHED_SETTINGS

SINGLE = ["--like", "multiscale", "--octaves", "1", "--schedule", "plain", "--max-iter", "120"]


def made(content: str, style: str, like: str, given: argparse.Namespace) -> tuple[np.ndarray, dict]:
    """The picture, and its entry in summary.json; one that is among the runs already is not made again."""
    way, _, weight = like.partition("=")
    steps = "all" if given.steps is None else given.steps
    name = f"{Path(content).stem}-{Path(style).stem}-{like}-{given.width}px-{steps}-steps"
    runs = [file.parent for file in sorted(given.runs.glob(f"{name}-*/summary.json")) if summary(file.parent)]
    if not runs:
        width = str(given.width)
        flags = ["-s", style, "-sw", width, "-ow", width, "--no-evaluate", "-n", "0"]
        flags += SINGLE if way == "single" else ["--like", way]
        flags += ["--content-weight", weight] if weight else []
        flags += [] if given.steps is None else ["-m", str(given.steps)]
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = main(["transfer", content, *flags, "--output-dir", str(given.runs), "-op", name])
        if status:
            raise SystemExit(status)
        runs = [Path(out.getvalue().strip())]
    return read_image(runs[-1] / "result.png"), summary(runs[-1])


def summary(run: Path) -> dict | None:
    """What a finished run says of its picture; None if it was stopped before."""
    found = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return found["pictures"][0] if found["status"] == "finished" else None


def content_distance(image: np.ndarray, content: np.ndarray, params) -> float:
    """Mean squared difference of conv4_2, over that of a flat picture: 0 is the content itself, 1 none of it.

    The mean over octaves, since content may be kept in the large and lost in the small, or the other way around.
    """
    octaves = min(content.shape[:2]).bit_length() - 6  # the last one of 64 pixels or more
    pictures = (image, np.full_like(content, content.mean(axis=(0, 1))), content)
    pyramids = [gaussian_pyramid(jnp.asarray(one), octaves, "same") for one in pictures]
    shares = []
    for octave in zip(*pyramids, strict=True):
        maps = [extract_features(params, one, ("conv4_2",), padding="same")["conv4_2"] for one in octave]
        shares.append(jnp.sum((maps[0] - maps[2]) ** 2) / jnp.sum((maps[1] - maps[2]) ** 2))
    return float(np.mean(shares))


def by_network(style: str, content: np.ndarray) -> tuple[np.ndarray, dict] | None:
    """The picture by the network of that style, and how long it took; None if there is none."""
    if style not in network_file.available():
        return None
    network, began = network_file.read(style), time.perf_counter()
    return repaint(network, content, (1.0,)), {"seconds": time.perf_counter() - began}


def pair(text: str) -> tuple[str, str]:
    content, _, style = text.partition(":")
    if not style:
        raise argparse.ArgumentTypeError(f"{text!r} is no pair; wanted CONTENT:STYLE")
    return content, style


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="+", type=pair, metavar="CONTENT:STYLE")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--like", nargs="+", default=list(PUBLISHED_SETTINGS), metavar="NAME[=WEIGHT]")
    parser.add_argument("--runs", type=Path, default=Path("outputs"), metavar="FOLDER")
    parser.add_argument("--sheet", default="transfer.png")
    given = parser.parse_args()
    for like in given.like:
        if like.partition("=")[0] not in ("single", *PUBLISHED_SETTINGS):
            parser.error(
                f"--like got {like!r}; wanted single or one of {', '.join(PUBLISHED_SETTINGS)}, and =WEIGHT or not"
            )
    params, cells = load_params(), []
    for names in given.pairs:
        files = [file_of(name) for name in names]
        content, style = (Path(file).stem for file in files)
        photograph, painting = (read_image(file, width=given.width) for file in files)
        cells += [((content,), photograph), ((style,), painting)]
        ways = {like: made(*files, like, given) for like in given.like}
        for like, way in (ways | {"network": by_network(style, photograph)}).items():
            if way is None:
                cells.append((("no network of this style",), np.ones((1, 1, 3), np.float32)))
                continue
            image, entry = way
            scores = evaluate(image, [painting], params, portilla_simoncelli=False)
            kept = content_distance(image, photograph, params)
            figures = ", ".join(
                f"{name} {scores[key].score:.2f}"
                for name, key in (("Gram", "gram"), ("sliced", "sliced_wasserstein"), ("spectrum", "spectrum"))
            )
            name = f"{content} {style} {like}"
            print(f"{name:40} {entry['seconds']:4.0f} s, content off by {kept:.2f}; style: {figures}", flush=True)
            cells.append(((f"{like}, content off by {kept:.2f}", figures), image))
    write_image(given.sheet, draw_contact_sheet(cells, 3 + len(given.like)))
