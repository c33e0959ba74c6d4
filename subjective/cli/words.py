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
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from subjective.checks import InputError, OneOf, allowed_values, type_hints

NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-?(inf|nan)", re.IGNORECASE)

EXAMPLES = {
    "PICTURE": "made.png",
    "PICTURE...": "gravel.jpg",
    "STYLE...": "painting.jpg",
    "FOLDER|FILE|NAME=FILE...": "rock_albedo.png rock_normal.png",
    "NAME=VALUE/VALUE/...": "octaves=2/3/4",
    "CONTENT": "photo.jpg",
    "NETWORK": "mosaic",
    "RUN": "outputs/RUN",
    "TILES": "outputs/RUN/tiles",
    "RUN...": "outputs/RUN",
    "SHELL": "bash",
    "NAME": "vgg16-keras",
    "NAME|FILE": "vgg16",
    "FILE": "vgg16.npz",
}
"""A value for each kind of word that a command cannot do without, by its name in the help."""


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
        return any(word in self.metavar for word in ("PICTURE", "MASK", "FILE", "DIR", "FOLDER", "CONTENT"))

    def describe(self) -> str:
        """Return which value the flag takes, such as "a whole number, 1 or more"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.wanted.startswith("a "):  # such as "a number above 0"
            return self.wanted
        kind = {int: "a whole number", float: "a number"}.get(self.kind, self.metavar)
        return f"{kind}, {self.wanted}" if self.wanted else kind

    def accepts(self, word: str) -> bool:
        """Return whether a word is a value of the flag's type."""
        if self.optional and word == "None":
            return True
        if self.choices:
            return word in self.choices
        if self.kind is int:
            return re.fullmatch(r"[+-]?\d+", word) is not None
        if self.kind is float:
            return NUMBER.fullmatch(word.removeprefix("+")) is not None
        return bool(word) or not self.names_files


@lru_cache(maxsize=32)
def list_flags(kind: type) -> tuple[Flag, ...]:
    """List the flags of a class of options, in the order of its fields."""
    hints = type_hints(kind, include_extras=True)
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
    """Write words with two meanings as words with one.

    A whole number after ``-o`` is the number of octaves, as in the 2017 program; any other word there names the result.
    A whole number after ``--seed`` is the seed of the noise; any other word there names the starting picture. Of a flag
    that takes several files and comes twice, all files count; of other flags, the last one does.

    Raises:
        InputError: two different seeds are given.
    """
    flags = list_flags(kind)
    fields = {flag.field for flag in flags}
    number_flags = {"-o": "--octaves"} if "octave_step" in fields else {}
    if {"seed", "init"} <= fields:
        number_flags["--seed"] = "--rng-seed"
    only_numbers = number_flags.keys() - {alias for flag in flags for alias in flag.aliases}
    written: list[str] = []
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, equals, value = word.partition("=")
        is_number = (value if equals else following).isdecimal() or name in only_numbers
        written.append(f"{number_flags[name]}{equals}{value}" if name in number_flags and is_number else word)
    written = _merge_repeated(flags, written)
    seeds = {value for given in split_words(written) if given.name == "--rng-seed" for value in given.values[:1]}
    if len(seeds) > 1:
        raise InputError(f"--seed and --rng-seed give the seeds {' and '.join(sorted(seeds))}; give one of them")
    return written


def _merge_repeated(flags: Sequence[Flag], words: Sequence[str]) -> list[str]:
    """Return words in which each flag that takes several files comes once."""
    files = [flag for flag in flags if flag.several and flag.names_files]
    several = {name: flag.name for flag in files for name in (flag.name, *flag.aliases)}
    merged: list[list[str]] = []
    first: dict[str, list[str]] = {}
    for given in split_words(words):
        values = [f"{given.name}={given.values[0]}", *given.values[1:]] if given.joined else given.values
        whole = values if given.joined or not given.name else [given.name, *values]
        flag = several.get(given.name)
        if flag is None or given.joined:
            merged.append(whole)
        elif flag in first:
            first[flag] += values
        else:
            first[flag] = whole
            merged.append(whole)
    return [word for part in merged for word in part]


class Given(NamedTuple):
    """A flag on the command line, and the words after it.

    Attributes:
        name: the flag as it was written; empty for the words before the first flag.
        values: the words.
        joined: whether the first word is joined to the flag with ``=``.
    """

    name: str
    values: list[str]
    joined: bool


