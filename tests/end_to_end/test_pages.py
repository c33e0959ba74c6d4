"""What README.md and docs/ tell people to type runs, in order, in a folder that is laid out as a fresh clone.

Each command and each block of Python is the page's own, but makes small pictures in few steps. The commands that build
an environment are left out, because CI runs README's own; what needs a download is tested against a local server.
"""

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.pictures import ROOT
from helpers.processes import finished, start

import subjective
from subjective.cli.main import main
from subjective.feedforward import train
from subjective.images import read_image

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)

ENVIRONMENT = ("python3 -m venv", "pip install", "source .venv", "-m pytest", "-m tests.")
"""Parts of commands that build or enter an environment, or run the tests or the campaigns of `tests/`."""

NEEDS_DOWNLOAD = ("vgg19-keras", "--to web")
NEEDS_DEVICES = "devices=2"  # the command above that block of Python runs with two devices, in a process of its own

PICTURE = ["--octaves", "1", "--layers", "pool1", "-m", "1", "-n", "0", "--schedule", "plain"]
EDIT = [*PICTURE, "--statistic", "gram", "--no-evaluate"]
SMALLER = {
    "synthesize": [*PICTURE, "-ow", "64", "--no-evaluate"],
    "material": [*PICTURE, "-ow", "64", "--no-evaluate"],
    "sweep": [*PICTURE, "-ow", "64", "--no-evaluate"],
    "animate": [*PICTURE, "-ow", "32", "--no-evaluate"],
    "novelty": ["--octaves", "1", "--layers", "pool1", "-m", "1", "-ow", "48"],
    "transfer": [*PICTURE, "-ow", "64", "--content-layers", "conv1_1", "--no-evaluate"],
    "tiles": [*PICTURE, "-ow", "32", "--statistic", "gram", "--no-evaluate"],
    "repair": EDIT,
    "tileable": EDIT,
    "expand": EDIT,
    "enlarge": EDIT,
    "evaluate": ["-sw", "96"],
    "train": ["--size", "32", "--batch", "1", "--steps", "2", "--octaves", "1", "-l", "conv1_1", "--width", "2"],
}
"""Flags that make what each command makes smaller; they come after the page's own."""


def small(verb, *, width=64, **changes):
    """Wrap a verb of the package: its config asks for little, but for the size that masks have, or an edit."""

    def made(*pictures, **given):
        (config,) = [value for value in pictures if dataclasses.is_dataclass(value)]
        smaller = {"max_iter": 1, "schedule": "plain", "octaves": 1, "layers": ("pool1",), **changes}
        if given.get("masks") is None and given.get("guide") is None and width is not None:
            smaller |= {"output_width": width, "output_height": None}
        if config.layer_weights is not None:
            smaller |= {"layers": config.layers}
        if config.statistic == type(config)().statistic:
            smaller |= {"statistic": ("gram",)}
        return verb(*[dataclasses.replace(v, **smaller) if v is config else v for v in pictures], **given)

    return made


@pytest.fixture
def clone(here, monkeypatch):
    """A folder with the files of the repository, and verbs that make little."""
    for name in ("README.md", "docs", "experiments", "weights"):
        (here / name).symlink_to(ROOT / name)
    monkeypatch.setattr(subjective, "read_image", lambda path, **given: read_image(path, width=96))
    monkeypatch.setattr(subjective, "synthesize", small(subjective.synthesize))
    monkeypatch.setattr(subjective, "animate", small(subjective.animate))
    monkeypatch.setattr(subjective, "synthesize_material", small(subjective.synthesize_material))
    monkeypatch.setattr(subjective, "invent", invent_little(subjective.invent))
    monkeypatch.setattr(subjective, "make_tiles", small(subjective.make_tiles, width=32))
    for edit in ("repair", "make_tileable", "expand_picture", "enlarge"):
        monkeypatch.setattr(subjective, edit, small(getattr(subjective, edit), width=None))
    monkeypatch.setattr(subjective, "transfer", small(subjective.transfer, content_layers=("conv1_1",)))
    monkeypatch.setattr(train, "train", train_little(train.train))
    monkeypatch.setattr(train, "plan_training", train_little(train.plan_training))
    return here


def invent_little(function):
    """Wrap `invent`: its pictures are small, and made in one step."""
    changes = {"output_width": 48, "max_iter": 1, "octaves": 1, "layers": ("pool1",)}
    return lambda config, **given: function(dataclasses.replace(config, **changes), **given)


def train_little(function):
    """Wrap a function of training: its config asks for a small network and one step."""
    changes = {"steps": 1, "size": 32, "batch": 1, "octaves": 1, "layers": ("conv1_1",)}
    return lambda sources, config, *more, **given: function(
        sources, dataclasses.replace(config, **changes), *more, **given
    )


def commands_of(block):
    """Each command of a shell block, without those that build an environment."""
    parts = [part.strip() for line in block.splitlines() for part in line.split("&&")]
    return [part for part in parts if part and not re.search("|".join(ENVIRONMENT), part)]


def run_command(text):
    """Run a command of a page; return its exit status."""
    text = re.sub(r"\$\(ls -td outputs/\*/ \| head -1\)", lambda found: newest_run(), text)
    words = shlex.split(text)
    if words[0] == "python":
        return subprocess.run(["bash", "-c", text.replace("python", shlex.quote(sys.executable), 1)]).returncode
    assert Path(words[0]).name == "subjective" or "=" in words[0], text
    if "=" in words[0]:  # XLA_FLAGS: two devices
        return finished(start(*words[2:], *SMALLER[words[2]], devices=2))[0]
    if words[1] == "resume":  # the run with two devices
        return finished(start(*words[1:], devices=2))[0]
    smaller = SMALLER.get(words[1], [])
    if words[1] in ("synthesize", "sweep", "animate", "transfer") and "--statistic" not in words:
        smaller = [*smaller, "--statistic", "gram"]
    if "--guide" in words:  # the labels say the size
        smaller = [word for word in smaller if word not in ("-ow", "64")]
    if "--like" in words:  # settings with weights for layers of their own
        smaller = [word for word in smaller if word not in ("--layers", "pool1")]
    return main([*words[1:], *smaller])


def newest_run():
    """The newest run folder, marked as one that was stopped, so that it can be resumed."""
    newest = max(Path("outputs").iterdir(), key=os.path.getmtime)
    (newest / "summary.json").unlink(missing_ok=True)
    return f"{newest}/"


@pytest.mark.pages
@pytest.mark.slow
@pytest.mark.process
@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_all_that_a_page_tells_to_type_runs_in_order(page):
    names = {}
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if any(part in block for part in NEEDS_DOWNLOAD):
            continue
        if language == "sh":
            for command in commands_of(block):
                assert run_command(command) == 0, command
        elif NEEDS_DEVICES not in block:
            exec(compile(block, page.name, "exec"), names)
