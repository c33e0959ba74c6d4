"""Read tensors from PyTorch's files (`torch.save`) with numpy only.

Torch is not imported, and no code in a file is run.

PyTorch stores the numbers of tensors in storages; a storage is an array without a shape. Two layouts of files are
known. Since PyTorch 1.6, a file is a zip archive that contains `*/data.pkl` and, under `*/data/`, one member for each
storage. An older file, such as torchvision's VGG files of 2017, is a stream of five pickles followed by the storages.
The numbers of a tensor are read only when they are needed. The dense layers, which are 90 % of torchvision's files,
therefore cost no time.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, cast

import numpy as np

from subjective.network.formats.limits import Budget
from subjective.network.formats.safe_pickle import Calls, Global, PickleError, expect, expect_shape, load

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of the older layout: the number 0x1950a86a20f9469cfc6c."""

MAX_PICKLE_BYTES = 1 << 22
"""A `data.pkl` of more bytes is refused: it holds names and shapes only, some thousand bytes of them."""

_DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


@dataclass(frozen=True)
class Storage:
    """A storage whose numbers are not read yet. Tensors are views of storages.

    Attributes:
        dtype: number type.
        numel: count of numbers.
        read: returns the storage's bytes; raises `PickleError` if the file does not hold `nbytes` bytes for it.
        budget: counts the bytes of the storage and of its tensors, each time that they are read.
    """

    dtype: str
    numel: int
    read: Callable[[], bytes]
    budget: Budget

    @property
    def nbytes(self) -> int:
        """Size in bytes, according to the pickle."""
        return self.numel * (2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class Tensor:
    """A tensor whose numbers are not read yet: a strided view of a storage.

    Attributes:
        storage: the storage.
        offset: index of the tensor's first number in the storage.
        shape: shape of the tensor.
        stride: distance of neighbors along each axis, counted in numbers, not in bytes.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self) -> np.ndarray:
        """Read the numbers, and return them in the tensor's shape.

        Raises:
            PickleError: the tensor reaches past the end of its storage.
            InputError: the tensors that were read take more bytes than the budget has.
        """
        numel = math.prod(self.shape)
        reach = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True)) + 1 if numel else 0
        if reach > self.storage.numel:
            raise PickleError(
                f"a tensor of shape {self.shape} reaches past its storage of {self.storage.numel} numbers"
            )
        # A tensor with a stride of 0 can be larger than its storage.
        bytes_each = max(4, self.storage.nbytes // max(self.storage.numel, 1))  # bfloat16 becomes float32
        self.storage.budget.take(numel * bytes_each, f"a tensor of shape {self.shape}")
        raw = self.storage.read()
        if self.storage.dtype == "bfloat16":  # the upper half of a float32
            flat = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            flat = np.frombuffer(raw, self.storage.dtype)
        if numel == 0:
            return np.zeros(self.shape, flat.dtype)
        strides = tuple(s * flat.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).copy()


def read_zip(archive: zipfile.ZipFile, budget: Budget) -> dict[str, Tensor]:
    """Find the tensors in a zip archive of `torch.save`.

    Args:
        archive: the archive; it must stay open while tensors are read.
        budget: counts the bytes of what is read.

    Returns:
        Name to tensor.

    Raises:
        PickleError: the archive is damaged, or holds something else than a state_dict of tensors. `Tensor.read` raises
            this error if a member of the archive has another size than its storage.
    """
    pickles = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise PickleError(f"holds {len(pickles)} data.pkl; wanted one, as torch.save writes it")
    prefix = pickles[0].removesuffix("data.pkl")
    members = {info.filename: info for info in archive.infolist()}
    if f"{prefix}byteorder" in members:
        with archive.open(f"{prefix}byteorder") as order:
            if order.read(8) != b"little":
                raise PickleError("its storages are big-endian; save it again on a little-endian machine")

    last: dict[str, bytes] = {}  # the storage that was read last: several tensors may be views of one storage

    def find_storage(pid: Any) -> Storage:
        dtype, key, numel = _parse_persistent_id(pid)
        member = members.get(f"{prefix}data/{key}")
        if member is None:
            raise PickleError(f"lacks the storage {key!r}")

        def read() -> bytes:
            if member.file_size != found.nbytes:
                raise PickleError(
                    f"storage {key!r}: the pickle says {found.nbytes} bytes, its member has {member.file_size}"
                )
            if key not in last:
                budget.take(found.nbytes, f"the storage {key!r}")
                last.clear()
                last[key] = archive.read(member)
            return last[key]

        found = Storage(dtype, numel, read, budget)
        return found

    info = members[pickles[0]]
    if info.file_size > MAX_PICKLE_BYTES:
        raise PickleError(f"its data.pkl of {info.file_size} bytes is larger than any VGG network's")
    with archive.open(info) as stream:
        return _collect_tensors(load(cast(BufferedIOBase, stream), info.file_size, budget, find_storage, _CALLS))


def read_stream(stream: BufferedIOBase, budget: Budget) -> dict[str, Tensor]:
    """Find the tensors in a file of the older layout.

    Args:
        stream: the file; it must stay open while tensors are read.
        budget: counts the bytes of what is read.

    Returns:
        Name to tensor.

    Raises:
        PickleError: the file is damaged, or holds something else than a state_dict of tensors.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    storages: dict[str, Storage] = {}
    places: dict[str, tuple[int, int]] = {}  # key of a storage to its position in the file and its count of numbers

    def find_storage(pid: Any) -> Storage:
        dtype, key, numel = _parse_persistent_id(pid)

        def read() -> bytes:
            if key not in places:
                raise PickleError(f"lacks the storage {key!r}")
            position, count = places[key]
            if count != found.numel:
                raise PickleError(f"storage {key!r}: the pickle says {found.numel} numbers, the file {count}")
            budget.take(found.nbytes, f"the storage {key!r}")
            stream.seek(position)
            raw = stream.read(found.nbytes)
            if len(raw) != found.nbytes:
                raise PickleError(f"storage {key!r} is cut short: {len(raw)} of {found.nbytes} bytes")
            return raw

        found = storages.setdefault(key, Storage(dtype, numel, read, budget))
        return found

    def load_next() -> Any:
        return load(stream, size - stream.tell(), budget, find_storage, _CALLS)

    load_next()  # the magic number, by which the file was recognized
    if load_next() != 1001:
        raise PickleError("is of an unknown version of torch.save's older layout; wanted 1001")
    if expect(load_next(), dict).get("little_endian") is not True:
        raise PickleError("its storages are big-endian; save it again on a little-endian machine")
    tensors = _collect_tensors(load_next())
    for key in expect(load_next(), list):
        if key not in storages:
            raise PickleError("lists a storage that no tensor uses, so that the size of the storage is unknown")
        head = stream.read(8)
        if len(head) != 8:
            raise PickleError("is cut short: it lists more storages than it holds")
        position = stream.tell()
        places[key] = (position, struct.unpack("<q", head)[0])
        stream.seek(position + storages[key].nbytes)
    if stream.tell() > size:
        raise PickleError(f"is cut short: wanted {stream.tell()} bytes, got {size}")
    return tensors


def _parse_persistent_id(pid: Any) -> tuple[str, str, int]:
    """Return number type, key and count of numbers from ('storage', type, key, device, count[, view])."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or not isinstance(pid[1], Global):
        raise PickleError("damaged pickle (a persistent id that is no storage)")
    _, kind, key, _, numel, *view = pid
    if view not in ([], [None]):
        raise PickleError("holds a storage that is a view of another; save the state_dict again with a newer PyTorch")
    if kind.name not in _DTYPES or type(numel) is not int or not 0 <= numel < 1 << 62:
        raise PickleError("damaged pickle (a storage of no known type or size)")
    return _DTYPES[kind.name], expect(key, str), numel


def _make_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    """Check the arguments of PyTorch's `_rebuild_tensor`, and make a tensor from them."""
    expect_shape((offset,))
    if not isinstance(storage, Storage) or len(expect_shape(shape)) != len(expect_shape(stride)):
        raise PickleError("damaged pickle (a tensor without a storage, or with strides of another rank)")
    return Tensor(storage, offset, shape, stride)


def _refuse_call(*_: Any) -> Any:
    """Refuse a call of a storage's type. In a valid file, the type only names a number type and is never called."""
    raise PickleError("damaged pickle (calls a storage's type)")


_CALLS: Calls = {
    "torch._utils._rebuild_tensor_v2": _make_tensor,
    "torch._utils._rebuild_tensor": _make_tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    **dict.fromkeys(_DTYPES, _refuse_call),
}


def _collect_tensors(state: Any) -> dict[str, Tensor]:
    """Collect the tensors of a state_dict, or of the `state_dict` inside a training checkpoint."""
    state = expect(state, dict)
    if type(state.get("state_dict")) is dict:
        state = state["state_dict"]
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
