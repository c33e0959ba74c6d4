"""What each setting does, in words, read from the text below each field: for the command line's help and for `help`."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import re
import textwrap
from functools import lru_cache
from itertools import pairwise
from typing import Any

from subjective.checks import InputError, type_hints
from subjective.statistics.registry import STATISTICS

GROUPS = ("input", "output", "edit", "what is matched", "content", "frames", "schedule", "optimizer", "computing")
"""The groups of settings, in the order in which the help shows them. Other groups come last."""

WIDTH = 96
FLAG = re.compile(r"(?<!command line, )--([a-z][a-z-]*)")


class SettingNameError(InputError, TypeError):
    """No setting has this name."""


def field_docs(kind: type) -> dict[str, str]:
    """Return the text below each field of a class and its bases. A text in a subclass replaces that of the base.

    ``{statistics}`` in a text stands for the names of all statistics that are registered.
    """
    names = ", ".join(STATISTICS)
    return {field: text.replace("{statistics}", names) for field, text in _read_docs(kind).items()}


@lru_cache(maxsize=16)
def _read_docs(kind: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for node, following in pairwise(definition.body):
            text = following.value if isinstance(following, ast.Expr) else None
            named = isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            if named and isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[node.target.id] = " ".join(text.value.split())  # type: ignore[attr-defined]
    return found


def grouped_fields(kind: type) -> dict[str, list[dataclasses.Field[Any]]]:
    """Return the fields in each group. A field's group is that of the most basic class that declares the field."""
    found: dict[str, list[dataclasses.Field[Any]]] = {}
    for field in dataclasses.fields(kind):
        first = [base for base in kind.__mro__ if field.name in inspect.get_annotations(base)][-1]
        found.setdefault(first.__dict__.get("group", getattr(first, "group", "command")), []).append(field)
    order = [*GROUPS, *(group for group in found if group not in GROUPS)]
    return {group: found[group] for group in order if group in found}


def describe_settings(kind: type) -> type:
    """Decorate a class of settings: `help` shows each setting with its type, its default and what the setting does.

    A name that is no setting is refused with a guess. Classes without a decoration of their own have the attribute
    ``described`` of their base: the class whose settings they are. The text and the signature are made when they are
    asked for: importing the class stays quick.
    """
    kind.__doc__ = _Text(inspect.cleandoc(kind.__doc__ or ""))  # type: ignore[assignment]
    kind.__signature__ = _Signature()  # type: ignore[attr-defined]
    kind.__new__ = _make  # type: ignore[assignment]
    kind.described = kind  # type: ignore[attr-defined]
    return kind


def _make(kind: type, *args: Any, **settings: Any) -> Any:
    """Make a config, whose ``__init__`` then gets the same arguments.

    Raises:
        SettingNameError: a keyword is no setting.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, 1) or _find_flag(kind, name)
            guess = f"did you mean {near[0]}?" if near else f"help(subjective.{kind.__name__}) lists the settings"
            raise SettingNameError(f"{kind.__name__} has no setting {name!r}; {guess}")
    return object.__new__(kind)


def _find_flag(kind: type, name: str) -> list[str]:
    """Return the setting whose flag has this name on the command line; nothing if there is none."""
    flags = {f"-{name}", f"--{name.replace('_', '-')}"}
    hints = type_hints(kind, include_extras=True)
    aliases = {field: getattr(hint, "__metadata__", ()) for field, hint in hints.items()}
    return [
        field for field, all_ in aliases.items() if flags & {a for one in all_ for a in getattr(one, "aliases", ())}
    ]


class _Text:
    """A class's ``__doc__``: its own first lines, then all settings."""

    def __init__(self, first_lines: str) -> None:
        self.first_lines = first_lines

    def __get__(self, instance: object, kind: type) -> str:
        lines = [self.first_lines, "", "Every setting is a keyword. Flags of the command line have the same names."]
        texts = field_docs(kind)
        for group, fields in grouped_fields(kind).items():
            lines += ["", f"{group[0].upper()}{group[1:]}:"]
            for field in fields:
                lines.append(f"    {field.name}: {_type_text(kind, field.name)} = {field.default!r}")
                lines += _wrap(FLAG.sub(lambda match: _python_name(match, texts), texts.get(field.name, "")))
        return "\n".join(lines)


class _Signature:
    """A class's ``__signature__``: types without what the command line's parser and the checks of ranges need."""

    def __get__(self, instance: object, kind: type) -> inspect.Signature:
        return inspect.Signature(
            [
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=type_hints(kind)[field.name],
                )
                for field in dataclasses.fields(kind)
            ]
        )


def _type_text(kind: type, name: str) -> str:
    return inspect.formatannotation(type_hints(kind)[name]).replace("typing.", "").replace("subjective.choices.", "")


def _python_name(match: re.Match[str], known: dict[str, str]) -> str:
    name = match[1].replace("-", "_")
    return f"`{name}`" if name in known else match[0]


def _wrap(text: str) -> list[str]:
    indent = " " * 8
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
