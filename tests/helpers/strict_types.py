"""Checks arguments and results against their annotations; an int will do for a float, as in Python."""

import inspect
import re
from collections import Counter
from typing import ParamSpecArgs, ParamSpecKwargs

import jaxtyping
from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))  # as jaxtyping

CLOSURES = 40
"""A function inside a function is made anew at each call of the outer one, and to prepare its check takes a millisecond
each time. So many of one function are checked; those that follow have the same code and the same annotations."""

made: Counter[tuple[str, str]] = Counter()


def typechecked(function):
    name = getattr(function, "__qualname__", "")
    if "<locals>" in name:
        made[function.__module__, name] += 1
        if made[function.__module__, name] > CLOSURES:
            return function
    return check(function)


def check_shapes_where_there_are_some():
    """Let jaxtyping compare shapes only in functions whose annotations name shapes; others need only beartype.

    To compare shapes, jaxtyping binds the arguments at each call and checks them twice, which takes time in each test.
    """
    of_jaxtyping = jaxtyping.jaxtyped

    def jaxtyped(function=None, *, typechecker):
        if function is None:
            return lambda function: jaxtyped(function, typechecker=typechecker)
        if inspect.isfunction(function) and _is_plain(function):
            return typechecker(function)
        return of_jaxtyping(function, typechecker=typechecker)

    jaxtyping.jaxtyped = jaxtyped


def _is_plain(function):
    """Whether all annotations of a function are known already and none names a shape."""
    for annotation in function.__annotations__.values():
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, function.__globals__)
            except Exception:  # a class that is not made yet
                return False
        if isinstance(annotation, (ParamSpecArgs, ParamSpecKwargs)) or re.search(
            r"\b(Float|Bool)\[", f"{annotation!r}"
        ):
            return False
    return True
