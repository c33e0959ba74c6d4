"""Check the words of a command line before they are parsed, so that each mistake gets a line that names the flag.

The messages of the parser itself speak of its types and its files; nobody should have to read them.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from subjective.checks import InputError, OneOf, allowed_values

NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-?(inf|nan)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of a command, or a word without a flag.

    Attributes:
        field: name of the field that the flag sets.
        name: the flag's full name, such as ``--output-width``; for a word without a flag, the name in the help.
        aliases: other names of the flag.
        metavar: name of the flag's value in the help.
        kind: type of one value: int, float, str, or bool for a flag without a value.
        choices: the words that are allowed; empty if any word is.
        several: whether the flag takes several values.
        optional: whether the word ``None`` is allowed.
        required: whether the flag must be given.
        positional: whether the words come without a flag.
        wanted: which values are allowed, in words; empty if any value of the type is.
    """

    field: str
    name: str
    aliases: tuple[str, ...]
    metavar: str
    kind: type
    choices: Collection[str]
    several: bool
    optional: bool
    required: bool
    positional: bool
    wanted: str

    @property
    def names_files(self) -> bool:
        """Whether the flag's values may be the names of files or folders."""
        return any(word in self.metavar for word in ("PICTURE", "FILE", "DIR", "FOLDER", "CONTENT"))

    def describe(self) -> str:
        """Return which value the flag takes, such as "a whole number, 1 or more"."""
        kind = {int: "a whole number", float: "a number"}.get(self.kind, self.metavar)
        if self.choices:
            kind = f"one of {', '.join(self.choices)}"
        return f"{kind}, {self.wanted}" if self.wanted and self.kind in (int, float) else kind

    def accepts(self, word: str) -> bool:
        """Return whether a word is a value of the flag's type."""
        if self.optional and word == "None":
            return True
        if self.choices:
            return word in self.choices
        if self.kind is int:
            return re.fullmatch(r"[+-]?\d+", word) is not None
        return self.kind is not float or NUMBER.fullmatch(word.removeprefix("+")) is not None


@lru_cache(maxsize=32)
def list_flags(kind: type) -> tuple[Flag, ...]:
    """List the flags of a class of options, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    ranges = allowed_values(kind)
    return tuple(_flag_of(field, hints[field.name], ranges) for field in dataclasses.fields(kind))


def _flag_of(field: dataclasses.Field[Any], hint: Any, ranges: dict[str, Any]) -> Flag:
    extras = getattr(hint, "__metadata__", ())
    plain = getattr(hint, "__origin__", hint) if extras else hint
    settings = [extra for extra in extras if hasattr(extra, "aliases")]
    name = next((each.name for each in settings if each.name), field.name.replace("_", "-"))
    metavar = next((each.metavar for each in settings if each.metavar), "a word")
    positional = any("positional" in repr(extra).lower() for extra in extras)
    choices = get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,)
    inner = next(choice for choice in choices if choice is not type(None))
    several = get_origin(inner) is tuple
    inner = get_args(inner)[0] if several else inner
    words: Collection[str] = tuple(map(str, get_args(inner))) if get_origin(inner) is Literal else ()
    words = next((extra for extra in extras if isinstance(extra, OneOf)), words)
    wanted = ranges.get(field.name, (None,))[0]
    return Flag(
        field.name,
        metavar if positional else f"--{name}",
        tuple(alias for each in settings for alias in each.aliases or ()),
        metavar,
        inner if isinstance(inner, type) else str,
        words,
        several,
        type(None) in choices,
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        positional,
        "" if words or wanted is None else str(wanted),
    )


def is_flag(word: str) -> bool:
    """Return whether a word is a flag, and not a value or a negative number."""
    return word.startswith("-") and len(word) > 1 and NUMBER.fullmatch(word) is None


def rewrite(kind: type, words: Sequence[str]) -> list[str]:
    """Write words of the 2017 program as the words of this program.

    ``-o 5`` gives the number of octaves, where any other word after ``-o`` names the result. ``--seed 42`` gives the
    seed of the noise, where any other word after ``--seed`` names the starting picture.

    Raises:
        InputError: two different seeds are given.
    """
    fields = {flag.field for flag in list_flags(kind)}
    number_flags = {"-o": "--octaves"} if "octave_step" in fields else {}
    if {"seed", "init"} <= fields:
        number_flags["--seed"] = "--rng-seed"
    written: list[str] = []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        number = value if equals else following
        is_number = name in number_flags and number.isdecimal() and not Path(number).exists()
        written.append(f"{number_flags[name]}{equals}{value}" if is_number else word)
    seeds = {value for name, values in split_words(written) if name == "--rng-seed" for value in values[:1]}
    if len(seeds) > 1:
        raise InputError(f"--seed and --rng-seed give the seeds {' and '.join(sorted(seeds))}; give one of them")
    return written


def split_words(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag with the words after it. The words before the first flag come with an empty name."""
    starts = [0, *(place for place, word in enumerate(words) if is_flag(word)), len(words)]
    for start, end in itertools.pairwise(starts):
        if start == end:
            continue
        if not is_flag(words[start]):
            yield "", list(words[start:end])
            continue
        name, equals, value = words[start].partition("=")
        yield name, [*([value] if equals else []), *words[start + 1 : end]]


