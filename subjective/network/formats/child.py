"""What runs in the process of its own that reads a file of another framework; see `network.formats.isolation`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.contents import read_content
from subjective.network.formats.layout import one_line

_MEMORY_BYTES, _TIMES_SIZE = 1 << 30, 3  # a reader may hold the file, what is unpacked, and the arrays

_CPU_SECONDS, _BYTES_PER_SECOND = 2, 20_000_000


def main(path: str) -> None:
    """Read the file, and write the arrays, or the reason why there are none, to the standard output."""
    # Whatever a library prints must not come between the bytes of the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with answer, contextlib.suppress(BrokenPipeError):
        send(Path(path), answer)


def send(path: Path, answer: BinaryIO) -> None:
    """Read a file within limits, and write the answer to a stream."""
    try:
        limit_resources(path)
        content = read_content(path)
        arrays = _flatten(content)
    except MissingPackageError as error:
        _write(answer, {"error": "package", "message": str(error)})
    except PermissionError as error:
        _write(answer, {"error": "denied", "message": error.strerror or str(error)})
    except MemoryError:
        _write(answer, {"error": "input", "message": "needs more memory than a network of its size does"})
    except Exception as error:  # also what cannot be opened any more
        _write(answer, {"error": "input", "message": one_line(error, 4000)})
    else:
        facts = {"format": content.format, "convention": content.convention, "metadata": content.metadata}
        heads = [(layer, part, array.dtype.str, array.shape) for layer, part, array in arrays]
        _write(answer, {**facts, "arrays": heads})
        for _, _, array in arrays:
            answer.write(array.reshape(-1).view(np.uint8).data)


def _write(answer: BinaryIO, header: dict[str, object]) -> None:
    """Write the header of the answer after its length."""
    text = json.dumps(header).encode()
    answer.write(len(text).to_bytes(8, "little") + text)


def _flatten(content: FileContent) -> list[tuple[str | None, str, np.ndarray]]:
    """List the arrays with their layers and parts, in the machine's order of bytes; the mean has no layer."""
    named = [(layer, part, array) for layer, parts in content.convolutions.items() for part, array in parts.items()]
    mean = [] if content.mean is None else [(None, "mean", content.mean)]
    return [(layer, part, _plain(f"{layer}.{part}", array)) for layer, part, array in [*named, *mean]]


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array of plain numbers, contiguous and little-endian; refuse other arrays."""
    array = np.asarray(array)
    if array.dtype.name == "bfloat16" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected floating-point numbers, got {array.dtype}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def limit_resources(path: Path) -> None:
    """Limit the memory and time of this process by the size of the file, and let it write no file.

    Systems other than Linux and macOS have no such limits; there, the other process ends this one after some time.
    """
    try:
        import resource
    except ImportError:
        return
    status = path.stat()
    stored = min(status.st_size, getattr(status, "st_blocks", status.st_size) * 512)  # a file may have holes
    seconds = int(time.process_time()) + _CPU_SECONDS + stored // _BYTES_PER_SECOND
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_CPU": seconds}
    if sys.platform == "linux":  # macOS does not keep to this limit, and does not say how much is used
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + _MEMORY_BYTES + _TIMES_SIZE * stored
    for name, amount in limits.items():
        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        for other in (soft, hard):
            amount = amount if other == resource.RLIM_INFINITY else min(amount, other)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, hard if name == "RLIMIT_CPU" else amount))
