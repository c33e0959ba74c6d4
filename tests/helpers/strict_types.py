"""Checks arguments and results against their annotations; an int will do for a float, as in Python."""

from collections import Counter

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))

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
