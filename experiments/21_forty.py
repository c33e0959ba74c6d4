"""What comes out? Forty pictures, each with the command and the Python call that makes it.

    python experiments/21_forty.py [NAME...]        (all: some 40 minutes)
    python experiments/21_forty.py page             (seconds)

The first makes pictures into `experiments/gallery/forty/` and records in `forty.json` what each took, what the program
said of it, and what the file in the gallery scores; then both write `docs/gallery.md`. The tests compare the page with
the record, and some files with their scores.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from studio import HERE, params_of, source

import subjective

FOLDER = HERE / "gallery" / "forty"
RECORD = FOLDER / "forty.json"
PAGE = HERE.parent / "docs" / "gallery.md"
QUALITY = 80
"""Of the WebP files."""


@dataclass(frozen=True)
class Entry:
    """A picture of the gallery.

    Attributes:
        name: name of its file.
        title: its heading on the page.
        command: what to type, from the root of a clone; a line for each command. The last one makes the picture.
        call: the same in Python; lines.
        file: what to show, if it is not ``<name>.png``: a file of the run folder, or a WebP that moves.
        sources: names of the sources that the file in the gallery is scored against; none if it has no texture of
            theirs.
    """

    name: str
    title: str
    command: str
    call: str
    file: str = ""
    sources: tuple[str, ...] = ()


def texture(name: str, title: str, flags: str = "-ow 256", config: str = "output_width=256", *, of: str = "") -> Entry:
    """A texture of one source."""
    of = of or name
    return Entry(
        name,
        title,
        f"subjective synthesize -s experiments/sources/{of}.jpg {flags} -o {name}.png",
        f'[result] = synthesize(source("{of}"), SynthesisConfig({config}), params=params)',
        sources=(of,),
    )


SOURCES = "experiments/sources"

SECTIONS: dict[str, list[Entry]] = {
    "Textures": [
        *(
            texture(name, title)
            for name, title in {
                "gravel": "Gravel",
                "grass": "Grass",
                "rock": "Rock",
                "soil": "Soil",
                "sand": "Sand",
                "slate": "Slate",
                "metal": "Metal",
                "rust": "Rust",
                "mossy_slate": "Slate with moss",
                "tiles": "Tiles",
                "green_tiles": "Green tiles",
                "paving": "Paving",
                "planks": "Planks",
                "solar": "Solar cells",
            }.items()
        ),
        texture("grass_512", "Grass, 512 px", "-ow 512", "output_width=512", of="grass"),
        texture("paving_512", "Paving, 512 px", "-ow 512", "output_width=512", of="paving"),
        texture("gravel_wide", "Gravel, wide", "-ow 768 -oh 256", "output_width=768, output_height=256", of="gravel"),
        texture(
            "gravel_small",
            "Gravel, hardly anything copied",
            "-ow 256 --pieces small",
            'output_width=256, pieces="small"',
            of="gravel",
        ),
        Entry(
            "rock_fast",
            "Rock, in a hurry",
            f"subjective synthesize -s {SOURCES}/rock.jpg -ow 256 --preset fast -o rock_fast.png",
            '[result] = synthesize(source("rock"), subjective.preset("fast", output_width=256), params=params)',
            sources=("rock",),
        ),
        texture(
            "rock_symmetric",
            "Rock from a symmetric start",
            "-ow 256 --init symmetric",
            'output_width=256, init="symmetric"',
            of="rock",
        ),
    ],
    "Several sources": [
        Entry(
            "beside",
            "Rock and gravel, side by side",
            f"subjective synthesize -s {SOURCES}/rock.jpg {SOURCES}/gravel.jpg -ow 256 -o beside.png",
            "config = SynthesisConfig(output_width=256)\n"
            '[result] = synthesize([source("rock"), source("gravel")], config, params=params)',
            sources=("rock", "gravel"),
        ),
        Entry(
            "fused",
            "Rock and gravel, one material",
            f"subjective synthesize -s {SOURCES}/rock.jpg {SOURCES}/gravel.jpg -ow 256 -j fuse -o fused.png",
            'config = SynthesisConfig(output_width=256, join_mode="fuse")\n'
            '[result] = synthesize([source("rock"), source("gravel")], config, params=params)',
        ),
        Entry(
            "three",
            "Soil, sand and grass, with weights",
            f"subjective synthesize -s {SOURCES}/soil.jpg {SOURCES}/sand.jpg {SOURCES}/grass.jpg -ow 256 "
            "-j fuse --source-weights 1 1 2 -o three.png",
            'config = SynthesisConfig(output_width=256, join_mode="fuse", source_weights=(1, 1, 2))\n'
            '[result] = synthesize([source("soil"), source("sand"), source("grass")], config, params=params)',
        ),
        Entry(
            "border",
            "Grass to the left, sand to the right",
            'python -c "import numpy as np, subjective; left = np.clip((272 - np.arange(512)) / 32, 0, 1); '
            "subjective.write_image('left.png', np.tile(left[:, None], (256, 1, 3)))\"\n"
            f"subjective synthesize -s {SOURCES}/grass.jpg {SOURCES}/sand.jpg --blend-map left.png -ow 512 -oh 256 "
            "-o border.png",
            "left = np.tile(np.clip((272 - np.arange(512)) / 32, 0, 1), (256, 1)).astype(np.float32)\n"
            "config = SynthesisConfig(output_width=512, output_height=256)\n"
            "masks = np.stack([left, 1 - left], axis=2)\n"
            '[result] = synthesize([source("grass"), source("sand")], config, params=params, masks=masks)',
        ),
    ],
    "Loops": [
        Entry(
            "loop_sand",
            "A loop of sand",
            f"subjective animate -s {SOURCES}/sand.jpg -ow 128 -c 8 --formats webp -o loop_sand.webp",
            "config = AnimationConfig(output_width=128, count=8)\n"
            '[result] = animate(source("sand"), config, params=params)',
            file="loop_sand.webp",
        ),
        Entry(
            "loop_morph",
            "From grass to gravel and back",
            f"subjective animate --keyframes {SOURCES}/grass.jpg {SOURCES}/gravel.jpg -ow 128 -c 8 --formats webp "
            "-o loop_morph.webp",
            "config = AnimationConfig(output_width=128, count=8)\n"
            'sources = [source("grass"), source("gravel")]\n'
            "[result] = animate(sources, config, params=params, frame_weights=around(8, 2))",
            file="loop_morph.webp",
        ),
    ],
    "Styles": [
        *(
            Entry(
                f"{content}_{style}",
                title,
                f"subjective transfer weights/photographs/{content}.jpg -s weights/photographs/{style}.jpg -ow 384 "
                f"-o {content}_{style}.png",
                "config = TransferConfig()  # the picture has the content's size\n"
                f'[result] = transfer(photograph("{content}", 384), photograph("{style}"), config, params=params)',
            )
            for content, style, title in (
                ("coffee", "mosaic", "Coffee as a mosaic"),
                ("chelsea", "strawberry_thief", "A cat as printed cotton"),
                ("astronaut", "rock", "An astronaut in stone"),
            )
        ),
        Entry(
            "applied",
            "The same by a network, at once",
            "subjective apply mosaic weights/photographs/coffee.jpg -o applied.png",
            'network = network_file.read("mosaic")\npainted = repaint(network, photograph("coffee"), (1.0,))',
        ),
        Entry(
            "polished",
            "Gravel by a network, and ten steps more",
            "subjective apply rock_gravel --size 256 --blend 0 1 --polish 10 "
            f"--source {SOURCES}/rock.jpg {SOURCES}/gravel.jpg -o polished.png",
            'network = network_file.read("rock_gravel")\n'
            "drawn = draw(network.architecture, network.params, (256, 256), (0.0, 1.0), seed=0)\n"
            'config = SynthesisConfig(output_width=256, schedule="plain", max_iter=10, enough=0.0, '
            "source_weights=(0, 1))\n"
            '[result] = synthesize([source("rock"), source("gravel")], config, params=params, init=drawn)',
            sources=("gravel",),
        ),
    ],
    "Editing": [
        Entry(
            "repaired",
            "Rock with a hole, filled",
            'python -c "from PIL import Image; '
            "picture = Image.open('experiments/sources/rock.jpg').resize((256, 256)); "
            "mask = Image.new('L', picture.size, 255); mask.paste(0, (90, 80, 190, 160)); picture.putalpha(mask); "
            "picture.save('holed.png')\"\n"
            "subjective repair holed.png -o repaired.png",
            'rock = subjective.read_image("experiments/sources/rock.jpg", width=256)\n'
            "hole = np.zeros(rock.shape[:2], bool)\n"
            "hole[80:160, 90:190] = True\n"
            "[result] = subjective.repair(rock, RepairConfig(), params=params, fill=hole)",
        ),
        Entry(
            "tiling",
            "Planks that tile side by side, twice",
            f"subjective tileable {SOURCES}/planks.jpg --axis x -o planks_tile.png\n"
            "subjective repeat planks_tile.png --times 2 -o tiling.png",
            '[result] = subjective.make_tileable(source("planks"), TileableConfig(axis="x"), params=params)\n'
            "twice = np.tile(result.picture, (2, 2, 1))",
        ),
        Entry(
            "expanded",
            "Gravel, beyond its sides",
            f"subjective expand {SOURCES}/gravel.jpg --left 96 --right 96 -o expanded.png",
            '[result] = subjective.expand_picture(source("gravel"), ExpandConfig(left=96, right=96), params=params)',
        ),
        Entry(
            "enlarged",
            "Slate, twice as large",
            'python -c "from PIL import Image; '
            "Image.open('experiments/sources/slate.jpg').resize((192, 192)).save('small.png')\"\n"
            f"subjective enlarge small.png --source {SOURCES}/slate.jpg --scale 2 -o enlarged.png",
            'small = subjective.read_image("experiments/sources/slate.jpg", width=192)\n'
            '[result] = subjective.enlarge(small, EnlargeConfig(scale=2), params=params, sources=source("slate"))',
        ),
        Entry(
            "guided",
            "Grass where the guide is green, earth elsewhere",
            'python -c "import numpy as np, subjective; slate = subjective.read_image('
            "'experiments/sources/mossy_slate.jpg', width=256); green = slate[..., 1] - slate[..., [0, 2]].mean(2); "
            "rows, columns = np.indices((256, 256)); colors = np.eye(3, dtype=np.float32)[[2, 1]]; "
            "subjective.write_image('slate.png', slate); "
            "subjective.write_image('slate_labels.png', colors[(green > np.median(green)).astype(int)]); "
            "subjective.write_image('stripe.png', colors[(abs(rows - columns) < 60).astype(int)])\"\n"
            "subjective synthesize -s slate.png --guide slate_labels.png stripe.png -ow 256 -o guided.png",
            'slate = subjective.read_image("experiments/sources/mossy_slate.jpg", width=256)\n'
            "green = slate[..., 1] - slate[..., [0, 2]].mean(axis=2)\n"
            "rows, columns = np.indices((256, 256))\n"
            "regions = (green > np.median(green), abs(rows - columns) < 60)\n"
            "labels = [np.eye(3, dtype=np.float32)[np.where(region, 1, 2)] for region in regions]\n"
            "[result] = synthesize(slate, SynthesisConfig(output_width=256), params=params, guide=labels)",
        ),
    ],
    "Materials and planes": [
        Entry(
            "material",
            "A material: color and height",
            f"subjective material albedo={SOURCES}/rock.jpg height={SOURCES}/rock.jpg -ss 0.5 -ow 256 -o material",
            'rock = subjective.read_image("experiments/sources/rock.jpg", scale=0.5)\n'
            'maps = {"albedo": rock, "height": rock.mean(axis=2)}\n'
            "[result] = synthesize_material(maps, MaterialConfig(output_width=256), params=params)",
            file="sheet.png",
        ),
        Entry(
            "plane",
            "A plane of gravel that never repeats",
            f"subjective tiles -s {SOURCES}/gravel.jpg -ow 128 --out gravel_tiles\n"
            "subjective lay gravel_tiles --size 768x384 -o plane.png",
            'config = TilesConfig(output_width=128)\n[result] = make_tiles(source("gravel"), config, params=params)\n'
            "plane = subjective.lay(result.tiles, (384, 768))",
            sources=("gravel",),
        ),
        Entry(
            "plane_grass",
            "A plane of grass",
            f"subjective tiles -s {SOURCES}/grass.jpg -ow 128 --out grass_tiles\n"
            "subjective lay grass_tiles --size 768x384 -o plane_grass.png",
            'config = TilesConfig(output_width=128)\n[result] = make_tiles(source("grass"), config, params=params)\n'
            "plane = subjective.lay(result.tiles, (384, 768))",
            sources=("grass",),
        ),
        Entry(
            "novelty",
            "One of two pictures without a source",
            "subjective novelty -c 2 -ow 192 -m 60 -o novelty.png",
            "results = invent(NoveltyConfig(count=2, output_width=192, max_iter=60), params=params)",
            file="novelty-1.png",
        ),
    ],
}

ENTRIES = {entry.name: entry for entries in SECTIONS.values() for entry in entries}


def make(entry: Entry) -> dict[str, Any]:
    """Type the commands in a folder that has the files of a clone; keep the picture, and return what it took."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for one in ("experiments", "weights"):
            (place / one).symlink_to(HERE.parent / one)
        began = time.perf_counter()
        told = ""
        for line in entry.command.splitlines():
            program, *words = shlex.split(line)
            command = [sys.executable, *(["-m", "subjective"] if program == "subjective" else []), *words]
            told = subprocess.run(command, cwd=place, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = time.perf_counter() - began
        folder = place / told.splitlines()[0]
        record = {"seconds": round(seconds), **said_of(folder), "scores": {}}
        found = folder / entry.file if entry.file == "sheet.png" else place / (entry.file or f"{entry.name}.png")
        keep(found, FOLDER / f"{entry.name}.webp")
    if entry.sources:
        record["scores"] = scores_of(entry)
    return record


def said_of(folder: Path) -> dict[str, str]:
    """The sentence of a run about its first picture, if it has one."""
    summary = folder / "summary.json"
    if not summary.is_file():
        return {}
    scores = json.loads(summary.read_text())["pictures"][0].get("scores") or {}
    sentence = scores.get("sentence") or scores.get("motion", {}).get("pixels", {}).get("sentence")
    return {"sentence": sentence} if sentence else {}


def keep(found: Path, file: Path) -> None:
    """Write a picture into the gallery; one that moves is a WebP already."""
    if found.suffix == ".webp":
        file.write_bytes(found.read_bytes())
        return
    with Image.open(found) as picture:
        picture.thumbnail((768, 768))
        picture.convert("RGB").save(file, quality=QUALITY, method=6)


def scores_of(entry: Entry) -> dict[str, float]:
    """What the file in the gallery scores, by the measures that apply."""
    file = FOLDER / f"{entry.name}.webp"
    scores = subjective.evaluate(
        file, [source(name) for name in entry.sources], params_of(), portilla_simoncelli=False, tiles=False
    )
    return {name: float(f"{scores[name].score:.4g}") for name in ("gram", "sliced_wasserstein", "tints", "color")}


MARK = "<!-- made by experiments/21_forty.py -->"
"""Where the part of the page begins that is made."""


def page(record: dict[str, Any]) -> str:
    """The text of `docs/gallery.md`: its head is kept."""
    parts = [PAGE.read_text(encoding="utf-8").split(MARK)[0] + MARK + "\n"]
    for section, entries in SECTIONS.items():
        parts.append(f"## {section}\n")
        for entry in entries:
            told = record[entry.name]
            sentence = told.get("sentence")
            parts += [
                f"### {entry.title}\n",
                f"![{entry.title}](../experiments/gallery/forty/{entry.name}.webp)\n",
                f"{in_words(told['seconds'])}{f': *{sentence}*' if sentence else ''}.\n",
                f"```sh\n{entry.command}\n```\n",
                f"```python\n{entry.call}\n```\n",
            ]
    return "\n".join(parts)


def in_words(seconds: float) -> str:
    """A time as a person says it."""
    tens = max(10 * round(seconds / 10), 10)
    return f"{tens} seconds" if tens < 120 else f"{round(tens / 60)} minutes"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    names = sys.argv[1:] or list(ENTRIES)
    for name in names if names != ["page"] else []:
        record[name] = make(ENTRIES[name])
        print(name, record[name], flush=True)
        RECORD.write_text(json.dumps({each: record[each] for each in ENTRIES if each in record}, indent=1) + "\n")
    if all(name in record for name in ENTRIES):
        PAGE.write_text(page(record), encoding="utf-8")


if __name__ == "__main__":
    main()
