"""Small runs of every verb, a fault in each, and what must hold afterwards."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from subjective.cli.main import main
from subjective.images import write_image
from subjective.planes.corners import TileSet
from subjective.planes.tile_files import save_tiles

from .injector import Injector, Killed

RUNS = ("synthesize", "several", "animate", "transfer", "novelty", "train")
RUNS += ("material", "repair", "tileable", "expand", "tiles")
"""Cases that make a run folder, which `resume` completes. The others are repeated."""

_SMALL = ["-ow", "48", "-o", "1", "-l", "pool1", "-m", "2", "-n", "1", "--schedule", "plain", "--statistic", "gram"]
_SMALL += ["--checkpoint-every", "0.000001", "-q"]
_NOVEL = ["-ow", "48", "-o", "1", "-l", "pool1", "-m", "2", "-n", "1", "-c", "2"]
_NOVEL += ["--checkpoint-every", "0.000001", "-q"]
_EDIT = ["-o", "1", "-l", "pool1", "-m", "2", "-n", "1", "--statistic", "gram", "--checkpoint-every", "0.000001", "-q"]
_MAPS = ["albedo=one.png", "roughness=one.png", "--format", "png"]
_QUICK = ["-sw", "48", "--size", "16", "--batch", "2", "--width", "2", "--depth", "1", "--octaves", "1"]
_QUICK += ["-l", "conv1_1", "--statistic", "gram", "--steps", "2", "-n", "1", "--checkpoint-every", "0.000001", "-q"]

CASES = {
    "synthesize": ["synthesize", "-s", "one.png", *_SMALL, "--out", "made.jpg"],
    "several": ["synthesize", "-s", "one.png", *_SMALL, "-c", "2", "--no-evaluate", "--out", "made.png"],
    "animate": ["animate", "-s", "one.png", *_SMALL, "-c", "2", "--formats", "gif", "--no-evaluate", "--out", "l.webp"],
    "transfer": ["transfer", "two.png", "-s", "one.png", *_SMALL, "-ow", "160", "--no-evaluate", "--out", "made.png"],
    "novelty": ["novelty", *_NOVEL, "--out", "made.png"],
    "train": ["train", "--texture", "-s", "one.png", *_QUICK, "--out", "net.safetensors"],
    "material": ["material", *_MAPS, *_SMALL, "--no-evaluate", "--out", "maps"],
    "repair": ["repair", "one.png", "--fill", "mask.png", *_EDIT, "--no-evaluate", "--out", "made.png"],
    "tileable": ["tileable", "one.png", "--border", "20%", *_EDIT, "--no-evaluate", "--out", "made.png"],
    "expand": ["expand", "one.png", "--left", "16", *_EDIT, "--no-evaluate", "--out", "made.tif"],
    "tiles": ["tiles", "-s", "one.png", *_SMALL, "-ow", "32", "--no-evaluate", "--out", "new"],
    "lay": ["lay", "set", "--size", "40x30", "--out", "plane.png", "--page", "plane.html", "-q"],
    "apply": ["apply", "net.safetensors", "one.png", "two.png", "--export", "net.hlo", "-o", "new", "-q"],
    "evaluate": ["evaluate", "one.png", "two.png", "-s", "two.png", "--json", "s.json", "--map", "m.png", "-q"],
    "replace": ["evaluate", "one.png", "-s", "two.png", "--json", "old.json", "--map", "old.png", "--force", "-q"],
    "sweep": ["sweep", "-s", "one.png", *_SMALL, "--no-evaluate", "--vary", "max-iter=1/2", "--out", "sheet.png"],
    "batch": ["batch", "one.png", "two.png", *_SMALL, "--no-evaluate", "--out", "new"],
    "example": ["example", "gravel", "--folder", "new"],
}
"""The words of each case."""

OLD = ("old.json", "old.png")


@dataclasses.dataclass
class Outcome:
    """What a case left.

    Attributes:
        lost: what is missing or different after the repair; empty if nothing is.
        strays: files that should not be there.
        faults: tracebacks, or more than a line said, where the case itself was made.
    """

    lost: list[str]
    strays: list[str]
    faults: list[str]


class Case:
    """One verb in a folder of its own."""

    def __init__(self, name, folder):
        self.name, self.words, self.folder = name, CASES[name], Path(folder)
        self.wanted, self.calls = {}, []

    def learn(self):
        """Make the run without a fault, and remember its calls and its files."""
        self._prepare()
        with Injector(self.folder) as injector:
            status, err = self._main(self.words)
        assert status == 0, err
        self.calls, self.wanted = injector.calls, self._files()
        return self

    def probe(self, at, fault):
        """Make the run with a fault, repair it as a user would, and say what is lost."""
        self._prepare()
        outcome = Outcome([], [], [])
        with Injector(self.folder, at, fault):
            status, err = self._main(self.words)
            if status not in (0, 2, 1 if self.name in ("sweep", "batch") else 2) or "Traceback" in err:
                outcome.faults.append(f"exit status {status}: {err[-300:]}")
        outcome.faults += [f"{path} was left" for path in self.folder.glob("outputs/**/traceback.txt")]
        outcome.lost += self._damaged()
        self._repair(outcome)
        found = self._files()
        outcome.lost += [path for path, value in self.wanted.items() if path not in found or found[path] != value]
        outcome.strays += sorted(found.keys() - self.wanted.keys())
        return outcome

    def _repair(self, outcome):
        folders = sorted(self.folder.glob("outputs/*"))
        if self.name in RUNS and folders and (folders[0] / "config.json").exists():
            finished = "finished" in str(_summary(folders[0]).get("status"))
            status, err = self._main(["resume", str(folders[0]), "-q"])
            if status != (2 if finished else 0) or "Traceback" in err:
                outcome.lost.append(f"resume has exit status {status}: {err[-300:]}")
            return
        # Nothing was begun, or there is nothing to resume: the same command again.
        shutil.rmtree(self.folder / "outputs", ignore_errors=True)
        again = [*self.words, *(["--force"] if self.name in ("apply", "evaluate", "lay", "sweep") else [])]
        status, err = self._main(again)
        if status != 0:
            outcome.lost.append(f"repeated, it has exit status {status}: {err[-300:]}")

    def _damaged(self):
        """Files that were there before, or that the user named, and that are now neither whole nor as they were."""
        found = []
        for name, before in self.before.items():
            now = (self.folder / name).read_bytes() if (self.folder / name).exists() else None
            if now != before and not (name in OLD and _content(self.folder / name) == self.wanted[name]):
                found.append(f"{name} was damaged")
        for path, value in self.wanted.items():
            if path in self.before or path.startswith("outputs") or not (self.folder / path).exists():
                continue
            now = _content(self.folder / path)
            # The sheet of a sweep with a failed run is whole, but shows fewer pictures.
            if str(now).startswith("damaged") if self.name == "sweep" else now != value:
                found.append(f"{path} is a fragment")
        return found

    def _prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        random = np.random.default_rng(0)
        write_image(self.folder / "one.png", random.uniform(size=(64, 64, 3)).astype(np.float32))
        write_image(self.folder / "two.png", random.uniform(size=(160, 160, 3)).astype(np.float32))
        if self.name == "apply":
            shutil.copy(_network(), self.folder / "net.safetensors")
        if self.name == "repair":
            mask = np.zeros((64, 64, 3), np.float32)
            mask[20:40, 16:48] = 1
            write_image(self.folder / "mask.png", mask)
        if self.name == "lay":
            save_tiles(TileSet(random.integers(0, 256, (16, 8, 8, 3), np.uint8), 2, 2), self.folder / "set")
        for name in OLD if self.name == "replace" else ():
            (self.folder / name).write_bytes(b"old")
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        self.before = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def _main(self, words):
        """Run the program in the folder; return its exit status, None if it was killed, and what it said."""
        here, err = os.getcwd(), io.StringIO()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
                return main(words), err.getvalue()
        except Killed:
            return 2, err.getvalue()
        finally:
            os.chdir(here)

    def _files(self):
        """The content of each file below the folder, without times; the name of a run folder without its time.

        A batch that is repeated makes no picture again that is there, and thus no run folder of it.
        """
        if self.name == "batch":
            shutil.rmtree(self.folder / "outputs", ignore_errors=True)
        return {
            _tidy(path.relative_to(self.folder)): _content(path)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "checkpoints" not in path.parts
        } | {_tidy(path.relative_to(self.folder)): None for path in self.folder.glob("outputs/*/.*")}


def _network():
    from subjective.cli.example import embedded_dir

    return next((embedded_dir() / "networks").glob("mosaic*.safetensors"))


def _summary(folder):
    try:
        return json.loads((folder / "summary.json").read_text())
    except (OSError, ValueError):
        return {}


def _tidy(path):
    return re.sub(r"-\d{8}-\d{6}(-\d+)?", "-TIME", str(path))


def _content(path):
    """What two runs of the same settings have in common."""
    try:
        if path.suffix in (".png", ".jpg"):
            with Image.open(path) as picture:
                return np.asarray(picture).tobytes()
        if path.suffix == ".json":
            return _without_times(json.loads(path.read_text()))
        if path.suffix == ".jsonl":
            return [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
        if path.suffix == ".csv" or path.name == "net.hlo":
            return "there"
        return path.read_bytes()
    except (OSError, ValueError, SyntaxError) as error:
        return f"damaged: {error}"


def _without_times(value):
    if isinstance(value, dict):
        names = ("seconds", "started", "command_line", "settings", "pictures" if "settings" in value else "")
        return {name: _without_times(one) for name, one in value.items() if name not in names}
    return [_without_times(one) for one in value] if isinstance(value, list) else value
