"""Which picture is the source? A blind comparison by eye.

    python experiments/17_blind.py make FOLDER [--pictures N] [--seed N] PICTURE:SOURCE...
    python experiments/17_blind.py sum FOLDER ANSWERS.json...

`make` puts pictures of any tool beside crops of their sources, in random order: ``ours/gravel.png:gravel`` is a picture
with the name of its source. It writes FOLDER/blind.html, one page without a server that asks for each pair which
picture is the photograph and how sure the answer is, and gives the answers as a file; FOLDER/pair-01.png and so on,
for whoever has no browser; and FOLDER/key.json, which the page does not hold. Write answers by hand as
``{"1": {"source": "left", "sure": 2}, ...}``, where 1 is a guess and 3 is certain.

`sum` prints how often pictures were taken for the source, with 95 % intervals (Wilson), for each tool: the name of the
picture's folder. 50 % is perfect.

The current figures are in 17_blind.md.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
from studio import source

from subjective.images import encode_image, read_image, write_image

SHOWN = 384
"""Side in pixels at which the page shows a picture."""

GAP = 24
"""Pixels between the pictures of a pair."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "sum"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="+", metavar="PICTURE:SOURCE or ANSWERS.json")
    parser.add_argument("--pictures", type=int, default=60, metavar="N", help="largest number of pairs")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    wanted = parser.parse_args()
    if wanted.what == "make":
        make(wanted.folder, wanted.words, wanted.pictures, np.random.default_rng(wanted.seed))
    else:
        print(sum_up(json.loads((wanted.folder / "key.json").read_text()), wanted.words))


def make(folder: Path, words: list[str], most: int, random: np.random.Generator) -> None:
    """Write the page, the pairs and the key."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs, key = [], {}
    for number, index in enumerate(random.permutation(len(words))[:most], 1):
        path, _, name = words[index].rpartition(":")
        picture, whole = read_image(path), _read_source(name)
        room = [side - own for side, own in zip(whole.shape[:2], picture.shape[:2], strict=True)]
        top, left = (int(random.integers(max(side, 0) + 1)) for side in room)
        crop = whole[top : top + picture.shape[0], left : left + picture.shape[1]]
        both = [crop, picture[: crop.shape[0], : crop.shape[1]]]
        is_left = bool(random.integers(2))
        if not is_left:
            both.reverse()
        pairs.append(both)
        key[str(number)] = {"picture": path, "source": "left" if is_left else "right"}
        gap = np.ones((crop.shape[0], GAP, 3), np.float32)
        write_image(folder / f"pair-{number:02d}.png", np.concatenate([both[0], gap, both[1]], axis=1))
    (folder / "key.json").write_text(json.dumps(key, indent=2))
    shown = json.dumps([[_embed(one) for one in pair] for pair in pairs])
    (folder / "blind.html").write_text(PAGE.replace("PAIRS", shown))


def _read_source(name: str) -> np.ndarray:
    """A source by its name or by its path."""
    return read_image(name) if Path(name).is_file() else source(name)


def _embed(picture: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_image(picture, '.png')).decode()}"


def sum_up(key: dict[str, dict[str, str]], files: list[str]) -> str:
    """The table of all answers."""
    fooled: dict[str, list[bool]] = defaultdict(list)
    sure: dict[str, list[int]] = defaultdict(list)
    for file in files:
        for number, answer in json.loads(Path(file).read_text()).items():
            tool = Path(key[number]["picture"]).parent.name
            fooled[tool].append(answer["source"] != key[number]["source"])
            sure[tool].append(answer["sure"])
    lines = ["| tool | answers | taken for the source | interval | mean sureness (1 to 3) |", "| --- " * 5 + "|"]
    for tool, answers in sorted(fooled.items()):
        low, high = wilson(sum(answers), len(answers))
        share = sum(answers) / len(answers)
        lines.append(f"| {tool} | {len(answers)} | {share:.0%} | {low:.0%} to {high:.0%} | {np.mean(sure[tool]):.1f} |")
    return "\n".join(lines)


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half


PAGE = f"""<!doctype html><meta charset="utf-8"><title>Which is the photograph?</title>
<style>
body {{ font: 16px sans-serif; text-align: center; background: #888 }}
img {{ width: {SHOWN}px; margin: {GAP // 2}px; cursor: pointer; border: 4px solid transparent }}
img.chosen {{ border-color: #fff }}
button {{ font-size: 16px; margin: 4px; padding: 6px 14px }}
</style>
<h1>Which is the photograph?</h1>
<p id="where"></p><div id="pair"></div>
<p>Choose a picture, then say how sure you are:
<button value="1">a guess</button><button value="2">rather sure</button><button value="3">certain</button></p>
<script>
const pairs = PAIRS, answers = {{}}; let number = 0, chosen = null;
const pair = document.getElementById("pair"), where = document.getElementById("where");
function show() {{
  chosen = null; pair.replaceChildren(); where.textContent = `pair ${{number + 1}} of ${{pairs.length}}`;
  if (number === pairs.length) {{
    const link = document.createElement("a"); link.download = "answers.json"; link.textContent = "save the answers";
    link.href = URL.createObjectURL(new Blob([JSON.stringify(answers)], {{type: "application/json"}}));
    where.replaceChildren(link); return;
  }}
  pairs[number].forEach((data, side) => {{
    const image = document.createElement("img"); image.src = data; image.alt = ["left", "right"][side];
    image.onclick = () => {{
      chosen = image.alt; pair.childNodes.forEach(one => one.className = one === image ? "chosen" : "");
    }};
    pair.append(image);
  }});
}}
document.querySelectorAll("button").forEach(button => button.onclick = () => {{
  if (chosen === null || number === pairs.length) return;
  answers[number + 1] = {{source: chosen, sure: Number(button.value)}}; number += 1; show();
}});
show();
</script>
"""


if __name__ == "__main__":
    main()
