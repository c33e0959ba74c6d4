"""Read arrays from a pickle without running the pickle.

A pickle is a program, and `pickle.load` runs it. This module only parses the opcodes (with `pickletools`, which
executes nothing) and interprets them on a stack of inert values. It knows the names of the few constructors that arrays
and plain containers need. If a pickle calls such a constructor, a function of this package builds the array or the
container instead. Any other global is refused by name as soon as the pickle mentions it. Nothing that the file names is
imported, and no method is called on an object that the file chooses. Loading does not copy the bytes of an array; only
`to_plain` may copy them. A file that names one array many times therefore cannot fill the memory.

References:
    The opcodes are those of Python's `pickletools`. The constructors are those that numpy's `ndarray.__reduce__`
    writes, under the module names of numpy 1 and 2 and of Python 2 and 3. The module
    `subjective.network.formats.torch` adds PyTorch's constructors.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO, Any, cast

import numpy as np

from subjective.checks import InputError
from subjective.network.formats.limits import Budget

Calls = Mapping[str, Callable[..., Any]]
"""Map from the full name of an allowed constructor to the function that builds the constructor's value."""

MAX_OPCODES = 50_000
"""A pickle with more opcodes than this is refused. A network of 32 arrays needs a few thousand.

Without this limit, a small file could fill the memory: an opcode of one byte can create a list, which needs many bytes,
and a compressed file can hold millions of such opcodes.
"""


class PickleError(ValueError):
    """A pickle is damaged, or asks for something that a file of parameters does not need."""


@dataclass(frozen=True)
class Global:
    """The name of an allowed global that the pickle mentions. Nothing is imported."""

    name: str


@dataclass
class _Dtype:
    """A number type: numpy's code, such as ``f4``, and the byte order."""

    code: str
    order: str = "="


@dataclass
class _Array:
    """An array that is not converted yet. Numpy's `_reconstruct` creates it empty, and the opcode BUILD fills it.

    `raw` is bytes, a str with one character for each byte (from Python 2 or from `_encode`), or a list of objects.
    """

    raw: Any = None
    dtype: Any = None
    shape: Any = None
    order: str = "C"


def load(
    stream: BufferedIOBase,
    size: int,
    budget: Budget,
    persistent: Callable[[Any], Any] | None = None,
    calls: Calls | None = None,
) -> Any:
    """Return the object that a pickle describes. Use `to_plain` to get the arrays inside the object.

    Args:
        stream: binary stream. It stands at the start of the pickle before the call, and at the end after the call.
        size: number of bytes from the start of the pickle to the end of the stream. `load` reads and allocates no more.
        budget: counts the bytes of an array that the pickle describes; see `to_plain`.
        persistent: returns the value of a persistent id (PyTorch's storages); None refuses persistent ids.
        calls: further allowed constructors.

    Raises:
        PickleError: the pickle mentions a global that is not allowed, uses an opcode that arrays do not need, or is
            damaged. The message names the global or the opcode.
    """
    machine = _Machine(persistent, {**_CALLS, **(calls or {})})
    try:
        opcodes = pickletools.genops(cast(IO[bytes], _BoundedReader(stream, size)))
        for count, (opcode, argument, _) in enumerate(opcodes):
            if count > MAX_OPCODES:
                raise PickleError(f"damaged pickle (more than {MAX_OPCODES} opcodes)")
            machine.step(opcode.name, argument)
        return to_plain(machine.stack.pop(), budget)
    except (PickleError, InputError):
        raise
    # pickletools raises ValueError for bad opcodes; a damaged stack raises the other errors. Each error means damage.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise PickleError(f"damaged pickle ({type(error).__name__}: {error})") from error