def check_words(kind: type, command: str, words: Sequence[str]) -> None:
    """Check that each word is a flag of the command or a value of the right type, and that nothing is missing.

    Args:
        kind: class of the command's options.
        command: name of the command.
        words: words after the command's name.

    Raises:
        InputError: a flag is unknown, a value is missing or of the wrong type, or a required flag is missing.
    """
    flags = list_flags(kind)
    by_name = {name: flag for flag in flags if not flag.positional for name in (flag.name, *flag.aliases)}
    by_name |= {f"--no-{flag.name[2:]}": flag for flag in flags if flag.kind is bool}
    given: set[str] = set()
    loose: list[str] = []
    for name, values in split_words(words):
        if not name:
            loose += values
            continue
        name = name.replace("_", "-") if name.startswith("--") else name
        if name not in by_name:
            raise InputError(f"there is no {name} in `subjective {command}`; {_guess_flag(name, by_name, command)}")
        flag = by_name[name]
        given.add(flag.field)
        loose += _check_values(flag, name, values)
    _check_loose(flags, loose, command)
    for flag in flags:
        if flag.required and not flag.positional and flag.field not in given:
            raise InputError(f"{flag.name} is missing; give {flag.name} {flag.metavar}")


def _check_values(flag: Flag, name: str, values: list[str]) -> list[str]:
    """Check the words after a flag; return those that do not belong to the flag."""
    if flag.kind is bool and not flag.several:
        return values
    if not values and not flag.several:
        raise InputError(f"{name} got no value; wanted {flag.describe()}")
    own = values if flag.several else values[:1]
    for value in own:
        if not flag.accepts(value):
            raise InputError(f"{name} is {value!r}; wanted {flag.describe()}{_guess_value(value, flag)}")
    return values[len(own) :]


def _check_loose(flags: Sequence[Flag], loose: Sequence[str], command: str) -> None:
    """Check the words that belong to no flag."""
    takers = [flag for flag in flags if flag.positional]
    room = None if any(flag.several for flag in takers) else len(takers)
    if room is not None and len(loose) > room:
        word = loose[room]
        is_source = Path(word).exists() and any(flag.field == "source" for flag in flags)
        hint = f"give sources as --source {word}" if is_source else f"see subjective {command} --help"
        raise InputError(f"the word {word!r} belongs to no flag; {hint}")
    needed = [flag for flag in takers if flag.required]
    if len(loose) < len(needed):
        raise InputError(f"{needed[len(loose)].metavar} is missing; give it after `subjective {command}`")


def _guess_flag(name: str, known: dict[str, Flag], command: str) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"see subjective {command} --help"


def _guess_value(value: str, flag: Flag) -> str:
    near = difflib.get_close_matches(value, flag.choices, 1)
    return f"; did you mean {near[0]}?" if near else ""
