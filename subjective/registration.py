"""Make statistics, optimizers and joins of one's own known by name, in configs and on the command line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import MutableMapping
from typing import Any, TypeVar

from subjective.arguments import check_function
from subjective.checks import InputError, describe
from subjective.means import MEANS
from subjective.optimize.protocol import Optimizer
from subjective.optimize.registry import OPTIMIZERS
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS

Thing = TypeVar("Thing")

_NAME = re.compile(r"[A-Za-z]\w*(-\w+)*")


def register(thing: Thing, name: str | None = None, *, replace: bool = False) -> Thing:
    """Make a statistic, an optimizer or a join known by name, in configs and on the command line.

    A backbone needs no entry: `load_params` takes its file. A set of layers is a tuple of names in a config.

    Args:
        thing: one of

            - a `Statistic`, or a class or object that has ``measure(features, wraps)`` and may have any other attribute
              of a `Statistic`;
            - a class of optimizers: a frozen dataclass with the methods of `subjective.optimize.protocol.Optimizer`;
            - a function ``join(arrays, weights)`` that returns the mean of several arrays of one shape, in NumPy and
              float64. The weights add up to 1. The function joins every statistic.
        name: the name; None for the attribute ``name`` of the thing, or the name of the class or function.
        replace: whether the thing may take the place of another that was registered under this name, for example when
            a notebook's cell runs again. What comes with the package is never replaced.

    Returns:
        The thing itself, so that `register` can be a decorator.

    Raises:
        InputError: the thing is none of these, or its name is taken or cannot be written on a command line.

    Examples:
        >>> @subjective.register
        ... class Brightness:
        ...     name = "brightness"  # the mean of each channel
        ...
        ...     def measure(self, features, wraps):
        ...         return jnp.mean(features, axis=(0, 1))
        >>> config = subjective.SynthesisConfig(statistic=("gram", "brightness@rgb=0.1"))
    """
    if name is None:
        name = getattr(thing, "name", None) or getattr(thing, "__name__", type(thing).__name__).lower()
    table, entry = _entry_of(thing, name)
    kind = _KINDS[id(table)]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"name of a {kind} is {describe(name)}; wanted a letter, then letters, digits, _ or -")
    if name in table and not (replace and name not in _BUILT_IN):
        article = "an" if kind == "optimizer" else "a"
        again = "" if name in _BUILT_IN else ", or replace=True"
        raise InputError(
            f"there is {article} {kind} {name!r} already; give another name as in register(thing, 'mine'){again}"
        )
    table[name] = entry
    return thing


_OPTIMIZER_PARTS = sorted(name for name in {*vars(Optimizer), *Optimizer.__annotations__} if not name.startswith("_"))

_BUILT_IN = frozenset((*STATISTICS, *OPTIMIZERS, *MEANS))

_KINDS = {id(STATISTICS): "statistic", id(OPTIMIZERS): "optimizer", id(MEANS): "join"}


def _entry_of(thing: Any, name: Any) -> tuple[MutableMapping[str, Any], Any]:
    """Return the table for a thing, and the thing in the form that the table holds."""
    if isinstance(thing, type) and all(hasattr(thing, method) for method in ("begin", "advance")):
        missing = [part for part in _OPTIMIZER_PARTS if not hasattr(thing, part)]
        if missing or not dataclasses.is_dataclass(thing):
            what = f"no {', '.join(missing)}" if missing else "no dataclass"
            raise InputError(f"optimizer {name!r} is or has {what}; wanted all that subjective.Optimizer has")
        return OPTIMIZERS, thing
    if isinstance(thing, Statistic):
        return STATISTICS, dataclasses.replace(thing, name=name)
    if callable(getattr(thing, "measure", None)):
        made = _make(thing) if isinstance(thing, type) else thing
        fields = [field.name for field in dataclasses.fields(Statistic)]
        given = {field: getattr(made, field) for field in fields if hasattr(made, field)}
        return STATISTICS, Statistic(**given | {"name": name})
    if callable(thing) and not isinstance(thing, type):
        check_function(f"join {name!r}", thing, ["arrays", "weights"])
        return MEANS, thing
    raise InputError(
        f"{describe(thing)} cannot be registered; wanted a Statistic, a class with a method measure, a dataclass with "
        "the methods of an Optimizer, or a function that joins arrays"
    )


def _make(kind: type) -> Any:
    """Return an object of a class; refuse a class that needs arguments."""
    try:
        return kind()
    except Exception as error:  # what the caller's class raises
        raise InputError(f"{kind.__name__}() raised {type(error).__name__} ({error}); wanted no argument") from error