def to_plain(value: Any, budget: Budget) -> Any:
    """Convert a value of a loaded pickle.

    An array becomes a numpy array. An array of objects becomes a list, or its single object if the array has no axes.
    Any other value is returned unchanged.

    Args:
        value: the value.
        budget: counts the bytes of the array.

    Raises:
        PickleError: the bytes of an array do not agree with its shape.
        InputError: the arrays that were converted take more bytes than the budget has.
    """
    if not isinstance(value, _Array):
        return value
    shape, dtype = expect_shape(value.shape), expect(value.dtype, _Dtype)
    count = math.prod(shape)
    if dtype.code == "O":
        items = expect(value.raw, list)
        if len(items) != count:
            raise PickleError(f"damaged pickle ({len(items)} objects for an array of shape {shape})")
        return items[0] if shape == () else items
    code = np.dtype(dtype.code).newbyteorder(dtype.order)
    if not isinstance(value.raw, str | bytes | bytearray) or len(value.raw) != count * code.itemsize:
        raise PickleError(f"damaged pickle (wrong number of bytes for an array of shape {shape} and type {code})")
    budget.take(len(value.raw), f"an array of shape {shape}")
    raw = value.raw.encode("latin-1") if isinstance(value.raw, str) else value.raw
    return np.frombuffer(raw, code).reshape(shape, order="F" if value.order == "F" else "C")


def expect(value: Any, kind: type) -> Any:
    """Return a value of exactly this type; raise `PickleError` for any other."""
    if type(value) is not kind:
        raise PickleError(f"damaged pickle (expected {kind.__name__}, got {type(value).__name__})")
    return value


def expect_shape(value: Any) -> tuple[int, ...]:
    """Return a tuple of at most eight integers, none negative; raise `PickleError` for any other value."""
    if not isinstance(value, tuple) or len(value) > 8 or not all(type(n) is int and 0 <= n < 1 << 63 for n in value):
        raise PickleError("damaged pickle (expected a shape of at most eight sizes, none negative)")
    return value


