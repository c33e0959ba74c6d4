"""The command line: a thin shell over the library's functions.

stdout carries results alone (a run's folder, a table that was asked for); progress and remarks go to
stderr. What the user can mend is one line there, and exit status 2.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from subjective.cli import evaluate, sweep, synthesize, transfer, weights
from subjective.cli.flags import to_flags
from subjective.cli.network_options import ApplyCommand, TrainCommand
from subjective.cli.options import (
    AnimateCommand,
    EvaluateCommand,
    NoveltyCommand,
    ResumeCommand,
    SweepCommand,
    SynthesizeCommand,
    TransferCommand,
)
from subjective.compilation import keep_compiled
from subjective.feedforward.config import LIKE
from subjective.runs.interrupts import Interrupted, interruptible
from subjective.runs.remarks import say
from subjective.synthesis.presets import LIKES, PRESETS
from subjective.version import __version__

Command = (
    Annotated[SynthesizeCommand, tyro.conf.subcommand("synthesize")]
    | Annotated[AnimateCommand, tyro.conf.subcommand("animate")]
    | Annotated[TransferCommand, tyro.conf.subcommand("transfer")]
    | Annotated[NoveltyCommand, tyro.conf.subcommand("novelty")]
    | Annotated[ResumeCommand, tyro.conf.subcommand("resume")]
    | Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[EvaluateCommand, tyro.conf.subcommand("evaluate")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[ApplyCommand, tyro.conf.subcommand("apply")]
    | Annotated[weights.WeightsCommand, tyro.conf.subcommand("weights")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process if not given.

    Returns:
        The exit status: 0; 2 for what the user can mend; 128 and the signal's number when interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        sys.stdout.write(f"subjective {__version__}\n")
        return 0
    try:
        with interruptible():
            command = _parse(_with_settings(arguments))
            keep_compiled()
            return _dispatch(command, arguments)
    except Interrupted as interrupt:
        return 128 + interrupt.number
    except (ValueError, OSError, ImportError) as error:
        return _refuse(_one_line(error))


def _refuse(message: str) -> int:
    say(message)
    return 2


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename!r}" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__


def _with_settings(arguments: list[str]) -> list[str]:
    """Put the settings of ``--preset``, ``--like`` and ``--config`` before the flags given, which thereby win."""
    flags: list[str] = []
    given = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments[1:]))
    name = _last(arguments, "--config")
    if name is not None:
        flags += _recorded("synthesize" if arguments[0] == "sweep" else arguments[0], name)
        if given and flags and not flags[0].startswith("-"):
            del flags[0]  # the content is given anew
    likes = LIKE if arguments[:1] == ["train"] else LIKES
    for flag, table in (("--preset", PRESETS), ("--like", likes)):
        chosen = _last(arguments, flag)
        if name is not None and chosen is not None and not table.get(chosen, True):
            raise ValueError(f"{flag} {chosen} and --config were both given; leave out one of them")
        if chosen is not None and chosen in table:
            flags += to_flags(table[chosen])
    # Before a flag that takes several words, which would take these as well.
    return [arguments[0], *given, *flags, *arguments[1 + len(given) :]] if flags else arguments


def _last(arguments: list[str], flag: str) -> str | None:
    """The word after the last such flag; None where there is none."""
    places = [i for i, word in enumerate(arguments) if word == flag or word.startswith(f"{flag}=")]
    if not places:
        return None
    return arguments[places[-1]].partition("=")[2] or "".join(arguments[places[-1] + 1 : places[-1] + 2])


def _record(name: str) -> tuple[str, list[str]]:
    """The command that a run folder's config.json is of, and the flags that it stands for."""
    try:
        recorded = json.loads(Path(name).read_text(encoding="utf-8"))
        values, command = dict(recorded["settings"]), str(recorded["command"])
        positional = [str(values.pop("content"))] if command == "transfer" else []
        return command, [*positional, *to_flags({key: value for key, value in values.items() if key != "config"})]
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"no such file: {name!r}; wanted the config.json of a run folder") from None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{name!r} holds no settings; wanted the config.json of a run folder") from None


def _recorded(command: str, name: str) -> list[str]:
    """The flags of a run of that command, for its --config."""
    recorded, flags = _record(name)
    if command != recorded:
        raise ValueError(f"{name!r} is of `subjective {recorded}`, not of `subjective {command}`")
    return flags


def _resume(folder: Path) -> int:
    """`subjective resume`: the command that made a run folder, on it again."""
    file = folder / "config.json"
    if not file.is_file():
        raise ValueError(f"{str(folder)!r} holds no config.json; wanted the folder of a run that was stopped")
    summary = folder / "summary.json"
    if summary.is_file() and json.loads(summary.read_text(encoding="utf-8")).get("status") == "finished":
        raise ValueError(f"the run in {str(folder)!r} is finished; there is nothing to go on with")
    command, flags = _record(str(file))
    config = _parse([command, *flags])
    if isinstance(config, TrainCommand):
        return _train(config, folder)
    if isinstance(config, SynthesizeCommand):
        return synthesize.synthesize(config, resume=folder)
    if isinstance(config, AnimateCommand):
        return synthesize.animate(config, resume=folder)
    if isinstance(config, TransferCommand):
        return transfer.command(config, resume=folder)
    return synthesize.novelty(config, resume=folder)


def _parse(arguments: list[str]) -> Any:
    """Parse by tyro; its boxed error messages become one line."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                Command,
                prog="subjective",
                args=arguments,
                description=_DESCRIPTION,
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # A box, or its plain form: a title, the message, a rule, and where to find help.
        lines = [line.strip(" │╭╮╰╯─") for line in box.getvalue().splitlines()[1:]]
        groups = itertools.groupby(lines, key=lambda line: bool(line.strip("-")))
        message = " ".join(next((group for is_text, group in groups if is_text), ["these words were not understood"]))
        raise ValueError(f"{' '.join(message.split()).rstrip('.')}; see subjective --help") from None


_DESCRIPTION = "Multiscale neural texture synthesis: new pictures from what a network sees in old ones."


def _without(arguments: list[str], flag: str) -> list[str]:
    """The words that are no such flag and no value of one."""
    kept, dropping = [], False
    for word in arguments:
        if word.startswith("-"):
            dropping = word == flag or word.startswith(f"{flag}=")
        if not dropping:
            kept.append(word)
    return kept


def _train(config: TrainCommand, resume: Path | None = None) -> int:
    from subjective.cli.train import train  # flax is loaded only where it is wanted

    return train(config, resume)


def _apply(config: ApplyCommand) -> int:
    from subjective.cli.apply import apply

    return apply(config)


def _dispatch(command: Any, arguments: list[str]) -> int:
    if isinstance(command, SweepCommand):
        words = ["synthesize", *_without(arguments[1:], "--vary")]
        return sweep.command(command, words, lambda flags: _parse(_with_settings(flags)))
    if isinstance(command, SynthesizeCommand):
        return synthesize.synthesize(command)
    if isinstance(command, AnimateCommand):
        return synthesize.animate(command)
    if isinstance(command, TransferCommand):
        return transfer.command(command)
    if isinstance(command, NoveltyCommand):
        return synthesize.novelty(command)
    if isinstance(command, TrainCommand):
        return _train(command)
    if isinstance(command, ApplyCommand):
        return _apply(command)
    if isinstance(command, ResumeCommand):
        return _resume(Path(command.run))
    if isinstance(command, EvaluateCommand):
        return evaluate.command(command)
    return weights.dispatch(command.action)
