"""Check settings and pictures, and raise `InputError` for errors that a user can mend.

The command line shows an `InputError` as a message without a traceback. Most other exceptions are faults of this
program, and the command line keeps their traceback.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from subjective.choices import list_words

type_hints = lru_cache(maxsize=128)(get_type_hints)
"""`typing.get_type_hints`, which takes milliseconds, once for each class."""

# Two characters of Unicode's private use area enclose the name of a setting in a message.
_OPEN, _CLOSE = "\ue000", "\ue001"
_SETTING = re.compile(f"{_OPEN}(.*?){_CLOSE}")


def setting(name: str) -> str:
    """Mark the name of a config's field in the message of an `InputError`.

    A Python user then reads ``max_iter``, a shell user ``--max-iter``.
    """
    return f"{_OPEN}{name}{_CLOSE}"


def count_of(number: int, thing: str) -> str:
    """Return a number with the name of what is counted, such as ``1 octave`` or ``2 octaves``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def describe(value: Any) -> str:
    """Describe a value of the wrong kind in a few words."""
    try:
        text = repr(value)
    except Exception:  # what ``__repr__`` of the caller's object raises
        text = ""
    if isinstance(value, (str, bytes)):
        return text if len(text) <= 400 else f"{text[:400]}…"
    return text if text.isprintable() and 0 < len(text) <= 60 else f"an object of {type(value).__name__}"


class Message(str):
    """A message about settings. The string itself has no marks.

    Attributes:
        marked: the message with the names of settings as `setting` has marked them.
    """

    marked: str

    def __new__(cls, marked: str) -> Message:
        """Make the string without marks, and keep the text with marks as ``marked``."""
        message = super().__new__(cls, _SETTING.sub(r"\1", marked))
        message.marked = marked
        return message

    def render(self, rename: Callable[[str], str]) -> str:
        """Return the message with each setting's name replaced by ``rename(name)``, for example by its flag."""
        return _SETTING.sub(lambda found: rename(found[1]), self.marked)


class InputError(ValueError):
    """A value, a picture or a file cannot be used. The message says what was given, what was wanted and what to do."""

    def __init__(self, message: str):
        """Keep a message in which `setting` has marked the names of settings."""
        self.message = Message(message)
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message without marks. Without this method, a `FileError` would show its error number instead."""
        return self.message

    def render(self, rename: Callable[[str], str]) -> str:
        """Return the message with each setting's name replaced by ``rename(name)``, for example by its flag."""
        return self.message.render(rename)


class FileError(InputError, OSError):
    """The operating system refused to read or write a file."""


class MissingFileError(InputError, FileNotFoundError):
    """A file, a network or a source does not exist."""


class MissingPackageError(InputError, ImportError):
    """An optional package is not installed. The message says how to install the package."""


@contextlib.contextmanager
def file_errors(action: str, path: str | Path) -> Iterator[None]:
    """Turn an `OSError` that the block raises into a `FileError` that says what could not be done.

    Args:
        action: a verb, such as ``read`` or ``write``.
        path: the file or folder.
    """
    try:
        yield
    except InputError:  # its message already says what could not be done
        raise
    except OSError as error:
        refused = FileError(f"cannot {action} {describe(str(path))}: {error.strerror or error}")
        refused.errno, refused.strerror, refused.filename = error.errno, error.strerror, str(path)
        raise refused from error


