"""Reads the arrays out of a pickle without running it.

A pickle is a program, and `pickle.load` runs it. Here the opcodes are only parsed (by `pickletools`, which executes
nothing) and interpreted on an inert stack: the few constructors that arrays and plain containers need are known by name
and done here, in numpy; every other global is refused by name the moment it is mentioned. No code that the file names
is ever imported, and no object of the file's choosing has a method called on it. Nothing is copied before it is asked
for (`plain`), so that a file cannot name one array a million times to fill the memory.

References: the opcodes are those of Python's `pickletools`; the constructors are what numpy's `ndarray.__reduce__`
writes, under the module names of numpy 1 and 2 and of Python 2 and 3. `torch` adds PyTorch's.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO, Any, cast

import numpy as np

Calls = Mapping[str, Callable[..., Any]]
# A network of 32 arrays needs some thousand; each could otherwise make a new list out of one byte of a compressed file.
MOST_OPCODES = 50_000


class PickleError(ValueError):
    """A pickle that asks for what a file of parameters has no need of, or that is damaged."""


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions and the allow-list admits. A name only: nothing is imported."""

    name: str


@dataclass
class _Dtype:
    code: str
    order: str = "="


@dataclass
class _Array:
    """What numpy's `_reconstruct` begins and BUILD fills: raw bytes (or Python 2's str, or a list of objects)."""

    raw: Any = None
    dtype: Any = None
    shape: Any = None
    order: str = "C"


def load(
    stream: BufferedIOBase, size: int, persistent: Callable[[Any], Any] | None = None, calls: Calls | None = None
) -> Any:
    """The object that the pickle at the stream's position describes; arrays inside it are had by `plain`.

    Args:
        stream: binary, positioned at the pickle; it is left behind its end.
        size: bytes the stream holds from there on; nothing longer is believed.
        persistent: what a persistent id stands for (torch's storages); None refuses them.
        calls: further allowed constructors by their full name, each done by the function given.

    Raises: PickleError, one line, for any global outside the allow-list (named), any opcode that arrays do not need,
    and any damage.
    """
    machine = _Machine(persistent, {**_CALLS, **(calls or {})})
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], _Bounded(stream, size)))):
            if count > MOST_OPCODES:
                raise PickleError(f"damaged pickle (more than {MOST_OPCODES} opcodes)")
            machine.step(opcode.name, argument)
        return plain(machine.stack.pop())
    except PickleError:
        raise
    # pickletools raises ValueError for bad opcodes; a damaged stack shows as any of the others. All mean the same here.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise PickleError(f"damaged pickle ({type(error).__name__}: {error})") from error


def plain(value: Any) -> Any:
    """A value out of a loaded pickle: an array as numpy's, an object array as its object or list, others unchanged.

    Raises: PickleError when an array's bytes and its shape do not agree.
    """
    if not isinstance(value, _Array):
        return value
    shape, dtype = is_shape(value.shape), expect(value.dtype, _Dtype)
    count = math.prod(shape)
    if dtype.code == "O":
        items = expect(value.raw, list)
        if len(items) != count:
            raise PickleError(f"damaged pickle ({len(items)} objects for an array of shape {shape})")
        return items[0] if shape == () else items
    code = np.dtype(dtype.code).newbyteorder(dtype.order)
    raw = value.raw.encode("latin-1") if isinstance(value.raw, str) else value.raw
    if not isinstance(raw, bytes | bytearray) or len(raw) != count * code.itemsize:
        raise PickleError(f"damaged pickle (an array of shape {shape} and type {code} with another number of bytes)")
    return np.frombuffer(raw, code).reshape(shape, order="F" if value.order == "F" else "C")


def expect(value: Any, kind: type) -> Any:
    """The value, when it is of exactly this type; PickleError otherwise."""
    if type(value) is not kind:
        raise PickleError(f"damaged pickle (expected {kind.__name__}, got {type(value).__name__})")
    return value


def is_shape(value: Any) -> tuple[int, ...]:
    """A tuple of at most eight sizes, none negative; PickleError otherwise."""
    if not isinstance(value, tuple) or len(value) > 8 or not all(type(n) is int and 0 <= n < 1 << 63 for n in value):
        raise PickleError("damaged pickle (what should be a shape is none)")
    return value


class _Bounded:
    """A file as pickletools wants it, that never reads (or allocates) past `size`, whatever a length field says."""

    def __init__(self, stream: BufferedIOBase, size: int) -> None:
        self.stream, self.left = stream, size

    def read(self, count: int) -> bytes:
        data = self.stream.read(max(0, min(count, self.left)))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self.stream.readline(max(0, min(self.left, 1 << 16)))
        self.left -= len(data)
        return data

    def tell(self) -> int:
        return self.stream.tell()


