"""The table of all commands."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from subjective.checks import InputError
from subjective.cli.commands.editing import EnlargeCommand, ExpandCommand, RepairCommand, TileableCommand
from subjective.cli.commands.materials import MaterialCommand
from subjective.cli.commands.networks import (
    ApplyCommand,
    ExportCommand,
    TrainCommand,
    WeightsConvert,
    WeightsFetch,
    WeightsList,
    WeightsNormalize,
    WeightsShow,
)
from subjective.cli.commands.pages import ReportCommand, StudioCommand, WatchCommand
from subjective.cli.commands.pictures import (
    AnimateCommand,
    BatchCommand,
    NoveltyCommand,
    SweepCommand,
    SynthesizeCommand,
    TransferCommand,
)
from subjective.cli.commands.planes import LayCommand, TilesCommand
from subjective.cli.commands.tools import (
    CompletionCommand,
    EvaluateCommand,
    ExampleCommand,
    RepeatCommand,
    ResumeCommand,
)
from subjective.cli.options import Options


class Entry(NamedTuple):
    """A command.

    Attributes:
        module: name of the module of `subjective.cli` whose function ``run`` runs the command.
        summary: what the command does.
        kind: class of the command's options; None for a family of subcommands.
        computes: whether the command needs JAX.
        subcommands: the subcommands of a family by their words.
    """

    module: str
    summary: str
    kind: type[Options] | None = None
    computes: bool = True
    subcommands: Mapping[str, Entry] = {}

    def load(self) -> Any:
        """Import the module that runs the command. This may take a second, because most commands need JAX."""
        return importlib.import_module(f"subjective.cli.{self.module}")


WEIGHTS = {
    "list": Entry("weights", "list the parameters on this machine", WeightsList, computes=False),
    "show": Entry("weights", "verify parameters, and describe them", WeightsShow, computes=False),
    "convert": Entry("scales", "convert parameters of another program", WeightsConvert),
    "normalize": Entry("scales", "measure activation scales again", WeightsNormalize),
    "fetch": Entry("scales", "download published parameters", WeightsFetch),
}
"""The subcommands of `subjective weights`."""

COMMANDS = {
    "synthesize": Entry("synthesize", "make textures from source pictures", SynthesizeCommand),
    "animate": Entry("animate", "make the frames of a loop", AnimateCommand),
    "transfer": Entry("transfer", "make a picture of one's content and others' style", TransferCommand),
    "novelty": Entry("novelty", "make pictures unlike each other, from no source", NoveltyCommand),
    "material": Entry("material", "make materials of several linked maps", MaterialCommand),
    "repair": Entry("editing", "fill a part of a picture like the rest", RepairCommand),
    "tileable": Entry("editing", "make a picture tile, and keep its middle", TileableCommand),
    "expand": Entry("editing", "continue a picture beyond its sides", ExpandCommand),
    "enlarge": Entry("enlarge", "make a picture larger, with finer detail", EnlargeCommand),
    "tiles": Entry("tiles", "make tiles for a plane that never repeats", TilesCommand),
    "lay": Entry("lay", "lay tiles on a plane that never repeats", LayCommand, computes=False),
    "resume": Entry("resume", "continue a run that was stopped", ResumeCommand),
    "sweep": Entry("sweep", "run a grid of settings", SweepCommand),
    "batch": Entry("batch", "make a texture from each of many pictures", BatchCommand),
    "evaluate": Entry("evaluate", "measure pictures against their source", EvaluateCommand),
    "train": Entry("train", "train a network that makes textures or repaints pictures", TrainCommand),
    "apply": Entry("apply", "make pictures with a trained network", ApplyCommand),
    "export": Entry("export", "write a trained network for other programs, or as a page", ExportCommand),
    "watch": Entry("watch", "show runs on a page, while they go on and after", WatchCommand, computes=False),
    "studio": Entry("studio", "start runs from a page, and watch them there", StudioCommand, computes=False),
    "report": Entry("report_page", "write runs as one HTML file", ReportCommand, computes=False),
    "repeat": Entry("repeat", "repeat a picture beside itself, to see whether it tiles", RepeatCommand, computes=False),
    "example": Entry("example", "copy pictures to try the other commands on", ExampleCommand, computes=False),
    "completion": Entry(
        "completion", "print a script that completes words in a shell", CompletionCommand, computes=False
    ),
    "weights": Entry("weights", "list, show, convert or fetch network parameters", subcommands=WEIGHTS),
}
"""Every command. To add a command, write its class of options in this package, its module in `subjective.cli`, and a
line here."""


def find_entry(name: str) -> Entry:
    """Return the entry of a command.

    Args:
        name: name of a command, or of a command and its subcommand, such as ``weights show``.

    Raises:
        InputError: there is no command of this name.
    """
    command, _, word = name.partition(" ")
    _refuse_unknown(command, COMMANDS)
    entry = COMMANDS[command]
    if not entry.subcommands:
        return entry
    if not word:
        words = ", ".join(entry.subcommands)
        raise InputError(f"`subjective {command}` wants one of these words before its flags: {words}")
    _refuse_unknown(name, [f"{command} {each}" for each in entry.subcommands])
    return entry.subcommands[word]


def options_class(name: str) -> type[Options]:
    """Return the class of a command's options. ``name`` is as in `find_entry`, which says what is refused."""
    kind = find_entry(name).kind
    assert kind is not None, name
    return kind


def list_kinds(name: str) -> dict[str, type[Options]]:
    """Return the class of options of a command by its name; for a family of subcommands, that of each by its word."""
    entries = COMMANDS[name].subcommands or {name: COMMANDS[name]}
    return {word: entry.kind for word, entry in entries.items() if entry.kind is not None}


def _refuse_unknown(name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        guess = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(known)}"
        raise InputError(f"there is no command {name!r}; {guess}")
