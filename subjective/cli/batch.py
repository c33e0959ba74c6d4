"""`subjective batch`: make a texture from each of many pictures by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from subjective.checks import InputError
from subjective.cli.attempts import Attempt, attempt
from subjective.cli.commands.pictures import BatchCommand, SynthesizeCommand
from subjective.cli.outputs import check_out, make_place, number_files, refuse_inputs
from subjective.files import read_plainly, write_bytes
from subjective.images import find_images
from subjective.runs.interrupts import Interrupted
from subjective.terminal import announce, labelled, note, report_error, say


def run(options: BatchCommand) -> int:
    """Run the command.

    Returns:
        0 if all textures were made, 1 if some failed, 2 if all failed and a user can mend each.
    """
    files = find_images(options.source, "picture")
    names = name_results(files)
    if options.out is not None:
        results = [Path(options.out) / f"{name}.png" for name in names]
        refuse_inputs(options, *(file for result in results for file in number_files(result, options.count)))
    # A batch that is repeated makes what is missing, so it may renew what it said before.
    check_out(
        dataclasses.replace(options, force=options.force or _is_summary(options.summary)), "summary", suffixes=[".json"]
    )
    failures: list[str] = []
    statuses: list[int] = []
    entries: list[dict[str, Any]] = []
    there = 0
    for number, (file, name) in enumerate(zip(files, names, strict=True), 1):
        say(f"picture {number}/{len(files)}: {file}")
        left = list(zip(files, names, strict=True))[number - 1 :]
        one = _options_for(options, file, name)
        if one.out is not None and not one.force and all(made.exists() for made in number_files(one.out, one.count)):
            note(f"note: {one.out!r} is there already and is not made again; --force makes it again")
            announce(Path(one.out))
            there += 1
            entries.append(_describe(file, one, None))
            _write_summary(options, entries)
            continue
        try:
            with labelled(file.name):
                made = attempt(one, begun=announce)
        except Interrupted as interrupt:
            unmade = [_describe(each, _options_for(options, each, name), "interrupted") for each, name in left]
            _write_summary(options, [*entries, *unmade])
            report_error(f"interrupted; {_count(len(files), len(files) - len(left) - len(failures) - there, there)}")
            interrupt.is_told = True
            raise
        if made.status:
            report_error(f"{file.name} failed: {made.reason}")
            failures.append(f"{file.name}: {made.reason}")
            statuses.append(made.status)
        entries.append(_describe(file, one, made))
        _write_summary(options, entries)
    counted = _count(len(files), len(files) - len(failures) - there, there)
    if not failures:
        if not options.dry_run:
            say(counted)
        return 0
    report_error(f"{counted}; failed: {'; '.join(failures)}")
    return 2 if statuses == [2] * len(files) else 1


def _count(pictures: int, made: int, there: int) -> str:
    """Say how many pictures of a batch were made, and how many were there."""
    counted = f"{made} of {pictures} made"
    return f"{counted}, {there} {'was' if there == 1 else 'were'} there already" if there else counted


def _describe(file: Path, one: SynthesizeCommand, made: Attempt | Literal["interrupted"] | None) -> dict[str, Any]:
    """Return what the summary says of a picture.

    Args:
        file: the picture.
        one: the options of its run.
        made: what became of the run; None if the result was there already, "interrupted" if a signal came first.
    """
    if made == "interrupted":
        return {
            "picture": str(file), "status": made, "exit_status": None, "reason": made, "run": None, "files": []
        }  # fmt: skip
    names = [] if one.out is None else [str(path) for path in number_files(one.out, one.count)]
    folder = None if made is None or made.folder is None else str(made.folder)
    status, reason = (0, "") if made is None else (made.status, made.reason)
    word = "there already" if made is None else "failed" if made.status else "made"
    files = [] if status else names
    return {
        "picture": str(file), "status": word, "exit_status": status, "reason": reason, "run": folder, "files": files
    }  # fmt: skip


def _is_summary(path: str | None) -> bool:
    """Return whether a file is a summary that a batch wrote."""
    with contextlib.suppress(InputError, OSError, ValueError, RecursionError):
        content = json.loads(read_plainly(Path(path or "")))
        return isinstance(content, dict) and content.keys() == {"version", "pictures"}
    return False


def _write_summary(options: BatchCommand, entries: Sequence[dict[str, Any]]) -> None:
    """Write what is known so far, so that it is there after a stop, too."""
    if options.summary is not None and not options.dry_run:
        content = {"version": 1, "pictures": entries}
        make_place(Path(options.summary))
        write_bytes(Path(options.summary), f"{json.dumps(content, indent=2)}\n".encode())


def name_results(files: Sequence[Path]) -> list[str]:
    """Return a name for the result of each picture: that of the picture, with a number if the name is taken."""
    names: list[str] = []
    for file in files:
        numbered = (f"{file.stem}-{number}" for number in itertools.count(2))
        names.append(next(name for name in itertools.chain([file.stem], numbered) if name not in names))
    return names


def _options_for(options: BatchCommand, file: Path, name: str) -> SynthesizeCommand:
    """Return the options of the run for one picture.

    Args:
        options: options of the command.
        file: the picture.
        name: name of the result, without suffix.
    """
    shared = {field.name: getattr(options, field.name) for field in dataclasses.fields(SynthesizeCommand)}
    own = {
        "source": (str(file),),
        "output_prefix": f"{options.output_prefix}-{name}",
        "config": None,  # read already; and the pictures that it records are not this one
        "out": None if options.out is None else str(Path(options.out) / f"{name}.png"),
    }
    return SynthesizeCommand(**shared | own)
