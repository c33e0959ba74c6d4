"""The process that reads damaged files, one after the other, and reports each on a line of JSON.

A file that crashes it is a fault; `tests.fuzz.campaign` then starts another for the files that are left.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import shutil
import sys
import traceback
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def without_package() -> None:
    """Put an empty module in the package's place, as the process that reads parameters does: JAX is not imported."""
    package = types.ModuleType("subjective")
    package.__path__ = [str(ROOT / "subjective")]
    sys.modules["subjective"] = package


def seconds() -> float:
    """CPU time of this process, of those that it has waited for, and of the copy that reads files for it.

    Other programs on the machine do not count.
    """
    from tests.fuzz import copies

    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime + copies.seconds()


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


BATCH = 20
"""Number of files between two looks at the memory, which take longer than many files do."""


def main(jobs: list[tuple[str, int, int]], folder: str, seed: int) -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from tests.fuzz.copies import read_in_copy
    from tests.fuzz.parsers import PARSERS, seeds_of

    if all(PARSERS[name].light for name, _, _ in jobs):
        without_package()
        import h5py  # noqa: F401 (loaded once, before the copies are made)
        import onnx  # noqa: F401
        import scipy.io  # noqa: F401

        from subjective.network.formats import reader

        reader.read_isolated = read_in_copy
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
        campaign = Campaign(name, seed, seeds, path, report)
        for start in range(first, end, BATCH):
            cases = range(start, min(start + BATCH, end))
            if campaign.run(cases, tell=True) > MUCH:
                for case in cases:
                    campaign.run(range(case, case + 1), tell=False)


MUCH = 200_000_000
"""If a batch takes so many bytes, its files are read again, one by one, to see which of them took how much."""


@dataclass(frozen=True)
class Campaign:
    """Reads the damaged files of a parser; see `tests.fuzz.parsers.mutate` for the arguments."""

    name: str
    seed: int
    seeds: list[bytes]
    path: Path
    report: Any

    def run(self, cases: range, *, tell: bool) -> int:
        """Read the files of some cases.

        Args:
            cases: numbers of the cases.
            tell: whether to say of each how it went; otherwise only what the last one has taken.

        Returns:
            The most memory that this process, or a copy of it that read files, has had beside what it had before.
        """
        from tests.fuzz import copies
        from tests.fuzz.parsers import PARSERS, mutate

        gc.collect()
        copies.forget_peak()
        forget_peak()
        before = peak_bytes()
        for case in cases:
            self.path.write_bytes(mutate(self.name, self.seed, case, self.seeds))
            began = seconds()
            found = attempt(PARSERS[self.name].read, self.path)
            taken = seconds() - began
            if strays := sorted(file.name for file in self.path.parent.iterdir() if file != self.path):
                found = {"outcome": "broken", "message": f"left {strays[:5]} behind"}
                for stray in strays:
                    remove(self.path.with_name(stray))
            if tell:
                self._say(case=case, **found, seconds=taken)
        peak = max(peak_bytes() - before, copies.peak_bytes(), 0)
        if not tell or peak <= MUCH:
            self._say(of=cases[-1], bytes=peak)
        return peak

    def _say(self, **facts: Any) -> None:
        print(json.dumps({"parser": self.name, **facts}), file=self.report, flush=True)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
