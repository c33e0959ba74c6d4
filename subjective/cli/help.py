"""Write the help of a command: first the flags that people need most, then all flags in groups."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from subjective.checks import OneOf, type_hints
from subjective.cli.arguments import flag_of
from subjective.descriptions import field_docs, grouped_fields
from subjective.synthesis.settings import NOISE

FIRST = (
    "source", "out", "output_width", "output_height", "preset", "count", "max_iter", "join_mode", "seed", "dry_run",
)  # fmt: skip
"""The ten settings that people need most, in the order in which the help shows them. Those that only an edit has come
after the first two."""

INDENT = 6
NAMES = 14
"""Width of the column of names in a list of commands."""

REQUIRED = "required"


def help_text(kind: type, name: str) -> str:
    """Write the help of a command.

    Args:
        kind: class of the command's options.
        name: name of the command.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    positional = [field for field in fields.values() if _is_positional(kind, field.name)]
    words = "".join(f" {_metavar(kind, field.name)}" for field in positional)
    sections = [[f"usage: subjective {name}{words} [flags]"], wrap(inspect.getdoc(kind) or "", 0)]
    sections += [_entry(kind, field, _metavar(kind, field.name)) for field in positional]
    texts, own = field_docs(kind), [field.name for field in grouped_fields(kind).get("edit", [])]
    names = [each for each in (*FIRST[:2], *own, *FIRST[2:]) if not texts.get(each, "").startswith("Refused")]
    first = [fields[each] for each in names if each in fields and fields[each] not in positional][: len(FIRST)]
    if len(first) > len(FIRST) // 2:
        sections.append(["these first:", *_entries(kind, first, brief=True)])
    sections += [[f"{group}:", *_entries(kind, members)] for group, members in _flags_in_groups(kind).items()]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _entries(kind: type, fields: Iterable[dataclasses.Field[Any]], *, brief: bool = False) -> list[str]:
    return [line for field in fields for line in _entry(kind, field, brief=brief)]


def _flags_in_groups(kind: type) -> dict[str, list[dataclasses.Field[Any]]]:
    groups = {
        group: [field for field in members if not _is_positional(kind, field.name)]
        for group, members in grouped_fields(kind).items()
    }
    return {group: members for group, members in groups.items() if members}


def group_fields(kind: type) -> dict[str, list[str]]:
    """Return the names of the fields in each group of a command's help, in the order of the help."""
    return {group: [field.name for field in members] for group, members in _flags_in_groups(kind).items()}


def _entry(kind: type, field: dataclasses.Field[Any], title: str | None = None, brief: bool = False) -> list[str]:
    """Return the lines about a flag: all its names, then what the flag does.

    Args:
        kind: class of the command's options.
        field: the field whose flag is described.
        title: replaces the names; used for words without a flag.
        brief: whether to keep only the first sentence of the text.
    """
    names = title or ", ".join([*_aliases(kind, field.name), flag_of(field.name, kind)])
    value = "" if title else _value(kind, field.name)
    text = field_docs(kind).get(field.name, "")
    if brief:
        text = text.partition(". ")[0].rstrip(".") + "."
    default = _default_text(field)
    if default == REQUIRED:
        text = f"{text} (required)"
    elif default and "Default" not in text:
        text = f"{text} (default: {default})"
    return [f"  {names}{value}", *wrap(text, INDENT)]


def wrap_entry(name: str, text: str) -> list[str]:
    """Return the lines about a command in a list of commands: its name, and beside the name what the command does."""
    [first, *more] = wrap(text, NAMES)
    return [f"  {name:<{NAMES - 2}}{first.lstrip()}", *more]


def wrap(text: str, indent: int = 0) -> list[str]:
    """Break a text into lines no wider than the terminal."""
    width = min(shutil.get_terminal_size().columns, 110)
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )


def _default_text(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "" if field.default_factory is not dataclasses.MISSING else REQUIRED
    if value is None or value == () or isinstance(value, bool):
        return ""
    if value == NOISE:
        return "1/255"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _value(kind: type, name: str) -> str:
    hint = type_hints(kind)[name]
    if hint is bool:
        return f", --no-{flag_of(name, kind).removeprefix('--')}"
    return f" {_metavar(kind, name)}"


def _metavar(kind: type, name: str) -> str:
    for extra in _extras(kind, name):
        if getattr(extra, "metavar", None):
            return str(extra.metavar)
    names = [each for extra in _extras(kind, name) if isinstance(extra, OneOf) for each in extra]
    choices = names or _choices(type_hints(kind)[name])
    return "|".join(choices) if choices else "VALUE"


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(part)]


def _aliases(kind: type, name: str) -> list[str]:
    return [alias for extra in _extras(kind, name) for alias in getattr(extra, "aliases", None) or ()]


def _extras(kind: type, name: str) -> tuple[Any, ...]:
    return getattr(type_hints(kind, include_extras=True)[name], "__metadata__", ())


def _is_positional(kind: type, name: str) -> bool:
    return any("Positional" in repr(extra) or "POSITIONAL" in repr(extra).upper() for extra in _extras(kind, name))
