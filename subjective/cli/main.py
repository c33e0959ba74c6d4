"""The command line: `subjective.cli.commands.table` lists the commands.

The module that runs a command is imported only then: help, and the refusal of words and files, do not wait for JAX.

Only results go to stdout, such as the path of a run folder or a table of scores; progress and notes go to stderr. For
an error that the user can mend, stderr gets one line and the exit status is 2. Any other exception is a fault of this
program: the traceback goes to the run folder, or to stderr if there is no folder, and the exit status is 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, setting
from subjective.cli.arguments import load_plugins, parse, record_file, recorded_words, render_error
from subjective.cli.commands.table import COMMANDS, Entry, find_entry, options_class
from subjective.cli.commands.tools import ResumeCommand
from subjective.cli.help import help_text, wrap, wrap_entry
from subjective.cli.options import DistributedOptions
from subjective.cli.resume import check_unfinished
from subjective.cli.settings_file import TABLES
from subjective.cli.words import is_flag
from subjective.files import find_refusal
from subjective.images import PictureWarning
from subjective.plugins import PluginError
from subjective.runs.interrupts import UNMADE, Interrupted, LostProcessError, ending_at_once, interruptible
from subjective.runs.memory import is_out_of_memory
from subjective.runs.provenance import CONFIG_FILE, read_record
from subjective.studio.beside import start_beside
from subjective.terminal import note, open_closed_streams, report_error, set_verbosity
from subjective.version import __version__

DESCRIPTION = "Multiscale neural texture synthesis: new pictures from what a network sees in old ones."


SHARING = ("synthesize",)
"""Commands whose runs several processes can share."""


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
    status = _run(words)
    for leader in _LEADERS:
        leader.end(status)
    return status


def _run(words: Sequence[str]) -> int:
    """Run a command, say on stderr what went wrong, and return the exit status."""
    kind: type | None = None
    try:
        with interruptible(), notes_of_pictures():
            name, *rest = _join_subcommand(words)
            if name in COMMANDS and COMMANDS[name].subcommands and rest in ([], ["-h"], ["--help"]):
                sys.stdout.write(list_subcommands(name))
                return 0
            kind = options_class(name)
            if "-h" in rest or "--help" in rest:
                load_plugins(rest)
                sys.stdout.write(help_text(kind, name))
                return 0
            options: Any = parse(kind, name, rest)
            set_verbosity(options.verbosity)
            if getattr(options, "distributed", False):
                _join(options)
            if isinstance(options, ResumeCommand):
                return _resume(Path(options.run), force=options.force, watch=options.watch)
            options.check_files()
            module = _load(find_entry(name))
            if getattr(options, "watch", False) and not getattr(options, "dry_run", False):
                _show_page(Path(options.output_dir))
            status: int = module.run(options, rest) if name == "sweep" else module.run(options)
            return status
    except Interrupted as interrupt:
        if not interrupt.is_told:
            report_error(UNMADE)
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
    refused = find_refusal(error)
    if refused is not None:
        report_error(render_error(refused, kind))
        return 2
    if isinstance(error, LostProcessError):
        report_error(str(error))
        return 1
    if is_out_of_memory(error):
        reason = " ".join(str(error).split())[:200]
        report_error(f"out of memory{reason and f' ({reason})'}; use smaller pictures, or end other programs first")
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
    lines = [line for word, entry in COMMANDS[name].subcommands.items() for line in wrap_entry(word, entry.summary)]
    more = wrap(f"subjective {name} SUBCOMMAND --help says what a subcommand takes.")
    return "\n".join([f"usage: subjective {name} SUBCOMMAND ...", "", *lines, "", *more]) + "\n"


def _join_subcommand(words: Sequence[str]) -> list[str]:
    """Join a command and its subcommand into one word, such as ``weights show``."""
    name, *rest = words
    if name in COMMANDS and COMMANDS[name].subcommands and rest and not is_flag(rest[0]):
        return [f"{name} {rest[0]}", *rest[1:]]
    return [*words]


def _join(options: DistributedOptions) -> None:
    """Find the other processes of the run. Only process 0 returns; the others compute until the run ends."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # compiled libraries keep silent; before they are loaded
    with ending_at_once():
        from subjective.cli.distributed import join  # imports JAX

        leader = join(options)
    _LEADERS.append(leader)


_LEADERS: list[Any] = []
"""What ends the other processes, if the run has some and this one is process 0."""


def _show_page(folder: Path) -> None:
    """Start the page of a run. The run does not depend on it."""
    try:
        _PAGES.append(start_beside(folder))
    except OSError as error:
        note(f"note: no page can be shown ({error.strerror}); the run goes on without one")


_PAGES: list[Any] = []
"""The processes that show a page; each ends by itself, some time after this one."""


def _load(entry: Entry) -> Any:
    """Import the module that runs a command, and let JAX keep compiled programs if the command computes."""
    with ending_at_once():
        module = entry.load()
        if entry.computes:
            from subjective.compilation import enable_disk_cache  # imports JAX, which other commands do not wait for

            enable_disk_cache()
    return module


def _resume(folder: Path, *, force: bool, watch: bool) -> int:
    """Read which command made a run folder, and run that command again to continue the run."""
    folder = folder.parent if folder.name == CONFIG_FILE else folder
    file = record_file(folder)
    check_unfinished(folder)
    command = read_record(file)["command"]
    if command not in TABLES:
        raise InputError(f"{str(file)!r} is of {command!r}, which makes no run; wanted one of {', '.join(TABLES)}")
    entry, kind = find_entry(command), options_class(command)
    words = recorded_words(kind, command, file)
    options: Any = parse(kind, command, [*words, "--force"] if force else words)
    if _LEADERS and command not in SHARING:
        raise InputError(f"a run of `subjective {command}` is made by one process; leave out {setting('distributed')}")
    if watch:
        _show_page(folder.absolute().parent)
    status: int = _load(entry).run(options, folder)
    return status
