r"""What do the small networks learn on two cores in an hour? A texture network of two sources, a style network of one.

    apt-get download plasma-workspace-wallpapers gnome-backgrounds mate-backgrounds lomiri-wallpapers ukui-wallpapers
    for file in *.deb; do dpkg -x $file photographs; done
    python experiments/10_train.py photographs --into small          (a minute: shrinks what is a photograph)
    python experiments/10_train.py small --style strawberry_thief -- --steps 500 -o begun.safetensors
    python experiments/10_train.py small --style strawberry_thief -- --init begun.safetensors --content-weight 4 \
        --steps 3000 -o strawberry_thief.safetensors
    python experiments/10_train.py --texture rock gravel -- --steps 3000 -o rock_gravel.safetensors
    python experiments/10_train.py --sheet strawberry_thief mosaic rock    (gallery/networks.jpg)

Words after -- are flags of `subjective train`. Any folders of pictures will do as photographs; none are kept in this
repository. Pictures that are flat, too small or drawn with few colors are left out. The networks of 10_train.md were
made with these settings, each in two goes: half an hour to an hour in all, beside other work. rock_gravel had 1600 of
3000 steps, and then 400 from there (`--init`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from studio import file_of, keep

import subjective
from subjective.feedforward import network_file
from subjective.feedforward.repaint import repaint

SHORTER = 640
"""Side to which photographs are shrunk: decoding five thousand pixels a side would cost more than learning of them."""


def is_photograph(picture: Image.Image) -> bool:
    """Large enough, not flat, and not drawn in a few colors."""
    small = np.asarray(picture.resize((64, 64)), np.float32)
    detail = np.abs(np.diff(small, axis=0)).mean() + np.abs(np.diff(small, axis=1)).mean()
    colors = len(np.unique(np.asarray(picture.resize((128, 128), Image.Resampling.NEAREST)).reshape(-1, 3), axis=0))
    return min(picture.size) >= SHORTER and detail > 6 and colors > 2000


def shrink(folders: list[Path], into: Path) -> None:
    """Keep small copies of the photographs in some folders, each once."""
    into.mkdir(parents=True, exist_ok=True)
    seen: list[np.ndarray] = []
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]
    for number, file in enumerate(files):
        try:
            with Image.open(file) as opened:
                picture = opened.convert("RGB")
        except OSError as error:
            print(f"left out {file}: {error}", file=sys.stderr)
            continue
        look = np.asarray(picture.resize((8, 8)), np.float32)
        if not is_photograph(picture) or any(np.abs(look - other).mean() < 6 for other in seen):
            continue
        seen.append(look)
        scale = SHORTER / min(picture.size)
        picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.LANCZOS)
        picture.save(into / f"{number:04d}-{file.stem}.jpg", quality=92)
    print(f"{len(seen)} photographs out of {len(files)} pictures in {into}")


SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def sheet(networks: list[str]) -> None:
    """Keep a sheet of three photographs, each beside what style networks make of it."""
    cells: list[tuple[list[str], np.ndarray]] = []
    for name in ("chelsea", "coffee", "astronaut"):
        photograph = subjective.read_image(file_of(name), width=512)
        made = [repaint(network_file.read(network), photograph, (1.0,)) for network in networks]
        cells += [([label], image) for label, image in zip([name, *networks], [photograph, *made], strict=True)]
    keep("networks", cells, 1 + len(networks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--texture", nargs="+")
    parser.add_argument("--style", nargs="+")
    parser.add_argument("--sheet", nargs="+")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    arguments, flags = parser.parse_args(words[:split]), words[split + 1 :]
    if arguments.sheet:
        sheet(arguments.sheet)
        return
    if arguments.into:
        shrink(arguments.folders, arguments.into)
        return
    words = ["train", "-s", *map(file_of, arguments.texture or arguments.style), "--size", "128", "--batch", "2"]
    if arguments.texture:
        words += ["--texture", "--learning-rate", "3e-3"]
    else:
        words += ["--content", *map(str, arguments.folders), "--width", "16", "--depth", "3", "-sw", "256"]
        words += ["--layers", "conv1_1", "conv2_1", "conv3_1", "conv4_1"]
    environment = os.environ | {"PYTHONPATH": str(Path(subjective.__file__).parents[1])}
    command = [sys.executable, "-m", "subjective", *words, *flags]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