_PUSH_NUMBER = frozenset(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"))
_PUSH_BYTES = frozenset(
    ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
)
_PUSH_ARGUMENT = _PUSH_NUMBER | _PUSH_BYTES | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_PUSH_CONSTANT: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
_TO_MARK = frozenset(("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS", "POP_MARK"))
_COUNTED = {"TUPLE1": ("TUPLE", 1), "TUPLE2": ("TUPLE", 2), "TUPLE3": ("TUPLE", 3)}
_COUNTED |= {"APPEND": ("APPENDS", 1), "SETITEM": ("SETITEMS", 2), "POP": ("POP_MARK", 1)}


class _Machine:
    """The stack and memo of a pickle, with inert values only."""

    def __init__(self, persistent: Callable[[Any], Any] | None, calls: Calls) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.persistent, self.calls = persistent, calls

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PUSH_ARGUMENT:
            stack.append(argument)
        elif name in _PUSH_CONSTANT:
            stack.append(_PUSH_CONSTANT[name]())
        elif name in _TO_MARK:
            self._collect(name, self._take(len(stack) - self.marks.pop()))
        elif name in _COUNTED:
            self._collect(_COUNTED[name][0], self._take(_COUNTED[name][1]))
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "GLOBAL":
            stack.append(self._allowed(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(self._allowed(*(expect(text, str) for text in self._take(2))))
        elif name == "REDUCE":
            function, arguments = self._take(2)
            stack.append(self._call(function, arguments))
        elif name == "BUILD":
            _build(stack[-2], stack.pop())
        elif name == "BINPERSID" and self.persistent is not None:
            stack.append(self.persistent(stack.pop()))
        elif name not in ("PROTO", "FRAME", "STOP"):
            if name == "INST":  # names its global itself: let the message do so too
                self._allowed(*argument.split(" ", 1))
            raise PickleError(f"uses the pickle opcode {name}, which no array needs; nothing in the file was run")

    def _take(self, count: int) -> list[Any]:
        if not 0 <= count <= len(self.stack):
            raise PickleError("damaged pickle (its stack ran empty)")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def _collect(self, name: str, items: list[Any]) -> None:
        if name == "TUPLE":
            self.stack.append(tuple(items))
        elif name == "LIST":
            self.stack.append(items)
        elif name == "DICT":
            self.stack.append(_pairs(items))
        elif name == "APPENDS":
            expect(self.stack[-1], list).extend(items)
        elif name == "SETITEMS":
            expect(self.stack[-1], dict).update(_pairs(items))

    def _allowed(self, module: str, name: str = "") -> Global:
        full = f"{module}.{name}"
        if full not in self.calls and full != "numpy.ndarray":
            raise PickleError(
                f"wants the global {full!r}, which is no array or plain container; nothing in the file was run "
                "(from PyTorch, save model.state_dict(), not the model)"
            )
        return Global(full)

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global) or function.name not in self.calls:
            raise PickleError("calls what is no constructor of arrays; nothing in the file was run")
        return self.calls[function.name](*expect(arguments, tuple))


def _build(target: Any, state: Any) -> None:
    if isinstance(target, _Dtype):
        order = expect(expect(state, tuple)[1], str)
        if order not in ("<", ">", "=", "|"):
            raise PickleError(f"damaged pickle (byte order {order!r})")
        target.order = order
    elif isinstance(target, _Array):
        _, target.shape, target.dtype, fortran, target.raw = expect(state, tuple)
        target.order = "F" if fortran else "C"
    elif not isinstance(target, dict):  # a state_dict's `_metadata` (module versions) is of no use here
        raise PickleError(f"damaged pickle (state for {type(target).__name__})")


def _pairs(items: list[Any]) -> dict[Any, Any]:
    keys = items[::2]
    if len(items) % 2 or not all(isinstance(key, str | bytes | int) for key in keys):
        raise PickleError("damaged pickle (a dictionary whose keys are not names)")
    return dict(zip(keys, items[1::2], strict=True))


def _ordered(pairs: Any = None) -> dict[Any, Any]:
    """An OrderedDict, from Python 2's list of [key, value]; the list is emptied so that none is copied twice."""
    items = [] if pairs is None else [item for pair in expect(pairs, list) for item in expect(pair, list)[:2]]
    if pairs:
        pairs.clear()
    return _pairs(items)


def _dtype(code: Any, *_: Any) -> _Dtype:
    text = expect(code, str).lstrip("<>=|")
    if text in ("O", "O4", "O8"):
        return _Dtype("O")
    if text not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"):
        raise PickleError(f"holds an array of type {text!r}; wanted numbers")
    return _Dtype(text)


def _encode(text: Any, codec: Any = None) -> str:
    """Python 3's way of writing bytes in protocol 2. They stay a str, as Python 2's do, until `plain` wants them."""
    if codec not in ("latin1", "latin-1"):
        raise PickleError("asks for a codec other than latin1")
    return expect(text, str)


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    # Protocol 2 writes an empty bytes object as a call without arguments.
    "builtins.bytes": lambda: b"",
    "__builtin__.bytes": lambda: b"",
}
for _core in ("numpy.core", "numpy._core"):
    _CALLS[f"{_core}.multiarray._reconstruct"] = lambda *_: _Array()
    _CALLS[f"{_core}.multiarray.scalar"] = lambda dtype, raw: _Array(raw, dtype, ())
    _CALLS[f"{_core}.numeric._frombuffer"] = lambda raw, dtype, shape, order: _Array(raw, dtype, shape, order)
