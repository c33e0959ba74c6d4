"""Check the arguments of public functions, so that a wrong value is refused before anything is computed.

Each check takes the name of the argument for its message, and raises an `InputError` that says what came and what was
wanted. `subjective.checks` checks the fields of configs. Arrays may be JAX's tracers: only shapes and types are looked
at.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from subjective.checks import InputError, Range, check_number, describe


def check_path(name: str, path: Any) -> Path:
    """Return a path.

    Raises:
        InputError: the value is no string and no `os.PathLike` of a string, or holds a zero byte.
    """
    try:
        found = os.fspath(path)
    except TypeError:
        found = None
    if not isinstance(found, str):
        raise InputError(f"{name} is {describe(path)}; wanted a path, as a string or a pathlib.Path")
    if "\0" in found:
        raise InputError(f"{name} is {found!r}; wanted a path, which holds no zero byte")
    return Path(found)


def check_kind(name: str, value: Any, kind: Any, wanted: str) -> Any:
    """Return a value of a class.

    Args:
        name: of the argument.
        value: the value.
        kind: the class.
        wanted: how the message describes what was wanted.

    Raises:
        InputError: the value is of another class.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is {describe(value)}; wanted {wanted}")
    return value


def check_list(name: str, values: Any, wanted: str) -> list[Any]:
    """Return the items of a list, a tuple, an iterator or the like as a list.

    Raises:
        InputError: the value is not iterable, or is text, bytes, a map or a set.
    """
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes, Mapping, Set)):
        raise InputError(f"{name} is {describe(values)}; wanted {wanted}")
    try:
        return list(values)
    except TypeError:  # an array without axes
        raise InputError(f"{name} is {describe(values)}; wanted {wanted}") from None


def list_pictures(what: str, pictures: Any) -> list[Any]:
    """Return pictures as a list. One picture becomes a list of one.

    A list, a tuple, an iterator and an array of four axes hold several pictures; anything else is one picture.

    Args:
        what: what the message calls one of the pictures, such as ``source``.
        pictures: one picture or several, in any form that `subjective.images.as_image` takes.

    Raises:
        InputError: there is no picture.
    """
    several = isinstance(pictures, (list, tuple, Iterator)) or getattr(pictures, "ndim", 0) == 4
    listed = list(pictures) if several else [pictures]
    if not listed:
        raise InputError(f"no {what} was given; give at least one picture")
    return listed


def check_texts(name: str, values: Any, wanted: str) -> tuple[str, ...]:
    """Return several texts, such as the names of layers, as a tuple.

    Raises:
        InputError: the value is not iterable, is a single text, or holds something other than text.
    """
    texts = tuple(check_list(name, values, wanted))
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"{name} holds {describe(text)}; wanted {wanted}")
    return texts


def check_numbers(name: str, values: Any, allowed: Range, wanted: str, *, whole: bool = False) -> tuple[Any, ...]:
    """Return several numbers of a range as a tuple.

    Args:
        name: of the argument.
        values: the numbers.
        allowed: the range of each number.
        wanted: how the message describes what was wanted.
        whole: whether only whole numbers are taken.

    Raises:
        InputError: the value is not iterable, or holds something other than numbers of the range.
    """
    numbers = tuple(check_list(name, values, wanted))
    for number in numbers:
        check_number(f"a number of {name}", number, allowed, whole=whole)
    return numbers


def check_size(name: str, size: Any) -> tuple[int, int]:
    """Return a (height, width) in pixels.

    Raises:
        InputError: the value is no pair of whole numbers of 1 or more.
    """
    wanted = "(height, width) in pixels"
    sides = check_numbers(name, size, Range(1), wanted, whole=True)
    if len(sides) != 2:
        raise InputError(f"{name} is {describe(size)}; wanted {wanted}")
    return int(sides[0]), int(sides[1])


def check_map(name: str, array: Any, channels: int | None = None) -> None:
    """Check that a value is an array ``(height, width, channels)`` of floats, in NumPy or JAX.

    Args:
        name: of the argument.
        array: the value.
        channels: number of channels; None for any.

    Raises:
        InputError: the value is no array, or has another shape, no pixel, or another number type.
    """
    wanted = f"floats (height, width, {channels or 'channels'})"
    shape, kind = getattr(array, "shape", None), getattr(array, "dtype", None)
    if not isinstance(shape, tuple) or kind is None:
        raise InputError(f"{name} is {describe(array)}; wanted an array of {wanted}")
    if len(shape) != 3 or 0 in shape or channels not in (None, shape[2]):
        raise InputError(f"{name} has shape {shape}; wanted {wanted}")
    if kind.kind != "f" and kind.name != "bfloat16":
        remedy = "subjective.as_image makes them of a picture" if kind.kind in "ub" else "use .astype(numpy.float32)"
        raise InputError(f"{name} is of dtype {kind}; wanted {wanted}: {remedy}")


def check_function(name: str, function: Any, arguments: Sequence[str]) -> None:
    """Check that a value can be called with some positional arguments.

    Args:
        name: of the argument.
        function: the value.
        arguments: names of the arguments that the function will get, for the message.

    Raises:
        InputError: the value cannot be called, or takes other arguments.
    """
    wanted = f"a function ({', '.join(arguments)})"
    if not callable(function):
        raise InputError(f"{name} is {describe(function)}; wanted {wanted}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # functions in C do not always say what they take
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise InputError(f"{name} takes the arguments {signature}; wanted {wanted}") from None
