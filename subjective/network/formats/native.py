"""Read and write this package's own files: safetensors files that the `SHA256SUMS` of their folder lists.

A file is written completely or not at all. A safetensors file consists of eight bytes for the length of the header, a
JSON header of shapes and offsets, and the numbers. The same network must always give the same bytes. The safetensors
library stores metadata in random order; therefore this module writes the bytes itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from collections.abc import Callable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import cast

import numpy as np
from safetensors import safe_open

from subjective.checks import InputError, file_errors
from subjective.files import locked, open_regular, write_bytes
from subjective.network.formats.layout import one_line
from subjective.network.formats.limits import MAX_FILE_BYTES

SUMS = "SHA256SUMS"
"""Name of the file that lists the hashes of the files in its folder."""


def sha256(path: Path, limit: int = sys.maxsize) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Args:
        path: the file.
        limit: most bytes that the file may have.

    Raises:
        InputError: the file is no regular file, or is larger.
        FileError: the file cannot be read.
    """
    with file_errors("read", path), open_regular(path, limit) as stream:
        return hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()


def verify(path: Path) -> str:
    """Check a file against the `SHA256SUMS` in its folder; a file that is not listed passes.

    Returns:
        The sha256 of the file.

    Raises:
        InputError: the file does not have the listed hash.
        FileError: the file cannot be read.
    """
    digest, expected = sha256(path, MAX_FILE_BYTES), _read_sums(path.parent).get(path.name)
    if expected not in (None, digest):
        raise InputError(
            f"{path}: damaged or changed: expected sha256 {expected} ({SUMS}), got {digest}; "
            "reinstall the package, or fetch or convert the file again"
        )
    return digest


Check = Callable[[dict[str, tuple[int, ...]], dict[str, str]], None]
"""``check(shapes, metadata)`` raises an error if the shapes of the tensors are not those that are wanted."""


def read_tensors(path: Path, check: Check | None = None) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read all tensors and the metadata (strings) of a safetensors file.

    Args:
        path: the file.
        check: looks at the head of the file before any tensor is read.

    Raises:
        InputError: the file is damaged, is no regular file or is larger than `limits.MAX_FILE_BYTES`; or ``check``
            raises this error.
    """
    try:
        open_regular(path, MAX_FILE_BYTES).close()
        with safe_open(path, "numpy") as file:
            metadata = dict(file.metadata() or {})
            if check is not None:
                check({name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}, metadata)  # noqa: SIM118
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
    except (InputError, FileNotFoundError):
        raise
    # The library raises its own SafetensorError, and other exceptions for number types that numpy does not have.
    except Exception as error:
        raise InputError(one_line(f"{path}: damaged or cut short ({error}); download or convert it again")) from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file in float32, and list the file in the `SHA256SUMS` of its folder.

    Another process sees either the old file or the complete new file. After a crash during the writing, `SHA256SUMS`
    does not list the file.

    Args:
        path: path of the file; it must end in `.safetensors`.
        tensors: name to array.
        metadata: strings to store in the file.

    Returns:
        The sha256 of the file.

    Raises:
        InputError: the path does not end in `.safetensors`.
        FileError: the file cannot be written.
    """
    if path.suffix != ".safetensors":
        raise InputError(one_line(f"{path}: expected a name that ends in .safetensors"))
    header: dict[str, object] = {"__metadata__": {key: str(metadata[key]) for key in sorted(metadata)}}
    blobs, end = [], 0
    for name, tensor in tensors.items():
        blobs.append(np.ascontiguousarray(tensor, "<f4").tobytes())
        header[name] = {"dtype": "F32", "shape": list(np.shape(tensor)), "data_offsets": [end, end + len(blobs[-1])]}
        end += len(blobs[-1])
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    data = b"".join([struct.pack("<Q", len(head)), head, *blobs])
    with file_errors("make", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    record_hash(path, None)
    write_bytes(path, data)
    digest = hashlib.sha256(data).hexdigest()
    record_hash(path, digest)
    return digest


def record_hash(path: Path, digest: str | None) -> None:
    """List a file and its hash in the `SHA256SUMS` of its folder; None removes the file from the list.

    Several processes may do so at once.
    """
    with locked(path.parent / SUMS):
        sums = _read_sums(path.parent)
        changed = {name: value for name, value in sums.items() if name != path.name}
        if digest is not None:
            changed[path.name] = digest
        if changed != sums:
            lines = [f"{value}  {name}\n" for name, value in sorted(changed.items())]
            write_bytes(path.parent / SUMS, "".join(lines).encode())


def _read_sums(folder: Path) -> dict[str, str]:
    """Read the `SHA256SUMS` of a folder, in the format of the sha256sum program.

    Returns:
        ``{file: sha256}``; empty if the folder has no `SHA256SUMS`.

    Raises:
        InputError: a line of `SHA256SUMS` does not have this format.
    """
    path, sums = folder / SUMS, {}
    if not path.is_file():
        return {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if match:
            sums[match[2]] = match[1].lower()
        elif line.strip():
            raise InputError(f"{path}: line {number} is no checksum; wanted 64 hexadecimal digits, two blanks, a name")
    return sums