# Ranges of settings, in the metadata of a config's fields


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers that a setting may have. A field of a settings class has its `Range` in its annotation.

    Attributes:
        least: the smallest number.
        most: the largest number.
        open: whether ``least`` itself is refused.
        unit: what the numbers count; it is shown in messages.
    """

    least: float = -math.inf
    most: float = math.inf
    open: bool = False
    unit: str = ""

    def __contains__(self, value: Any) -> bool:
        """Return whether a number is finite and lies in the range."""
        inside = self.least <= value <= self.most and not (self.open and value == self.least)
        with contextlib.suppress(OverflowError):  # a whole number that is too large for a float
            return math.isfinite(value) and bool(inside)
        return False

    def __str__(self) -> str:
        """Describe the range, such as ``2 frames or more``."""
        unit = f" {self.unit}" if self.unit else ""
        if self.least == -math.inf:
            return "a finite number"
        if self.open:
            most = "" if self.most == math.inf else f", at most {self.most:g}"
            return f"a number above {self.least:g}{most}"
        if self.most == math.inf:
            return f"{self.least:g}{unit} or more"
        return f"{self.least:g} to {self.most:.10g}{unit}"


def at_least(least: float, unit: str = "") -> Range:
    """Return the range of all numbers from ``least`` up."""
    return Range(least, unit=unit)


def above(least: float, most: float = math.inf) -> Range:
    """Return the range of all numbers greater than ``least``, up to ``most``."""
    return Range(least, most, open=True)


def between(least: float, most: float) -> Range:
    """Return the range from ``least`` to ``most``, both included."""
    return Range(least, most)


@dataclasses.dataclass(frozen=True, eq=False)
class OneOf(Collection[str]):
    """The names that a setting may have: the keys of a table, to which `subjective.register` may add.

    Attributes:
        table: the table.
    """

    table: Mapping[str, Any]

    def __contains__(self, name: object) -> bool:
        """Return whether the table has a name."""
        return isinstance(name, str) and name in self.table

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self.table)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self.table)


FINITE = Range()
SHARE = between(0, 1)
WEIGHT = at_least(0)


def tidy_settings(config: Any, **changes: Any) -> None:
    """Give each field of a config the type in its annotation, where a value of another type clearly means it.

    A string where a tuple of strings is wanted becomes a tuple of one; a list becomes a tuple; a number of NumPy
    becomes a number of Python.

    Args:
        config: settings, which this function changes.
        changes: new values of fields.

    Raises:
        InputError: a value is of another type. The message says the setting's name, the value and what was wanted.
    """
    for name, value in changes.items():
        object.__setattr__(config, name, value)
    for field in dataclasses.fields(config):
        if isinstance(value := getattr(config, field.name), np.generic):
            object.__setattr__(config, field.name, value.item())
    for name, (kind, several, optional) in _types(config.__class__).items():
        value = getattr(config, name)
        if value is None and optional:
            continue
        if several:
            items = (value,) if isinstance(value, str) else value
            if not isinstance(items, (tuple, list, np.ndarray)):
                raise InputError(f"{setting(name)} is {value!r}; wanted a tuple of {_NAMES[kind]}s")
            numbers = (int, np.integer) if kind is str else ()  # of layers
            tidy: Any = tuple(_tidy_one(name, str(i) if isinstance(i, numbers) else i, kind) for i in items)
        else:
            tidy = _tidy_one(name, value, kind)
        object.__setattr__(config, name, tidy)


_NAMES = {int: "whole number", float: "number", str: "string", bool: "truth value"}


def _tidy_one(name: str, value: Any, kind: type) -> Any:
    """Return a value as the type ``kind``, or raise an `InputError`."""
    value = value.item() if isinstance(value, np.generic) else value
    allowed: tuple[type, ...] = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{setting(name)} is {value!r}; wanted a {_NAMES[kind]}")
    return value


@lru_cache(maxsize=32)
def _types(kind: Any) -> dict[str, tuple[type, bool, bool]]:
    """Return the type of each field of a class: of one item, whether there are several, and whether it may be None.

    Fields that are checked against a `Range` or words have no entry if they hold a single value.
    """
    found = {}
    checked = allowed_values(kind)
    for field in dataclasses.fields(kind):
        hint = type_hints(kind)[field.name]
        choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        inner = next(choice for choice in choices if choice is not type(None))
        item = get_args(inner)[0] if (several := get_origin(inner) is tuple) else inner
        if item in _NAMES and (several or field.name not in checked):
            found[field.name] = (item, several, type(None) in choices)
    return found


def check_settings(config: Any) -> None:
    """Check the value of each field of a config against the `Range`, `OneOf` or ``Literal`` in its annotation.

    Raises:
        InputError: a value does not fit. The message says the setting's name, the value and what was wanted.
    """
    for name, (wanted, number, optional) in allowed_values(config.__class__).items():
        value = getattr(config, name)
        if value is None and optional:
            continue
        if isinstance(wanted, Range):
            check_number(setting(name), value, wanted, whole=number is int)
        else:
            check_word(setting(name), value, wanted)


def check_number(name: str, value: Any, wanted: Range, *, whole: bool = False) -> None:
    """Check that a value is a number of a range.

    Args:
        name: of the value, for the message.
        value: the value.
        wanted: the range.
        whole: whether only whole numbers are taken.

    Raises:
        InputError: the value is no such number.
    """
    fits = isinstance(value, (int, np.integer) if whole else (int, float, np.integer, np.floating))
    if not fits or isinstance(value, bool):
        raise InputError(f"{name} is {describe(value)}; wanted {'a whole number' if whole else 'a number'}, {wanted}")
    if value not in wanted:
        shown = describe(value) if isinstance(value, (int, np.integer)) else format(value, "g")
        raise InputError(f"{name} is {shown}; wanted {wanted}")


def check_word(name: str, value: Any, wanted: Collection[Any]) -> None:
    """Check that a value is one of several words.

    Raises:
        InputError: the value is none of them.
    """
    if isinstance(value, np.ndarray) or value not in wanted:
        raise InputError(f"{name} is {describe(value)}; wanted {list_words(wanted, value)}")


@lru_cache(maxsize=32)
def allowed_values(kind: Any) -> dict[str, tuple[Any, type | None, bool]]:
    """Return which values the fields of a class may have, by the field's name, for the fields that are checked.

    A value is a tuple: the field's range or the words that are allowed, the type of the numbers (None for words), and
    whether the field may be None.
    """
    found: dict[str, tuple[Any, type | None, bool]] = {}
    for name, hint in type_hints(kind, include_extras=True).items():
        ranges = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Range)]
        plain = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
        choices = get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,)
        optional = type(None) in choices
        if ranges:
            number = int if plain is int or int in choices else float
            found[name] = (ranges[0], number, optional)
            continue
        for names in (extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, OneOf)):
            found[name] = (names, None, optional)
        for choice in choices:
            if get_origin(choice) is Literal:
                found[name] = (get_args(choice), None, optional)
    return found


# Checks that several packages share


def check_weights(name: str, weights: Sequence[float] | None, count: int, thing: str) -> None:
    """Check that there is one weight for each thing, that none is negative and that not all are zero.

    Args:
        name: name of the setting, for the message.
        weights: the weights; None is always accepted.
        count: number of weights that are wanted.
        thing: what each weight is for, such as ``source``.

    Raises:
        InputError: the weights do not fit. The message says the setting's name, the weights and what was wanted.
    """
    if weights is None:
        return
    if len(weights) != count:
        got = f"{setting(name)} got {count_of(len(weights), 'number')}"
        raise InputError(f"{got} for {count_of(count, thing)}; give one for each {thing}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        shown = " ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"{setting(name)} must be non-negative and not all zero; got {shown}")


def normalize_weights(name: str, weights: Sequence[float] | None, count: int, thing: str) -> list[float]:
    """Check weights, and divide them by their sum. If ``weights`` is None, return equal weights.

    Args:
        name: as in `check_weights`.
        weights: as in `check_weights`.
        count: as in `check_weights`.
        thing: as in `check_weights`.

    Raises:
        InputError: as in `check_weights`.
    """
    if weights is None:
        return [1 / count] * count
    check_weights(name, weights, count, thing)
    return [weight / sum(weights) for weight in weights]


def check_image(name: str, image: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Check that an array is an image: float, ``(height, width, 3)``, finite.

    Args:
        name: what the message calls the image.
        image: anything with a shape and a dtype.
        size: (height, width) that the image must have, if any.

    Raises:
        TypeError: the dtype is not a float type.
        InputError: the shape or the size is wrong, or some values are not finite.
    """
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"{name} is of dtype {image.dtype}; wanted floats in [0, 1]: divide 8-bit integers by 255")
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{name} has shape {image.shape}; wanted (height, width, 3)")
    if size is not None and tuple(image.shape[:2]) != size:
        raise InputError(f"{name} is {image.shape[1]}x{image.shape[0]} pixels; wanted {size[1]}x{size[0]}: resize it")
    if not np.isfinite(image).all():
        raise InputError(f"{name} holds NaN or infinite values; wanted floats in [0, 1]")
