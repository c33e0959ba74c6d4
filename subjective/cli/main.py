"""The command line: a table of commands. Each command is a module of this package, imported only when it is used.

Only results go to stdout, such as the path of a run folder or a table of scores; progress and notes go to stderr. For
an error that the user can mend, stderr gets one line and the exit status is 2. Any other exception is a fault of this
program: the traceback goes to the run folder, or to stderr if there is no folder, and the exit status is 1.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from subjective.checks import InputError
from subjective.cli.arguments import load_plugins, parse, record_file, recorded_words, render_error
from subjective.cli.help import help_text, wrap, wrap_entry
from subjective.cli.settings_file import TABLES
from subjective.cli.words import is_flag
from subjective.compilation import enable_disk_cache
from subjective.images import PictureWarning
from subjective.plugins import PluginError
from subjective.runs.interrupts import Interrupted, interruptible
from subjective.runs.provenance import read_record
from subjective.terminal import note, open_closed_streams, report_error, set_verbosity
from subjective.version import __version__


class Entry(NamedTuple):
    """A command: the module in this package, the name of the class of options, and what the command does.

    A module with subcommands has a table ``SUBCOMMANDS`` of classes instead of one class.
    """

    module: str
    options: str
    summary: str


COMMANDS = {
    "synthesize": Entry("synthesize", "SynthesizeCommand", "make textures from source pictures"),
    "animate": Entry("animate", "AnimateCommand", "make the frames of a loop"),
    "transfer": Entry("transfer", "TransferCommand", "make a picture of one's content and others' style"),
    "novelty": Entry("novelty", "NoveltyCommand", "make pictures unlike each other, from no source"),
    "resume": Entry("resume", "ResumeCommand", "continue a run that was stopped"),
    "sweep": Entry("sweep", "SweepCommand", "run a grid of settings"),
    "batch": Entry("batch", "BatchCommand", "make a texture from each of many pictures"),
    "evaluate": Entry("evaluate", "EvaluateCommand", "measure pictures against their source"),
    "train": Entry("train", "TrainCommand", "train a network that makes textures or repaints pictures"),
    "apply": Entry("apply", "ApplyCommand", "make pictures with a trained network"),
    "example": Entry("example", "ExampleCommand", "copy pictures to try the other commands on"),
    "completion": Entry("completion", "CompletionCommand", "print a script that completes words in a shell"),
    "weights": Entry("weights", "SUBCOMMANDS", "list, show, convert or fetch network parameters"),
}
"""Every command. To add a command, write a module in this package and a line here."""

DESCRIPTION = "Multiscale neural texture synthesis: new pictures from what a network sees in old ones."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; None for the arguments of the process.

    Returns:
        The exit status: 0 for success, 2 for an error that the user can mend, 1 for a fault of this program, and 128
        plus the signal's number after an interrupt.
    """
    open_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if words in ([], ["-h"], ["--help"]):
        sys.stdout.write(list_commands())
        return 0
    if words == ["--version"]:
        sys.stdout.write(f"subjective {__version__}\n")
        return 0
    kind: type | None = None
    try:
        with interruptible(), notes_of_pictures():
            name, *rest = _join_subcommand(words)
            if name in COMMANDS and has_subcommands(name) and rest in ([], ["-h"], ["--help"]):
                sys.stdout.write(list_subcommands(name))
                return 0
            kind = options_class(name)
            if "-h" in rest or "--help" in rest:
                load_plugins(rest)
                sys.stdout.write(help_text(kind, name))
                return 0
            options: Any = parse(kind, name, rest)
            set_verbosity(options.verbosity)
            enable_disk_cache()
            if name == "resume":
                return _resume(Path(options.run), force=options.force)
            module = _module(name)
            status: int = module.run(options, rest) if name == "sweep" else module.run(options)
            return status
    except Interrupted as interrupt:
        if not interrupt.is_told:
            report_error("interrupted before anything was made")
        return 128 + interrupt.number
    except Exception as error:
        return _explain(error, kind)


