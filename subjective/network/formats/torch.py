"""Reads tensors out of PyTorch's files (`torch.save`) with numpy alone; torch is not imported and nothing is run.

Two layouts are known: the zip archive (since PyTorch 1.6: `*/data.pkl` and one member a storage under `*/data/`) and
the older stream of five pickles followed by the storages, in which torchvision's VGG files of 2017 still come. Tensors
are read only when they are asked for, so that the dense layers, 90 % of those files, cost nothing.
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

from subjective.network.formats.safe_pickle import Calls, Global, PickleError, expect, is_shape, load

# VGG's largest convolution has 2.4 million numbers, and a storage may hold several: more bytes than this are no VGG's.
LIMIT = 1 << 28
MAGIC = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the older layout's first pickle: the number 0x1950a86a20f9469cfc6c
)
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
    """A storage not yet read: `read()` gives its `nbytes` bytes, or raises if they are not there."""

    dtype: str
    numel: int
    read: Callable[[], bytes]

    @property
    def nbytes(self) -> int:
        """Size in bytes, as the pickle states it."""
        return self.numel * (2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize)


@dataclass(frozen=True)
class Tensor:
    """A tensor not yet read: a strided view of a storage, all in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The numbers, in the tensor's shape.

        Raises: PickleError when the view reaches past its storage, or is larger than any convolution of VGG's.
        """
        numel = math.prod(self.shape)
        reach = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True)) + 1 if numel else 0
        if reach > self.storage.numel:
            raise PickleError(
                f"a tensor of shape {self.shape} reaches past its storage of {self.storage.numel} numbers"
            )
        if max(numel * 8, self.storage.nbytes) > LIMIT:  # a stride of 0 makes a small storage look large
            raise PickleError(f"a tensor of shape {self.shape} or its storage is larger than any convolution of VGG")
        raw = self.storage.read()
        if self.storage.dtype == "bfloat16":  # the upper half of a float32
            flat = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            flat = np.frombuffer(raw, self.storage.dtype)
        if numel == 0:
            return np.zeros(self.shape, flat.dtype)
        strides = tuple(s * flat.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).copy()


def read_zip(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    """The tensors by name in a `torch.save` zip archive, which must stay open while they are read.

    Raises: PickleError for anything but a state_dict of tensors, or a size that does not agree with its member's.
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

    def storage(pid: Any) -> Storage:
        dtype, key, numel = _persistent_id(pid)
        member = members.get(f"{prefix}data/{key}")
        if member is None:
            raise PickleError(f"lacks the storage {key!r}")

        def read() -> bytes:
            if member.file_size != found.nbytes:
                raise PickleError(
                    f"storage {key!r}: the pickle says {found.nbytes} bytes, its member has {member.file_size}"
                )
            return archive.read(member)

        found = Storage(dtype, numel, read)
        return found

    info = members[pickles[0]]
    if info.file_size > LIMIT:
        raise PickleError(f"its data.pkl of {info.file_size} bytes is larger than any VGG network's")
    with archive.open(info) as stream:
        return _tensors(load(cast(BufferedIOBase, stream), info.file_size, storage, _CALLS))


def read_stream(stream: BufferedIOBase) -> dict[str, Tensor]:
    """The tensors by name in the older layout; the stream must stay open while they are read.

    Raises: PickleError as `read_zip`.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    places: dict[str, tuple[int, int]] = {}  # key: (position, count of numbers)

    def storage(pid: Any) -> Storage:
        dtype, key, numel = _persistent_id(pid)

        def read() -> bytes:
            if key not in places:
                raise PickleError(f"lacks the storage {key!r}")
            position, count = places[key]
            if count != found.numel:
                raise PickleError(f"storage {key!r}: the pickle says {found.numel} numbers, the file {count}")
            stream.seek(position)
            raw = stream.read(found.nbytes)
            if len(raw) != found.nbytes:
                raise PickleError(f"storage {key!r} is cut short: {len(raw)} of {found.nbytes} bytes")
            return raw

        found = storages.setdefault(key, Storage(dtype, numel, read))
        return found

    storages: dict[str, Storage] = {}

    def following() -> Any:
        return load(stream, size - stream.tell(), storage, _CALLS)

    following()  # the magic number, by which the file was known
    if following() != 1001:
        raise PickleError("is of an unknown version of torch.save's older layout; wanted 1001")
    if expect(following(), dict).get("little_endian") is not True:
        raise PickleError("its storages are big-endian; save it again on a little-endian machine")
    tensors = _tensors(following())
    for key in expect(following(), list):
        if key not in storages:
            raise PickleError("lists a storage that no tensor uses, so that its size is not known")
        head = stream.read(8)
        if len(head) != 8:
            raise PickleError("is cut short: its storages end before the file's list of them")
        position = stream.tell()
        places[key] = (position, struct.unpack("<q", head)[0])
        stream.seek(position + storages[key].nbytes)
    if stream.tell() > size:
        raise PickleError(f"is cut short: wanted {stream.tell()} bytes, got {size}")
    return tensors


def _persistent_id(pid: Any) -> tuple[str, str, int]:
    """Element type, key and count of numbers out of ('storage', type, key, device, count[, view])."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or not isinstance(pid[1], Global):
        raise PickleError("damaged pickle (a persistent id that is no storage)")
    _, kind, key, _, numel, *view = pid
    if view not in ([], [None]):
        raise PickleError("holds a storage that is a view of another; save the state_dict again with a newer PyTorch")
    if kind.name not in _DTYPES or type(numel) is not int or not 0 <= numel < 1 << 62:
        raise PickleError("damaged pickle (a storage of no known type or size)")
    return _DTYPES[kind.name], expect(key, str), numel


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    is_shape((offset,))
    if not isinstance(storage, Storage) or len(is_shape(shape)) != len(is_shape(stride)):
        raise PickleError("damaged pickle (a tensor without a storage, or with strides of another rank)")
    return Tensor(storage, offset, shape, stride)


def _not_callable(*_: Any) -> Any:
    raise PickleError("damaged pickle (calls a storage's type)")


_CALLS: Calls = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    **dict.fromkeys(_DTYPES, _not_callable),
}


def _tensors(state: Any) -> dict[str, Tensor]:
    """The tensors of a state_dict, or of the `state_dict` that a training checkpoint holds among other things."""
    state = expect(state, dict)
    if type(state.get("state_dict")) is dict:
        state = state["state_dict"]
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