def split_words(words: Sequence[str]) -> Iterator[Given]:
    """Yield each flag with the words after it. The words before the first flag come with an empty name."""
    starts = [0, *(place for place, word in enumerate(words) if is_flag(word)), len(words)]
    for start, end in itertools.pairwise(starts):
        if start == end:
            continue
        if not is_flag(words[start]):
            yield Given("", list(words[start:end]), False)
            continue
        name, equals, value = words[start].partition("=")
        yield Given(name, [*([value] if equals else []), *words[start + 1 : end]], bool(equals))


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
    seen: set[str] = set()
    loose: list[str] = []
    for given in split_words(words):
        if not given.name:
            loose += given.values
            continue
        name = given.name.replace("_", "-") if given.name.startswith("--") else given.name
        if name not in by_name:
            raise InputError(f"there is no {name} in `subjective {command}`; {_advise(name, flags, by_name, command)}")
        flag = by_name[name]
        seen.add(flag.field)
        loose += _check_values(flag, given._replace(name=name))
    _check_loose(flags, loose, command)
    for flag in flags:
        if flag.required and not flag.positional and flag.field not in seen:
            example = f"{flag.name} {EXAMPLES[flag.metavar]}"
            raise InputError(f"{flag.name} is missing; give {flag.name} {flag.metavar}, such as {example}")


def _check_values(flag: Flag, given: Given) -> list[str]:
    """Check the words after a flag; return those that do not belong to the flag."""
    name, values, joined = given
    if flag.kind is bool:
        if joined:
            raise InputError(f"{name} is {values[0]!r}; wanted {name} without a value, or --no-{flag.name[2:]}")
        return values
    if not values and not flag.several:
        raise InputError(f"{name} got no value; wanted {flag.describe()}")
    own = values if flag.several else values[:1]
    for value in own:
        _check_value(flag, name, value)
    return values[len(own) :]


def _check_value(flag: Flag, name: str, value: str) -> None:
    if not flag.accepts(value):
        near = difflib.get_close_matches(value.lower(), flag.choices, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        if flag.several and "," in value.strip(","):
            guess = f"; put spaces between several: {name} {' '.join(value.replace(',', ' ').split())}"
        raise InputError(f"{name} is {value!r}; wanted {flag.describe()}{guess}")


def _check_loose(flags: Sequence[Flag], loose: Sequence[str], command: str) -> None:
    """Check the words that belong to no flag."""
    takers = [flag for flag in flags if flag.positional]
    if len(loose) > len(takers) and not any(flag.several for flag in takers):
        word = loose[len(takers)]
        fields = {flag.field for flag in flags}
        hint = f"see subjective {command} --help"
        if word and Path(word).exists() and "source" in fields:
            hint = f"give sources as --source {word}"
        elif NUMBER.fullmatch(word) and "source_weights" in fields:
            hint = "--source-weights takes a number for each source"
        raise InputError(f"the word {word!r} belongs to no flag; {hint}")
    needed = [flag for flag in takers if flag.required]
    if len(loose) < len(needed):
        missing = needed[len(loose)].metavar
        example = " ".join(["subjective", command, *loose, EXAMPLES[missing]])
        raise InputError(f"{missing} is missing; give it right after the command, such as `{example}`")
    for place, word in enumerate(loose):
        taker = takers[min(place, len(takers) - 1)]
        _check_value(taker, taker.metavar, word)


SYNONYMS = {
    "frames": "count",
    "number": "count",
    "steps": "max-iter",
    "iterations": "max-iter",
    "size": "width",
    "input": "source",
    "weight": "source-weights",
}
"""Flags of other programs that have another name here, and no similar one."""


def _advise(name: str, flags: Sequence[Flag], known: dict[str, Flag], command: str) -> str:
    """Say what to do instead of giving a flag that does not exist."""
    bare = name.lstrip("-").lower()
    loose = next((flag for flag in flags if flag.positional and flag.field == bare.replace("-", "_")), None)
    if loose is not None:
        return f"give {loose.metavar} without a flag, right after the command"
    by_bare = {each.lstrip("-"): each for each in known}
    meant = SYNONYMS.get(bare)
    if meant in by_bare:
        return f"did you mean {by_bare[meant]}?"
    pictures = next((flag for flag in flags if flag.positional and flag.metavar.startswith("PICTURE")), None)
    if bare in ("s", "source", "input", "image") and pictures is not None:
        return f"give {pictures.metavar} without a flag, right after the command"
    swapped = [each for each in by_bare if sorted(each) == sorted(bare)]
    if swapped:
        return f"did you mean {by_bare[swapped[0]]}?"
    near = difflib.get_close_matches(bare, by_bare, 1)
    return f"did you mean {by_bare[near[0]]}?" if near else f"see subjective {command} --help"
