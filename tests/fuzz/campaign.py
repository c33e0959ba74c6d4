"""Run campaigns against parsers in a process of its own, and sum up what came of them."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.parsers import PARSERS, mutate, seeds_of

ROOT = Path(__file__).parents[2]

MOST_SECONDS, MOST_BYTES = 2.0, 10**9
"""What one file may take: seconds of the CPU, and bytes beside those of the program."""

QUICK = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    "OMP_NUM_THREADS": "1",
}
"""Environment of the processes: what one run has compiled, the next one finds."""

SILENCE = 120.0
"""A process that says nothing for so many seconds hangs: the machine may be busy."""


@dataclass
class Findings:
    """What a campaign found.

    Attributes:
        cases: number of files.
        outcomes: how many were ``read``, ``refused``, or ``crashed`` the process of their own that read them, which is
            a refusal too; and how many were ``broken``: a promise did not hold.
        broken: (case, what went wrong).
        seconds: of the slowest file.
        bytes: the most memory that a file took, or some files that were read one after the other.
    """

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0
    bytes: int = 0

    def add(self, line: dict[str, Any]) -> None:
        """Count one file."""
        message = line["message"]
        if line["outcome"] != "broken" and line["seconds"] > MOST_SECONDS:
            line["outcome"], message = "broken", f"took {line['seconds']:.1f} s: {message}"
        self.cases += 1
        self.outcomes[line["outcome"]] += 1
        self.seconds = max(self.seconds, line["seconds"])
        if line["outcome"] == "broken":
            self.broken.append((line["case"], message))

    def add_memory(self, case: int, amount: int) -> None:
        """Note how many bytes the files up to a case have taken at most."""
        self.bytes = max(self.bytes, amount)
        if amount > MOST_BYTES:
            self.broken.append((case, f"took {amount / 1e9:.1f} GB"))


def attack(jobs: Mapping[str, range], seed: int = 0, keep: Path | None = None) -> dict[str, Findings]:
    """Read damaged files.

    Args:
        jobs: name of a parser, one of `PARSERS`, to the numbers of its cases. Either all need JAX, or none does.
        seed: of the random damage.
        keep: folder for the files that broke a promise.

    Returns:
        Name of each parser to what was found.
    """
    findings = {name: Findings() for name in jobs}
    with tempfile.TemporaryDirectory() as folder:
        for name in jobs:
            seeds = Path(folder, name, "seeds")
            seeds.mkdir(parents=True)
            PARSERS[name].write(seeds)
        left = [(name, cases.start, cases.stop) for name, cases in jobs.items()]
        while left:
            left = _run(left, folder, seed, findings)
        for name, found in findings.items() if keep is not None else []:
            data = seeds_of(Path(folder, name))
            for case, _ in found.broken:
                assert keep is not None
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name.replace(' ', '-')}-{seed}-{case}.bin").write_bytes(mutate(name, seed, case, data))
    return findings


Left = list[tuple[str, int, int]]
"""Parsers with their first case and the one after their last."""


def _run(jobs: Left, folder: str, seed: int, findings: dict[str, Findings]) -> Left:
    """Read files in one process until it ends; return what is left to do."""
    command = [sys.executable, "-m", "tests.fuzz.worker", json.dumps(jobs), folder, str(seed)]
    environment = QUICK | os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    left = [(name, case) for name, first, end in jobs for case in range(first, end)][::-1]
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **output) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            buffer, started = b"", False
            while ready.select(SILENCE):
                piece = os.read(process.stdout.fileno(), 1 << 16)
                *lines, buffer = (buffer + piece).split(b"\n")
                for line in map(json.loads, lines):
                    started = True
                    if "case" in line:
                        assert (line["parser"], line["case"]) == left.pop()
                        findings[line["parser"]].add(line)
                    elif "bytes" in line:
                        findings[line["parser"]].add_memory(line["of"], line["bytes"])
                if not piece:
                    break
            else:
                process.kill()
        if process.wait() != 0 and not started:
            raise RuntimeError(process.stderr.read().decode())
    if not left:
        return []
    name, case = left.pop()
    reason = "hangs" if process.returncode == -9 else f"ended the process ({process.returncode})"
    findings[name].add({"case": case, "outcome": "broken", "message": reason, "seconds": 0.0})
    ends = {parser: end for parser, _, end in jobs}
    rest = [job for job in jobs if list(ends).index(job[0]) > list(ends).index(name)]
    return [(name, case + 1, ends[name]), *rest]
