"""This package's own files: safetensors, written whole or not at all, and listed in the folder's `SHA256SUMS`.

The safetensors layout is eight bytes of header length, a JSON header of shapes and places, and the numbers. It is
written here because the library orders metadata by chance, and the same network must give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open

from subjective.checks import InputError, file_errors
from subjective.network.formats.layout import one_line

SUMS = "SHA256SUMS"


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with file_errors("read", path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verified(path: Path) -> str:
    """The file's sha256, when the `SHA256SUMS` beside it agrees or does not list the file.

    Raises: ValueError, one line: expected, got, and what to do.
    """
    digest, expected = sha256(path), _sums(path.parent).get(path.name)
    if expected not in (None, digest):
        raise InputError(
            f"{path}: damaged or changed: expected sha256 {expected} ({SUMS}), got {digest}; "
            "reinstall the package, or fetch or convert the file again"
        )
    return digest


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors and the string metadata of a safetensors file; ValueError, one line, when it is damaged."""
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    # The library raises its own SafetensorError, and others for types numpy does not have.
    except Exception as error:
        raise InputError(one_line(f"{path}: damaged or cut short ({error}); download or convert it again")) from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Writes a safetensors file in float32 and lists it; returns its sha256.

    Another process sees the old file or the new one, never a part; after a crash in between, the file is unlisted.
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
    record(path, None)
    _replace(path, data)
    digest = hashlib.sha256(data).hexdigest()
    record(path, digest)
    return digest


def record(path: Path, digest: str | None) -> None:
    """Puts the file's line into the `SHA256SUMS` beside it, or with None takes it out."""
    sums = _sums(path.parent)
    changed = {name: value for name, value in sums.items() if name != path.name}
    if digest is not None:
        changed[path.name] = digest
    if changed != sums:
        lines = [f"{value}  {name}\n" for name, value in sorted(changed.items())]
        _replace(path.parent / SUMS, "".join(lines).encode())


def _sums(folder: Path) -> dict[str, str]:
    """`{file: sha256}` as the sha256sum program writes it; empty where there is no such file."""
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


def _replace(path: Path, data: bytes) -> None:
    """Writes under a temporary name beside `path` and renames, so that `path` is never half a file."""
    with file_errors("write", path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide a shared data folder's files from its other users
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
