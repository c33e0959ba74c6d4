"""`subjective batch`: make a texture from each of many pictures by itself."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from subjective.checks import InputError, setting
from subjective.cli.arguments import parse, render_error, without_flag
from subjective.cli.pictures import announce
from subjective.cli.synthesize import SynthesizeCommand
from subjective.cli.synthesize import run as synthesize
from subjective.cli.words import is_flag
from subjective.images import find_images
from subjective.runs.progress import note, report_error, say
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class BatchCommand(SynthesizeCommand):
    """Make a texture from each picture by itself, each in a run folder of its own. A picture that fails does not stop
    the rest. All flags of `subjective synthesize` but --source apply to every picture."""

    pictures: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="PICTURE...")]
    """Pictures, folders of pictures, or glob patterns."""
    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    """Not for this command: name the pictures without a flag."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FOLDER")] = None
    """Write each result to this folder too, under its picture's name. A result that is there already is not made
    again, so that the command can be repeated after a stop; --force makes it again."""

    recorded_as: ClassVar[str] = "synthesize"

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.source:
            raise InputError(
                f"{setting('source')} is not for a batch; name the pictures right after `subjective batch`"
            )
        if self.out is not None and Path(self.out).is_file():
            raise InputError(f"{setting('out')} is {self.out!r}, which is a file; wanted a folder")


def run(options: BatchCommand, words: Sequence[str]) -> int:
    """Run the command.

    Args:
        options: options of the command.
        words: the words that ``options`` was parsed from. Each run gets all flags among them.

    Returns:
        0 if all textures were made, 1 if some failed, 2 if all failed.
    """
    files = find_images(options.pictures, "picture")
    flags = list(itertools.dropwhile(lambda word: not is_flag(word), words))
    for flag in ("--out", "--output", "-o"):
        flags = without_flag(flags, flag)
    failures: list[str] = []
    for number, file in enumerate(files, 1):
        say(f"picture {number}/{len(files)}: {file}")
        one = parse(SynthesizeCommand, "synthesize", ["--source", str(file), *flags])
        one = dataclasses.replace(one, output_prefix=f"{options.output_prefix}-{file.stem}", out=_target(options, file))
        if one.out is not None and Path(one.out).exists() and not options.force:
            note(f"note: {one.out!r} is there already and is not made again")
            announce(Path(one.out))
            continue
        try:
            if synthesize(one) != 0:
                failures.append(file.name)
        except InputError as error:
            reason = render_error(error, SynthesizeCommand)
            report_error(f"{str(file)!r}: {reason}")
            failures.append(file.name)
    if failures:
        report_error(f"{len(files) - len(failures)} of {len(files)} made; failed: {', '.join(failures)}")
    return 0 if not failures else 2 if len(failures) == len(files) else 1


def _target(options: BatchCommand, file: Path) -> str | None:
    """Return the file for the result of a picture; None without --out."""
    return None if options.out is None else str(Path(options.out) / f"{file.stem}.png")