class _BoundedReader:
    """A file for pickletools that reads and allocates at most `size` bytes, even if a length field asks for more."""

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
    """The stack and the memo of a pickle. All values in them are inert."""

    def __init__(self, persistent: Callable[[Any], Any] | None, calls: Calls) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.persistent, self.calls = persistent, calls

    def step(self, name: str, argument: Any) -> None:
        """Interpret one opcode."""
        stack = self.stack
        if name in _PUSH_ARGUMENT:
            stack.append(argument)
        elif name in _PUSH_CONSTANT:
            stack.append(_PUSH_CONSTANT[name]())
        elif name in _TO_MARK:
            self._collect(name, self._pop_items(len(stack) - self.marks.pop()))
        elif name in _COUNTED:
            self._collect(_COUNTED[name][0], self._pop_items(_COUNTED[name][1]))
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[_small(len(self.memo) if argument is None else argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            self._make_object(name, argument)

    def _make_object(self, name: str, argument: Any) -> None:
        """Interpret an opcode that mentions a global or makes an object; refuse any unknown opcode."""
        stack = self.stack
        if name == "GLOBAL":
            stack.append(self._check_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(self._check_global(*(expect(text, str) for text in self._pop_items(2))))
        elif name == "REDUCE":
            function, arguments = self._pop_items(2)
            stack.append(self._call(function, arguments))
        elif name == "BUILD":
            _build(stack[-2], stack.pop())
        elif name == "BINPERSID" and self.persistent is not None:
            stack.append(self.persistent(stack.pop()))
        elif name not in ("PROTO", "FRAME", "STOP"):
            if name == "INST":  # its argument is the name of a global, which the message should name
                self._check_global(*argument.split(" ", 1))
            raise PickleError(f"uses the pickle opcode {name}, which no array needs; nothing in the file was run")

    def _pop_items(self, count: int) -> list[Any]:
        """Remove the last items from the stack, and return them."""
        if not 0 <= count <= len(self.stack):
            raise PickleError("damaged pickle (its stack ran empty)")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def _collect(self, name: str, items: list[Any]) -> None:
        """Make a container of items, add items to the container on the stack, or (for POP_MARK) drop the items."""
        if name == "TUPLE":
            self.stack.append(tuple(items))
        elif name == "LIST":
            self.stack.append(items)
        elif name == "DICT":
            self.stack.append(_make_dict(items))
        elif name == "APPENDS":
            expect(self.stack[-1], list).extend(items)
        elif name == "SETITEMS":
            expect(self.stack[-1], dict).update(_make_dict(items))

    def _check_global(self, module: str, name: str = "") -> Global:
        """Refuse a global that is not allowed."""
        full = f"{module}.{name}"
        if full not in self.calls and full != "numpy.ndarray":
            raise PickleError(
                f"wants the global {full!r}, which is neither an array nor a container; nothing in the file was run "
                "(from PyTorch, save model.state_dict(), not the model)"
            )
        return Global(full)

    def _call(self, function: Any, arguments: Any) -> Any:
        """Build the value of an allowed constructor."""
        if not isinstance(function, Global) or function.name not in self.calls:
            raise PickleError("calls something that is no constructor of arrays; nothing in the file was run")
        return self.calls[function.name](*expect(arguments, tuple))


def _build(target: Any, state: Any) -> None:
    """Set the state of a number type or of an array."""
    if isinstance(target, _Dtype):
        order = expect(expect(state, tuple)[1], str)
        if order not in ("<", ">", "=", "|"):
            raise PickleError(f"damaged pickle (byte order {order!r})")
        target.order = order
    elif isinstance(target, _Array):
        _, target.shape, target.dtype, fortran, target.raw = expect(state, tuple)
        target.order = "F" if fortran else "C"
    elif not isinstance(target, dict):  # ignore the `_metadata` of a state_dict (versions of modules)
        raise PickleError(f"damaged pickle (the opcode BUILD for a value of type {type(target).__name__})")


def _small(number: int) -> int:
    """Return a key of at most 32 bits; refuse larger ones, because thousands of them can have one hash."""
    if not -1 << 31 <= number < 1 << 32:
        raise PickleError("damaged pickle (a number of more than 32 bits is a key)")
    return number


def _make_dict(items: list[Any]) -> dict[Any, Any]:
    """Make a dictionary of alternating keys and values."""
    keys = items[::2]
    if len(items) % 2 or not all(isinstance(key, str | bytes | int) for key in keys):
        raise PickleError("damaged pickle (a dictionary whose keys are not names)")
    names = [_small(key) if isinstance(key, int) else key for key in keys]
    return dict(zip(names, items[1::2], strict=True))


def _make_ordered_dict(pairs: Any = None) -> dict[Any, Any]:
    """Make a dictionary from the list of [key, value] that Python 2 writes for an OrderedDict.

    A pickle can call this constructor many times with the same list. The list is therefore emptied, so that only the
    first call copies its items.
    """
    items = [] if pairs is None else [item for pair in expect(pairs, list) for item in expect(pair, list)[:2]]
    if pairs:
        pairs.clear()
    return _make_dict(items)


def _make_dtype(code: Any, *_: Any) -> _Dtype:
    """Make a number type; refuse types other than numbers and objects."""
    text = expect(code, str).lstrip("<>=|")
    if text in ("O", "O4", "O8"):
        return _Dtype("O")
    if text not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"):
        raise PickleError(f"holds an array of type {text!r}; wanted numbers")
    return _Dtype(text)


def _encode(text: Any, codec: Any = None) -> str:
    """Return ``text``, a str with one character for each byte. `to_plain` turns the str into bytes.

    Protocol 2 has no opcode for bytes. Python 3 therefore writes bytes as a call of `_codecs.encode` with such a str
    and the codec latin1.
    """
    if codec not in ("latin1", "latin-1"):
        raise PickleError("asks for a codec other than latin1")
    return expect(text, str)


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _make_ordered_dict,
    "numpy.dtype": _make_dtype,
    "_codecs.encode": _encode,
    # Protocol 2 writes an empty bytes object as a call without arguments.
    "builtins.bytes": lambda: b"",
    "__builtin__.bytes": lambda: b"",
}
for _core in ("numpy.core", "numpy._core"):
    _CALLS[f"{_core}.multiarray._reconstruct"] = lambda *_: _Array()
    _CALLS[f"{_core}.multiarray.scalar"] = lambda dtype, raw: _Array(raw, dtype, ())
    _CALLS[f"{_core}.numeric._frombuffer"] = lambda raw, dtype, shape, order: _Array(raw, dtype, shape, order)
