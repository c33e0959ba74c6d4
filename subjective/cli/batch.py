"""`subjective batch`: make a texture from each of many pictures by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, setting
from subjective.cli.attempts import Attempt, attempt
from subjective.cli.commands.pictures import BatchCommand, SynthesizeCommand
from subjective.cli.outputs import check_out, make_place, number_files, refuse_inputs
from subjective.files import read_plainly, write_bytes
from subjective.images import find_images
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
    failures, statuses, entries = [], [], []
    there = 0
    for number, (file, name) in enumerate(zip(files, names, strict=True), 1):
        say(f"picture {number}/{len(files)}: {file}")
        one = _options_for(options, file, name)
        if one.out is not None and not one.force and all(made.exists() for made in number_files(one.out, one.count)):
            note(f"note: {one.out!r} is there already and is not made again; {setting('force')} makes it again")
            announce(Path(one.out))
            there += 1
            entries.append(_describe(file, one, None))
            _write_summary(options, entries)
            continue
        with labelled(file.name):
            made = attempt(one, begun=announce)
        if made.status:
            report_error(f"{file.name} failed: {made.reason}")
            failures.append(f"{file.name}: {made.reason}")
            statuses.append(made.status)
        entries.append(_describe(file, one, made))
        _write_summary(options, entries)
    counted = f"{len(files) - len(failures) - there} of {len(files)} made"
    if there:
        counted += f", {there} {'was' if there == 1 else 'were'} there already"
    if not failures:
        say(counted)
        return 0
    report_error(f"{counted}; failed: {'; '.join(failures)}")
    return 2 if statuses == [2] * len(files) else 1


def _describe(file: Path, one: SynthesizeCommand, made: Attempt | None) -> dict[str, Any]:
    """Return what the summary says of a picture.

    Args:
        file: the picture.
        one: the options of its run.
        made: what became of the run; None if the result was there already.
    """
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
    if options.summary is not None:
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
