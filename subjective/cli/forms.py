"""Describe the flags of commands as a form, and turn what a form holds into words. A new flag appears by itself."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, describe
from subjective.cli.arguments import parse, to_words
from subjective.cli.commands.networks import ApplyCommand
from subjective.cli.commands.pictures import BatchCommand, SweepCommand
from subjective.cli.commands.table import COMMANDS
from subjective.cli.help import FIRST, group_fields
from subjective.cli.options import FolderOptions
from subjective.cli.words import NUMBER, Flag, list_flags
from subjective.descriptions import field_docs
from subjective.imports import Table
from subjective.studio.desk import APPLIED
from subjective.synthesis.presets import changes_of

LEFT_OUT = frozenset(
    [
        "out", "force", "output_dir", "config", "data_dir", "plugin", "quiet", "verbose", "watch", "dry_run", "compile",
        "frame_weights", "export", "distributed", "coordinator", "processes", "process_id",
    ]
)  # fmt: skip
"""Settings that a form does not have. They say where files go, name files that are executed or are no pictures, or need
further processes."""

NETWORK = "NETWORK"
"""The name in the help of a trained network: a file, or a name of one that comes with the package."""


class CommandForms:
    """The forms of the commands that make something; see `subjective.studio.desk.Forms`."""

    def __init__(self) -> None:
        """List the commands."""
        self._kinds = {
            name: entry.kind
            for name, entry in COMMANDS.items()
            if entry.kind is not None
            and issubclass(entry.kind, (FolderOptions, ApplyCommand))
            and not issubclass(entry.kind, (BatchCommand, SweepCommand))
        }

    def describe(self) -> list[dict[str, Any]]:
        """Return the form of each command: ``name``, ``summary``, ``fields`` and ``presets``."""
        return [
            {
                "name": name,
                "summary": COMMANDS[name].summary,
                "fields": _describe_fields(kind),
                "presets": _describe_presets(kind),
            }
            for name, kind in self._kinds.items()
        ]

    def to_words(self, command: str, values: Mapping[str, Any], folders: list[Path], output_dir: Path) -> list[str]:
        """Return the words of a command; see `subjective.studio.desk.Forms`."""
        if command not in self._kinds:
            raise InputError(f"{describe(command)} cannot be started; wanted one of {', '.join(self._kinds)}")
        kind: Any = self._kinds[command]
        flags = {flag.field: flag for flag in list_flags(kind) if flag.field not in LEFT_OUT}
        given: dict[str, Any] = {}
        for field, value in values.items():
            if field not in flags:
                raise InputError(f"there is no setting {describe(field)} in the form of {command}")
            flag = flags[field]
            _check_value(flag, value, folders)
            given[field if flag.positional else flag.name.removeprefix("--").replace("-", "_")] = value
        words = to_words(kind, given)
        if kind is ApplyCommand:  # it makes no run folder; the same command writes the same files again
            name = hashlib.sha256(shlex.join(words).encode()).hexdigest()[:8]
            words += [f"--output={output_dir / APPLIED / name}/", "--force"]
        else:
            words += [f"--output-dir={output_dir}"]
        options: Any = parse(kind, command, words)
        options.check_files()
        return words


def _check_value(flag: Flag, value: Any, folders: Sequence[Path]) -> None:
    """Refuse a value that is not of the flag's kind, that would be read as a flag, or that names a file elsewhere."""
    for item in value if isinstance(value, list) and flag.several else [value]:
        if flag.kind is bool:
            sound = isinstance(item, bool)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            sound = True
        else:
            sound = isinstance(item, str) and item.isprintable() and (item[:1] != "-" or bool(NUMBER.fullmatch(item)))
        if not sound:
            raise InputError(f"{flag.name} is {describe(item)}; wanted {flag.describe()}")
        is_file = flag.names_files or flag.metavar == NETWORK
        if is_file and isinstance(item, str) and not _may_be_read(item, flag, folders):
            raise InputError(f"{flag.name} names {describe(item)}, which is not in the served folder; drop it here")


def _may_be_read(item: str, flag: Flag, folders: Sequence[Path]) -> bool:
    """Return whether a word names a file in one of some folders, or is a name and no path, if the flag takes names."""
    if ("|" in flag.metavar or flag.metavar == NETWORK) and not any(mark in item for mark in "/\\~."):
        return True
    path = Path(item)
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return path.is_absolute() and any(found.is_relative_to(folder.resolve()) for folder in folders)


def _describe_fields(kind: type) -> list[dict[str, Any]]:
    docs, flags = field_docs(kind), {flag.field: flag for flag in list_flags(kind)}
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    groups = {field: group for group, members in group_fields(kind).items() for field in members}
    first = [*(field for field, flag in flags.items() if flag.positional or flag.required), *FIRST]
    described = []
    for field in [*flags.keys() - groups.keys(), *groups]:  # words without a flag are in no group of the help
        flag = flags[field]
        if field in LEFT_OUT:
            continue
        default = defaults[field]
        described.append(
            {
                "field": field,
                "flag": flag.name,
                "help": docs.get(field, ""),
                "kind": _kind_of(flag),
                "choices": list(flag.choices),
                "several": flag.several,
                "optional": flag.optional,
                "required": flag.required,
                "default": None if default is dataclasses.MISSING else _to_json(default),
                "group": groups.get(field, "input"),
                "wanted": flag.describe() if flag.kind is not bool else "",
                "rank": first.index(field) if field in first else None,
            }
        )
    return described


def _kind_of(flag: Flag) -> str:
    if flag.metavar == NETWORK:
        return "network"
    if "MASK" in flag.metavar:
        return "mask"
    if any(word in flag.metavar for word in ("PICTURE", "STYLE", "CONTENT", "FOLDER")):
        return "pictures"
    if flag.choices and not flag.several:
        return "choice"
    return {bool: "yes", int: "whole", float: "number"}.get(flag.kind, "text")


def _describe_presets(kind: type) -> dict[str, Any]:
    """Return, by the field that names a preset, the settings that each preset changes.

    None stands for a table whose presets are imported when they are looked up, together with JAX.
    """
    found: dict[str, Any] = {}
    for flag, table in getattr(kind, "presets", lambda: {})().items():
        if isinstance(table, Table):
            found[flag.removeprefix("--").replace("-", "_")] = None
            continue
        changes = {name: changes_of(preset) for name, preset in table.items()}
        found[flag.removeprefix("--").replace("-", "_")] = {
            name: {field: _to_json(value) for field, value in changed.items()} for name, changed in changes.items()
        }
    return found


def _to_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