@contextlib.contextmanager
def notes_of_pictures() -> Iterator[None]:
    """Write each `PictureWarning` as a note."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", PictureWarning)  # each text once
        show = warnings.showwarning

        def show_note(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, PictureWarning):
                note(f"note: {message}")
            else:
                show(message, category, *place, **more)

        warnings.showwarning = show_note
        yield


def _explain(error: Exception, kind: type | None) -> int:
    """Say on stderr what went wrong, and return the exit status. ``kind`` is the class of the options, if known."""
    if isinstance(error, PluginError):
        traceback.print_exception(error.__cause__)  # for the author of the plugin
    if isinstance(error, InputError):
        report_error(render_error(error, kind))
        return 2
    if isinstance(error, BrokenPipeError):  # the reader of stdout has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    traceback.print_exception(error)
    report_error(f"a fault of this program: {type(error).__name__}; the traceback is above")
    return 1


def list_commands() -> str:
    """Return the help of the program: one line for each command."""
    lines = [line for name, entry in COMMANDS.items() for line in wrap_entry(name, entry.summary)]
    more = wrap("subjective COMMAND --help says what a command takes; subjective --version says the version.")
    return "\n".join(["usage: subjective COMMAND ...", "", *wrap(DESCRIPTION), "", *lines, "", *more]) + "\n"


def list_subcommands(name: str) -> str:
    """Return the help of a command that has subcommands: one line for each of them."""
    docs = {word: " ".join((inspect.getdoc(kind) or "").split()) for word, kind in _subcommands(name).items()}
    lines = [line for word, text in docs.items() for line in wrap_entry(word, text.partition(". ")[0].rstrip("."))]
    more = wrap(f"subjective {name} SUBCOMMAND --help says what a subcommand takes.")
    return "\n".join([f"usage: subjective {name} SUBCOMMAND ...", "", *lines, "", *more]) + "\n"


def has_subcommands(name: str) -> bool:
    """Return whether a command is a family of subcommands, such as `weights`."""
    return COMMANDS[name].options == "SUBCOMMANDS"


def options_class(name: str) -> type:
    """Import the module of a command, and return the class of the command's options.

    Args:
        name: name of a command, or of a command and its subcommand, such as ``weights show``.

    Raises:
        InputError: there is no command of this name.
    """
    command, _, word = name.partition(" ")
    _refuse_unknown(command, COMMANDS)
    if not has_subcommands(command):
        found: type = getattr(_module(command), COMMANDS[command].options)
        return found
    subcommands = _subcommands(command)
    if not word:
        raise InputError(f"`subjective {command}` wants one of these words before its flags: {', '.join(subcommands)}")
    _refuse_unknown(name, [f"{command} {each}" for each in subcommands])
    return subcommands[word]


def list_kinds(name: str) -> dict[str, type]:
    """Return the class of options of a command by its name; for a family of subcommands, that of each by its word."""
    return _subcommands(name) if has_subcommands(name) else {name: options_class(name)}


def _refuse_unknown(name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, 1)
        guess = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(known)}"
        raise InputError(f"there is no command {name!r}; {guess}")


def _join_subcommand(words: Sequence[str]) -> list[str]:
    """Join a command and its subcommand into one word, such as ``weights show``."""
    name, *rest = words
    if name in COMMANDS and has_subcommands(name) and rest and not is_flag(rest[0]):
        return [f"{name} {rest[0]}", *rest[1:]]
    return [*words]


def _subcommands(name: str) -> dict[str, type]:
    found: dict[str, type] = _module(name).SUBCOMMANDS
    return found


def _module(name: str) -> Any:
    """Import the module of a command."""
    return importlib.import_module(f"subjective.cli.{COMMANDS[name.partition(' ')[0]].module}")


def _resume(folder: Path, *, force: bool) -> int:
    """Read which command made a run folder, and run that command again to continue the run."""
    file = record_file(folder)
    module = _module("resume")
    module.check_unfinished(folder)
    command = read_record(file)["command"]
    if command not in TABLES:
        raise InputError(f"{str(file)!r} is of {command!r}, which makes no run; wanted one of {', '.join(TABLES)}")
    kind = options_class(command)
    words = recorded_words(kind, command, file)
    options: Any = parse(kind, command, [*words, "--force"] if force else words)
    status: int = _module(command).run(options, folder)
    return status
