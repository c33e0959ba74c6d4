"""The process that reads damaged files, one after the other, and reports each on a line of JSON.

A file that crashes it is a fault; `tests.fuzz.campaign` then starts another for the files that are left.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import traceback
import types
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def without_package() -> None:
    """Put an empty module in the package's place, as the process that reads parameters does: JAX is not imported."""
    package = types.ModuleType("subjective")
    package.__path__ = [str(ROOT / "subjective")]
    sys.modules["subjective"] = package


def seconds() -> float:
    """CPU time of this process and of those that it has waited for: other programs on the machine do not count."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def peak_bytes() -> int:
    """Most memory that this process has had since `forget_peak`."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    return 0


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def attempt(read: Any, path: Path) -> dict[str, Any]:
    """Read one file, and say how it went."""
    from subjective.checks import InputError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except InputError as error:
        message = str(error)
        if "\n" in message or len(message) > 3000:
            return {"outcome": "broken", "message": f"not one line: {message[:300]!r}"}
        return {"outcome": "crashed" if "crashed" in message else "refused", "message": message}
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {"outcome": "broken", "message": f"{type(error).__name__} at {place}: {str(error)[:200]!r}"}
    return {"outcome": "read", "message": ""}


def main(jobs: list[tuple[str, int, int]], folder: str, seed: int) -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from tests.fuzz.parsers import PARSERS, PEAKS, mutate, read_forked, seeds_of

    if all(PARSERS[name].light for name, _, _ in jobs):
        without_package()
        import h5py  # noqa: F401 (loaded once, before the copies are made)
        import onnx  # noqa: F401
        import scipy.io  # noqa: F401

        from subjective.network.formats import reader

        reader.read_isolated = read_forked
    report, quiet = os.fdopen(os.dup(1), "w"), os.open(os.devnull, os.O_WRONLY)
    print("{}", file=report, flush=True)  # it has started
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    for name, first, end in jobs:
        parser, seeds = PARSERS[name], seeds_of(Path(folder, name))
        place = Path(folder, name, "place")
        place.mkdir(exist_ok=True)
        os.chdir(place)
        path = place / f"file{parser.suffix}"
        path.write_bytes(seeds[0])
        attempt(parser.read, path)  # what is loaded when the first file is read does not count
        for case in range(first, end):
            path.write_bytes(mutate(name, seed, case, seeds))
            if case % 50 == 0:
                gc.collect()
            forget_peak()
            before, began = peak_bytes(), seconds()
            found = attempt(parser.read, path)
            peak = max([peak_bytes(), *PEAKS])
            PEAKS.clear()
            taken = {"seconds": seconds() - began, "bytes": max(0, peak - before)}
            if strays := sorted(file.name for file in place.iterdir() if file != path):
                found = {"outcome": "broken", "message": f"left {strays[:5]} behind"}
                for stray in strays:
                    Path(place, stray).unlink()
            print(json.dumps({"parser": name, "case": case, **found, **taken}), file=report, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
