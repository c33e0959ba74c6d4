"""Read a file of another framework in a process of its own, which hands back plain arrays.

The libraries that read some of these formats are compiled programs, which a damaged file can crash. In a process of its
own, a crash is an error like any other; memory, time and files can have limits; and the limits end with the process.
The process does not import JAX, and takes about a quarter of a second to start.

`network.formats.child` is what runs there. It writes eight bytes with the length of a JSON header, the header, and the
bytes of the arrays; nothing else in its answer is trusted.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.limits import MAX_BYTES

_START_SECONDS, _BYTES_PER_SECOND = 30, 2_000_000  # on a busy machine, from a slow disk

_MAX_HEADER_BYTES = 1 << 20

_DTYPE = re.compile(r"<f[248]|[<|][iu][1248]|\|b1")  # numbers without pointers

# The package's own module is replaced by an empty one, because it would import all other modules, and JAX.
_PROGRAM = """
import json, sys, types
sys.path[:], folder, path = json.loads(sys.argv[1])
package = types.ModuleType("subjective")
package.__path__ = [folder]
sys.modules["subjective"] = package
from subjective.network.formats.child import main
main(path)
"""


def read_isolated(path: Path) -> FileContent:
    """Read the convolutions in a file as `network.formats.contents.read_content` does, in a process of its own.

    Raises:
        InputError: as in `read_content`; or the process crashed, or needed too much memory or time. The message does
            not name the file.
        MissingPackageError: h5py or onnx is missing.
        OSError: the file cannot be opened, or no process can be started.
    """
    package = str(Path(__file__).parents[2])
    argument = json.dumps([[place for place in sys.path if place], package, str(path.absolute())])
    seconds = _START_SECONDS + path.stat().st_size // _BYTES_PER_SECOND
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _PROGRAM, argument],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,  # Ctrl-C is for the program
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        with process, contextlib.suppress(EOFError):
            return receive(cast(BufferedIOBase, process.stdout))
    finally:
        timer.cancel()
        timer.join()
        process.kill()
    raise InputError(_explain_death(process.returncode, f"took more than {seconds} seconds" if late.is_set() else None))


def _environment() -> dict[str, str]:
    """Return the environment of the process: one thread for each library, and no plugins of HDF5."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "HDF5_PLUGIN_PRELOAD": "::"}


def receive(pipe: BufferedIOBase) -> FileContent:
    """Read the answer of the process.

    Raises:
        EOFError: the process ended before its answer was complete, or the answer is none that the process gives.
        InputError, MissingPackageError, PermissionError: what the process reports.
    """
    length = int.from_bytes(_read_exactly(pipe, 8), "little")
    if length > _MAX_HEADER_BYTES:
        raise EOFError
    try:
        header = json.loads(_read_exactly(pipe, length))
        if "error" in header:
            raise _error(str(header["error"]), str(header["message"]))
        convolutions: dict[str, dict[str, np.ndarray]] = {}
        mean, left = None, MAX_BYTES
        for layer, part, code, shape in header["arrays"]:
            dtype = np.dtype(code if _DTYPE.fullmatch(code) else "V0")
            count = math.prod(shape) * dtype.itemsize
            if dtype.kind == "V" or not all(type(n) is int and n >= 0 for n in shape) or count > left:
                raise EOFError
            left -= count
            array = np.frombuffer(_read_exactly(pipe, count), dtype).reshape(shape)
            if layer is None:
                mean = array
            else:
                convolutions.setdefault(str(layer), {})[str(part)] = array
        facts = {str(key): str(value) for key, value in header["metadata"].items()}
        convention = header["convention"]
        return FileContent(
            str(header["format"]), convolutions, None if convention is None else str(convention), mean, facts
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EOFError from error


def _read_exactly(pipe: BufferedIOBase, count: int) -> bytes:
    """Read so many bytes; raise `EOFError` if there are fewer."""
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _error(kind: str, message: str) -> Exception:
    """Return the error that the process reports."""
    kinds: dict[str, Any] = {"package": MissingPackageError, "denied": PermissionError}
    error: Exception = kinds.get(kind, InputError)(message)
    return error


def _explain_death(status: int, reason: str | None) -> str:
    """Say why the process gave no answer, by its exit status."""
    if reason is None:
        name = ""
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name if status < 0 else ""
        spent = name in ("SIGXCPU", "SIGKILL")
        ended = f"crashed ({name})" if name else f"ended with status {status}"
        reason = "took more time or memory than a network of its size needs" if spent else ended
    return f"the process that read it {reason}; the file is damaged, or made to do harm: download or export it again"
